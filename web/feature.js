// SPDX-License-Identifier: MIT
//
// One feature: its figures, what each head adds to it, the tokens it fires on,
// and examples with the peak on one axis.
import { h, fill, put, seg, says, failed, count, density, amount, percent,
         entropy, stat, meter, toggle, table, cell } from './dom.js';
import { histogram, fit } from './charts.js';
import { words, kwic, legend, visible } from './kwic.js';
import { sourcesOf, strength, inWords, isOutside, whereFrom, drawSources,
         drawLogits } from './sources.js';
import { get } from './api.js';
import { Mark } from './mark.js';
import { state, go, link } from './state.js';
import { featureOf, headName, dumpOf } from './names.js';

const WINDOWS = [['5', '±5'], ['', '±16'], ['32', '±32']];
const MANY = 12;     // heads above which the weak ones are folded
const WEAK = .01;    // what a weak head's share is below
const SLOW = 150;    // ms after which a page under way is dimmed
const HEAD_COLUMNS = [
  ['head'],
  ['by weights', '', 'norm of the head’s part of the decoder, as a share'],
  ['by data', '', 'the head’s part of what the feature gets, as a share'],
  ['fires on'],
];

/**
 * Tokens of a window with their activations, how much they are sources, and
 * what the tooltip says. at: the example's own window, or that of its source.
 */
export function windowOf(example, scale, at = example) {
  const sources = sourcesOf(example);
  return at.tokens.map((token, i) => {
    const level = at.levels[i], off = i - at.peak, id = at.token + off;
    const value = id === example.token ? example.value
      : level > 0 ? (level - .5) * scale : 0;
    const source = sources.get(id);
    const rows = [
      ['place', `context ${example.context}, position ${at.position + off}`],
      ['id', String(id)],
    ];
    if (value > 0) rows.push(['level', `${level} of 255`]);
    if (source) rows.push(['source', 'adds ' + source.heads.join(', ')]);
    if (id === example.token && sources.size)
      rows.push(['from', inWords(example)]);
    return { token, value, info: { rows },
             source: source && strength(source, sources) };
  });
}

const place = e => h('span', {
  title: `context ${e.context}, position ${e.position}, token ${e.token}`,
}, `c${e.context} · ${e.position}`);

export class FeatureView {
  /** step(by) opens the next row; marked(mark) hears of a label. */
  constructor(pane, step, marked) {
    Object.assign(this, { pane, step, marked });
    pane.tabIndex = -1;
  }

  /** Shows a feature by name; the name is already in the address. */
  async show(name) {
    const found = featureOf(name);
    if (!name) return fill(this.pane, says('No feature is chosen.'));
    if (!found) {
      this.name = null;
      return fill(this.pane, failed({
        title: `There is no feature ${visible(name.slice(0, 80))}.`,
        message: 'A feature is called by layer and number, like 2:117.',
      }));
    }
    const question = {
      sae: found.sae.id, feature: found.feature, head: state.through,
      window: state.w === '32' ? 32 : 16,
    };
    const asked = this.asked = JSON.stringify(question);
    const slow = setTimeout(() => this.pane.setAttribute('aria-busy', 'true'),
                            SLOW);
    try {
      const answer = await get('feature', question);
      if (asked === this.asked) this.draw(name, found.sae, answer);
    } catch (error) {
      if (asked !== this.asked) return;
      this.name = null;
      fill(this.pane, failed(error, () => this.show(name)));
    } finally {
      clearTimeout(slow);
      if (asked === this.asked) this.pane.removeAttribute('aria-busy');
    }
  }

  draw(name, sae, feature) {
    Object.assign(this, { sae, feature });
    if (this.name !== name) {
      this.name = name;
      this.heads = h('section.sec');
      this.examples = h('section.sec', { id: 'examples' });
      this.chart = h('div', { id: 'hist' });
      this.strings = h('section.sec');
      this.sources = h('section.sec');
      this.logits = h('section.sec');
      this.scale = h('span.r');
      this.written = new Mark(feature, this.marked);
      fill(this.pane, this.page());
      this.pane.scrollTop = 0;
    }
    if (feature.max == null) return;
    this.drawHeads();
    this.drawExamples();
    this.drawStrings();
    drawSources(this.sources, feature.sources);
    this.drawLogits();
    this.drawScale();
    this.drawHistogram();
  }

  // ---- frame ----------------------------------------------------------------
  page() {
    const f = this.feature;
    const step = (arrow, key, text, by) => h('button.ico.key', {
      type: 'button', title: `${text} (${key})`, 'aria-label': text,
      onclick: () => this.step(by),
    }, arrow, h('kbd.hint', {}, key));
    const head = [
      h('div.hdr', {},
        h('h1.id', { title: `layer ${f.layer}, feature ${f.feature}` },
          this.name),
        h('span.note', {}, this.sae.hook ?? this.sae.name),
        h('span.r', {}, step('↑', 'k', 'Previous feature', -1),
          step('↓', 'j', 'Next feature', 1))),
      this.written.el,
      this.figures(),
    ];
    if (f.max == null) {
      return h('div.page', {}, head, says(
        `Never active at any of the ${count(f.tokens)} tokens.`));
    }
    fit(this.chart, width => this.histogram(width));
    return h('div.page', {}, head, h('div.two', {},
      h('div.main', {}, this.heads, this.examples),
      h('aside.side', {},
        h('section.sec', {},
          h('div.cap', {}, h('h2', {}, 'Activation'), this.scale), this.chart),
        this.strings, this.sources, this.logits)));
  }

  figures() {
    const f = this.feature, shares = f.heads.map(x => x.data_share ?? 0);
    return h('p.stats', {},
      stat('density', density(f.density) + ' %',
        `· ${count(f.fires)} of ${count(f.tokens)} tokens`),
      f.max != null && [
        stat('max', amount(f.max)), stat('mean', amount(f.mean)),
        f.top_head != null && stat('heads', entropy(shares).toFixed(1), 'bits'),
        f.n_strings != null && stat('strings', count(f.n_strings)),
      ]);
  }

  // ---- heads ----------------------------------------------------------------
  drawHeads() {
    const f = this.feature, share = x => x.data_share ?? 0;
    const heads = [...f.heads].sort((a, b) => share(b) - share(a));
    const weak = heads.length > MANY && !this.unfolded
      ? heads.filter(x => share(x) < WEAK &&
                          String(x.head) !== state.through) : [];
    const shown = heads.filter(x => !weak.includes(x));
    const most = Math.max(...f.heads.map(x =>
      Math.max(share(x), x.weight_share ?? 0)));
    const best = Math.max(...f.heads.map(x => x.tokens[0]?.contribution ?? 0));
    fill(this.heads,
      h('div.cap', {}, h('h2', {}, 'Heads'),
        h('span.note', {},
          'what each head adds, and the tokens it adds it for')),
      table('tight.inset.heads', 'Heads', HEAD_COLUMNS,
        [this.allHeads(), shown.map(x => this.headRow(x, most, best))]),
      weak.length > 0 && h('button.tog', { type: 'button', onclick: () => {
        this.unfolded = true;
        this.drawHeads();
      } }, `${weak.length} heads with less than 1 %`));
  }

  allHeads() {
    const { strings, max } = this.feature;
    return h('div.tr', {
      role: 'row', onclick: () => this.through(null),
      'aria-selected': String(!state.through),
    }, cell('',
      h('button', { type: 'button', title: 'examples of the feature itself' },
        'all')), cell(''), cell(''),
    cell('.toks.chips',
      words(strings.slice(0, 12), s => ({ value: s.max, max }))));
  }

  headRow(x, most, best) {
    const on = state.through === String(x.head);
    const bar = (share, cls) => cell('',
      share == null ? h('span.dim', {}, '–')
        : meter(share, most, percent(share), cls));
    return h('div.tr', {
      role: 'row', 'aria-selected': String(on),
      onclick: e => e.target.closest('a') ||
        this.through(on ? null : String(x.head)),
    }, cell('.mono',
      h('a', { href: link({ page: 'heads', h: headName(this.sae.id, x.head) }),
               title: `page of ${headName(this.sae.id, x.head)}` },
        'H' + x.head)),
    bar(x.weight_share), bar(x.data_share, 'c-src'),
    cell('.toks.chips',
      words(x.tokens, t => ({ value: t.contribution, max: best }))));
  }

  through(head) {
    go({ through: head });
  }

  nextHead() {
    const order = this.feature.heads.filter(x => x.tokens.length)
      .sort((a, b) => b.data_share - a.data_share).map(x => String(x.head));
    this.through(order[order.indexOf(state.through) + 1] ?? null);
  }

  // ---- examples -------------------------------------------------------------
  drawExamples() {
    const f = this.feature, through = state.through;
    const bos = dumpOf(this.sae)?.bos === 'always';
    const atBos = f.examples.filter(e => bos && e.position === 0);
    const shown = state.bos ? f.examples
      : f.examples.filter(e => !atBos.includes(e));
    const top = f.heads.find(x => x.head === (through ? Number(through)
      : f.top_head)) ?? f.heads[0];
    const tab = (name, head, key) => h('button.key', {
      role: 'tab', type: 'button', onclick: () => this.through(head),
      'aria-selected': String((through ?? null) === head),
    }, name, h('kbd.hint', {}, key));
    const kwics = h('div.kwic', { role: 'list', 'aria-label': 'Examples',
                                  onpointerover: e => this.point(e),
                                  onpointerleave: () => this.mark(null) });
    const window = Number(state.w || 16), both = f.sources && !!state.src;
    const outside = shown.filter(e => isOutside(e, window)).length;
    if (both) {
      kwics.append(h('div.k.both', { 'aria-hidden': 'true' }, h('span.v'),
        h('span.l'), h('span.t.axis', {}, 'source'), h('span.l'),
        h('span.t.axis', {}, 'example'), h('span.m')));
    }
    put(kwics, shown.map(e => kwic({
      tokens: windowOf(e, f.scale), at: e.peak, max: f.max,
      value: through ? e.contribution : e.value,
      where: both && e.source_window ? whereFrom(e) : place(e),
      window, escapes: !!state.esc, both,
      source: both && e.source_window && {
        tokens: windowOf(e, f.scale, e.source_window),
        at: e.source_window.peak,
      },
    })));
    fill(this.examples,
      h('div.tabs', { role: 'tablist', 'aria-label': 'Examples' },
        tab('Strongest', null, '1'),
        tab(`Through ${top.name}`, String(top.head), '2'),
        h('span.r', {}, seg('Window', WINDOWS, state.w ?? '',
          w => go({ w }), 'w'))),
      h('div.bar.under', {}, legend(amount(f.max), !!f.sources),
        h('span.note', {}, through
          ? `${shown.length} by what ${top.name} adds`
          : `${shown.length} of ${count(f.fires)}, one a context`),
        h('span.bar.r', {},
          f.sources && toggle('source',
            'the text around the strongest source, beside the example',
            both, () => go({ src: state.src ? null : 1 }), 'd',
            both || !outside ? null : `${outside} outside`),
          atBos.length > 0 && toggle('BOS', 'examples at the first position',
            !!state.bos, () => go({ bos: state.bos ? null : 1 }), 'b',
            state.bos ? null : `+${atBos.length}`),
          toggle('·↵', 'spaces and line ends as signs', !!state.esc,
            () => go({ esc: state.esc ? null : 1 }), 'v'))),
      shown.length ? kwics : says(atBos.length
        ? 'All examples are at the first position, BOS.'
        : 'The database has no example.'));
  }

  // ---- side -----------------------------------------------------------------
  drawStrings() {
    const f = this.feature, often = !!state.often;
    const rows = [...f.strings].sort(often ? (a, b) => b.count - a.count
      : (a, b) => b.max - a.max).slice(0, 16);
    const most = Math.max(...rows.map(s => often ? s.count : s.max));
    const shown = words(rows);
    fill(this.strings,
      h('div.cap', {}, h('h2', {}, 'Top tokens'), h('span.r', {},
        seg('Order of the tokens', [['', 'max'], ['1', 'times']],
          often ? '1' : '', v => go({ often: v })))),
      rows.length ? table('tight.strings', 'Top tokens', [
        ['token'], [often ? 'times' : 'max'],
        ['of all', 'num', 'part of the token’s occurrences with it active'],
      ], rows.map((s, i) => h('div.tr', { role: 'row' },
        cell('.mono',
          h('a', { href: link({ page: 'tokens', v: s.vocab }) }, shown[i])),
        cell('', often ? meter(s.count, most, count(s.count))
          : meter(s.max, most, amount(s.max), 'c-act')),
        cell('.num.dim', percent(s.share)))))
        : says('The dump came without tokens.'));
  }

  drawLogits() {
    drawLogits(this.logits, this.feature.logits, state.logits === '20' ? 20 : 10,
      seg('How many', [['', '10'], ['20', '20']], state.logits ?? '',
        logits => go({ logits })));
  }

  drawScale() {
    fill(this.scale, seg('Scale', [['1', 'linear'], ['', 'log']],
      state.linear ?? '', linear => go({ linear })));
  }

  histogram(width) {
    const { histogram: bins, scale, max } = this.feature;
    const step = bins.levels_per_bin * scale;
    return histogram(bins.counts, 0, max, {
      width, height: 104, log: !state.linear, mark: this.at,
      fmt: v => amount(v), name: `activation from 0 to ${amount(max)}, ` +
        `${bins.counts.length} bins: ${bins.counts.join(', ')}`,
      title: i => `${amount(i * step)} to ${amount((i + 1) * step)}: ` +
        `${count(bins.counts[i])} tokens`,
    });
  }

  drawHistogram() {
    const width = Math.floor(this.chart.clientWidth);
    if (width) this.chart.replaceChildren(this.histogram(width));
  }

  /** Points at the activation of the token under the pointer. */
  point(e) {
    this.mark(e.target.closest('.tok')?.info?.value || null);
  }

  mark(value) {
    if (value === this.at) return;
    this.at = value;
    this.drawHistogram();
  }

  // ---- keys -----------------------------------------------------------------
  key(key) {
    const f = this.feature;
    if (this.name && this.written?.key(key)) return true;
    if (!f || f.max == null) return false;
    const at = WINDOWS.findIndex(([w]) => w === (state.w ?? ''));
    if (key === 'w') go({ w: WINDOWS[(at + 1) % WINDOWS.length][0] });
    else if (key === 'b') go({ bos: state.bos ? null : 1 });
    else if (key === 'd' && f.sources) go({ src: state.src ? null : 1 });
    else if (key === 'v') go({ esc: state.esc ? null : 1 });
    else if (key === 'h') this.nextHead();
    else if (key === '1') this.through(null);
    else if (key === '2') this.through(String(f.top_head ?? 0));
    else if (key === 'Escape' && state.through) this.through(null);
    else return false;
    return true;
  }
}

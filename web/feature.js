// SPDX-License-Identifier: MIT
//
// One feature: its figures, what each head adds to it, the tokens it fires on,
// and examples with the peak on one axis.
import { h, fill, seg, says, failed, count, density, amount, percent, entropy,
         stat, meter, table, cell } from './dom.js';
import { histogram, fit } from './charts.js';
import { words, visible } from './kwic.js';
import { drawExamples, nextWindow, SETS, setOf, sql } from './examples.js';
import { drawSources, drawLogits } from './sources.js';
import { drawNeighbours, drawPairs, drawPlaces } from './relations.js';
import { copies } from './copy.js';
import { get } from './api.js';
import { Mark } from './mark.js';
import { state, go, link } from './state.js';
import { featureOf, headName } from './names.js';

const MANY = 12;     // heads above which the weak ones are folded
const WEAK = .01;    // what a weak head's share is below
const SLOW = 150;    // ms after which a page under way is dimmed
/** Orders of the top tokens: key, title, value, what it is. */
const ORDERS = [
  ['', 'max', s => s.max, 'the largest activation on it'],
  ['mean', 'mean', s => s.mean * (s.share ?? 0),
    'the mean over all of its occurrences, silent ones too'],
  ['1', 'times', s => s.count, 'active tokens'],
];
const HEAD_COLUMNS = [
  ['head'],
  ['by weights', '', 'norm of the head’s part of the decoder, as a share'],
  ['by data', '', 'the head’s part of what the feature gets, as a share'],
  ['fires on'],
];

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
    const question = this.question(found);
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

  question({ sae, feature }) {
    return { sae: sae.id, feature, head: state.through,
             kind: setOf(state) === 'top' ? null : setOf(state),
             window: state.w === 'full' ? 'full' : 16 };
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
      this.neighbours = h('section.sec');
      this.pairs = h('section.sec');
      this.places = h('section.sec');
      this.copies = h('span.bar');
      this.scale = h('span.r');
      this.written = new Mark(feature, this.marked);
      fill(this.pane, this.page());
      this.pane.scrollTop = 0;
    }
    fill(this.copies, copies({ sql: sql(sae, feature),
                               ask: ['feature', this.question({
                                 sae, feature: feature.feature })] }));
    if (feature.max == null) return;
    this.drawHeads();
    this.drawExamples();
    this.drawStrings();
    drawSources(this.sources, feature.sources);
    this.drawLogits();
    drawNeighbours(this.neighbours, sae, feature);
    drawPairs(this.pairs, sae, feature);
    drawPlaces(this.places, feature);
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
        h('span.bar.r', {}, this.copies, step('↑', 'k', 'Previous feature', -1),
          step('↓', 'j', 'Next feature', 1))),
      this.written.el,
      this.figures(),
    ];
    if (f.max == null) {
      return h('div.page', {}, head, says(
        `Never active at any of the ${count(f.tokens)} tokens.`));
    }
    fit(this.chart, width => this.histogram(width));
    return h('div.page', {}, head, h('div.two.woven', {},
      h('div.main', {}, this.heads, this.examples),
      h('aside.side', {},
        h('section.sec', {},
          h('div.cap', {}, h('h2', {}, 'Activation'), this.scale), this.chart),
        this.strings, this.sources, this.logits, this.neighbours, this.pairs,
        this.places)));
  }

  figures() {
    const f = this.feature, shares = f.heads.map(x => x.data_share ?? 0);
    return h('p.stats', {},
      stat('density', density(f.density) + ' %',
        `· ${count(f.fires)} of ${count(f.tokens)} tokens`),
      f.max != null && [
        stat('max', amount(f.max)), stat('mean', amount(f.mean)),
        f.top_head != null && stat('heads', entropy(shares).toFixed(1), 'bits'),
        f.n_strings != null && stat('strings', count(f.n_strings),
          f.entropy == null ? '' : `· ${f.entropy.toFixed(1)} bits`),
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
    go({ through: head, set: null });
  }

  nextHead() {
    const order = this.feature.heads.filter(x => x.tokens.length)
      .sort((a, b) => b.data_share - a.data_share).map(x => String(x.head));
    this.through(order[order.indexOf(state.through) + 1] ?? null);
  }

  drawExamples() {
    drawExamples(this.examples, this.feature, this.sae, {
      through: head => this.through(head),
      mark: value => this.mark(value),
    });
  }

  // ---- side -----------------------------------------------------------------
  drawStrings() {
    const order = ORDERS.find(([key]) => key === (state.often ?? ''))
      ?? ORDERS[0];
    const [key, title, of] = order;
    const rows = [...this.feature.strings].sort((a, b) => of(b) - of(a))
      .slice(0, 16);
    const most = Math.max(...rows.map(of)), shown = words(rows);
    fill(this.strings,
      h('div.cap', {}, h('h2', {}, 'Top tokens'), h('span.r', {},
        seg('Order of the tokens', ORDERS.map(([k, t, , why]) => [k, t, why]),
          key, v => go({ often: v })))),
      rows.length ? table('tight.strings', 'Top tokens', [
        ['token'], [title],
        ['of all', 'num', 'part of the token’s occurrences with it active'],
      ], rows.map((s, i) => h('div.tr', { role: 'row' },
        cell('.mono',
          h('a', { href: link({ page: 'tokens', v: s.vocab }) }, shown[i])),
        cell('', key === '1' ? meter(s.count, most, count(s.count))
          : meter(of(s), most, amount(of(s)), 'c-act')),
        cell('.num.dim', percent(s.share)))))
        : says('The dump came without tokens.'));
  }

  drawLogits() {
    const n = state.logits === '20' ? 20 : 10;
    drawLogits(this.logits, this.feature.logits, n,
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
    if (key === 'w') nextWindow();
    else if (key === 'b') go({ bos: state.bos ? null : 1 });
    else if (key === 'd' && f.sources) go({ src: state.src ? null : 1 });
    else if (key === 'u') go({ dup: state.dup ? null : 1 });
    else if (key === 'v') go({ esc: state.esc ? null : 1 });
    else if (key === 'h') this.nextHead();
    else if (key === '1') this.through(null);
    else if (key === '2') this.through(String(f.top_head ?? 0));
    else if (SETS[key]) go({ set: SETS[key], through: null });
    else if (key === 'Escape' && state.lock) go({ lock: null });
    else if (key === 'Escape' && state.through) this.through(null);
    else return false;
    return true;
  }
}

// SPDX-License-Identifier: MIT
//
// The Heads page: the layer x head grid and its measures on the left, one head
// on the right.
import { h, fill, put, says, failed, count, density, amount, percent, stat,
         meter, toggle, table, cell } from './dom.js';
import { heatGrid, rug, fit } from './charts.js';
import { words, kwic, legend, visible } from './kwic.js';
import { walkable, lockIn, focusedIn } from './walk.js';
import { get } from './api.js';
import { state, go, link } from './state.js';
import { sae, saeTitle, headName, headOf, featureName } from './names.js';
import { windowOf } from './examples.js';
import { listOfHead } from './features.js';
import { groups, codes, sources } from './head.js';
import { copies } from './copy.js';

const SLOW = 150; // ms after which a page under way is dimmed
const FIRST = 24; // features of the table; the list has all

/** A figure of a measure: counts whole, shares in per cent. */
const figure = ({ unit }, v) =>
  v == null ? '–' : unit === 'count' ? count(v)
    : unit === 'share' ? (v * 100).toFixed(v * 100 < 9.95 ? 1 : 0) + ' %'
      : v.toFixed(1);

export class HeadsPage {
  constructor(main) {
    this.grid = h('div', { id: 'grid' });
    this.left = h('div.page', {}, says('Loading …'));
    this.pane = h('article.pane', { 'aria-label': 'Head', tabindex: -1 });
    main.className = 'split flow';
    fill(main, h('section.pane.left', { 'aria-label': 'All heads' }, this.left),
         this.pane);
  }

  async update() {
    if (!this.heads) {
      try {
        this.heads ??= await get('heads');
      } catch (error) {
        return fill(this.left, failed(error, () => this.update()));
      }
      fit(this.grid, width => this.draw(width));
    }
    if (!state.h) return this.pick(...this.busiest(), false);
    this.drawLeft();
    return this.show(state.h);
  }

  // ---- all heads ------------------------------------------------------------
  measure() {
    const { measures } = this.heads;
    return measures.find(m => m.name === state.measure) ?? measures[0];
  }

  values(measure) {
    return this.heads.rows.map(row =>
      Array.from({ length: this.heads.heads },
                 (_, i) => row.heads[i]?.[measure.name] ?? null));
  }

  at() {
    const found = headOf(state.h);
    const row = found
      ? this.heads.rows.findIndex(r => r.sae === found.sae.id) : -1;
    return row < 0 ? null : [row, found.head];
  }

  busiest() {
    const values = this.values(this.heads.measures[0]), flat = values.flat();
    const best = flat.indexOf(Math.max(...flat.filter(v => v != null)));
    return [Math.floor(best / this.heads.heads), best % this.heads.heads];
  }

  pick(row, head, push = true) {
    const r = this.heads.rows[row];
    if (r?.heads[head]) go({ h: headName(r.sae, head) }, push);
  }

  draw(width) {
    const measure = this.measure();
    const rows = this.heads.rows.map(r => saeTitle(sae(r.sae)));
    const longest = Math.max(...rows.map(name => name.length));
    return heatGrid(this.values(measure), {
      width, rowH: rows.length > 16 ? 20 : 32,
      left: Math.min(width / 4, Math.max(24, longest * 7)),
      rows, cols: Array.from({ length: this.heads.heads }, (_, i) => 'H' + i),
      fmt: v => figure(measure, v).replace(' %', ''), pick: this.at(),
      name: `${measure.title}, layer by head`,
      onpick: (i, j) => this.pick(i, j),
    });
  }

  drawLeft() {
    const measure = this.measure(), { measures } = this.heads, at = this.at();
    const known = this.values(measure).flat().filter(v => v != null);
    const options = measures.map(m =>
      h('option', { value: m.name, selected: m === measure }, m.title));
    const focused = this.grid.contains(document.activeElement);
    fill(this.left,
      h('div.cap', {}, h('h2', {}, 'All heads'),
        h('label.bar.r', {}, h('span.lbl', {}, 'colour'),
          h('select', { id: 'measure', 'aria-label': 'Measure',
                        onchange: e => go({ measure: e.target.value }) },
            options))),
      this.grid,
      h('p.legend.foot', {}, '0', h('span.ramp.r-mea'),
        figure(measure, Math.max(0, ...known)),
        h('span', {}, measure.about)),
      h('section.sec', {},
        h('div.cap', {}, h('h2', {}, 'Measures'),
          h('span.note', {},
            'this head among all; choose one to colour the grid')),
        table('inset.measures', 'Measures',
          [['measure'], [at ? state.h : '', 'num'], ['all heads'],
            ['rank', 'num']],
          measures.map(m => this.measureRow(m, m === measure, at)))));
    const width = Math.floor(this.grid.clientWidth);
    if (width) this.grid.replaceChildren(this.draw(width));
    if (focused) this.grid.querySelector('[tabindex="0"]')?.focus();
  }

  measureRow(m, chosen, at) {
    const all = this.values(m).flat(), known = all.filter(v => v != null);
    const me = at ? at[0] * this.heads.heads + at[1] : -1, value = all[me];
    const rank = value == null ? null : 1 + known.filter(v => v > value).length;
    return h('div.tr', {
      role: 'row', title: m.about, 'aria-selected': String(chosen),
      onclick: () => go({ measure: m.name }),
    }, cell('', h('button', { type: 'button' }, m.title)),
    cell('.num', figure(m, value)),
    fit(cell(''), width => rug(all, me, {
      width, name: `${m.title} among all heads`,
    })),
    cell('.num.dim', rank == null ? '' : String(rank)));
  }

  // ---- one head -------------------------------------------------------------
  async show(name) {
    const found = headOf(name);
    if (!found) {
      return fill(this.pane, failed({
        title: `There is no head ${visible(name.slice(0, 80))}.`,
        message: 'A head is called by layer and number, like L2H3.',
      }));
    }
    const question = { sae: found.sae.id, head: found.head, limit: FIRST };
    const asked = this.asked = JSON.stringify(question);
    const slow = setTimeout(() => this.pane.setAttribute('aria-busy', 'true'),
                            SLOW);
    try {
      const answer = await get('head', question);
      if (asked === this.asked) this.drawHead(name, found.sae, answer);
    } catch (error) {
      if (asked === this.asked)
        fill(this.pane, failed(error, () => this.show(name)));
    } finally {
      clearTimeout(slow);
      if (asked === this.asked) this.pane.removeAttribute('aria-busy');
    }
  }

  drawHead(name, s, head) {
    const again = this.shown === name, focused = focusedIn(this.pane);
    this.shown = name;
    const move = (arrow, key, text) => h('button.ico.key', {
      type: 'button', title: `${text} (${key})`, 'aria-label': text,
      onclick: () => this.key(key),
    }, arrow, h('kbd.hint', {}, key));
    const figures = this.heads.measures.map(m => stat(m.title,
                                                      figure(m, head[m.name])));
    fill(this.pane, h('div.page', {},
      h('div.hdr', {},
        h('h1.id', { title: `layer ${s.layer}, head ${head.head}; ` +
                            `also ${s.layer}.${head.head}` }, name),
        h('span.note', {}, s.hook ?? s.name),
        h('span.bar.r', {}, copies({
          ask: ['head', { sae: s.id, head: head.head, limit: FIRST }],
          sql: 'SELECT feature, data_share, density FROM features_of_head\n' +
            `WHERE sae = ${s.id} AND head = ${head.head} LIMIT ${FIRST};`,
        }), move('←', 'h', 'Previous head'),
          move('→', 'l', 'Next head'), move('↑', 'k', 'Layer before'),
          move('↓', 'j', 'Layer after'))),
      h('p.stats', {}, figures),
      h('div.two.wide', {},
        h('div.main', {}, this.features(s, head), groups(s, head)),
        h('aside.side', {}, this.strings(s, head), sources(head),
          codes(s, head))),
      this.examples(s, head)));
    lockIn(this.pane, focused);
    if (!again) this.pane.scrollTop = 0;
  }

  features(s, head) {
    const rest = head.total - head.rows.length;
    const most = head.rows[0]?.share ?? 0;
    return h('section.sec', {},
      h('div.cap', {}, h('h2', {}, 'Features'),
        h('span.note', {}, 'by this head’s share of what the feature gets on ' +
          'the data'),
        h('a.note.r', { href: listOfHead(s, head.head) },
          'those it leads, as a list')),
      head.rows.length ? table('tight.feats', 'Features',
        [['feature'], ['share'], ['dens %', 'num'], ['max', 'num'],
          ['fires on, through this head']],
        head.rows.map(r => this.featureRow(r, head.head, most)))
        : says('Nothing that this head writes makes a feature fire.'),
      rest > 0 && h('p.note', {}, `and ${count(rest)} with a smaller share`));
  }

  featureRow(r, head, most) {
    const name = featureName(r.sae, r.feature);
    return h('div.tr', { role: 'row' },
      cell('.mono',
        h('a', { href: link({ f: name, through: head }) }, name)),
      cell('', meter(r.share, most, percent(r.share), 'c-src')),
      cell('.num', density(r.density)),
      cell('.num', amount(r.max)),
      cell('.toks', words(r.tokens)));
  }

  strings(s, head) {
    const shown = words(head.strings);
    const most = head.strings[0]?.contribution;
    return h('section.sec', {},
      h('div.cap', {}, h('h2', {}, 'Top tokens'),
        h('span.note', {}, 'through this head')),
      head.strings.length ? table('tight.htoks', 'Top tokens',
        [['token'], ['adds', '', 'the head’s largest part'], ['feature']],
        head.strings.map((t, i) => h('div.tr', { role: 'row' },
          cell('.mono',
            h('a', { href: link({ page: 'tokens', v: t.vocab }) }, shown[i])),
          cell('', meter(t.contribution, most, amount(t.contribution),
                         'c-act')),
          cell('.mono', h('a', {
            href: link({ f: featureName(s.id, t.feature), through: head.head }),
          }, featureName(s.id, t.feature))))))
        : says('No token strings.'));
  }

  examples(s, head) {
    const shown = head.examples;
    const list = h('div.kwic', { role: 'list', 'aria-label': 'Examples' });
    put(list, shown.map(e => {
      const name = featureName(s.id, e.feature);
      return kwic({
        tokens: windowOf(e, { ...e, sae: s.id }), at: e.peak, value: e.contribution,
        max: e.max, window: 16, escapes: !!state.esc,
        where: h('a.mono', {
          href: link({ f: name, through: head.head }),
          title: `context ${e.context}, position ${e.position}`,
        }, name),
      });
    }));
    return h('section.sec', {},
      h('div.tabs', {}, h('h2', {}, 'Examples'),
        h('span.note', {}, `${shown.length} strongest by what the head adds, ` +
          'one a feature')),
      h('div.bar.under', {}, legend('1 × feature’s max'),
        h('span.bar.r', {}, toggle('·↵', 'spaces and line ends as signs',
          !!state.esc, () => go({ esc: state.esc ? null : 1 }), 'v'))),
      shown.length ? walkable(list) : says('No examples.'));
  }

  // ---- keys -----------------------------------------------------------------
  key(key) {
    const steps = { h: [0, -1], l: [0, 1], k: [-1, 0], j: [1, 0] };
    const at = this.heads && this.at();
    if (key === 'v') go({ esc: state.esc ? null : 1 });
    else if (key === 'Escape' && state.lock) go({ lock: null });
    else if (steps[key] && at)
      this.pick(at[0] + steps[key][0], at[1] + steps[key][1], false);
    else return false;
    return true;
  }

  title() {
    return state.h ?? 'Heads';
  }
}

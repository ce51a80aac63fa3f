// SPDX-License-Identifier: MIT
//
// The Compare page: the figures of two SAEs side by side, and for each feature
// of the one the features of the other that are active at the same tokens.
import { h, fill, put, seg, says, failed, count, density, amount, percent,
         meter, table, cell } from './dom.js';
import { words } from './kwic.js';
import { copies } from './copy.js';
import { get } from './api.js';
import { state, go, link } from './state.js';
import { allSaes, saeOfKey, saeTitle, featureName } from './names.js';

const SORTS = [['', 'density'], ['max', 'max'], ['share', 'top share'],
               ['entropy', 'bits'], ['index', 'index']];
/** Of an SAE: title, value, text. */
const FIGURES = [
  ['features', s => s.d_sae, count], ['dead', s => s.dead, count],
  ['L0', s => s.l0, amount], ['FVU', s => s.fvu, percent],
  ['held-out FVU', s => s.held_out_fvu, percent],
  ['cosine', s => s.cosine, v => v?.toFixed(3) ?? '–'],
  ['relative bias', s => s.relative_bias, v => v?.toFixed(2) ?? '–'],
];

export class ComparePage {
  constructor(main) {
    this.body = h('div.page', {}, says('Loading …'));
    main.className = 'single';
    fill(main, h('article.pane', { 'aria-label': 'Compare', tabindex: -1 },
      this.body));
  }

  /** The two SAEs; the other one rests on the same dump. */
  chosen() {
    const saes = allSaes(), a = saeOfKey(state.a) ?? saes[0];
    const others = saes.filter(s => s.dump === a?.dump);
    const b = others.find(s => s.key === state.b) ??
      others.find(s => s.key !== a.key) ?? a;
    return { a, b, others };
  }

  question(offset = 0) {
    const { a, b } = this.chosen();
    return { sae: a.id, other: b.id, sort: state.sort, offset };
  }

  async update() {
    const asked = this.asked = JSON.stringify(this.question());
    try {
      const answer = await get('compare', this.question());
      if (asked === this.asked) this.draw(answer);
    } catch (error) {
      if (asked === this.asked)
        fill(this.body, failed(error, () => this.update()));
    }
    return undefined;
  }

  draw(answer) {
    const { a, b, others } = this.chosen();
    const choice = (key, now, saes) => h('select', {
      'aria-label': key === 'a' ? 'SAE' : 'The other SAE',
      onchange: e => go({ [key]: e.target.value }),
    }, saes.map(s => h('option', { value: s.key, selected: s === now },
      `${saeTitle(s)} ${s.name}`)));
    fill(this.body,
      h('div.hdr', {}, h('h1.id', {}, 'Compare'), choice('a', a, allSaes()),
        h('span', {}, 'with'), choice('b', b, others),
        h('span.bar.r', {}, copies({ ask: ['compare', this.question()] }))),
      h('section.sec', {}, table('tight.figures', 'Figures',
        [['figure'], [saeTitle(a), 'num'], [saeTitle(b), 'num']],
        FIGURES.map(([name, value, text]) => h('div.tr', { role: 'row' },
          cell('', name), cell('.num', text(value(a))),
          cell('.num', text(value(b))))))),
      this.matches(answer, a, b));
    return undefined;
  }

  matches(answer, a, b) {
    const rows = table('tight.matched', 'Matched features', [
      [`of ${saeTitle(a)}`], ['dens %', 'num'], ['top tokens'],
      ['correlation', '', 'of being active at a token; estimated on 64 tokens'],
      [`of ${saeTitle(b)}`], ['dens %', 'num'], ['top tokens'],
    ], answer.rows.map(r => this.row(r, a, b)));
    const more = h('button.btn', { type: 'button', onclick: async () => {
      try {
        const have = rows.children.length - 1; // one is the head
        const next = await get('compare', this.question(have));
        put(rows, next.rows.map(r => this.row(r, a, b)));
        if (have + next.rows.length >= next.total) more.remove();
      } catch (error) {
        more.after(failed(error));
      }
    } }, 'More');
    return h('section.sec', {},
      h('div.cap', {}, h('h2', {}, 'Matched features'), h('span.note', {},
        'the most alike, by where they are active: estimated on up to 64 ' +
        'tokens of each'),
      h('span.r', {}, seg('Order', SORTS, state.sort ?? '',
        sort => go({ sort }), 's'))),
      answer.rows.length ? rows : says('No feature is ever active.'),
      answer.total > answer.rows.length && h('p.bar.under', {}, more));
  }

  row(r, a, b) {
    const [best] = r.matches, name = featureName(a.id, r.feature);
    const other = best && featureName(b.id, best.feature);
    const to = text =>
      h('a', { href: link({ f: text }), 'data-f': text }, text);
    return h('div.tr', { role: 'row', title: r.matches.slice(1).map(m =>
      `then ${featureName(b.id, m.feature)}: ${m.correlation.toFixed(2)}`)
      .join('; ') || null },
    cell('.mono', to(name)), cell('.num', density(r.density)),
    cell('.toks', words(r.tokens)),
    best ? [
      cell('', meter(Math.max(0, best.correlation), 1,
                     best.correlation.toFixed(2))),
      cell('.mono', to(other)), cell('.num', density(best.density)),
      cell('.toks', words(best.tokens)),
    ] : cell('.dim', r.looked ? 'nothing is active there'
      : 'not in the sample'));
  }

  key(key) {
    if (key !== 's') return false;
    const at = SORTS.findIndex(([by]) => by === (state.sort ?? ''));
    go({ sort: SORTS[(at + 1) % SORTS.length][0] });
    return true;
  }

  title() {
    return 'Compare';
  }
}

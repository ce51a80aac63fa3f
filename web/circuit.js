// SPDX-License-Identifier: MIT
//
// The Circuits page: a task's heads by their scores beside the truth, the
// rankings as curves with their controls, codes of a head with their prompts,
// pairs of heads, and what two tasks share.
import { h, fill, put, seg, says, failed, table, cell, meter, count, amount,
         percent } from './dom.js';
import { heatGrid, fit } from './charts.js';
import { visible } from './kwic.js';
import { copies } from './copy.js';
import { get } from './api.js';
import { state, go, link } from './state.js';
import { headOf } from './names.js';
import { roc, short } from './roc.js';
import { drawCodes, drawPrompts, shownCode } from './codes.js';
import { drawEdges, drawPair } from './edges.js';

const WIDEST = 4096; // more heads than any layer has: damage
const SET = 5;    // heads that count as the circuit where no truth is known
const FIRST = 16; // of the ranking
const MOST = 20000; // pairs of heads: all of those of 200 heads
/** [title, member, what it is]; ± has `member`_sd. */
const FIGURES = [
  ['AUC', 'auc', 'chance that a head of the circuit scores above another: ' +
    'mean over seeds'],
  ['labels shuffled', 'auc_shuffled', 'the same of labels drawn at random'],
  ['mean difference', 'auc_mean_difference', 'AUC of ‖mean of positives − ' +
    'mean of negatives‖, without codes'],
  ['probe', 'auc_probe', 'AUC of a logistic probe, without codes'],
  ['edges', 'auc_edges', 'AUC of the ranking by pairs of heads'],
  ['precision', 'precision', 'of the heads that the score predicts'],
  ['recall', 'recall', 'of the heads that the score predicts'],
  ['F1', 'f1', 'of precision and recall'],
  ['paper’s “F1”', 'paper_f1', '2·TPR·TNR / (TPR + TNR)'],
];

const named = name => visible(name.slice(0, 60));
const ring = what => h('span', {}, h('i.ringkey'), what);

export class CircuitPage {
  constructor(main) {
    this.body = h('div.page', {}, says('Loading …'));
    main.className = 'single';
    fill(main, h('article.pane', { 'aria-label': 'Circuit', tabindex: -1 },
      this.body));
    // What is fetched stays until the next answer is there.
    this.codes = h('section.sec');
    this.prompts = h('section.sec.prompts');
    this.edges = h('section.sec');
    this.pair = h('section.sec.last', { 'aria-label': 'Pairs' });
    // A head is the same in every grid.
    const over = e => {
      const at = e.type === 'pointerover' &&
        e.target.closest?.('.cell')?.dataset.at;
      for (const el of this.body.querySelectorAll('.cell'))
        el.classList.toggle('at', el.dataset.at === at);
    };
    this.body.addEventListener('pointerover', over);
    this.body.addEventListener('pointerleave', over);
  }

  async update() {
    const asked = this.asked = location.search;
    try {
      this.all ??= (await get('circuits')).rows;
      const row = state.circuit == null ? this.all[0]
        : this.all.find(c => c.name === state.circuit);
      if (!row) return fill(this.body, this.none());
      const other = this.all.find(c => c.name === state.with && c !== row);
      const one = await get('circuit', { circuit: row.id });
      const two = other && await get('circuit', { circuit: other.id });
      const overlap = await get('circuit_overlap',
                                { circuit: row.id, ...this.set(one) });
      if (asked === this.asked) this.draw(one, two, overlap);
    } catch (error) {
      if (asked === this.asked)
        fill(this.body, failed(error, () => this.update()));
    }
    return undefined;
  }

  none() {
    if (!this.all.length) {
      return says('The database holds no circuit; “headscope circuit DUMP ' +
                  '-o FILE.db” puts one in.');
    }
    return failed({
      title: `There is no circuit ${named(state.circuit)}.`,
      message: `There are ${this.all.map(c => named(c.name)).join(', ')}.`,
    });
  }

  // ---- what is chosen -------------------------------------------------------
  measure() {
    return this.one.measures.find(m => m.name === state.by) ??
      this.one.measures[0];
  }

  head() {
    const { rows } = this.one, by = this.measure().name;
    return rows.find(r => r.name === state.h) ??
      rows.reduce((a, r) => r[by] > a[by] ? r : a, rows[0]);
  }

  /** Which heads of a circuit are compared: the true ones, if known. */
  set(one) {
    const known = one.rows.some(r => r.in_circuit != null);
    return known && state.set !== 'score' ? {}
      : { set: 'score', size: /^[1-9]\d{0,3}$/.test(state.size) ? state.size
        : one.rows.filter(r => r.in_circuit).length || SET };
  }

  // ---- all of it ------------------------------------------------------------
  draw(one, two, overlap) {
    Object.assign(this, { one, two });
    if (!one.rows.length)
      return fill(this.body, says('The circuit has no heads.'));
    if (one.rows.some(r => r.head >= WIDEST))
      return fill(this.body, says('The circuit is damaged: a head that no ' +
                                  'layer has.'));
    const c = one.circuit, back = this.hold();
    fill(this.body, this.header(c), this.figures(c),
      h('div.three', {}, this.maps(one, two, ''), this.curves(),
        two && [this.maps(two, one, named(two.circuit.name)),
                this.together(overlap)],
        this.codes, this.prompts, this.shared(overlap), this.ranking(),
        this.edges, this.pair));
    return Promise.all([this.fillHead(c), this.fillEdges(c)])
      .then(() => requestAnimationFrame(back));
  }

  /** Remembers the focus while all is drawn anew: what gives it back. */
  hold() {
    const name = el => el.tagName + (el.getAttribute('aria-label') ??
      el.textContent);
    const held = this.body.contains(document.activeElement) &&
      document.activeElement;
    // A cell's name has its value; its grid and place are what stays.
    const cell = held && held.dataset.at != null;
    const wanted = held && name(held);
    return () => {
      if (!held || document.activeElement !== document.body) return;
      const all = cell ? '.cell[tabindex="0"]'
        : 'a, button, input, select, [tabindex="0"]';
      [...this.body.querySelectorAll(all)]
        .find(el => cell || name(el) === wanted)
        ?.focus({ preventScroll: true });
    };
  }

  header(c) {
    const options = this.all.map(x => h('option', {
      value: x.name, selected: x.name === c.name }, named(x.name)));
    return h('div.hdr', {}, h('h1.id', {}, named(c.name)),
      this.all.length > 1 && h('select', {
        'aria-label': 'Task', id: 'task', onchange: e => go({
          circuit: e.target.value, edge: null, code: null,
          with: state.with === e.target.value ? null : state.with }, true),
      }, options),
      h('span.note', {}, `${named(c.model)}, ${c.layers} layers of ` +
        `${c.heads} heads`),
      seg('Measure', this.one.measures.map(m => [m.name, m.title, m.about]),
          this.measure().name, by => go({ by }), 's'),
      h('span.bar.r', {}, copies({
        sql: `SELECT name, score, score_shuffled, mean_difference, in_circuit
FROM circuit_head WHERE circuit = ${c.id} ORDER BY score DESC`,
        ask: ['circuit', { circuit: c.id }] })));
  }

  figures(c) {
    const item = (name, title, ...what) =>
      h('div', { title }, h('dt', {}, name), h('dd', {}, what));
    const o = c.options ?? {};
    return h('dl.figs', { 'aria-label': 'Figures' },
      FIGURES.filter(([, key]) => c[key] != null).map(([name, key, title]) =>
        item(name, title, short(c[key], 3), c[`${key}_sd`] != null &&
          h('span.dim', {}, ` ± ${short(c[`${key}_sd`], 3)}`))),
      item('prompts', 'positive and negative',
           `${count(c.positives)} + ${count(c.prompts - c.positives)}`),
      o.examples != null && item('SAE trained on', 'examples of both classes',
                                 count(o.examples)),
      o.position != null && item('tokens', 'of a prompt that its vectors are ' +
        'of', visible(String(o.position).slice(0, 20))),
      item('seeds', 'SAEs', count(c.seeds)));
  }

  // ---- maps -----------------------------------------------------------------
  /** [titles of the layers, heads of a layer] and a value of each. */
  grid(rows, value) {
    const layers = [...new Set(rows.map(r => r.layer))];
    const n = 1 + Math.max(...rows.map(r => r.head));
    const found = new Map(rows.map(r => [`${r.layer},${r.head}`, r]));
    const all = layers.map(l => Array.from({ length: n }, (_, i) =>
      found.get(`${l},${i}`) ?? null));
    return { layers, n, all,
             values: all.map(rs => rs.map(r => r && value(r))) };
  }

  map(one, beside, name, value, fmt) {
    const { layers, n, all, values } = this.grid(one.rows, value);
    const chosen = this.head(), other = new Map(beside?.rows.map(r =>
      [r.name, r.in_circuit]));
    return fit(h('div'), width => heatGrid(values, {
      width, rowH: layers.length > 16 ? 20 : layers.length > 8 ? 26 : 36,
      left: 28, rows: layers.map(l => 'L' + l),
      cols: Array.from({ length: n }, (_, i) => 'H' + i), fmt, name,
      pick: [layers.indexOf(chosen.layer), chosen.head],
      ring: (i, j) => !all[i][j]?.in_circuit ? null
        : other.get(all[i][j].name) ? 'both' : 'one',
      onpick: (i, j) => all[i][j] &&
        go({ h: all[i][j].name, code: null }, all[i][j].name !== state.h),
    }));
  }

  /** Scores and truth, side by side; of: whose they are, or ''. */
  maps(one, beside, of) {
    const m = this.measure(), values = one.rows.map(r => r[m.name] ?? 0);
    const known = one.rows.some(r => r.in_circuit != null);
    const effects = one.rows.some(r => r.effect != null);
    // What rounds to nothing is drawn as nothing.
    const fall = r => r.effect == null ? null
      : Math.abs(r.effect) < .005 ? 0 : -r.effect;
    const falls = one.rows.map(r => fall(r) ?? 0);
    const key = () => known && ring(beside ? 'in the circuit; filled: in both'
      : 'in the circuit');
    const title = text => of ? `${of}: ${text.toLowerCase()}` : text;
    return [
      h('section.sec', {},
        h('div.cap', {}, h('h2', {}, title(m.name.startsWith('score')
          ? 'Score from codes' : 'Score without codes')),
        h('span.note', {}, m.title)),
        this.map(one, beside, `${m.title}${of && ` of ${of}`}, layer by head`,
                 r => r[m.name], amount),
        h('p.legend.foot', {}, '0', h('span.ramp.r-mea'),
          amount(Math.max(0, ...values)), key())),
      h('section.sec', {},
        h('div.cap', {}, h('h2', {}, title('Truth')), h('span.note', {},
          effects ? 'fall of the metric without the head, as a share'
            : known ? '1: a head of the circuit' : '')),
        !known ? says('No truth was given: headscope circuit --truth.')
          : [this.map(one, beside, `truth${of && ` of ${of}`}, layer by head`,
            r => effects ? fall(r) : r.in_circuit,
            v => effects ? (v < 0 ? '−' : '') + short(Math.abs(v))
              : String(v)),
          h('p.legend.foot', {}, '0', h('span.ramp.r-mea'),
            effects ? short(Math.max(0, ...falls)) : '1', key(),
            effects && falls.some(v => v < 0) &&
              h('span', {}, 'dashed: works against'))])];
  }

  curves() {
    const { curves, measures, rows } = this.one;
    return h('section.sec.rocs', {},
      h('div.cap', {}, h('h2', {}, 'ROC over heads'),
        h('span.note', {}, 'true against false positives')),
      curves.length ? roc(curves.map(c =>
        ({ ...measures.find(m => m.name === c.name), ...c })),
      this.measure().name, rows, by => go({ by }))
        : says('Needs a truth with heads inside and outside of it.'));
  }

  // ---- one head -------------------------------------------------------------
  async fillHead(c) {
    const head = this.head(), { codes, asked } = this;
    const at = { circuit: c.id, layer: head.layer, head: head.head };
    try {
      const answer = await get('circuit_codes', at);
      if (asked !== this.asked) return;
      drawCodes(codes, head.name, answer, c.seeds);
      if (headOf(head.name)) {
        put(codes, h('p.foot', {}, h('a.note', {
          href: link({ page: 'heads', h: head.name }) },
        `${head.name} on the page of heads`)));
      }
      await drawPrompts(this.prompts, at, shownCode(answer.rows));
    } catch (error) {
      if (asked === this.asked) fill(codes, failed(error, () => this.update()));
    }
  }

  ranking() {
    const m = this.measure(), all = [...this.one.rows].sort((a, b) =>
      (b[m.name] ?? -Infinity) - (a[m.name] ?? -Infinity));
    const rows = state.all ? all : all.slice(0, FIRST), chosen = this.head();
    const most = all[0][m.name], others = this.one.measures.filter(x => x !== m);
    return h('section.sec.ranking', {},
      h('div.cap', {}, h('h2', {}, 'Heads, ranked'),
        h('span.note', {}, `by ${m.title}`),
        all.length > FIRST && h('button.btn.small.r', {
          type: 'button', onclick: () => go({ all: state.all ? null : 1 }),
        }, state.all ? 'fewer' : `all ${count(all.length)}`)),
      table('inset.tight.ranked', 'Heads, ranked', [
        ['head'], ['', '', 'of the true circuit'], [m.title, '', m.about],
        ...others.map(x => [x.title.split(' ').at(-1), 'num', x.about])],
      rows.map(r => h('div.tr', {
        role: 'row', 'aria-selected': String(r === chosen) },
      cell('.mono', h('a', { href: link({ ...state, h: r.name, code: null }) },
                      r.name)),
      h('span', { role: 'cell', 'aria-label': r.in_circuit == null ? ''
        : r.in_circuit ? 'in the circuit' : 'not in the circuit' },
      r.in_circuit ? h('i.ringkey') : null),
      cell('', meter(r[m.name] ?? 0, most, amount(r[m.name]), 'c-mea')),
      others.map(x => cell('.num.dim', amount(r[x.name])))))));
  }

  // ---- pairs of heads -------------------------------------------------------
  async fillEdges(c) {
    const { asked } = this;
    try {
      const answer = await get('circuit_edges',
                               { circuit: c.id, limit: MOST });
      if (asked !== this.asked) return;
      drawEdges(this.edges, this.one.rows, answer);
      await drawPair(this.pair, c.id, this.one.rows, answer);
    } catch (error) {
      if (asked === this.asked) fill(this.edges, failed(error, () => this.update()));
    }
  }

  // ---- two tasks ------------------------------------------------------------
  /** What the compared sets are. */
  sets() {
    const known = this.one.rows.some(r => r.in_circuit != null);
    const { set, size } = this.set(this.one);
    return h('span.bar', {},
      seg('Heads compared', [
        known && ['', 'true circuits', 'as the truth files have them'],
        ['score', 'first heads by score',
          'those with the highest score of codes']].filter(x => x),
      set ?? '', to => go({ set: to || null })),
      set && h('input.size', {
        type: 'number', min: 1, max: this.one.rows.length, value: size,
        'aria-label': 'Heads of each', onchange: e => go({
          size: e.target.value }) }));
  }

  shared({ rows }) {
    return h('section.sec.last', {},
      h('div.cap', {}, h('h2', {}, 'Shared with other tasks')),
      this.sets(),
      rows.length ? table('inset.tight.reuse', 'Shared with other tasks', [
        ['task'], ['in both', 'num', 'heads in both, of this one’s'],
        ['by chance', 'num', 'of the other’s heads drawn at random'],
        ['Jaccard', 'num', 'in both, of all in either'],
      ], rows.map(r => h('div.tr', {
        role: 'row', 'aria-selected': String(r.name === state.with) },
      cell('', h('a', { href: link({ ...state, with: r.name }) },
                 named(r.name))),
      cell('.num', `${r.both} of ${r.heads}`),
      cell('.num.dim', amount(r.expected)),
      cell('.num', short(r.jaccard)))))
        : says('No other circuit of this model with a set to compare.'));
  }

  together({ rows }) {
    const r = rows.find(x => x.name === this.two.circuit.name);
    const close = h('button.btn.small', { type: 'button', title: 'Esc',
      onclick: () => go({ with: null }) }, 'close');
    if (!r) {
      return h('section.sec.rocs', {}, says('Nothing to compare: other heads, ' +
        'or no truth.'), close);
    }
    const item = (name, title, text) => h('div', { title }, h('dt', {}, name),
      h('dd', {}, text));
    return h('section.sec.rocs', { id: 'together' },
      h('div.cap', {}, h('h2', {}, 'In both'), h('span.r', {}, close)),
      h('dl.figs.tall', { 'aria-label': 'Overlap' },
        item('heads in both', '', String(r.both)),
        item('expected by chance', 'heads × heads / all heads',
             amount(r.expected)),
        item('Jaccard', 'in both, of all in either', short(r.jaccard)),
        item(`of ${named(this.one.circuit.name)}’s ${r.heads}`, '',
             percent(r.of_first)),
        item(`of ${named(r.name)}’s ${r.other_heads}`, '',
             percent(r.other_heads ? r.both / r.other_heads : null))));
  }

  // ---- keys -----------------------------------------------------------------
  key(key) {
    const steps = { h: [0, -1], l: [0, 1], k: [-1, 0], j: [1, 0] };
    const flips = { a: 'codes', w: 'whole', v: 'esc' };
    if (!this.one?.rows.length) return false;
    if (steps[key]) {
      const { layer, head } = this.head(), [down, right] = steps[key];
      const to = this.one.rows.find(r =>
        r.layer === layer + down && r.head === head + right);
      if (to) go({ h: to.name, code: null });
    } else if (key === 's') {
      const { measures } = this.one, at = measures.indexOf(this.measure());
      go({ by: measures[(at + 1) % measures.length].name });
    } else if (flips[key]) {
      go({ [flips[key]]: state[flips[key]] ? null : 1 });
    } else if (key === 'Escape' && (state.edge || state.with)) {
      go(state.edge ? { edge: null } : { with: null });
    } else return false;
    return true;
  }

  title() {
    return state.circuit ? named(state.circuit) : 'Circuits';
  }
}

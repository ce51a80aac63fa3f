// SPDX-License-Identifier: MIT
//
// The Training page: the runs as a table, and their curves as small multiples:
// a metric each, the chosen run in ink, another beside it in grey and dashed.
import { h, fill, says, failed, amount, percent, count, table,
         cell } from './dom.js';
import { curves, fit } from './charts.js';
import { copies } from './copy.js';
import { get } from './api.js';
import { state, go, link } from './state.js';
import { allSaes, saeOfKey, saeTitle } from './names.js';

/** What is shown first, with its title; others follow on demand. */
const FIRST = [
  ['loss', 'loss'], ['held_out_fvu', 'FVU on held-out tokens'],
  ['held_out_l0', 'L0 on held-out tokens'],
  ['dead_fraction', 'dead, as a share'], ['l0', 'L0'],
  ['learning_rate', 'learning rate'],
];
const FIGURES = [
  ['FVU', s => s.held_out_fvu ?? s.fvu, percent],
  ['L0', s => s.held_out_l0 ?? s.l0, amount],
  ['dead', s => s.dead / s.d_sae, percent],
];
const one = /^(.*)\[(\d+)\]$/;

export class TrainingPage {
  constructor(main) {
    this.body = h('div.page', {}, says('Loading …'));
    main.className = 'single';
    fill(main, h('article.pane', { 'aria-label': 'Training', tabindex: -1 },
      this.body));
  }

  async update() {
    try {
      this.answer ??= await get('training');
    } catch (error) {
      return fill(this.body, failed(error, () => this.update()));
    }
    return this.draw();
  }

  run(key) {
    const s = saeOfKey(key);
    return s && this.answer.saes.find(x => x.sae === s.id);
  }

  draw() {
    const saes = allSaes();
    const first = saeOfKey(state.run) ? state.run : saes[0].key;
    const other = saeOfKey(state.beside) && state.beside !== first
      ? state.beside : null;
    return fill(this.body,
      h('div.hdr', {}, h('h1.id', {}, 'Training'),
        h('span.bar.r', {}, copies({ ask: ['training', {}] }))),
      this.table(saes, first, other), this.charts(first, other));
  }

  table(saes, first, other) {
    const trained = s => this.run(s.key)?.config?.training ?? {};
    return h('section.sec', {},
      table('inset.runs', 'Runs', [
        ['SAE'], ['architecture'], ['features', 'num'], ['tokens', 'num'],
        ...FIGURES.map(([name]) => [name, 'num']), ['PCA FVU', 'num',
          'of as many components as L0, on the same tokens'],
        ['show'], ['beside'],
      ], saes.map(s => h('div.tr', { role: 'row' },
        cell('.mono', h('a', { href: link({ layer: s.key }) }, saeTitle(s))),
        cell('', trained(s).options?.architecture ?? s.architecture),
        cell('.num', count(s.d_sae)),
        cell('.num', trained(s).tokens_trained
          ? count(trained(s).tokens_trained) : '–'),
        FIGURES.map(([, value, text]) => cell('.num', text(value(s)))),
        cell('.num', percent(s.pca_fvu)),
        cell('', this.choice('run', s.key, first, `show ${saeTitle(s)}`)),
        cell('', s.key !== first && this.choice('beside', s.key, other,
          `${saeTitle(s)} beside it`))))));
  }

  choice(name, key, chosen, label) {
    const on = key === chosen;
    return h('button.tog', {
      type: 'button', 'aria-pressed': String(on), 'aria-label': label,
      onclick: () => go({ [name]: on && name === 'beside' ? null : key }),
    });
  }

  charts(first, other) {
    const run = this.run(first), second = other && this.run(other);
    if (!run?.curves.length) {
      return says('This SAE came without its training curve: it was trained ' +
                  'elsewhere, or without metrics.');
    }
    const names = run.curves.map(c => c.name);
    const plain = names.filter(n => !one.test(n));
    const shown = FIRST.filter(([n]) => names.includes(n));
    const rest = plain.filter(n => !FIRST.some(([m]) => m === n))
      .map(n => [n, n.replaceAll('_', ' ')]);
    const heads = names.filter(n => one.exec(n)?.[1] === 'per_head_fvu')
      .map(n => [n, `FVU of H${one.exec(n)[2]}`])
      .sort((a, b) => a[1].localeCompare(b[1], 'en', { numeric: true }));
    const chart = ([name, title], scale) => this.chart(name, title, scale,
      [[run, saeTitle(saeOfKey(first))],
        second && [second, saeTitle(saeOfKey(other))]].filter(x => x));
    const block = (title, list, scale) => list.length > 0 &&
      h('section.sec', {}, h('div.cap', {}, h('h2', {}, title)),
        h('div.multiples', {}, list.map(x => chart(x, scale))));
    const all = heads.flatMap(([n]) => [run, second].flatMap(r =>
      r?.curves.find(c => c.name === n)?.values ?? []));
    return [
      h('p.legend', {}, h('span.sw.ink'), saeTitle(saeOfKey(first)),
        second && [h('span.sw.grey'), saeTitle(saeOfKey(other)), ' (dashed)']),
      block('Metrics', [...shown, ...rest]),
      block('FVU by head, one scale', heads,
        [0, Math.max(...all.filter(v => v != null))]),
    ];
  }

  chart(name, title, scale, runs) {
    const series = runs.map(([run, label]) => ({
      label, ...run.curves.find(c => c.name === name),
    })).filter(x => x.steps);
    const last = series[0]?.values.at(-1);
    return h('figure', {},
      h('figcaption', {}, title, h('b.r', {}, amount(last))),
      fit(h('div'), width => curves(series, { width, height: 88, scale,
                                              name: title, fmt: amount })));
  }

  key() {
    return false;
  }

  title() {
    return 'Training';
  }
}

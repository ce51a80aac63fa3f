// SPDX-License-Identifier: MIT
//
// The Features page: filters and the list on the left, one feature on the
// right (feature.js).
import { h, fill, put, seg, says, failed, count, density, amount, percent,
         toggle } from './dom.js';
import { columns, histogram } from './charts.js';
import { VirtualList } from './list.js';
import { words, visible } from './kwic.js';
import { get, address } from './api.js';
import { state, go, link } from './state.js';
import { allSaes, saeOfKey, saeTitle, featureName, featureOf,
         hasTokens } from './names.js';
import { FeatureView } from './feature.js';

const TYPING = 250; // ms of rest before a typed filter is used
const FEW = 8;      // layers that get a button each
const FILTERS = ['layer', 'head', 'token', 'source', 'min', 'max', 'dead',
                 'label', 'star'];
/** What of the state changes nothing on the right. */
const LISTED = [...FILTERS, 'sort', 'order'];

/** Columns of the list: [text, sort, class, title]. */
const COLUMNS = [
  ['feature', 'index'],
  ['top tokens', null],
  ['dens %', 'density', 'num', 'share of tokens at which it is active'],
  ['max', 'max', 'num', 'largest activation'],
  ['heads', null, '', 'share of each head, on the data'],
  ['top', 'share', 'num', 'the head with the largest share, in per cent'],
  ['bits', 'entropy', 'num', 'entropy of its token strings: 0 is one string'],
];
/** In place of the last, where the list is filtered by a token or a source. */
const ON_TOKEN = ['on it', 'token', 'num', 'largest activation on that token'];
const FROM_SOURCE = ['from it', 'token', 'num',
  'the source’s part of what the feature gets, in per cent'];

/** Behind the others, once anything is labelled. */
const LABEL = ['label', null, '', 'what was written about it; ★ is a star'];

/** First what is one head's own; the densest features say the least. */
const usual = () => allSaes().some(sae => sae.heads > 1) ? 'share' : 'max';
const sorted = s => s.sort ??
  (s.token || s.source ? 'token' : usual());
const ordered = s => s.order ?? (sorted(s) === 'index' ? 'asc' : 'desc');

/** The filters of a state as parameters of /api/features. */
function question(s) {
  return {
    sae: s.layer && (saeOfKey(s.layer)?.id ?? 0), head: s.head,
    token: s.token, source: s.token ? null : s.source,
    min_density: s.min && 10 ** s.min, max_density: s.max && 10 ** s.max,
    dead: s.dead, label: s.label, starred: s.star,
    sort: sorted(s), order: ordered(s),
  };
}

export class FeaturesPage {
  constructor(main, about) {
    this.about = about;
    this.density = trim(about.density);
    this.filters = h('div.filters');
    this.grid = h('div.grid', { role: 'grid', tabindex: 0, id: 'rows',
                                'aria-label': 'Features' });
    this.note = h('div', { hidden: true });
    this.head = h('div.tr.th', { role: 'row' });
    this.detail = h('article.pane', { 'aria-label': 'Feature' });
    main.className = 'split';
    fill(main,
      h('section.pane.left.list', { 'aria-label': 'List of features' },
        this.filters, this.grid),
      this.detail);
    this.list = new VirtualList(this.grid, {
      head: this.head,
      draw: (row, index) => this.row(row, index),
      fetchPage: (offset, limit, signal) =>
        get('features', { ...question(state), offset, limit }, signal),
      failed: error => this.say(failed(error, () => this.restart())),
      counted: total => this.counted(total),
    });
    this.grid.append(this.note);
    this.grid.addEventListener('click', e => this.clicked(e));
    this.grid.addEventListener('keydown', e => this.steer(e));
    this.view = new FeatureView(this.detail, by => this.step(by),
                                mark => this.marked(mark));
    this.labelled(about.labels > 0);
  }

  update() {
    const asked = JSON.stringify(question(state));
    if (asked !== this.asked) {
      this.asked = asked;
      this.restart();
    }
    this.show(state.f);
  }

  async restart() {
    const asked = this.asked;
    this.list.reset();
    this.say(says('Loading …'));
    this.drawFilters();
    this.drawHead();
    const rows = await this.list.start();
    if (asked !== this.asked) return;
    if (rows.length && !state.f) this.open(0, false);
    else if (state.f) this.follow();
  }

  /** Shows a feature on the right, if not as it is, and marks it in the list. */
  show(name) {
    const seen = JSON.stringify(Object.entries(state).filter(([key]) =>
      !LISTED.includes(key)));
    if (seen !== this.seen) this.view.show(name);
    this.seen = seen;
    this.grid.setAttribute('aria-activedescendant', 'f-' + name);
    for (const row of this.list.elements())
      row.setAttribute('aria-selected', String(row.id === 'f-' + name));
  }

  /** Scrolls to the feature that is open, if its row is at hand. */
  follow() {
    const index = this.chosen();
    if (index >= 0) this.list.reveal(index);
  }

  chosen() {
    return this.list.find(r => featureName(r.sae, r.feature) === state.f);
  }

  async open(index, push) {
    const row = await this.list.need(index);
    if (!row) return;
    go({ f: featureName(row.sae, row.feature), through: null, lock: null },
       push);
    this.list.reveal(index);
  }

  /** The next or previous row; from the first in sight if none is chosen. */
  step(by) {
    const at = this.chosen();
    const to = at < 0 ? this.list.first() : at + by;
    if (to >= 0 && to < this.list.total) this.open(to, false);
  }

  clicked(e) {
    const row = e.target.closest('.tr[data-index]');
    if (row) this.open(Number(row.dataset.index), true);
  }

  steer(e) {
    if (e.ctrlKey || e.metaKey || e.altKey || e.target !== this.grid) return;
    if (e.key === 'ArrowDown') this.step(1);
    else if (e.key === 'ArrowUp') this.step(-1);
    else if (e.key === 'Home') this.open(0, false);
    else if (e.key === 'End') this.open(this.list.total - 1, false);
    else if (e.key === 'Enter') this.detail.querySelector('a, button')?.focus();
    else return;
    e.preventDefault();
  }

  say(what) {
    this.note.hidden = !what;
    fill(this.note, what);
  }

  counted(total) {
    const all = this.about.features;
    this.say(total ? null : says(
      state.label || state.star ? 'No feature of this choice is so labelled.'
        : state.token ? 'No feature of this choice fires on that token.'
        : state.source ? 'No feature of this choice has that source.'
        : 'No feature has all of this.',
      h('button.btn', { type: 'button', onclick: () => this.clear() },
        'Clear the filters')));
    fill(this.sum, total === all ? `${count(all)} features`
      : `${count(total)} of ${count(all)}`, ' ',
    h('a', { href: address('features', question(state)) }, 'json'), ' ',
    h('a', { href: address('features.csv', question(state)),
             title: 'the first 5,000; limit and offset give others' },
      'csv'));
  }

  clear() {
    go(Object.fromEntries(FILTERS.map(key => [key, null])));
  }

  // ---- rows -----------------------------------------------------------------
  row(r, index) {
    const name = r && featureName(r.sae, r.feature);
    const el = h('div.tr', {
      role: 'row', id: name && 'f-' + name, 'data-index': index,
      'aria-selected': String(!!name && name === state.f),
    });
    if (r) put(el, this.cells(r, name));
    else put(el, h('span.dim', { role: 'gridcell' }, '…'));
    return el;
  }

  cells(r, name) {
    const cell = (cls, ...kids) =>
      h('span' + cls, { role: 'gridcell' }, ...kids);
    const dead = r.max == null;
    return [
      cell('.mono', name),
      dead ? cell('.dim', 'never active')
        : cell('.toks', words(r.tokens)),
      cell('.num', density(r.density)), cell('.num', amount(r.max)),
      cell('', !dead && r.shares && columns(r.shares, { name: strip(r) })),
      cell('.num', dead || r.top_head == null ? '–'
        : `H${r.top_head} ${Math.round(r.top_share * 100)}`),
      r.on_token ? cell('.num', amount(r.on_token.max))
        : r.from_source ? cell('.num', percent(r.from_source.share))
          : cell('.num.dim', r.entropy == null ? '' : r.entropy.toFixed(1)),
      this.hasLabels && h('span', { role: 'gridcell', title: r.label || null },
        r.starred && '★ ', h('bdi', {}, visible(r.label ?? ''))),
    ];
  }

  drawHead() {
    const last = state.token ? ON_TOKEN : state.source ? FROM_SOURCE : null;
    const shown = last ? [...COLUMNS.slice(0, -1), last] : [...COLUMNS];
    if (this.hasLabels) shown.push(LABEL);
    const now = sorted(state), order = ordered(state);
    fill(this.head, shown.map(([text, sort, cls, title]) =>
      h('span' + (cls ? '.' + cls : ''), {
        role: 'columnheader', title,
        'aria-sort': sort === now ? order + 'ending' : null,
      }, sort ? h('button', { type: 'button', onclick: () => this.sort(sort) },
        text, sort === now && (order === 'asc' ? ' ↑' : ' ↓')) : text)));
  }

  sort(by) {
    const turned = ordered(state) === 'asc' ? 'desc' : 'asc';
    go({ sort: by, order: by === sorted(state) ? turned : null });
  }

  // ---- filters --------------------------------------------------------------
  drawFilters() {
    this.sum ??= h('span.note.r', { id: 'count', role: 'status' });
    if (this.filters.firstChild) {
      fill(this.choices, this.drawChoices());
      fill(this.dead, this.drawDead());
      fill(this.star, this.drawStar());
      for (const [input, key] of [[this.input, 'token'],
                                  [this.source, 'source'],
                                  [this.words, 'label']]) {
        if (document.activeElement !== input) input.value = state[key] ?? '';
      }
      return;
    }
    const field = (key, id, placeholder, label) => h('input', {
      type: 'search', id, spellcheck: 'false', autocomplete: 'off',
      'aria-label': label, placeholder, value: state[key] ?? '',
      disabled: !hasTokens(), oninput: e => this.typed(key, e.target),
      onchange: e => this.typed(key, e.target, 0),
    });
    this.input = field('token', 'filter', hasTokens() ? 'Filter by token'
      : 'No tokens in this database', 'Only features that fire on a token');
    this.source = field('source', 'source', 'Source token',
      'Only features that come from a token');
    this.words = h('input', {
      type: 'search', id: 'words', spellcheck: 'false', autocomplete: 'off',
      'aria-label': 'Only features with a label', placeholder: 'Label',
      value: state.label ?? '', oninput: () => this.typedLabel(),
      onchange: () => this.typedLabel(0),
    });
    this.star = h('span', {}, this.drawStar());
    this.byLabel = h('span.bar.bylabel', { hidden: !this.hasLabels },
      h('label', {}, this.words), this.star);
    this.choices = h('div.bar', {}, this.drawChoices());
    this.dead = h('span', {}, this.drawDead());
    put(this.filters, this.choices,
      h('div.bar', {}, h('label.key', {}, this.input, h('kbd.hint', {}, 'f')),
        h('label.source', {}, this.source), this.byLabel, this.dead,
        this.sum));
  }

  drawStar() {
    return toggle('★', 'only those with a star', !!state.star,
      () => go({ star: state.star ? null : 1 }));
  }

  // ---- labels ---------------------------------------------------------------
  /** Column and filter are there once there is a label, or a filter is set. */
  labelled(on) {
    this.hasLabels ||= on || !!state.label || !!state.star;
    this.grid.classList.toggle('labelled', this.hasLabels);
    if (this.byLabel) this.byLabel.hidden = !this.hasLabels;
  }

  /** What was saved on the right is shown on the left. */
  marked(mark) {
    const row = this.list.row(this.list.find(r =>
      r.sae === mark.sae && r.feature === mark.feature));
    if (row) Object.assign(row, { label: mark.label, starred: mark.starred });
    this.labelled(true);
    this.drawHead();
    this.list.render(true);
  }

  drawDead() {
    return toggle('dead', 'features that are never active', state.dead !== '0',
      () => go({ dead: state.dead === '0' ? null : '0' }));
  }

  drawChoices() {
    const saes = allSaes();
    const heads = Array.from({ length: this.about.heads }, (_, i) => String(i));
    const option = (value, text, now) =>
      h('option', { value, selected: value === (now ?? '') }, text);
    const layers = [['', 'all'],
                    ...saes.map(s => [s.key, saeTitle(s), s.name])];
    const pickLayer = layer => go({ layer });
    return [
      saes.length <= FEW
        ? seg('Layer', layers, state.layer ?? '', pickLayer, '[ ]')
        : h('select', { 'aria-label': 'Layer',
                        onchange: e => pickLayer(e.target.value) },
          layers.map(([key, text]) =>
            option(key, key ? text : 'all layers', state.layer))),
      h('select', { id: 'head', 'aria-label': 'Top head',
                    title: 'the head with the largest share on the data',
                    onchange: e => go({ head: e.target.value }) },
        option('', 'any head', state.head),
        heads.map(head => option(head, 'H' + head, state.head))),
      this.density && this.drawBrush(),
    ];
  }

  /** A list is filtered by what features fire on or by where they come from. */
  typed(key, input, wait = TYPING) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      if (input.value === (state[key] ?? '')) return;
      go({ token: null, source: null, [key]: input.value,
           sort: state.sort === 'token' ? null : state.sort });
    }, wait);
  }

  typedLabel(wait = TYPING) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      const label = this.words.value;
      if (label !== (state.label ?? '')) go({ label });
    }, wait);
  }

  /** Two handles under a histogram of log density. */
  drawBrush() {
    const { from, step, counts } = this.density, n = counts.length;
    const bin = v => Math.round((v - from) / step);
    const ends = [state.min ? bin(state.min) : 0,
                  state.max ? bin(state.max) : n];
    const chart = h('span');
    const value = i => from + i * step;
    const draw = () => chart.replaceChildren(histogram(counts, 0, n, {
      width: 144, height: 36, flat: true, cls: 'f-bar',
      range: ends.map(i => i / n), name: 'features by density, log scale',
      fmt: i => density(10 ** value(i ? ends[1] : ends[0])) + ' %',
    }));
    const handle = which => {
      const input = h('input', {
        type: 'range', min: 0, max: n, step: 1, value: ends[which],
        'aria-label': which ? 'Largest density' : 'Smallest density',
        oninput: () => {
          const other = ends[1 - which], v = Number(input.value);
          ends[which] = which ? Math.max(other + 1, v) : Math.min(other - 1, v);
          input.value = ends[which];
          input.setAttribute('aria-valuetext',
            density(10 ** value(ends[which])) + ' %');
          draw();
        },
        onchange: () => go({
          min: ends[0] > 0 ? value(ends[0]) : null,
          max: ends[1] < n ? value(ends[1]) : null,
        }),
      });
      return input;
    };
    draw();
    return h('span.brush.r', { role: 'group', 'aria-label': 'Density' },
      h('span.lbl', {}, 'density'),
      h('span.ends', {}, chart, handle(0), handle(1)));
  }

  // ---- keys -----------------------------------------------------------------
  key(key) {
    if (key === 'j') this.step(1);
    else if (key === 'k') this.step(-1);
    else if (key === 'f') this.input.focus();
    else if (key === '[') this.layer(-1);
    else if (key === ']') this.layer(1);
    else if (key === 's') this.nextSort();
    else return this.view.key(key);
    return true;
  }

  layer(by) {
    const keys = ['', ...allSaes().map(s => s.key)];
    const at = keys.indexOf(state.layer ?? '') + by;
    go({ layer: keys[(at + keys.length) % keys.length] });
  }

  nextSort() {
    const by = ['share', 'max', 'density', 'entropy', 'index'];
    if (state.token || state.source) by.unshift('token');
    go({ sort: by[(by.indexOf(sorted(state)) + 1) % by.length], order: null });
  }

  title() {
    const f = featureOf(state.f);
    return f ? featureName(f.sae.id, f.feature) : 'Features';
  }
}

/** The bins from the first to the last that hold a feature; null: none do. */
function trim({ log10_from, log10_step, counts }) {
  const first = counts.findIndex(n => n > 0);
  const last = counts.findLastIndex(n => n > 0);
  return first < 0 ? null : {
    from: log10_from + first * log10_step, step: log10_step,
    counts: counts.slice(first, last + 1),
  };
}

const strip = r => 'share by head: ' +
  r.shares.map((v, i) => `H${i} ${percent(v)}`).join(', ');

/** The list that shows the features of one head, its own first. */
export const listOfHead = (sae, head) =>
  link({ layer: sae.key, head, sort: 'share' });

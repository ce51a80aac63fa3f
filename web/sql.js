// SPDX-License-Identifier: MIT
//
// The SQL page: questions on the left; on the right one of them, or the
// reader's own, with its parameters, and the answer as a table.
import { h, fill, put, says, failed, count } from './dom.js';
import { visible } from './kwic.js';
import { get, address } from './api.js';
import { state, visit, link } from './state.js';
import { sae, allSaes, featureName } from './names.js';
import { parse, parameters } from './questions.js';

const SLOW = 300;       // ms after which the page says that it waits
const CSV_ROWS = 10000; // as many as the server gives
const LONG = 300;       // characters of a cell
const MOST_LINES = 20;  // of the editor, before it scrolls
const TABLES = 'SELECT name, type FROM sqlite_schema ' +
  "WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite%' " +
  'ORDER BY type DESC, name';

export class SqlPage {
  constructor(main) {
    this.filter = h('input', {
      type: 'search', id: 'filter', spellcheck: 'false', autocomplete: 'off',
      'aria-label': 'Only questions with these words',
      placeholder: 'Filter questions and tables',
      oninput: () => this.drawList(),
    });
    this.rows = h('nav.grid.asks', { 'aria-label': 'Questions and tables' });
    this.sql = h('textarea.code', {
      id: 'sql', spellcheck: 'false', autocomplete: 'off',
      autocapitalize: 'off', 'aria-label': 'SELECT',
      placeholder: 'SELECT … FROM feature WHERE sae = :sae LIMIT 20',
      oninput: () => this.edited(), onkeydown: e => this.steer(e),
    });
    this.head = h('div');
    this.fields = h('form.bar.params', {
      'aria-label': 'Parameters',
      onsubmit: e => { e.preventDefault(); this.run(); },
    });
    this.answer = h('section.sec', { id: 'answer', 'aria-live': 'polite' });
    this.pane = h('article.pane', { 'aria-label': 'Question', tabindex: -1 },
      h('div.page.sqlpage', {}, this.head, this.sql, this.fields,
        this.answer));
    main.className = 'split';
    fill(main, h('section.pane.left.list', { 'aria-label': 'Questions' },
      h('div.filters', {}, h('label.key', {}, this.filter,
                             h('kbd.hint', {}, 'f'))), this.rows), this.pane);
    this.questions = [];
    this.tables = [];
    this.load();
  }

  async load() {
    try {
      const [page, tables] = await Promise.all([
        fetch('sql.md').then(reply => reply.ok ? reply.text() : ''),
        get('sql', { q: TABLES }).catch(() => ({ rows: [] })),
      ]);
      this.questions = parse(page);
      this.tables = tables.rows;
    } catch {
      this.questions = []; // the editor is of use without them
    }
    this.drawList();
    this.drawHead();
  }

  // ---- list -----------------------------------------------------------------
  /** The address of a question. */
  to(sql, values = {}) {
    const p = Object.entries(values).map(([k, v]) => ['p.' + k, v]);
    return link({ page: 'sql', q: sql, ...Object.fromEntries(p) });
  }

  chosen() {
    return this.questions.findIndex(x => x.sql === state.q);
  }

  drawList() {
    const wanted = this.filter.value.toLowerCase();
    const fits = (...texts) => texts.join(' ').toLowerCase().includes(wanted);
    const row = (href, text, on, cls = '') => h('a.tr' + cls, {
      href, title: text, 'aria-current': on ? 'true' : null,
    }, h('span', {}, text));
    const list = this.questions.filter(x => fits(x.title, x.group, x.sql));
    const kept = this.tables.filter(([name]) => fits(name));
    let group = null;
    fill(this.rows, list.map(x => {
      const first = x.group !== group;
      group = x.group;
      return [first && h('h3', {}, group),
              row(this.to(x.sql, x.values), x.title, x.sql === state.q)];
    }), kept.length > 0 && h('h3', {}, 'Views and tables'),
    kept.map(([name]) => {
      const sql = `SELECT * FROM "${name.replaceAll('"', '""')}" LIMIT 20`;
      return row(this.to(sql), name, sql === state.q, '.mono');
    }), !list.length && !kept.length && says('No question has these words.'));
    this.rows.querySelector('[aria-current]')
      ?.scrollIntoView({ block: 'nearest' });
  }

  step(by) {
    const to = this.questions[this.chosen() + by];
    if (to) visit(this.to(to.sql, to.values), false);
  }

  // ---- question -------------------------------------------------------------
  update() {
    const q = state.q ?? '';
    if (this.sql.value !== q) this.sql.value = q;
    this.drawFields(name => state['p.' + name] ?? '');
    this.drawHead();
    this.drawList();
    this.show();
  }

  drawHead() {
    const at = this.questions[this.chosen()];
    fill(this.head,
      h('div.hdr', {}, h('h1.title', {},
        at ? at.title : state.q ? 'Your question' : 'Ask the database')),
      h('p.note', {}, at ? at.words
        : 'One SELECT over the tables and views on the left. It only reads, ' +
          'and is stopped when it takes too long.'));
  }

  drawFields(valueOf) {
    const names = parameters(this.sql.value);
    const lines = this.sql.value.split('\n').length;
    this.sql.rows = Math.max(4, Math.min(MOST_LINES, lines + 1));
    fill(this.fields, names.map(name => h('label.field', {},
      h('span.lbl.mono', {}, ':' + name),
      h('input', { name, value: valueOf(name), spellcheck: 'false',
                   autocomplete: 'off', 'aria-label': name }))),
    h('span.r.bar', {}, h('span.note', {}, 'Ctrl ↵'),
      h('button.btn', { id: 'run', type: 'submit' }, 'Run')));
  }

  /** What is typed is kept while the fields follow the text. */
  values() {
    return Object.fromEntries([...this.fields.querySelectorAll('input')]
      .map(field => [field.name, field.value]));
  }

  edited() {
    const values = this.values();
    this.drawFields(name => values[name] ?? state['p.' + name] ?? '');
  }

  steer(e) {
    if (e.key !== 'Enter' || !(e.ctrlKey || e.metaKey)) return;
    e.preventDefault();
    this.run();
  }

  /** Goes to the address of what is typed; the same one is asked again. */
  run() {
    this.asked = null;
    visit(this.to(this.sql.value.trim(), this.values()));
  }

  question() {
    const params = { q: state.q };
    for (const [key, value] of Object.entries(state))
      if (key.startsWith('p.')) params[key] = value;
    for (const name of parameters(state.q)) params['p.' + name] ??= '';
    return params;
  }

  // ---- answer ---------------------------------------------------------------
  async show() {
    const asked = JSON.stringify(state.q && this.question());
    if (asked === this.asked) return;
    this.asked = asked;
    this.flight?.abort();
    if (!state.q) {
      fill(this.answer);
      return;
    }
    const flight = this.flight = new AbortController();
    const waits = setTimeout(() => fill(this.answer, says('Asking …',
      h('button.btn', { type: 'button', onclick: () => this.stop() },
        'Stop'))), SLOW);
    try {
      const answer = await get('sql', this.question(), flight.signal);
      if (!flight.signal.aborted) this.draw(answer);
    } catch (error) {
      if (error.name === 'AbortError') return;
      fill(this.answer, failed({ title: 'No answer.', message: error.message },
        error.status === 400 ? null : () => this.run()));
    } finally {
      clearTimeout(waits);
    }
  }

  stop() {
    this.flight?.abort();
    fill(this.answer, says('Stopped.'));
  }

  draw({ columns, rows, cut, seconds }) {
    const q = { ...this.question(), limit: CSV_ROWS };
    const n = `${count(rows.length)} row${rows.length === 1 ? '' : 's'}`;
    fill(this.answer, h('div.cap', {},
      h('h2', {}, cut ? `The first ${n}` : n),
      h('span.note', {}, `${(seconds * 1000).toPrecision(2)} ms`),
      cut && h('span.note', {}, cut === 'rows'
        ? 'there are more: end it with LIMIT, or take the file'
        : 'the answer is too large for more'),
      h('span.note.r', {}, h('a', { href: address('sql.csv', q) }, 'csv'), ' ',
        h('a', { href: address('sql', q) }, 'json'))),
    rows.length ? h('div.scroll', { tabindex: 0, role: 'region',
                                    'aria-label': 'Answer' },
      h('table.result', {},
        h('thead', {}, h('tr', {}, columns.map((name, i) => h('th', {
          scope: 'col', 'data-num': isNumeric(rows, i) },
        visible(name.slice(0, LONG)))))),
        h('tbody', {}, rows.map(row => h('tr', {},
          row.map((value, i) => cellOf(value, columns, row, i)))))))
      : says('No row.'));
  }

  // ---- keys -----------------------------------------------------------------
  key(key) {
    if (key === 'j') this.step(1);
    else if (key === 'k') this.step(-1);
    else if (key === 'f') this.filter.focus();
    else if (key === 'e') this.sql.focus();
    else return false;
    return true;
  }

  title() {
    return this.questions[this.chosen()]?.title ?? 'SQL';
  }
}

const isNumeric = (rows, i) =>
  rows.some(r => r[i] != null) &&
  rows.every(r => r[i] == null || typeof r[i] === 'number' ||
             r[i].integer != null || r[i].real != null);

/** A number: six digits that matter, whole numbers in full. */
const figure = v => Number.isInteger(v) ? String(v)
  : Math.abs(v) >= 1e-4 && Math.abs(v) < 1e9 ? String(Number(v.toPrecision(6)))
    : v.toPrecision(6);

function cellOf(value, columns, row, i) {
  if (value == null) return h('td.dim', {}, 'NULL');
  if (typeof value === 'number' || value.integer || value.real) {
    const text = typeof value === 'number' ? figure(value)
      : value.integer ?? value.real;
    const href = featureLink(value, columns, row, i);
    return h('td', { 'data-num': true, title: String(value.integer ?? value) },
      href ? h('a', { href }, text) : text);
  }
  const raw = value.blob ?? value.bytes;
  const text = raw == null ? visible(value) : `x'${raw}'`;
  const long = text.length > LONG;
  return h('td' + (raw == null ? '' : '.dim'), { title: long ? text : null },
    h('bdi', {}, long ? text.slice(0, LONG) + '…' : text));
}

/** Where a row is about a feature of an SAE, the way to its page. */
function featureLink(value, columns, row, i) {
  if (columns[i] !== 'feature') return null;
  const of = name => columns.includes(name) ? row[columns.indexOf(name)]
    : state['p.' + name] ? Number(state['p.' + name]) : null;
  const head = /^L(\d+)H\d+$/.exec(state['p.head_name'] ?? '');
  const layer = of('layer') ?? (head && Number(head[1]));
  const found = sae(of('sae')) ?? allSaes().find(s => s.layer === layer);
  return found ? link({ f: featureName(found.id, value) }) : null;
}

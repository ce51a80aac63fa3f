// SPDX-License-Identifier: MIT
//
// The table of a prompt, one column a token: how surprising it was, what is
// active there (orange), and under it from which tokens and through which heads
// the chosen feature comes (blue).
import { h, fill, seg, says, failed, amount, percent } from './dom.js';
import { columns } from './charts.js';
import { visible } from './kwic.js';
import { state, go } from './state.js';
import { pinned, quoted, signed, brief, listed } from './prompt_names.js';
import { off } from './prompt_edits.js';

export const ORDERS = [['', 'at the token', 'active at the boxed token'],
                       ['layer', 'by layer', 'the strongest of each layer'],
                       ['first', 'by first use', 'the same, by where they ' +
                         'are first active']];
const NONE = { active: 0, features: [] };
const ROWS = 24;      // features, about
const EACH = [2, 6];  // of a layer, at least and at most
const COMMON = .5;    // share of tokens above which a feature says little
const LEAST = .02;    // of the largest: smaller parts have no number
const FOLD = 12;      // heads shown whatever they add
const SOURCES = [.15, .35, .7]; // of the largest: underlined once to thrice

/** Shade of a part of the maximum: weak values stay visible. */
const shade = part =>
  part > 0 ? (.12 + .88 * Math.min(1, part)).toFixed(3) : 0;

/** Active features as rows {layer, feature, at: Map of position}. */
function rowsOf(list) {
  const rows = new Map();
  for (const f of list) {
    const key = `L${f.layer}F${f.feature}`;
    if (!rows.has(key)) rows.set(key, { ...f, key, at: new Map(), most: 0 });
    const row = rows.get(key);
    row.at.set(f.position, f);
    row.most = Math.max(row.most, f.activation);
  }
  return [...rows.values()];
}

export class PromptTable {
  /** What is shown of the features; the chosen one always is. */
  rows(base, features, at, { order, feature }) {
    if (this.features !== features) {
      this.features = features;
      this.all = rowsOf(features.features);
    }
    const chosen = pinned(feature), n = base.tokens.length;
    const value = row => order ? row.most : row.at.get(at)?.activation ?? 0;
    const tells = row => !order || row.at.size < Math.max(2, COMMON * n);
    const each = Math.max(EACH[0], Math.min(EACH[1],
                                            Math.round(ROWS / base.saes.length)));
    const first = row => Math.min(...row.at.keys());
    const out = base.saes.flatMap(layer => this.all
      .filter(row => row.layer === layer && value(row) > 0 && tells(row))
      .sort((a, b) => value(b) - value(a)).slice(0, each));
    const key = chosen && `L${chosen.layer}F${chosen.feature}`;
    if (key && !out.some(row => row.key === key)) {
      out.push(this.all.find(row => row.key === key) ??
               { ...chosen, key, at: new Map(), most: 0 });
    }
    const by = order === 'first' ? row => [first(row), row.layer]
      : row => [row.layer, -value(row)];
    return out.sort((a, b) => by(a)[0] - by(b)[0] || by(a)[1] - by(b)[1]);
  }

  draw(page) {
    const { base, at } = page;
    const features = page.part('features').answer ?? NONE;
    this.page = page;
    this.shown = this.rows(base, features, at, state);
    this.known = new Map((page.part('names').answer ??
      page.part('names').old)?.rows.map(r => [`${r.sae}:${r.feature}`, r]));
    const { active } = features, all = active === features.features.length;
    const held = this.host?.contains(document.activeElement) &&
      document.activeElement.dataset.at;
    const left = this.host?.scrollLeft;
    this.host = h('div.roll', {
      tabindex: -1, onclick: e => this.clicked(e),
      onkeydown: e => this.steer(e),
    }, h('table', { 'aria-label': 'Tokens, features and sources' },
      this.head(), h('tbody', {}, this.shown.map(row => this.row(row))),
      this.sources()));
    this.held = held;
    // Where it was scrolled to, unless another token is looked at.
    const looked = `${at} ${state.text} ${this.shown.length > 0}`;
    this.left = this.looked === looked ? left : null;
    this.looked = looked;
    return h('section.sec', {}, h('div.cap', {},
      h('h2', {}, 'Features by token'),
      h('span.note', {}, features === NONE ? '' : all ? `${active} active`
        : `the strongest of ${active}`),
      seg('Order', ORDERS, state.order ?? '',
          order => go({ order: order || null }), 's'),
      h('span.legend.r', {}, 'activation', h('span.ramp.r-act'),
        'part from a source', h('span.ramp.r-src'),
        h('span.tok.h', {}, 'chosen'))),
    base.saes.length ? this.host
      : [says('No layer has an SAE here, so there are no features. --sae ' +
              'names their folders.'), this.host]);
  }

  /** Once it is on the page: where it was scrolled to, and the focus. */
  settle() {
    if (this.left != null) this.host.scrollLeft = this.left;
    else {
      this.host.querySelector('[aria-pressed="true"]')
        ?.scrollIntoView({ inline: 'end', block: 'nearest' });
    }
    const cells = [...this.host.querySelectorAll('td[data-at]')];
    const to = cells.find(c => c.dataset.at === this.held);
    const stop = to ?? this.host.querySelector('td.lock') ?? cells[0];
    if (stop) stop.tabIndex = 0;
    to?.focus({ preventScroll: true });
  }

  // ---- tokens ---------------------------------------------------------------
  /** By position, what the chosen feature takes from there: 0 to 3. */
  underlines() {
    const { answer } = this.page.part('sources'), found = new Map();
    if (!answer) return found;
    const sums = answer.dfa[0].map((_, i) =>
      answer.dfa.reduce((sum, head) => sum + head[i], 0));
    const most = Math.max(...sums);
    sums.forEach((v, i) => found.set(i, SOURCES.filter(least =>
      most > 0 && v >= least * most).length));
    return found;
  }

  head() {
    const { base, at } = this.page, under = this.underlines();
    const most = Math.max(...base.tokens.map(t => t.surprise ?? 0));
    return h('thead', {}, h('tr', {}, h('th.corner'),
      base.tokens.map((t, i) => {
        const el = listed(t), marks = under.get(i);
        if (marks) el.classList.add('u' + marks);
        el.info = { token: t, rows: [['position', String(i)],
          ['id', String(t.id)],
          t.surprise != null && ['surprise', `${amount(t.surprise)} nats`],
          marks && ['source', 'of the chosen feature'],
        ].filter(x => x) };
        return h('th', { scope: 'col' }, h('button', {
          type: 'button', 'aria-pressed': String(i === at),
          'aria-label': `${visible(t.text, true)}, token ${i}`,
          onclick: () => go({
            position: i === base.tokens.length - 1 ? null : i }),
        }, el));
      })),
    h('tr', {}, h('th.corner.dim', { scope: 'row' }, 'surprise'),
      base.tokens.map(t => h('td.sur', {
        '--a': t.surprise == null ? 0 : t.surprise / most,
        title: t.surprise == null ? 'the first token'
          : `${amount(t.surprise)} nats`,
      }))));
  }

  // ---- features -------------------------------------------------------------
  row(row) {
    const { lens, base } = this.page, known = this.known.get(lens.id(row));
    const chosen = pinned(state.feature);
    const picked = chosen?.layer === row.layer &&
      chosen.feature === row.feature;
    const max = known?.max > 0 ? known.max : row.most;
    return h(picked ? 'tr.pick' : 'tr', { 'aria-current': picked || null },
      h('th', { scope: 'row' }, h('span.by', {}, lens.feature(row),
        known?.label ? h('span.lab', { title: known.label },
          visible(known.label))
          : h('span.lab.toks', {}, known?.tokens.map(t =>
            listed(typeof t === 'string' ? { text: t } : t))),
        this.strip(row), off(row.key, lens.name(row)))),
      base.tokens.map((t, i) => this.cell(row, row.at.get(i), t, max,
        picked && chosen.position === i)));
  }

  /** What each head adds to it, at the boxed token or where it is strongest. */
  strip(row) {
    const at = [...row.at.values()];
    const f = row.at.get(this.page.at) ??
      at.find(x => x.activation === row.most);
    if (!f || f.head == null) return h('span');
    return h('span', { title: `heads at token ${f.position}: most from ` +
      `L${row.layer}H${f.head}, ${percent(f.share)}` },
    columns(f.shares, { width: 40, height: 13 }));
  }

  cell(row, f, token, max, locked) {
    if (!f) return h(locked ? 'td.lock' : 'td');
    const { lens, base } = this.page, v = f.activation;
    const el = h('td.tok' + (locked ? '.lock' : '') +
                 (v >= max / 2 ? '.s' : ''), {
      '--a': shade(v / max), 'data-at': `${row.key}@${f.position}`,
      tabindex: -1, 'aria-label': `${lens.name(row)} on ` +
        `${visible(token.text)}: ${amount(v)}`,
    }, brief(v));
    el.info = { token, value: v, rows: [
      ['feature', `${lens.name(row)}, up to ${amount(max)}`],
      f.head != null && ['top head',
        `L${row.layer}H${f.head} ${percent(f.share)}`],
      ['source', h('span', {}, quoted(base.tokens[f.source]),
        ` at ${f.source}`)],
    ].filter(x => x) };
    return el;
  }

  // ---- where the chosen one comes from --------------------------------------
  sources() {
    const { lens, base, part } = this.page, { answer, error, flight } =
      part('sources'), chosen = pinned(state.feature);
    const wide = what => h('tbody', {}, h('tr.gap', {}, h('th', {
      colspan: base.tokens.length + 1 }, h('div.bar', {}, what))));
    if (!state.feature) {
      return wide(h('span.note', {}, 'A click on an orange cell shows from ' +
        'which tokens, and through which heads, that activation comes.'));
    }
    if (error) {
      return wide(failed({ title: 'No sources.', message: error.message }));
    }
    if (!answer) return flight ? wide(says('Looking …')) : null;
    const rows = answer.heads.map((sum, head) => ({ head, sum,
                                                    dfa: answer.dfa[head] }))
      .sort((a, b) => b.sum - a.sum);
    const most = Math.max(...answer.dfa.flat().map(Math.abs));
    const total = Math.max(...rows.map(r => Math.abs(r.sum)));
    const kept = rows.filter((r, i) => i < FOLD ||
      Math.abs(r.sum) >= total / 100);
    return h('tbody.r-src', {}, h('tr.gap', {}, h('th', {
      colspan: base.tokens.length + 1,
    }, h('div.bar', {},
      h('h2', {}, lens.feature(chosen), ' at ',
        quoted(base.tokens[answer.position]), ' by head and source'),
      h('span.note', { id: 'sum' }, this.adds(answer)),
      h('button.ico', { type: 'button', 'aria-label': 'Close',
                        title: 'close (Esc)',
                        onclick: () => go({ feature: null, recursive: null }),
      }, '×')))),
    kept.map(r => this.headRow(r, answer, most, total)),
    rows.length > kept.length && h('tr', {}, h('th', {}, h('span.note', {},
      `and ${rows.length - kept.length} heads of less than 1 %`))));
  }

  adds(a) {
    const within = Math.abs(a.sum + a.constant - a.pre);
    return `heads ${signed(a.sum)} and biases ${signed(a.constant)} are ` +
      `${amount(a.pre)} within ${within.toExponential(0)}` +
      (a.activation > 0 ? `; activation ${amount(a.activation)}`
        : '; not active here');
  }

  headRow({ head, sum, dfa }, { layer }, most, total) {
    const { lens, base } = this.page, name = `L${layer}H${head}`;
    const step = state.recursive?.split(' ')[0];
    return h('tr', {}, h('th', { scope: 'row' }, h('span.by', {},
      lens.head({ layer, head }), h('span.num', {}, signed(sum)),
      h('span.w.c-src' + (sum < 0 ? '.neg' : ''),
        { '--w': Math.abs(sum) / total }, h('i')), off(name))),
    base.tokens.map((token, i) => {
      const v = dfa[i];
      if (v == null) return h('td');
      const place = `${name}@${i}`, small = Math.abs(v) < LEAST * most;
      const el = h('td.tok' + (v < 0 && !small ? '.minus' : '') +
        (place === step ? '.lock' : ''), {
        '--a': v > 0 && !small ? shade(v / most) : 0, 'data-at': place, tabindex: -1,
        'aria-label': `${name} from ${visible(token.text)}: ${signed(v)}`,
      }, small ? '' : brief(v));
      el.info = { token, rows: [['through', name], ['part', signed(v)],
                                ['click', 'what wrote it there']] };
      return el;
    }));
  }

  // ---- choosing -------------------------------------------------------------
  choose(at) {
    if (/^L\d+F/.test(at)) {
      go({ feature: at === state.feature ? null : at, recursive: null });
      return;
    }
    const first = state.recursive?.split(' ')[0];
    go({ recursive: at === first ? null : at });
  }

  clicked(e) {
    const at = e.target.closest('td[data-at]')?.dataset.at;
    if (at) this.choose(at);
  }

  /** Arrows go to the next cell with a value, Enter chooses. */
  steer(e) {
    const cell = e.target.closest('td[data-at]');
    if (!cell || e.ctrlKey || e.metaKey || e.altKey) return;
    if (e.key === 'Enter' || e.key === ' ') this.choose(cell.dataset.at);
    else if (/^Arrow/.test(e.key)) this.focus(cell, e.key);
    else return;
    e.preventDefault();
    e.stopPropagation();
  }

  focus(from, key) {
    const side = key === 'ArrowLeft' || key === 'ArrowRight';
    const forth = key === 'ArrowRight' || key === 'ArrowDown';
    const cells = [...(side ? from.parentNode : this.host)
      .querySelectorAll('td[data-at]')];
    const fits = c => side || c.cellIndex === from.cellIndex;
    const line = cells.filter(c => c === from || fits(c));
    const to = line[line.indexOf(from) + (forth ? 1 : -1)];
    if (!to) return;
    from.tabIndex = -1;
    to.tabIndex = 0;
    to.focus();
  }

  /** The feature in the row above or below, where the token is looked at, or
   *  else where it is strongest. */
  beside(feature, by) {
    const rows = this.shown.filter(row => row.at.size);
    const chosen = pinned(feature);
    const at = rows.findIndex(row => row.layer === chosen?.layer &&
      row.feature === chosen.feature);
    const to = rows[chosen ? at + by : by > 0 ? 0 : rows.length - 1];
    if (!to) return null;
    const best = [...to.at.values()].find(f => f.activation === to.most);
    const place = to.at.has(this.page.at) ? this.page.at : best.position;
    return `${to.key}@${place}`;
  }
}

// SPDX-License-Identifier: MIT
//
// The Context page: the text of a context on the left, one or two features laid
// over it; on the right what is active at a token, and for which heads.
import { h, fill, seg, says, failed, count, density, amount, stat, meter,
         toggle, table, cell } from './dom.js';
import { tok, words, asString, visible } from './kwic.js';
import { copies } from './copy.js';
import { get } from './api.js';
import { state, go, link } from './state.js';
import { featureName, featureOf, headName, saeTitle, sae } from './names.js';

const ORDERS = [['', 'strength', 'by activation, as a part of the maximum'],
                ['head', 'head', 'first what is a head’s code here'],
                ['rare', 'rarity', 'the least dense first']];
const LAYERS = { one: 'f', two: 'g' }; // of the API, of the address

export class ContextPage {
  constructor(main) {
    this.text = h('div.page', {}, says('Loading …'));
    this.pane = h('article.pane', { 'aria-label': 'Token', tabindex: -1 });
    main.className = 'split even flow';
    fill(main, h('section.pane.left', { 'aria-label': 'Text' }, this.text),
      this.pane);
    this.text.addEventListener('click', e => this.clicked(e));
    this.text.addEventListener('keydown', e => this.steer(e));
  }

  question() {
    const overlay = name => {
      const found = featureOf(name);
      return found && `${found.sae.id}:${found.feature}`;
    };
    return { context: state.c || null, position: state.p || null,
             one: overlay(state.f), two: overlay(state.g) };
  }

  async update() {
    const question = this.question();
    const asked = this.asked = JSON.stringify(question);
    try {
      const answer = await get('context', question);
      if (asked !== this.asked) return;
      this.answer = answer;
      this.draw();
    } catch (error) {
      if (asked !== this.asked) return;
      this.answer = null;
      fill(this.text, failed(error, () => this.update()));
      fill(this.pane);
    }
  }

  draw() {
    const a = this.answer;
    fill(this.text,
      h('div.hdr', {}, h('h1.id', {}, `c${a.context}`),
        a.group != null && h('span.note', {}, a.group),
        h('span.bar.r', {}, copies({ ask: ['context', this.question()] }),
          this.beside('↑', 'k', 'Context before', a.previous),
          this.beside('↓', 'j', 'Next context', a.next))),
      h('p.stats', {}, stat('tokens', count(a.n_tokens)),
        a.tokens.length < a.n_tokens && stat('shown', `${
          count(a.first_position)} to ${
          count(a.first_position + a.tokens.length - 1)}`),
        a.sampled ? null : h('b', {}, 'outside the sample: features are ' +
          'known near their examples only')),
      h('div.bar.under', {}, this.overlays(), h('span.r', {},
        toggle('·↵', 'spaces and line ends as signs', !!state.esc,
          () => go({ esc: state.esc ? null : 1 }), 'v'))),
      this.running());
    this.drawToken();
    document.title = `${this.title()} · headscope`;
  }

  beside(arrow, key, text, context) {
    return h('button.ico.key', {
      type: 'button', title: `${text} (${key})`, 'aria-label': text,
      disabled: context == null, onclick: () => this.open(context),
    }, arrow, h('kbd.hint', {}, key));
  }

  open(context) {
    if (context != null) go({ c: context, p: null });
  }

  /** What is laid over the text, as a legend with a way to take it off. */
  overlays() {
    const shown = Object.values(LAYERS).map(key => {
      const name = state[key], on = this.overlay(name);
      return on && h('span.bar', {},
        key === 'f' ? h('span.tok.s', { '--a': 1 }, 'orange')
          : h('span.tok.b3', {}, 'overline'),
        h('a.mono', { href: link({ f: name }), 'data-f': name }, name),
        h('span.note', {}, `up to ${amount(on.max)}`),
        h('button.ico', { type: 'button', 'aria-label': `Take off ${name}`,
                          title: 'take off', onclick: () => go({ [key]: null }),
        }, '×'));
    });
    return h('span.legend.over', {}, shown.some(x => x) ? shown
      : h('span', {}, 'No feature is laid over the text; choose one of a ' +
          'token’s.'));
  }

  overlay(name) {
    const found = featureOf(name);
    return found && this.answer.overlays.find(o =>
      o.sae === found.sae.id && o.feature === found.feature);
  }

  running() {
    const a = this.answer, one = this.overlay(state.f);
    const two = this.overlay(state.g);
    const value = (o, i) => !o || !(o.levels[i] > 0) ? o?.levels[i]
      : (o.levels[i] - .5) * o.scale;
    return h('p.running', { lang: '' }, a.tokens.map((token, i) => {
      const at = a.first_position + i, v = value(one, i), w = value(two, i);
      const el = tok(token, {
        value: v, max: one?.max ?? 0, escapes: !!state.esc,
        peak: at === a.position ? 'h' : null,
        info: { ask: one && { sae: one.sae, feature: one.feature,
                              token: a.first_token + i }, rows: [
          ['place', `context ${a.context}, position ${at}`],
          ['id', String(a.first_token + i)],
          two && [state.g, w > 0 ? amount(w) : w === null ? 'not known'
            : 'silent'],
        ].filter(x => x) },
      });
      if (!one) el.info.value = undefined;
      if (w > 0) el.classList.add(w >= two.max / 2 ? 'b3' : 'b1');
      el.dataset.p = at;
      el.tabIndex = at === (a.position ?? a.first_position) ? 0 : -1;
      if (at === a.position) el.setAttribute('aria-current', 'true');
      // A line ends where the text's does.
      return asString(token).text.includes('\n') ? [el, '\n'] : el;
    }));
  }

  clicked(e) {
    const at = e.target.closest('.tok[data-p]')?.dataset.p;
    if (at != null) go({ p: at === state.p ? null : at });
  }

  steer(e) {
    const at = Number(e.target.dataset?.p ?? NaN), key = e.key;
    if (Number.isNaN(at) || e.ctrlKey || e.metaKey || e.altKey) return;
    if (key === 'Enter' || key === ' ') go({ p: at });
    else if (key === 'ArrowLeft' || key === 'ArrowRight')
      this.focus(at, at + (key === 'ArrowLeft' ? -1 : 1));
    else return;
    e.preventDefault();
    e.stopPropagation();
  }

  /** Moves the one tab stop of the text. */
  focus(from, to) {
    const el = p => this.text.querySelector(`[data-p="${p}"]`);
    if (!el(to)) return;
    el(from).tabIndex = -1;
    el(to).tabIndex = 0;
    el(to).focus();
  }

  // ---- one token ------------------------------------------------------------
  drawToken() {
    const a = this.answer;
    if (a.position == null) {
      return fill(this.pane, h('div.page', {}, says(
        'A click on a token shows what is active there.')));
    }
    const t = asString(a.tokens[a.position - a.first_position]);
    fill(this.pane, h('div.page', {},
      h('div.hdr', {}, h('h1.id', {}, h('bdi', {},
        `“${Array.from(visible(t.text, true)).slice(0, 80).join('')}”`)),
      h('span.note', {}, `position ${a.position}, token ${a.token}`)),
      this.codes(), this.features()));
  }

  /** The code of each head: the active feature that gets most through it. */
  codes() {
    const a = this.answer, saes = [...new Set(a.rows.map(r => r.sae))];
    if (!saes.length) return null;
    return h('section.sec', {},
      h('div.cap', {}, h('h2', {}, 'Codes of the heads'), h('span.note', {},
        'the active feature that gets most through each head')),
      saes.map(id => h('p.codes', {}, h('b', {}, saeTitle(sae(id))),
        h('span', {}, Array.from({ length: sae(id).heads }, (_, head) => {
          const r = a.rows.find(x => x.sae === id && x.heads.includes(head));
          const name = r && featureName(id, r.feature);
          return h('span', {},
            h('a.dim', { href: link({ page: 'heads', h: headName(id, head) }) },
              'H' + head), ' ',
            r ? h('a.mono', { href: link({ f: name }), 'data-f': name },
              String(r.feature)) : h('span.dim', {}, '–'));
        })))));
  }

  features() {
    const a = this.answer, order = state.order ?? '';
    if (!a.rows.length) {
      return says(a.sampled ? 'Nothing is active here.'
        : 'This context is outside the sample: what is active here is not ' +
          'in the database.');
    }
    const part = r => r.level / 255;
    const least = r => r.heads.length ? r.heads[0] : Infinity;
    const by = { head: (x, y) => x.layer - y.layer || least(x) - least(y) ||
                   part(y) - part(x),
                 rare: (x, y) => x.density - y.density };
    const rows = [...a.rows].sort(by[order] ?? ((x, y) => part(y) - part(x)));
    return h('section.sec', {},
      h('div.cap', {}, h('h2', {}, 'Active features'),
        h('span.note', {}, count(rows.length)),
        h('span.r', {}, seg('Order', ORDERS, order, v => go({ order: v }),
          's'))),
      table('tight.active', 'Active features', [
        ['feature'], ['activation', '', 'the bar: as a part of its maximum'],
        ['code of'], ['dens %', 'num'], ['overlay'], ['top tokens'],
      ], rows.map(r => this.featureRow(r))));
  }

  featureRow(r) {
    const name = featureName(r.sae, r.feature);
    const lay = (key, text, title) => h('button.tog', {
      type: 'button', 'aria-pressed': String(state[key] === name), title,
      'aria-label': `${name} ${title}`,
      onclick: () => go({ [key]: state[key] === name ? null : name }),
    }, text);
    return h('div.tr', { role: 'row' },
      cell('.mono', h('a', { href: link({ f: name }), 'data-f': name }, name)),
      cell('', meter(r.level, 255, amount(r.value), 'c-act')),
      cell('.mono', r.heads.map(head => 'H' + head).join(' ')),
      cell('.num', density(r.density)),
      cell('', lay('f', '1', 'over the text, in orange'),
        lay('g', '2', 'over the text, as an overline')),
      cell('.toks', words(r.tokens)));
  }

  // ---- keys -----------------------------------------------------------------
  key(key) {
    const a = this.answer;
    if (!a) return false;
    if (key === 'j') this.open(a.next);
    else if (key === 'k') this.open(a.previous);
    else if (key === 'v') go({ esc: state.esc ? null : 1 });
    else if (key === 's') {
      const at = ORDERS.findIndex(([by]) => by === (state.order ?? ''));
      go({ order: ORDERS[(at + 1) % ORDERS.length][0] });
    } else if (key === 'h' || key === 'l') this.move(key === 'h' ? -1 : 1);
    else if (key === 'Escape' && state.p) go({ p: null });
    else return false;
    return true;
  }

  move(by) {
    const at = (this.answer.position ?? -1) + by;
    if (at >= 0 && at < this.answer.n_tokens) go({ p: at });
  }

  title() {
    return this.answer ? `c${this.answer.context}` +
      (this.answer.position == null ? '' : ` · ${this.answer.position}`)
      : 'Context';
  }
}

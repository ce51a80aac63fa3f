// SPDX-License-Identifier: MIT
//
// The search box: heads, features and tokens by name; Enter goes to the best.
import { h, $, fill, count, says } from './dom.js';
import { word } from './kwic.js';
import { get } from './api.js';
import { link, visit } from './state.js';
import { sae, featureName, headName } from './names.js';

const TYPING = 120; // ms of rest before typed letters are looked up

const address = r =>
  r.kind === 'head' ? link({ page: 'heads', h: headName(r.sae, r.head) })
    : r.kind === 'feature' ? link({ f: featureName(r.sae, r.feature) })
      : r.kind === 'context'
        ? link({ page: 'context', c: r.context, p: r.position })
        : r.kind === 'tokens'
          ? link({ page: 'tokens', v: r.strings.map(s => s.vocab).join() })
          : link({ page: 'tokens', v: r.vocab });

const shown = r =>
  r.kind === 'head' ? [h('span.mono', {}, headName(r.sae, r.head)), 'head']
    : r.kind === 'feature'
      ? [h('span.mono', {}, featureName(r.sae, r.feature)), 'feature']
      : r.kind === 'context'
        ? [h('span.mono', {}, `c${r.context}` +
             (r.position == null ? '' : ` · ${r.position}`)), 'context']
        : r.kind === 'tokens'
          ? [h('span.mono', {}, r.strings.map(s =>
            [word(s, { escapes: true, limit: 20 }), ' '])),
             `${r.strings.length} tokens`]
      : [h('span.mono', {}, word(r, { escapes: true, limit: 40 })),
         `token · ${count(r.count)} ×`];

export class Search {
  constructor() {
    this.input = $('#q');
    this.list = $('#found');
    this.results = [];
    this.at = -1;
    this.input.addEventListener('input', () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.look(), TYPING);
    });
    this.input.addEventListener('keydown', e => this.steer(e));
    this.input.addEventListener('blur', () => this.close());
    this.list.addEventListener('pointerdown', e => e.preventDefault());
    this.list.addEventListener('click', e => {
      const row = e.target.closest('[role="option"]');
      if (row) this.open(Number(row.dataset.at));
    });
    $('#jump').addEventListener('submit', e => {
      e.preventDefault();
      this.enter();
    });
  }

  /** Asks what the text means; the promise ends when the list is there. */
  async look() {
    clearTimeout(this.timer);
    const q = this.asked = this.input.value;
    if (!q) {
      this.results = [];
      return this.close();
    }
    try {
      const { results, note } = await get('search', { q });
      if (q !== this.asked) return undefined;
      this.results = results.filter(r => !r.sae || sae(r.sae));
      this.draw(note ?? (results.length ? null : 'Nothing is called that.'));
    } catch (error) {
      this.results = [];
      this.draw(`${error.title} ${error.message}`);
    }
    return undefined;
  }

  draw(note) {
    this.at = -1;
    fill(this.list, this.results.map((r, i) => {
      const [name, what] = shown(r);
      return h('li', { role: 'option', id: `found-${i}`, 'data-at': i,
                       'aria-selected': 'false' },
      name, h('span.dim', {}, what));
    }), note && h('li', {}, says(note)));
    this.list.hidden = false;
    this.input.setAttribute('aria-expanded', 'true');
  }

  close() {
    this.list.hidden = true;
    this.at = -1;
    this.input.setAttribute('aria-expanded', 'false');
    this.input.removeAttribute('aria-activedescendant');
  }

  async enter() {
    if (this.at >= 0) return this.open(this.at);
    await this.look();
    return this.results.length ? this.open(0) : undefined;
  }

  open(index) {
    const href = address(this.results[index]);
    this.asked = null;
    this.input.value = '';
    this.input.blur();
    this.close();
    visit(href);
  }

  steer(e) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
    if (!step || !this.results.length || this.list.hidden) return;
    e.preventDefault();
    const n = this.results.length;
    this.at = (this.at + step + n + (this.at < 0 && step < 0 ? 1 : 0)) % n;
    [...this.list.querySelectorAll('[role="option"]')].forEach((row, i) =>
      row.setAttribute('aria-selected', String(i === this.at)));
    this.input.setAttribute('aria-activedescendant', `found-${this.at}`);
  }
}

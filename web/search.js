// SPDX-License-Identifier: MIT
//
// The search box: heads, features, places, tokens and labels by name; Enter goes
// to the best.
import { h, $, fill, count, says } from './dom.js';
import { word, visible } from './kwic.js';
import { get } from './api.js';
import { link, visit } from './state.js';
import { sae, featureName, headName } from './names.js';

const TYPING = 120; // ms of rest before typed letters are looked up

const mono = (...what) => h('span.mono', {}, what);
const feature = r => featureName(r.sae, r.feature);

/** Of each kind of result: its address, its name, what it is. */
const KINDS = {
  head: r => [link({ page: 'heads', h: headName(r.sae, r.head) }),
    mono(headName(r.sae, r.head)), 'head'],
  feature: r => [link({ f: feature(r) }), mono(feature(r)), 'feature'],
  label: r => [link({ f: feature(r) }),
    [mono(feature(r)), ' ', h('bdi', {}, visible(r.label))], 'label'],
  context: r => [link({ page: 'context', c: r.context, p: r.position }),
    mono(`c${r.context}`, r.position != null && ` · ${r.position}`),
    'context'],
  token: r => [link({ page: 'tokens', v: r.vocab }),
    mono(word(r, { escapes: true, limit: 40 })),
    `token · ${count(r.count)} ×`],
  tokens: r => [
    link({ page: 'tokens', v: r.strings.map(s => s.vocab).join() }),
    mono(r.strings.map((s, i) =>
      [i > 0 && ' + ', word(s, { escapes: true, limit: 20 })])),
    `${r.strings.length} tokens`],
};
const parts = r => KINDS[r.kind](r);

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
      const [, name, what] = parts(r);
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
    const [href] = parts(this.results[index]);
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

// SPDX-License-Identifier: MIT
//
// The Tokens page: strings on the left; on the right one string, the heads and
// the features that fire on it.
import { h, fill, put, seg, says, failed, count, density, amount, percent, stat,
         meter, table, cell, columnHeads } from './dom.js';
import { word, words, visible, asString } from './kwic.js';
import { get } from './api.js';
import { state, go, link } from './state.js';
import { allSaes, saeOfKey, saeTitle, featureName, headName, dumpOf,
         hasTokens } from './names.js';

const TYPING = 150; // ms of rest before typed letters are looked up
const PAGE = 100;   // features fetched at a time
const SORTS = [['', 'max'], ['share', 'share'], ['count', 'times']];

export class TokensPage {
  constructor(main) {
    this.input = h('input', {
      type: 'search', id: 'filter', spellcheck: 'false', autocomplete: 'off',
      'aria-label': 'Beginning of a token',
      placeholder: hasTokens() ? 'Beginning of a token'
        : 'No tokens in this database',
      disabled: !hasTokens(), oninput: () => this.typed(),
    });
    this.rows = h('div.grid.vocab', { role: 'table', 'aria-label': 'Tokens' });
    this.pane = h('article.pane', { 'aria-label': 'Token', tabindex: -1 });
    main.className = 'split';
    fill(main, h('section.pane.left.list', { 'aria-label': 'Tokens' },
      h('div.filters', {}, h('label.key', {}, this.input,
                             h('kbd.hint', {}, 'f'))), this.rows), this.pane);
  }

  update() {
    if (!hasTokens()) {
      fill(this.rows, says('The dump came without tokens: their strings are ' +
                           'not known.'));
      return fill(this.pane, says('Features and heads can be browsed; what ' +
                                  'they fire on cannot be shown.'));
    }
    if (document.activeElement !== this.input) this.input.value = state.q ?? '';
    this.showList();
    return this.showToken();
  }

  // ---- strings --------------------------------------------------------------
  typed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => go({ q: this.input.value }), TYPING);
  }

  /** Strings that begin as typed; the frequent words if nothing is. */
  async showList() {
    const q = state.q || ' ';
    if (q === this.listed) return this.mark();
    this.listed = q;
    try {
      const { results } = await get('search', { q, limit: 50 });
      if (q !== this.listed) return undefined;
      this.found = results.filter(r => r.kind === 'token');
      fill(this.rows, columnHeads([['token'], ['id', 'num'], ['times', 'num']]),
        this.found.map(r => this.stringRow(r)),
        !this.found.length && says('No token begins like that.'));
      if (!state.v && !state.t && this.found.length)
        go({ v: this.found[0].vocab });
      else this.mark();
    } catch (error) {
      this.listed = null;
      fill(this.rows, failed(error, () => this.showList()));
    }
    return undefined;
  }

  stringRow(r) {
    return h('div.tr', { role: 'row', 'data-v': r.vocab },
      cell('.mono',
        h('a', { href: link({ page: 'tokens', q: state.q, v: r.vocab }) },
          word(r, { escapes: true, limit: 40 }))),
      cell('.num.dim', String(r.vocab)),
      cell('.num', count(r.count)));
  }

  mark() {
    for (const row of this.rows.querySelectorAll('[data-v]')) {
      const on = row.dataset.v === state.v;
      row.setAttribute('aria-selected', String(on));
      if (on) row.scrollIntoView({ block: 'nearest' });
    }
  }

  // ---- one string -----------------------------------------------------------
  question(offset = 0) {
    return {
      vocab: state.v, text: state.v ? null : state.t,
      sae: state.layer && (saeOfKey(state.layer)?.id ?? 0),
      sort: state.sort || 'max', offset, limit: PAGE,
    };
  }

  async showToken() {
    if (!state.v && !state.t) return;
    const asked = this.asked = JSON.stringify(this.question());
    try {
      const answer = await get('token', this.question());
      if (asked !== this.asked) return;
      this.draw(answer);
    } catch (error) {
      if (asked === this.asked)
        fill(this.pane, failed(error, () => this.showToken()));
    }
  }

  draw(answer) {
    const [string] = answer.strings, t = asString(string);
    const total = allSaes().length ? dumpOf(allSaes()[0]).tokens : 0;
    this.name = visible(t.text.slice(0, 40), true);
    const whole = visible(t.text, true);
    fill(this.pane, h('div.page', {},
      h('div.hdr', {}, h('h1.id', { title: whole }, h('bdi', {},
        `“${Array.from(whole).slice(0, 120).join('')}` +
        `${whole.length > 120 ? '…' : ''}”`)),
      t.escaped && h('span.note', {}, 'bytes that are no text')),
      h('p.stats', {},
        stat('times', count(string.count), `of ${count(total)} tokens`),
        stat('id', answer.strings.map(s => s.vocab).join(', ')),
        t.text.length > 120 && stat('length', count(t.text.length),
                                    'characters'),
        h('a', { href: link({ token: t.text }) }, 'in the list of features')),
      h('div.two', {}, h('div.main', {}, this.features(answer)),
        h('aside.side', {}, this.heads(answer.heads)))));
    this.shownTitle();
  }

  heads(heads) {
    const most = Math.max(...heads.map(x => x.features));
    return h('section.sec', {},
      h('div.cap', {}, h('h2', {}, 'Heads'), h('span.note', {},
        'that lead features which fire on it')),
      heads.length ? table('tight.theads', 'Heads',
        [['head'], ['features'], ['max', 'num']],
        heads.slice(0, 24).map(x => h('div.tr', { role: 'row' },
          cell('.mono', h('a', {
            href: link({ page: 'heads', h: headName(x.sae, x.head) }),
          }, headName(x.sae, x.head))),
          cell('',
            meter(x.features, most, count(x.features), 'c-src')),
          cell('.num', amount(x.max)))))
        : says('None.'));
  }

  features(answer) {
    const layers = [['', 'all'], ...allSaes().map(s => [s.key, saeTitle(s)])];
    const most = Math.max(...answer.rows.map(r => r.max));
    const rows = table('tight.tfeats', 'Features',
      [['feature'], ['max on it'], ['mean', 'num'], ['times', 'num'],
        ['of all', 'num', 'part of its occurrences with the feature active'],
        ['top head', 'num'], ['fires on']],
      answer.rows.map(r => this.featureRow(r, most)));
    const more = h('button.btn', { type: 'button', onclick: async () => {
      try {
        const have = rows.children.length - 1; // one is the head
        const next = await get('token', this.question(have));
        put(rows, next.rows.map(r => this.featureRow(r, most)));
        if (have + next.rows.length >= next.total) more.remove();
      } catch (error) {
        more.after(failed(error));
      }
    } }, 'More');
    return h('section.sec', {},
      h('div.cap', {}, h('h2', {}, 'Features'),
        h('span.note', {}, `${count(answer.total)} that fire on it`),
        h('span.bar.r', {}, seg('Layer', layers, state.layer ?? '',
          layer => go({ layer }), '[ ]'),
        seg('Order', SORTS, state.sort ?? '', sort => go({ sort }), 's'))),
      answer.rows.length ? rows : says('No feature fires on it here.'),
      answer.total > answer.rows.length && h('p.bar.under', {}, more));
  }

  featureRow(r, most) {
    const name = featureName(r.sae, r.feature);
    const head = r.top_head == null ? '–' : h('a', {
      href: link({ page: 'heads', h: headName(r.sae, r.top_head) }),
    }, headName(r.sae, r.top_head));
    return h('div.tr', { role: 'row' },
      cell('.mono', h('a', { href: link({ f: name }) }, name)),
      cell('', meter(r.max, most, amount(r.max), 'c-act')),
      cell('.num', amount(r.mean)),
      cell('.num', count(r.count)),
      cell('.num', percent(r.share)),
      cell('.num', head, ` ${percent(r.top_share)}`),
      h('span.toks', { role: 'cell', title: `density ${density(r.density)} %` },
        words(r.tokens)));
  }

  // ---- keys -----------------------------------------------------------------
  key(key) {
    if (key === 'j' || key === 'k') this.step(key === 'j' ? 1 : -1);
    else if (key === 'f') this.input.focus();
    else if (key === '[' || key === ']') {
      const keys = ['', ...allSaes().map(s => s.key)];
      const at = keys.indexOf(state.layer ?? '') + (key === ']' ? 1 : -1);
      go({ layer: keys[(at + keys.length) % keys.length] });
    } else if (key === 's') {
      const at = SORTS.findIndex(([by]) => by === (state.sort ?? ''));
      go({ sort: SORTS[(at + 1) % SORTS.length][0] });
    } else return false;
    return true;
  }

  step(by) {
    const at = this.found?.findIndex(r => String(r.vocab) === state.v) ?? -1;
    const to = this.found?.[at < 0 ? 0 : at + by];
    if (to) go({ v: to.vocab });
  }

  shownTitle() {
    document.title = `${this.title()} · headscope`;
  }

  title() {
    return this.name ? `“${this.name}”` : 'Tokens';
  }
}

// SPDX-License-Identifier: MIT
//
// The Tokens page: strings on the left; on the right one of them, or several
// together: the features and the heads that fire on it, and where it stands.
import { h, fill, put, seg, says, failed, count, density, amount, percent, stat,
         meter, table, cell, columnHeads } from './dom.js';
import { word, words, visible, asString, kwic } from './kwic.js';
import { copies } from './copy.js';
import { get } from './api.js';
import { state, go, link } from './state.js';
import { allSaes, saeOfKey, saeTitle, featureName, headName, headOf, dumpOf,
         hasTokens } from './names.js';

const TYPING = 150; // ms of rest before typed letters are looked up
const PAGE = 100;   // features fetched at a time
const LONG = 120;   // characters of a string shown in the title
const HEADS = 8;    // heads shown, until more are wanted
const SORTS = [['', 'max'], ['share', 'share'], ['count', 'times']];
/** How a string has what was typed: said beside it. */
const MATCHES = { exact: 'exactly', spaced: 'with a space',
                  beginning: 'begins so', within: 'contains it' };

/** Ids of several strings as the address has them, each once. */
const together = strings => [...new Set(strings.map(s => s.vocab))].join();

export class TokensPage {
  constructor(main) {
    this.input = h('input', {
      type: 'search', id: 'filter', spellcheck: 'false', autocomplete: 'off',
      'aria-label': 'A token, a part of one, or several',
      placeholder: hasTokens() ? 'A token, a part of one, or several'
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

  /** Strings that have what was typed; the frequent words if nothing is. */
  async showList() {
    const q = state.q || ' ';
    if (q === this.listed) return this.mark();
    this.listed = q;
    try {
      const { results } = await get('search', {
        q, limit: 50, within: state.q ? 1 : null,
      });
      if (q !== this.listed) return undefined;
      this.found = results.map(r =>
        r.kind === 'token' ? { v: String(r.vocab), strings: [r], ...r }
          : r.kind === 'tokens' ? { v: together(r.strings), ...r } : null)
        .filter(r => r);
      fill(this.rows, columnHeads([['token'], ['', ''], ['id', 'num'],
                                   ['times', 'num']]),
        this.found.map(r => this.stringRow(r)),
        !this.found.length && says('No token has that in it.'));
      if (!state.v && !state.t && this.found.length)
        go({ v: this.found[0].v });
      else this.mark();
    } catch (error) {
      this.listed = null;
      fill(this.rows, failed(error, () => this.showList()));
    }
    return undefined;
  }

  stringRow(r) {
    return h('div.tr', { role: 'row', 'data-v': r.v },
      cell('.mono', h('a', {
        href: link({ page: 'tokens', q: state.q, v: r.v }),
        title: r.match ? null
          : 'the longest strings it is made of; the tokenizer may cut it ' +
            'otherwise',
      }, r.strings.map((t, i) => [
        i > 0 && h('span.dim', {}, ' + '),
        word(t, { escapes: true, limit: 40 })]))),
      cell('.dim', r.match ? state.q && MATCHES[r.match]
        : `${r.strings.length} tokens`),
      cell('.num.dim', r.match ? r.v : ''),
      cell('.num', r.match ? count(r.count) : ''));
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
    const through = headOf(state.head);
    return {
      vocab: state.v, text: state.v ? null : state.t,
      sae: through?.sae.id ??
        (state.layer && (saeOfKey(state.layer)?.id ?? 0)),
      head: through?.head,
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
    const { strings } = answer, [string] = strings, t = asString(string);
    const total = allSaes().length ? dumpOf(allSaes()[0]).tokens : 0;
    const times = strings.reduce((sum, x) => sum + x.count, 0);
    const quoted = (text, limit) => `“${Array.from(text).slice(0, limit)
      .join('')}${text.length > limit ? '…' : ''}”`;
    const all = strings.map(x => visible(asString(x).text, true));
    this.name = all.map(text => quoted(text, 40)).join(' + ');
    fill(this.pane, h('div.page', {},
      h('div.hdr', {}, h('h1.id', { title: all.join(' ') },
        all.map((text, i) => [i > 0 && ' + ', h('bdi', {},
                                                quoted(text, LONG))])),
      t.escaped && h('span.note', {}, 'bytes that are no text'),
      h('span.bar.r', {}, copies({ ask: ['token', this.question()] }))),
      h('p.stats', {},
        stat('times', count(times), `of ${count(total)} tokens`),
        stat('id', strings.map(s => s.vocab).join(', ')),
        t.text.length > LONG && stat('length', count(t.text.length),
                                    'characters'),
        strings.length === 1 &&
          h('a', { href: link({ token: t.text }) }, 'in the list of features'),
        this.variants(strings)),
      h('div.two.woven', {},
        h('div.main', {}, this.places(answer.places), this.features(answer)),
        h('aside.side', {}, this.heads(answer.heads)))));
    this.shownTitle();
  }

  /** With and without the space in front, where there are both. */
  variants(strings) {
    const host = h('span'), text = asString(strings[0]).text;
    const bare = text.replace(/^ /, '');
    if (!bare || bare.length > LONG || strings.length > 2) return host;
    get('search', { q: bare, limit: 4 }).then(({ results }) => {
      const two = results.filter(r => ['exact', 'spaced'].includes(r.match));
      if (two.length < 2) return;
      const ids = two.map(r => String(r.vocab));
      if (!strings.every(x => ids.includes(String(x.vocab)))) return;
      fill(host, seg('The space in front', [
        [ids[0], 'without space'], [ids[1], 'with'], [ids.join(), 'both'],
      ], state.v, v => go({ v })));
    }).catch(() => null); // what is there is true all the same
    return host;
  }

  places(places) {
    return h('section.sec', {},
      h('div.cap', {}, h('h2', {}, 'Where it stands'),
        h('span.note', {}, `the first ${places.length} places of the sample`)),
      places.length === 0 ? says('Nowhere in the sample.') : h('div.kwic', { role: 'list', 'aria-label': 'Where it stands' },
        places.map(e => kwic({
          box: 'h', at: e.peak, window: 16,
          tokens: e.tokens.map((token, i) => ({ token, info: { rows: [
            ['place',
             `context ${e.context}, position ${e.position + i - e.peak}`],
            ['id', String(e.token + i - e.peak)]] } })),
          where: h('a', {
            href: link({ page: 'context', c: e.context, p: e.position }),
            title: 'the text, with what is active there',
          }, `c${e.context} · ${e.position}`),
        }))));
  }

  heads(heads) {
    const most = Math.max(...heads.map(x => x.features));
    return h('section.sec', {},
      h('div.cap', {}, h('h2', {}, 'Heads'), h('span.note', {},
        'that lead features which fire on it')),
      heads.length ? table('tight.theads', 'Heads',
        [['head'], ['features'], ['max', 'num'], ['only']],
        heads.slice(0, this.unfolded ? heads.length : HEADS)
          .map(x => this.headRow(x, most)))
        : says('None.'),
      heads.length > HEADS && !this.unfolded && h('button.tog', {
        type: 'button', onclick: () => {
          this.unfolded = true;
          this.update();
        },
      }, `${heads.length - HEADS} more`));
  }

  headRow(x, most) {
    const name = headName(x.sae, x.head), on = state.head === name;
    return h('div.tr', { role: 'row', 'aria-selected': String(on) },
      cell('.mono', h('a', { href: link({ page: 'heads', h: name }) }, name)),
      cell('', meter(x.features, most, count(x.features), 'c-src')),
      cell('.num', amount(x.max)),
      cell('', h('button.tog', {
        type: 'button', 'aria-pressed': String(on),
        'aria-label': `Only features that ${name} leads`,
        title: 'only the features that it leads',
        onclick: () => go({ head: on ? null : name }),
      })));
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
        h('span.note', {}, `${count(answer.total)} that fire on it` +
          (state.head ? `, led by ${visible(state.head)}` : '')),
        h('span.bar.r', {}, seg('Layer', layers, state.layer ?? '',
          layer => go({ layer, head: null }), '[ ]'),
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
      cell('.mono', h('a', { href: link({ f: name }), 'data-f': name }, name)),
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
      go({ layer: keys[(at + keys.length) % keys.length], head: null });
    } else if (key === 's') {
      const at = SORTS.findIndex(([by]) => by === (state.sort ?? ''));
      go({ sort: SORTS[(at + 1) % SORTS.length][0] });
    } else return false;
    return true;
  }

  step(by) {
    const at = this.found?.findIndex(r => r.v === state.v) ?? -1;
    const to = this.found?.[at < 0 ? 0 : at + by];
    if (to) go({ v: to.v });
  }

  shownTitle() {
    document.title = `${this.title()} · headscope`;
  }

  title() {
    return this.name ?? 'Tokens';
  }
}

// SPDX-License-Identifier: MIT
//
// Tokens and the lines that show them in context. A token is hostile text: it
// goes in as text nodes, isolated from the text around it, with what cannot be
// seen written out, and cut where it is long; the whole is in the title.
import { h, amount } from './dom.js';

// Control, format and line-separating characters, but for the two joiners
// that emoji and Indic and Arabic words are spelled with.
const UNSEEN = /[[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]--[\u200c\u200d]]/v;
const NAMED = { '\n': '↵', '\t': '→', '\r': '␍' };

const code = ch =>
  '\\u' + (ch.codePointAt(0) > 0xffff ? `{${ch.codePointAt(0).toString(16)}}`
    : ch.codePointAt(0).toString(16).padStart(4, '0'));

/** The visible form of a string. escapes: spaces too. */
export function visible(text, escapes = false) {
  const joined = /^[\u200c\u200d]*$/.test(text);
  return Array.from(text, ch =>
    NAMED[ch] ?? (UNSEEN.test(ch) || (joined && ch !== ' ') ? code(ch)
      : ch === ' ' && escapes ? '·' : ch)).join('');
}

/** Shade of a part of the maximum: weak values stay visible. */
const shade = part =>
  part > 0 ? (.12 + .88 * Math.min(1, part)).toFixed(3) : 0;

/** A token as the API sends it (a string, an object, null) as an object. */
export const asString = t =>
  t == null ? { text: '□', unknown: true }
    : typeof t === 'string' ? { text: t } : t;

/** The whole visible form of a token, for titles. */
function whole({ text, cut }) {
  return visible(text) + (cut ? `… (${cut.toLocaleString('en')} bytes)` : '');
}

/**
 * One token as an element. value and max: its activation and the feature's
 * largest; peak: boxed; source: 1 to 3, underlined so strongly; limit:
 * characters shown; escapes: spaces as dots; info: for the tooltip (tip.js).
 */
export function tok(token, o = {}) {
  const { value = 0, max = 0, peak, source, limit = 40, escapes, info } = o;
  const { text, cut, escaped } = asString(token);
  // Twice the limit holds as many characters, whatever their length.
  const shown = Array.from(visible(text.slice(0, 2 * limit), escapes));
  const long = cut || shown.length > limit || text.length > 2 * limit;
  const el = h('span.tok' + (escaped ? '.raw' : ''), {
    '--a': value > 0 ? shade(value / max) : null,
    title: long ? whole({ text, cut }) : null,
  }, long ? shown.slice(0, limit).join('') + '…' : shown.join('') || '∅');
  if (value > 0 && value >= max / 2) el.classList.add('s');
  if (value == null) el.classList.add('na');
  if (peak) el.classList.add(peak);
  if (source) el.classList.add('u' + source);
  if (info) el.info = { token, ...info, value };
  return el;
}

const spaced = text => text.length > 1 && text[0] === ' ' && text[1] !== ' ';

/** The same token without the space in front. */
function trimmed(token) {
  const t = asString(token);
  return spaced(t.text) ? { ...t, text: t.text.slice(1) } : t;
}

/**
 * A token by itself, as in lists: the space in front is left out unless it is
 * to be a dot, and spaces alone are dots.
 */
export function word(token, o = {}) {
  const blank = asString(token).text.trim() === '';
  return tok(o.escapes ? token : trimmed(token),
             { limit: 24, escapes: blank, ...o });
}

/**
 * Tokens in a list; where two would look alike, the space in front is a dot.
 * more(token) gives a token's options.
 */
export function words(tokens, more = () => null) {
  const looks = tokens.map(t => trimmed(t).text);
  const alone = look => looks.indexOf(look) === looks.lastIndexOf(look);
  return tokens.map((t, i) =>
    word(t, { ...(alone(looks[i]) ? null : { escapes: true }), ...more(t) }));
}

/** A token in a line: the space in front is drawn before it, unshaded. */
export function run(token, o, first) {
  const t = asString(token);
  if (o.escapes || !spaced(t.text)) return [tok(t, o)];
  const info = o.info && { ...o.info, token: t };
  return [first ? null : ' ', tok(trimmed(t), { ...o, info })];
}

/** The context of a token to its left, itself and what follows, on an axis. */
function sides({ tokens, at }, peak, { max, window, escapes }) {
  const one = t => run(t.token, { ...t, max, escapes });
  const it = tokens[at], text = asString(it.token).text;
  return [
    h('span.l', {}, h('span', {},
      tokens.slice(Math.max(0, at - window), at).map(one),
      spaced(text) && !escapes ? ' ' : null)),
    h('span.t', {}, run(it.token, { ...it, max, escapes, peak }, true),
      tokens.slice(at + 1, at + window + 1).map(one)),
  ];
}

/** All of an example's context as running text. */
function running({ tokens, at, max, escapes }, peak) {
  return h('span.t', {}, tokens.map((t, i) =>
    run(t.token, { ...t, max, escapes, peak: i === at && peak }, !i)));
}

/**
 * One example: its value, the left context, the peak and the right context on
 * a fixed axis, where it stands. tokens: {token, value, source, info}; at: the
 * peak. both: with a second axis before it, of `source`, which has tokens and
 * at, too, if it is known. box: of the place, 'p', 'q' if it is silent, 'h' if
 * it has no value; full: all of the context instead.
 */
export const kwic = ({ box = 'p', ...o }) =>
  h('div.k' + (o.both ? '.both' : o.full ? '.full' : ''), { role: 'listitem' },
    h('span.v', {}, box !== 'h' && amount(o.value)),
    o.both && (o.source ? sides(o.source, 'o', o)
      : [h('span.l'), h('span.t.dim', {}, '–')]),
    o.full ? running(o, box) : sides(o, box, o),
    h('span.m', {}, o.where));

/** What the shades and boxes mean; top: the text at the full shade. */
export const legend = (top, sources, silent) =>
  h('span.legend', {}, '0', h('span.ramp.r-act'), top,
    h('span.tok.s', { '--a': shade(.5) }, '≥ half'),
    silent ? h('span.tok.q', {}, 'silent')
      : h('span.tok.p', { '--a': 1 }, 'peak'),
    sources && h('span.tok.u3', {}, 'source'));

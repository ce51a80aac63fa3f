// SPDX-License-Identifier: MIT
//
// The questions of docs/sql.md, which the server gives as sql.md: of each its
// heading, words and SELECT, with what it asks about as parameters.
import { allSaes } from './names.js';

/** What becomes a parameter: [name, in which words of a SELECT]. */
const PLACES = [
  ['other', /(\bb\.feature (?:=|<>) )(\d+)/g],
  ['sae', /(\bsae = )(\d+)/g],
  ['layer', /(\blayer = )(\d+)/g],
  ['feature', /(\bfeature (?:=|<>) )(\d+)/g],
  ['token', /(\b(?:token|m\.id) = )(\d+)/g],
  ['text', /(\btext = )'((?:[^']|'')*)'/g],
  ['head', /(\bhead = )(\d+)/g],
  ['head_name', /(\b(?:head_name|\w\.name) = )'(L\d+H\d+)'/g],
];

/** A SELECT with :names for what it asks about, and what that is there. */
function parametrize(sql) {
  const values = {};
  for (const [name, place] of PLACES) {
    sql = sql.replace(place, (whole, words, value) => {
      values[name] ??= value.replaceAll("''", "'");
      return values[name] === value.replaceAll("''", "'") ? `${words}:${name}`
        : whole;
    });
  }
  return { sql, values: known(values) };
}

/** The page asks about the demo; another database has other SAEs. */
function known(values) {
  const saes = allSaes(), [first] = saes;
  if (!first) return values;
  if (values.sae && !saes.some(s => String(s.id) === values.sae))
    values.sae = String(first.id);
  if (values.layer && !saes.some(s => String(s.layer) === values.layer))
    values.layer = String(first.layer);
  const [, layer] = /^L(\d+)H/.exec(values.head_name ?? '') ?? [];
  if (layer && !saes.some(s => String(s.layer) === layer))
    values.head_name = `L${first.layer}H0`;
  return values;
}

/** Markdown's words without its signs. */
const plain = text => text.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
  .replace(/\*([^*]+)\*/g, '$1').replaceAll('`', '');

/** [{group, title, words, sql, values}] of the page. */
export function parse(page) {
  const found = [];
  let group = '', title = '', words = [], block = null, kind = '';
  for (const line of page.split('\n')) {
    if (block) {
      if (line !== '```') block.push(line);
      else {
        if (kind.startsWith('sql') && title) {
          found.push({ group, title, words: plain(words.join(' ')).trim(),
                       ...parametrize(block.join('\n')) });
        }
        block = null;
        words = [];
      }
    } else if (line.startsWith('```')) {
      block = [];
      kind = line.slice(3);
    } else if (line.startsWith('## ')) {
      group = line.slice(3);
      title = '';
    } else if (line.startsWith('### ')) {
      title = plain(line.slice(4).replace(/^\d+\. /, ''));
      words = [];
    } else {
      words.push(line);
    }
  }
  return found;
}

/** Names of a SELECT's parameters, outside of its strings and comments. */
export function parameters(sql) {
  const code = sql.replace(
    /'(?:[^']|'')*'|"[^"]*"|`[^`]*`|\[[^\]]*\]|--.*|\/\*[^]*?(?:\*\/|$)/g,
    ' ');
  return [...new Set([...code.matchAll(/[:@$]([A-Za-z_]\w*)/g)]
    .map(m => m[1]))];
}

// SPDX-License-Identifier: MIT
//
// What is shown, to take away: as SQL, as an address, as JSON.
import { h } from './dom.js';
import { address, get } from './api.js';

const SAID = 1200; // ms for which a button says that it has copied

/** A button that copies what `text` gives; it says so for a while. */
function copier(name, title, text) {
  const button = h('button.btn.small', {
    type: 'button', title, onclick: async () => {
      try {
        await navigator.clipboard.writeText(await text());
        button.textContent = 'copied';
      } catch {
        button.textContent = 'refused';
      }
      setTimeout(() => { button.textContent = name; }, SAID);
    },
  }, name);
  return button;
}

/** sql: a question to the database; ask: [name, parameters] of the API; csv:
 *  whether it is a table, too. */
export const copies = ({ sql, ask, csv = true }) => [
  h('span.lbl', {}, 'copy'),
  sql && copier('SQL', 'copy what is shown as a SQL question', () => sql),
  copier('link', 'copy the address of this page (y)', () => location.href),
  copier('JSON', 'copy the answer of the server',
    async () => JSON.stringify(await get(...ask), null, 1)),
  h('a.note', { href: address(...ask) }, 'json'),
  csv && h('a.note', { href: address(ask[0] + '.csv', ask[1]) }, 'csv'),
];

// SPDX-License-Identifier: MIT
//
// What is shown is in the address, all of it: page, feature, filters, toggles.
// Views read it from `state` and change it with `go` or a link.

const watchers = [];
export let state = read();

function read() {
  return Object.fromEntries(new URLSearchParams(location.search));
}

/**
 * The address of a state; members that are null or empty are left out. A theme
 * in the address goes along.
 */
export function link(wanted) {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries({ theme: state.theme, ...wanted }))
    if (value != null && value !== '') query.set(key, value);
  return '?' + query;
}

function changed(before) {
  state = read();
  for (const watch of watchers) watch(before);
}

/** Shows an address: another thing is a new entry of the history. */
export function visit(href, push = true) {
  const before = state;
  if (href !== (location.search || '?'))
    history[push ? 'pushState' : 'replaceState'](null, '', href);
  changed(before);
}

/** Changes members of the state; moving inside a page replaces the entry. */
export const go = (changes, push = false) =>
  visit(link({ ...state, ...changes }), push);

export const watch = callback => watchers.push(callback);

addEventListener('popstate', () => changed(state));

// A plain click on a link to this page changes the state without loading it.
addEventListener('click', e => {
  const a = e.target.closest?.('a[href^="?"]');
  if (!a || e.defaultPrevented || e.button || e.metaKey || e.ctrlKey ||
      e.shiftKey || e.altKey) return;
  e.preventDefault();
  visit(a.getAttribute('href'));
});

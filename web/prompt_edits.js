// SPDX-License-Identifier: MIT
//
// What is changed in a second pass, as the address has it: 'L2H3+L2F7@5x0.5',
// a head, feature or layer, at one position or all, to zero, times a factor, or
// as in the other prompt.
import { h } from './dom.js';
import { state, go } from './state.js';

const list = edits => (edits ?? '').split('+').filter(e => e.trim());
const joined = edits => edits.join('+') || null;
/** {what, factor} or {what, other}. */
function read(edit) {
  const [, what, factor] = /^(.*?)(?:x([^x=]*))?$/.exec(edit);
  return edit.endsWith('=other') ? { what: edit.slice(0, -6), other: true }
    : { what, factor: factor ?? '0' };
}

export const changed = {
  /** With this off if it is as it was, else as it was. */
  flip(edits, what) {
    const all = list(edits), rest = all.filter(e => read(e).what !== what);
    return joined(rest.length < all.length ? rest : [...all, what]);
  },
  has: (edits, what) => list(edits).some(e => read(e).what === what),
  /** Instead of what it may be now. */
  set: (edits, what, edit) =>
    joined([...list(edits).filter(e => read(e).what !== what), edit]),
  /** Those that need no other prompt. */
  here: edits => joined(list(edits).filter(e => !read(e).other)),
  /** A path without its last step. */
  back: path => path.split(' ').slice(0, -1).join(' ') || null,
};

/** A button that switches a head or feature off and on. */
export function off(what, name = what) {
  const on = changed.has(state.edit, what);
  return h('button.zero', {
    type: 'button', 'aria-pressed': String(on),
    'aria-label': `${name} off`, title: on ? `${name} as it was`
      : `switch ${name} off`,
    onclick: () => go({ edit: changed.flip(state.edit, what) }),
  }, '×0');
}

/** For more: one for all draws, so that what is typed stays. */
const field = h('input', {
  id: 'edit', placeholder: '+ L2H3 or L2F117', spellcheck: 'false',
  autocomplete: 'off', 'aria-label': 'Head, feature or layer to change',
  title: 'a head L2H3, a feature L2F117 or a layer L2, at one token (@5); ' +
    'off, times a factor (x0.5), or as in the second prompt (=other)',
  onkeydown: e => {
    const typed = field.value.trim();
    if (e.key !== 'Enter' || !typed) return;
    field.value = '';
    go({ edit: changed.set(state.edit, read(typed).what, typed) });
  },
});

/** A chip for each edit, and a field for more. */
export function chips(lens) {
  const chip = edit => {
    const { what, factor, other } = read(edit);
    const [, layer, feature, place] = /^L(\d+)F(\d+)(@.*)?$/.exec(what) ?? [];
    const name = layer == null ? what
      : lens.name({ layer: Number(layer), feature }) + (place ?? '');
    const scale = value => go({ edit: changed.set(state.edit, what,
      Number(value) ? `${what}x${Number(value)}` : what) });
    return h('span.act', {}, h('span.mono', {}, name),
      other ? ' as in the second' : [' × ', h('input', {
        type: 'number', step: 'any', value: factor,
        'aria-label': `Factor of ${name}`,
        onchange: e => scale(e.target.value) })],
      h('button.ico', { type: 'button', 'aria-label': `Restore ${name}`,
                        title: 'as it was',
                        onclick: () => go({ edit: changed.flip(
                          state.edit, what) }) }, '×'));
  };
  return h('div.acts', {}, list(state.edit).map(chip), field);
}

// SPDX-License-Identifier: MIT
//
// A look at a feature before it is opened: what a link to it shows while the
// pointer rests on it, or the keyboard's focus.
import { h, amount, density } from './dom.js';
import { words, kwic } from './kwic.js';
import { windowOf } from './examples.js';
import { get } from './api.js';
import { featureOf, headName } from './names.js';

const REST = 250; // ms that the pointer must rest
const LINES = 5;  // examples shown

let box, timer, wanted;

/** Takes it away. */
export function hidePreview() {
  clearTimeout(timer);
  box?.remove();
  box = wanted = null;
}

/** Shows the feature that a link with data-f leads to, after a while. */
export function preview(target) {
  const a = target?.closest?.('a[data-f]');
  if (a === wanted) return;
  hidePreview();
  const found = featureOf(a?.dataset.f);
  if (!found) return;
  wanted = a;
  timer = setTimeout(() => show(a, found), REST);
}

async function show(a, { sae, feature }) {
  let f;
  try {
    f = await get('feature', { sae: sae.id, feature, window: 8 });
  } catch {
    return; // the link itself will say what is wrong
  }
  if (a !== wanted || !a.isConnected) return;
  box = h('div.tip.preview', { role: 'tooltip' },
    h('p.stats', {}, h('b.mono', {}, a.dataset.f),
      `density ${density(f.density)} %`, h('span', {}, `max ${amount(f.max)}`),
      f.top_head != null && h('span', {}, headName(sae.id, f.top_head)),
      h('span.toks', {}, words(f.strings.slice(0, 4)))),
    h('div.kwic', {}, f.examples.slice(0, LINES).map(e => kwic({
      tokens: windowOf(e, f), at: e.peak, max: f.max, value: e.value,
      window: 8,
    }))));
  document.body.append(box);
  const at = a.getBoundingClientRect(), { offsetWidth, offsetHeight } = box;
  const below = at.bottom + offsetHeight + 12 <= innerHeight;
  box.style.left =
    Math.max(8, Math.min(innerWidth - offsetWidth - 8, at.left)) + 'px';
  box.style.top = (below ? at.bottom + 8 : at.top - offsetHeight - 8) + 'px';
}

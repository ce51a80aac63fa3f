// SPDX-License-Identifier: MIT
//
// Going on from a source of the chosen feature: what wrote there what the head
// takes, by part of the model and by feature, as many steps as one likes.
import { h, says, failed, amount } from './dom.js';
import { visible } from './kwic.js';
import { state, go } from './state.js';
import { signed, quoted } from './prompt_names.js';
import { bars } from './prompt_next.js';

const FEW = 10; // of each list

/** The way here: each step leads back to itself. */
function steps({ lens, base }, { path, layer, feature, position }) {
  const names = state.recursive.split(' ');
  return h('p.bar.steps', {},
    h('button', { type: 'button', onclick: () => go({ recursive: null }) },
      h('span.mono', {}, `${lens.name({ layer, feature })}`), ' at ',
      quoted(base.tokens[position])),
    path.map((step, i) => [h('span.dim', {}, '←'), h('button', {
      type: 'button', 'aria-current': i === path.length - 1 ? 'step' : null,
      onclick: () => go({ recursive: names.slice(0, i + 1).join(' ') }),
    }, h('span.mono', {}, `L${step.layer}H${step.head}`), ' from ',
    quoted(base.tokens[step.source]), h('span.note', {},
      ` ${step.source}: ${signed(step.term)}`))]));
}

/** A head goes on with where it takes most of its part from. */
function further(page, p) {
  if (p.head == null) return h('span');
  const { base } = page, token = base.tokens[p.source];
  const to = `${state.recursive} L${p.layer}H${p.head}@${p.source}`;
  return h('button.way', {
    type: 'button', title: `go on from “${visible(token.text)}”, which gives ` +
      signed(p.source_value),
    onclick: () => go({ recursive: to }),
  }, 'from ', quoted(token), h('span.note', {}, ` ${p.source}`));
}

/** A feature is one to begin anew from, at the source. */
const anew = (p, source) => p.feature == null ? h('span')
  : h('button.way', {
    type: 'button', title: 'where it comes from itself',
    onclick: () => go({ feature: `L${p.layer}F${p.feature}@${source}`,
                        recursive: null }),
  }, 'its sources');

const rest = (shown, total) => total > shown &&
  h('p.note', {}, `and ${total - shown} smaller`);

/** The section, or null: no source is chosen. */
export function trace(page) {
  if (!state.feature || !state.recursive) return null;
  const { answer, error, flight } = page.part('trace'), { lens, base } = page;
  const section = (...kids) => h('section.sec', { id: 'trace' }, kids);
  if (error) {
    return section(failed({ title: 'No way on from there.',
      message: error.message }, () => go({ recursive: null })));
  }
  if (!answer) return flight ? section(says('Looking …')) : null;
  const t = answer, last = t.path.at(-1);
  const parts = t.parts.slice(0, FEW), features = t.features.slice(0, FEW);
  return section(
    h('div.cap', {}, h('h2', {}, 'What wrote it at ',
      quoted(base.tokens[last.source])),
    h('span.note', {}, `parts of ${signed(t.term)}, ` +
      'with attention and LayerNorm as they are; they add up to ' +
      `${signed(t.sum)} within ${Math.abs(t.term - t.sum).toExponential(0)}`)),
    steps(page, t),
    h('div.both', {}, h('div', {}, h('h3', {}, 'by head and MLP'),
      bars(parts, 'By part', p => lens.part(p), p => further(page, p)),
      rest(parts.length, t.parts_total)),
    h('div', {}, h('h3', {}, 'by feature'),
      features.length ? bars(features, 'By feature', p => lens.part(p),
        p => anew(p, last.source))
        : says('Nothing below has an SAE.'),
      rest(features.length, t.features_total))));
}

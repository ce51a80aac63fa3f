// SPDX-License-Identifier: MIT
//
// What parts of a model are called: 'L2H3' and 'L2F117' in questions about
// prompts, and the pages of the database that they have.
import { h, amount } from './dom.js';
import { word, visible } from './kwic.js';
import { link } from './state.js';
import { sae, featureName, headName } from './names.js';

/** A figure in a cell: without the zero that all have. */
export const brief = v => amount(v).replace(/^(-?)0\./, '$1.')
  .replace('-', '−');

/** A signed figure. */
export const signed = v => (v < 0 ? '−' : '+') + amount(Math.abs(v));

/** A probability: three digits that matter, small ones as powers of ten. */
export const chance = p =>
  p >= .9995 && p < 1 ? '>.999' : p >= .0005 ? p.toFixed(3).replace(/^0/, '')
    : p > 0 ? p.toExponential(0) : '0';

/** A token's text without the space in front; spaces alone as dots. */
const bare = text => text.trim() === '' ? text.replaceAll(' ', '·')
  : text.replace(/^ (?! )/, '');

/** A token in words. */
export const quoted = t => h('bdi.mono', {}, `“${visible(bare(t.text))}”`);

/** A token as one of a list. */
export const listed = t =>
  word(t, { escapes: t.text.trim() === '', limit: 10 });

/** The model, and which SAE of the database each layer has. */
export class Lens {
  constructor(model) {
    this.model = model.model == null ? null : model;
    this.layers = model.layers;
    this.heads = model.heads;
    this.saes = new Map((model.saes ?? []).map(s => [s.layer, s.id]));
  }

  /** '3:117' with the id of the SAE, or null. */
  id({ layer, feature }) {
    const id = this.saes.get(layer);
    return id == null || !sae(id) ? null : `${id}:${feature}`;
  }

  /** The name on the page. */
  name({ layer, feature }) {
    const id = this.saes.get(layer);
    return id == null || !sae(id) ? `L${layer}F${feature}`
      : featureName(id, feature);
  }

  feature(f) {
    const name = this.name(f);
    return this.id(f)
      ? h('a.mono', { href: link({ f: name }), 'data-f': name }, name)
      : h('span.mono', {}, name);
  }

  head({ layer, head }) {
    const id = this.saes.get(layer), name = `L${layer}H${head}`;
    return id == null || !sae(id) ? h('span.mono', {}, name)
      : h('a.mono', {
        href: link({ page: 'heads', h: headName(id, head) }) }, name);
  }

  /** Of a part as the answers name it: 'L3H1', 'L2F7', 'L0 MLP'. */
  part(p) {
    return p.head != null ? this.head(p) : p.feature != null ? this.feature(p)
      : h('span', {}, p.part);
  }
}

/** {layer, feature, position} of 'L2F130@5', or null. */
export function pinned(name) {
  const [, layer, feature, position] =
    /^L(\d+)F(\d+)@(-?\d+)$/.exec(name ?? '') ?? [];
  return layer == null ? null : { layer: Number(layer),
                                  feature: Number(feature),
                                  position: Number(position) };
}

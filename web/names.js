// SPDX-License-Identifier: MIT
//
// How SAEs, features and heads are called. An SAE is called by its layer as
// long as no other SAE has that layer, else by its name.

let saes = [], dumps = [];

/** Takes over the answer to /api/about. */
export function setNames(about) {
  const times = (key, value) => about.saes.filter(s => s[key] === value).length;
  dumps = about.dumps;
  saes = about.saes.map(s => ({
    ...s,
    key: times('layer', s.layer) === 1 ? String(s.layer)
      : times('name', s.name) === 1 ? s.name : `${s.dump}/${s.name}`,
  }));
}

export const allSaes = () => saes;
export const sae = id => saes.find(s => s.id === id);
export const saeOfKey = key => saes.find(s => s.key === key);
export const dumpOf = s => dumps.find(d => d.id === s.dump);
export const hasTokens = () => dumps.some(d => d.has_tokens);

/** 'L2' where the layer names it, else the SAE's name. */
export const saeTitle = s => s.key === String(s.layer) ? 'L' + s.key : s.key;

/** '2:117': on the page and in the address. */
export const featureName = (id, feature) => `${sae(id)?.key ?? id}:${feature}`;

/** {sae, feature} of such a name, or null. */
export function featureOf(name) {
  const cut = name?.lastIndexOf(':') ?? -1, s = saeOfKey(name?.slice(0, cut));
  const number = name?.slice(cut + 1);
  return s && /^\d{1,9}$/.test(number) ? { sae: s, feature: Number(number) }
    : null;
}

/** 'L2H3', or 'name.3' where a layer has several SAEs. */
export function headName(id, head) {
  const s = sae(id);
  return s.key === String(s.layer) ? `L${s.key}H${head}` : `${s.key}.${head}`;
}

/** {sae, head} of such a name, or null. */
export function headOf(name) {
  const [, key, number] = /^L(\d+)H(\d{1,4})$/.exec(name) ??
    /^(.*)\.(\d{1,4})$/s.exec(name) ?? [];
  const s = saeOfKey(key);
  return s && Number(number) < s.heads ? { sae: s, head: Number(number) }
    : null;
}

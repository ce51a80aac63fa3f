// SPDX-License-Identifier: MIT
//
// The About page: what the database was made from, what of it is a sample, and
// the commands that would make it again.
import { h, fill, says, failed, count, percent, table, cell } from './dom.js';
import { copies } from './copy.js';
import { get } from './api.js';
import { labels } from './labels.js';
import { link } from './state.js';
import { allSaes, saeTitle } from './names.js';

const bytes = n => n >= 1e9 ? `${(n / 1e9).toFixed(2)} GB`
  : `${(n / 1e6).toFixed(1)} MB`;
const known = v => v == null || v === '' ? '–' : String(v);

/** Options as they are typed: --name value. */
export function options(of) {
  return Object.entries(of ?? {})
    .filter(([, v]) => v != null && v !== false)
    .map(([k, v]) => v === true ? `--${k}`
      : `--${k} ${/^[\w.,/:-]+$/.test(v) ? v : `'${v}'`}`).join(' ');
}

/** Name and value, one a line. */
const facts = (label, rows) => h('dl.facts', { 'aria-label': label },
  rows.map(([name, ...what]) => [h('dt', {}, name), h('dd', {}, what)]));

export class AboutPage {
  constructor(main, about) {
    this.about = about;
    this.body = h('div.page', {}, says('Loading …'));
    main.className = 'single';
    fill(main, h('article.pane', { 'aria-label': 'About', tabindex: -1 },
      this.body));
  }

  async update() {
    try {
      this.training ??= await get('training');
      this.circuits ??= (await get('circuits')).rows;
    } catch (error) {
      return fill(this.body, failed(error, () => this.update()));
    }
    const { database, version, dumps } = this.about;
    return fill(this.body,
      h('div.hdr', {}, h('h1.id', {}, database.name),
        h('span.note', {}, `${bytes(database.bytes)}, headscope ${version}`),
        h('span.bar.r', {}, copies({ ask: ['about', {}] }))),
      dumps.map(d => this.dump(d)),
      allSaes().length > 0 &&
        [this.saes(), labels(this.about.labels), this.configs()],
      this.tasks());
  }

  dump(d) {
    const part = d.sample_tokens / d.tokens;
    return h('section.sec', {},
      h('div.cap', {}, h('h2', {}, `Text: ${d.name}`)),
      facts(d.name, [
        ['model', known(d.model), ` · d_model ${known(d.d_model)}, ` +
          `${d.heads} heads of ${d.d_head}, layers from ${d.first_layer}: ` +
          `${d.layers}`],
        ['tokens', `${count(d.tokens)} in ${count(d.contexts)} contexts`,
          d.context_source === 'blocks'
            ? ', runs of 256 tokens: the dump does not know its contexts' : ''],
        ['values', `${d.dtype}, `, d.fold_value_biases == null
          ? 'value biases: not recorded' : d.fold_value_biases
            ? 'without value biases' : 'with value biases'],
        ['BOS', { always: 'every context begins with it',
                  never: 'none', unknown: 'not known' }[d.bos] ?? d.bos],
        ['strings', d.has_strings ? 'as the tokenizer has them'
          : d.has_tokens ? 'ids only' : 'none'],
      ]),
      h('p.sample', {}, h('b', {}, part === 1
        ? 'Everything rests on every token.'
        : `Single activations are of ${count(d.sample_tokens)} tokens, ` +
          `${percent(part)}: ${count(d.sample_contexts)} whole contexts ` +
          'drawn at random.'),
      part < 1 && ' Of them are the Context page, heads’ codes and groups, ' +
        'features active together and sources. Densities, histograms, heads, ' +
        'positions, top tokens and examples rest on every token.'));
  }

  saes() {
    return h('section.sec', {}, h('div.cap', {}, h('h2', {}, 'SAEs'),
      h('a.note.r', { href: link({ page: 'training' }) }, 'training curves')),
    table('inset.abouts', 'SAEs', [['name'], ['hook'], ['rule'],
      ['features', 'num'], ['dead', 'num'], ['L0', 'num'], ['FVU', 'num'],
      ['cosine', 'num', 'of input and reconstruction'],
      ['activations', 'num', 'rows of the sample'], ['fingerprint']],
    allSaes().map(s => h('div.tr', { role: 'row' },
      cell('.mono', h('a', { href: link({ layer: s.key }) }, s.name)),
      cell('.mono', known(s.hook)), cell('', s.architecture),
      cell('.num', count(s.d_sae)), cell('.num', count(s.dead)),
      cell('.num', s.l0.toFixed(1)), cell('.num', percent(s.fvu)),
      cell('.num', s.cosine?.toFixed(3) ?? '–'),
      cell('.num', count(s.activations)),
      h('span.mono.dim', { role: 'cell', title: s.fingerprint },
        s.fingerprint.slice(0, 12))))));
  }

  /** One for each SAE that headscope trained, one for those encoded alike. */
  commands() {
    const dump = s => this.about.dumps.find(d => d.id === s.dump).name;
    const made = s => this.training.saes.find(x => x.sae === s.id);
    const together = new Map();
    const lines = allSaes().flatMap(s => {
      const { model, ...rest } = made(s).options ?? {};
      const alike = [dump(s), options(rest), model].join('\n');
      together.set(alike, [...together.get(alike) ?? [], s.name + '.sae']);
      const of = made(s).config?.training?.options;
      return of ? [`headscope train ${dump(s)} -o ${s.name}.sae --layer ` +
        `${s.layer} ${options(of)}`] : [];
    });
    for (const [alike, names] of together) {
      const [from, how, model] = alike.split('\n');
      lines.push(`headscope encode ${from} ${names.join(' ')} -o ` +
        `${this.about.database.name} ${how}` +
        (model ? ` --model MODEL # with the fingerprint ${model}` : ''));
    }
    return lines;
  }

  /** The circuits, each as the command that would make it again. */
  tasks() {
    return this.circuits.length > 0 && h('section.sec', { id: 'circuits' },
      h('div.cap', {}, h('h2', {}, 'Circuits'),
        h('a.note.r', { href: link({ page: 'circuits' }) }, 'their page')),
      h('pre.code', { tabindex: 0, 'aria-label': 'Circuits' },
        this.circuits.map(c => `headscope circuit ${c.name}.dump -o ` +
          `${this.about.database.name} --seeds ${c.seeds} ` +
          `${options(c.options)} # ${count(c.prompts)} prompts`).join('\n')));
  }

  configs() {
    return [
      h('section.sec', {}, h('div.cap', {}, h('h2', {}, 'Commands'),
        h('span.note', {}, 'with what was recorded; names as in the database')),
      h('pre.code', { tabindex: 0, 'aria-label': 'Commands' },
        this.commands().join('\n'))),
      h('section.sec', {}, h('div.cap', {}, h('h2', {}, 'Configuration'),
        h('span.note', {}, 'as the trainer wrote it')),
      this.training.saes.map(t => h('details', {},
        h('summary', {}, saeTitle(allSaes().find(s => s.id === t.sae))),
        h('pre.code', { tabindex: 0 }, JSON.stringify(t.config, null, 1))))),
    ];
  }

  key() {
    return false;
  }

  title() {
    return 'About';
  }
}

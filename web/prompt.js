// SPDX-License-Identifier: MIT
//
// The Prompt page: any text through the model and its SAEs. One table of tokens
// with features (orange) and where a chosen one comes from (blue); beside it the
// next token, what changes when parts are off, and why. The address has what the
// API and `headscope prompt` take, by the same names.
import { h, fill, put, says, failed, toggle } from './dom.js';
import { visible } from './kwic.js';
import { get } from './api.js';
import { state, go, visit, link } from './state.js';
import { Lens } from './prompt_names.js';
import { PromptTable, ORDERS } from './prompt_table.js';
import { next, why } from './prompt_next.js';
import { trace } from './prompt_trace.js';
import { pair } from './prompt_pair.js';
import { changed } from './prompt_edits.js';
import { showInduction } from './prompt_induction.js';

const SLOW = 200;     // ms after which the page says that it waits
const NEXT = 10;      // tokens of a distribution
const PARTS = 600;    // of a logit: all heads of a large model
const ACTIVE = 12000; // features that the table asks for, about
const EXAMPLES = [
  ['indirect object', 'the name that comes next was said once', {
    text: 'One day, Kim and Nick had fun at the station. ' +
      'Kim showed a cake to',
    with: 'One day, Kim and Nick had fun at the station. ' +
      'Mike showed a cake to', token: ' Nick', minus: ' Kim' }],
  ['greater than', 'a year that must be later', {
    text: 'The war lasted from the year 1550 to the year 15' }],
  ['two friends', 'a story', {
    text: 'Lily and Ben went to the pond. Ben saw a frog. Then Lily and' }],
];

export class PromptPage {
  constructor(main) {
    this.stamps = 0;   // of what was asked and answered
    this.got = {};     // name of a part: {asked, answer, error, flight}
    this.lens = null;
    this.form = this.makeForm();
    this.under = h('div', { id: 'prompt' });
    this.note = h('span.note', { role: 'status' });
    put(this.form.querySelector('.bar'), this.note);
    this.table = new PromptTable();
    this.makeFrame();
    main.className = 'single';
    fill(main, h('article.pane', { 'aria-label': 'Prompt', tabindex: -1 },
      this.body = h('div.page', {}, this.form, this.under)));
  }

  // ---- what is asked --------------------------------------------------------
  makeForm() {
    const area = (id, label) => h('textarea.code', {
      id, rows: 2, spellcheck: 'false', autocomplete: 'off',
      autocapitalize: 'off', 'aria-label': label, placeholder: label,
      onkeydown: e => this.typed(e),
    });
    this.text = area('text', 'Prompt');
    this.other = area('with', 'Second prompt');
    this.second = h('label.key', {}, this.other);
    this.more = h('span.bar');
    return h('form.ask', { onsubmit: e => { e.preventDefault(); this.run(); } },
      this.text, this.second, h('div.bar', {},
        h('button.btn.key', { type: 'submit', id: 'run',
                              title: 'Run (Ctrl ↵)' }, 'Run',
        h('kbd.hint', {}, 'Ctrl ↵')), this.more));
  }

  typed(e) {
    if (e.key !== 'Enter' || !(e.ctrlKey || e.metaKey)) return;
    e.preventDefault();
    this.run();
  }

  /** Goes to the address of what is typed; edits stay. */
  run() {
    const other = this.second.hidden ? null : this.other.value || null;
    for (const part of Object.values(this.got))
      if (part.error) part.asked = null;
    visit(link({ page: 'prompt', text: this.text.value, with: other,
                 edit: other ? state.edit : changed.here(state.edit),
                 order: state.order, beside: state.beside, by: state.by }));
  }

  openSecond(on) {
    this.second.hidden = !on;
    this.drawMore();
    if (on) {
      this.other.value ||= this.text.value;
      this.other.focus();
    } else if (state.with) go({ with: null,
                                edit: changed.here(state.edit) });
  }

  drawMore() {
    fill(this.more, toggle('second prompt', 'a prompt to compare with: ' +
      'clean and corrupted', !this.second.hidden,
    () => this.openSecond(this.second.hidden)),
    h('span.lbl', {}, 'try'), EXAMPLES.map(([name, what, params]) =>
      h('a.note', { href: link({ page: 'prompt', ...params }), title: what },
        name)), h('a.note', {
      href: link({ page: 'prompt', experiment: 'induction' }),
      title: 'an experiment: which heads copy what followed the last time',
    }, 'induction'));
  }

  async update() {
    if (this.text.value !== (state.text ?? ''))
      this.text.value = state.text ?? '';
    this.other.value = state.with ?? '';
    this.second.hidden = !state.with;
    this.drawMore();
    if (!this.lens) fill(this.under, says('Opening the model …'));
    try {
      this.lens ??= new Lens(await get('model'));
    } catch (error) {
      return fill(this.under, failed({ title: 'The model cannot be used.',
        message: error.message }, () => this.update()));
    }
    if (!this.lens.model) return this.sayNoModel();
    const experiment = state.experiment === 'induction';
    this.form.hidden = experiment;
    if (experiment) {
      this.stop();
      return showInduction(this.under, this.lens);
    }
    return this.ask();
  }

  sayNoModel() {
    this.form.hidden = true;
    fill(this.under, h('h1.title', {}, 'Any text through the model'),
      says('This page runs prompts through the model that the database was ' +
           'made from. Start the viewer with its folder:'),
      h('pre.code', {}, 'headscope view FILE.db --model DIR'),
      h('p.note', {}, 'DIR is a GPT-2 folder from Hugging Face. SAEs are ' +
        'found beside the database, or named with --sae.'));
  }

  // ---- asking ---------------------------------------------------------------
  /** The question of each part, or null where there is none. */
  wanted() {
    const { text, token, minus, feature, recursive, edit } = state;
    const position = state.position ?? null, other = state.with ?? null;
    const about = Math.ceil(text.length / 3) * this.lens.layers;
    const features = Math.max(4, Math.min(64, Math.floor(ACTIVE / about)));
    const some = (on, question) => on ? { text, ...question } : null;
    return {
      base: { text, ask: 'tokens' },
      features: { text, ask: 'features', features },
      next: { text, position, top: NEXT, ask: 'next' },
      logit: { text, position, token, minus, top: PARTS, ask: 'logit' },
      sources: some(feature, { feature, ask: 'sources' }),
      trace: some(feature && recursive, { feature, recursive, top: 24,
                                          ask: 'trace' }),
      edit: some(edit, { edit, position, token, minus, with: other, top: NEXT,
                         ask: 'edit' }),
      compare: some(other, { with: other, position, top: NEXT,
                             ask: 'compare' }),
      other: other && { text: other, ask: 'tokens' },
      names: this.names(),
    };
  }

  /** Labels and top tokens of the rows that are shown. */
  names() {
    const base = this.answer('base'), features = this.answer('features');
    const list = base && features && this.table.rows(base, features, this.at(), state)
      .map(f => this.lens.id(f)).filter(id => id);
    return list?.length ? { names: list.join(',') } : null;
  }

  ask() {
    if (state.text == null) {
      this.stop();
      return fill(this.under, this.welcome());
    }
    const { base, ...rest } = this.wanted();
    this.askPart('base', base);
    for (const [name, question] of Object.entries(rest)) {
      if (this.answer('base')) this.askPart(name, question);
      else if (name !== 'names') this.forget(name);
    }
    this.soon();
    return undefined;
  }

  /** What one sees before anything is run. */
  welcome() {
    return h('section.sec', {}, h('h1.title', {}, 'Any text through the model'),
      h('p.note', {}, `${this.lens.model.model}: ${this.lens.layers} layers ` +
        `of ${this.lens.heads} heads, ${this.lens.saes.size} with an SAE. ` +
        'Type a text and run it: what comes next and why, which features ' +
        'are active, where they come from, and what changes without them.'),
      h('dl.facts.tries', {}, EXAMPLES.map(([name, what, params]) => [
        h('dt', {}, name), h('dd', {}, h('a.mono', {
          href: link({ page: 'prompt', ...params }) }, params.text), ' ',
        h('span.note', {}, what))]),
      h('dt', {}, 'induction'), h('dd', {}, h('a', {
        href: link({ page: 'prompt', experiment: 'induction' }) },
      'which heads copy what followed the last time'), ' ',
      h('span.note', {}, 'an experiment with random tokens'))));
  }

  /** What was asked about another text. */
  forget(name) {
    this.got[name]?.flight?.abort();
    delete this.got[name];
  }

  stop() {
    for (const name of Object.keys(this.got)) this.forget(name);
  }

  async askPart(name, question) {
    const asked = question && JSON.stringify(question), had = this.got[name];
    if (had && had.asked === asked && !had.flight?.signal.aborted) return;
    had?.flight?.abort();
    const old = name === 'names' ? had?.answer ?? had?.old : null;
    const part = this.got[name] = { asked, old, flight: null,
                                    stamp: ++this.stamps };
    if (!question) return;
    part.flight = new AbortController();
    const begun = performance.now();
    const slow = setTimeout(() => this.soon(), SLOW);
    try {
      const answer = await get(name === 'names' ? 'features' : 'prompt',
                               question, part.flight.signal);
      part.answer = answer[name] ?? answer;
    } catch (error) {
      if (error.name === 'AbortError') return;
      part.error = error;
    } finally {
      clearTimeout(slow);
    }
    if (this.got[name] !== part) return;
    part.stamp = ++this.stamps;
    part.took = performance.now() - begun;
    part.flight = null;
    if (name === 'base' || name === 'features') this.ask();
    this.soon();
  }

  /** Draws once for all answers that come at about the same time. */
  soon() {
    cancelAnimationFrame(this.due);
    this.due = requestAnimationFrame(() => this.draw());
  }

  answer(name) {
    return this.got[name]?.answer ?? null;
  }

  // ---- drawing --------------------------------------------------------------
  /** The token that is looked at. */
  at() {
    const n = this.answer('base')?.tokens.length ?? 0;
    const p = Number(state.position ?? -1);
    return p < 0 ? n + p : p;
  }

  draw() {
    if (!this.under.isConnected || state.text == null) return;
    const { base } = this.got, answer = base.answer;
    this.body.setAttribute('aria-busy', String(!!base.flight));
    if (base.error) {
      this.note.textContent = '';
      fill(this.under, failed({ title: 'This prompt was not run.',
        message: base.error.message },
      base.error.status === 400 ? null : () => this.run()));
      return;
    }
    if (!answer) {
      if (base.flight) this.note.textContent = 'Running …';
      return;
    }
    this.note.textContent = `${answer.tokens.length} of ` +
      `${this.lens.model.positions} tokens, ${answer.layers} layers` +
      (base.took ? `, ${base.took.toFixed(0)} ms` : '');
    if (this.got.features?.error) {
      fill(this.under, failed({ title: 'Its features were not found.',
        message: this.got.features.error.message }, () => this.run()));
      return;
    }
    const page = { lens: this.lens, base: answer, at: this.at(),
                   part: name => this.got[name] ?? {} };
    if (!this.frame.isConnected) fill(this.under, this.frame);
    for (const section of this.sections) this.drawSection(section, page);
    document.title = `${this.title()} · headscope`;
  }

  /** A section is left alone while what it rests on is as it was, so that what
   *  is pointed at stays under the pointer. */
  drawSection(section, page) {
    const now = [location.search, ...section.parts.map(name =>
      this.got[name]?.stamp)].join();
    if (section.drawn === now) return;
    section.drawn = now;
    fill(section.host, section.draw(page));
    if (section.host === this.sections[0].host) this.table.settle();
  }

  /** The frame of the page: where each section stands, and on what it rests. */
  makeFrame() {
    const section = (draw, ...parts) => ({
      draw, parts: ['base', ...parts], host: h('div.slot') });
    this.sections = [
      section(page => this.table.draw(page), 'features', 'names', 'sources'),
      section(pair, 'compare', 'other'), section(trace, 'trace'),
      section(next, 'next', 'edit', 'compare', 'logit'),
      section(why, 'logit', 'next')];
    const [table, both, way, likely, parts] = this.sections.map(s => s.host);
    this.frame = h('div.two.far', {}, h('div.main', {}, table, both, way),
      h('aside.side', {}, likely, parts));
  }

  // ---- keys -----------------------------------------------------------------
  key(key) {
    const base = this.answer('base');
    if (key === 'e') this.text.focus();
    else if (!base) return false;
    else if (key === 'h' || key === 'l') this.move(key === 'h' ? -1 : 1);
    else if (key === 'j' || key === 'k') this.step(key === 'j' ? 1 : -1);
    else if (key === 's') {
      const at = ORDERS.findIndex(([by]) => by === (state.order ?? ''));
      go({ order: ORDERS[(at + 1) % ORDERS.length][0] });
    } else if (key === 'x' && state.feature)
      go({ edit: changed.flip(state.edit, state.feature.split('@')[0]) });
    else if (key === 'Escape' && state.recursive)
      go({ recursive: changed.back(state.recursive) });
    else if (key === 'Escape' && state.feature) go({ feature: null });
    else return false;
    return true;
  }

  /** To the token before or after. */
  move(by) {
    const to = this.at() + by, n = this.answer('base').tokens.length;
    if (to >= 0 && to < n) go({ position: to === n - 1 ? null : to });
  }

  /** To the feature above or below. */
  step(by) {
    const to = this.table.beside(state.feature, by);
    if (to) go({ feature: to, recursive: null });
  }

  title() {
    if (state.experiment === 'induction') return 'Induction';
    return state.text ? `“${visible(state.text.slice(-40))}”` : 'Prompt';
  }
}

// SPDX-License-Identifier: MIT
//
// What the reader writes about a feature: a label, a star and a note. Saved
// when a field is left or Enter is pressed.
import { h, fill } from './dom.js';
import { post } from './api.js';

const NEVER = 'Labels are kept beside the database, not in it.';

export class Mark {
  /** marked(mark) is told of what was saved; mark: as the server gives it. */
  constructor({ sae, feature, mark }, marked) {
    Object.assign(this, { sae, feature, mark, marked });
    this.label = h('input', {
      id: 'label', maxlength: 200, value: mark.label, autocomplete: 'off',
      'aria-label': 'Label', placeholder: 'Label', title: 'Label (e)',
      onchange: () => this.save(), onkeydown: e => this.typed(e),
    });
    this.note = h('textarea', {
      id: 'note', rows: 3, maxlength: 4000, 'aria-label': 'Note',
      placeholder: 'Note', onchange: () => this.save(),
      onkeydown: e => this.typed(e),
    });
    this.note.value = mark.note;
    this.star = h('button.ico.star', { type: 'button', id: 'star',
                                       onclick: () => this.flip() });
    this.more = h('button.tog', {
      type: 'button', 'aria-expanded': 'false', 'aria-controls': 'note',
      onclick: () => this.open(this.note.hidden),
    }, 'note');
    this.says = h('span.note', { role: 'status' });
    this.el = h('div.mark', {},
      h('div.bar', {}, this.star,
        h('label.key', {}, this.label, h('kbd.hint', {}, 'e')),
        this.more, this.says), this.note);
    this.open(mark.note !== '');
    this.drawStar();
    if (mark.error) this.tell(mark.error, true);
    else if (!mark.version) this.says.title = NEVER;
  }

  open(on) {
    this.note.hidden = !on;
    this.more.setAttribute('aria-expanded', String(on));
  }

  drawStar() {
    const on = this.mark.starred;
    fill(this.star, on ? '★' : '☆');
    this.star.setAttribute('aria-pressed', String(on));
    this.star.setAttribute('aria-label', 'Star');
    this.star.title = on ? 'Take the star away (m)' : 'Star (m)';
  }

  tell(text, wrong = false, ...more) {
    this.says.classList.toggle('wrong', wrong);
    fill(this.says, text, more);
  }

  typed(e) {
    if (e.key === 'Enter' && (e.target === this.label || e.ctrlKey)) {
      e.preventDefault();
      this.save();
    } else if (e.key === 'Escape') {
      this.label.value = this.mark.label;
      this.note.value = this.mark.note;
    }
  }

  flip() {
    return this.save(!this.mark.starred);
  }

  /** One after the other: each names the version that the one before made. */
  save(starred) {
    this.saving = (this.saving ?? Promise.resolve())
      .then(() => this.send(starred ?? this.mark.starred));
    return this.saving;
  }

  async send(starred) {
    const label = this.label.value.trim(), note = this.note.value.trim();
    const { mark, sae, feature } = this;
    if (label === mark.label && note === mark.note && starred === mark.starred)
      return;
    const body = { sae, feature, label, note, starred, version: mark.version };
    // Leaving a field says again what Enter has said.
    if (JSON.stringify(body) === this.refused) return;
    this.refused = JSON.stringify(body);
    this.tell('Saving …');
    try {
      const answer = await post('label', body);
      this.refused = null;
      this.mark = answer.mark;
      this.tell('Saved');
      this.marked({ sae, feature, ...answer.mark });
    } catch (error) {
      if (error.status !== 409) this.refused = null;
      this.tell(error.message, true, error.status === 409 && [' ',
        h('button.btn', { type: 'button', onclick: () => location.reload() },
          'Look again')]);
    }
    this.drawStar();
  }

  key(key) {
    if (key === 'e') this.label.focus();
    else if (key === 'm') this.flip();
    else return false;
    return true;
  }
}

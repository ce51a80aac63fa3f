// SPDX-License-Identifier: MIT
//
// In place of a page about SAEs, where the database holds none.
import { h, fill, says } from './dom.js';
import { link } from './state.js';

export class EmptyPage {
  constructor(main, about) {
    main.className = 'single';
    fill(main, h('article.pane', { 'aria-label': 'No SAE' },
      h('div.page', {}, says('The database holds no SAE, which this page is ' +
        'about; “headscope encode” puts one in.', about.circuits > 0 &&
        h('a', { href: link({ page: 'circuits' }) }, 'Its circuits')))));
  }

  update() {}

  key() {
    return false;
  }

  title() {
    return 'No SAE';
  }
}

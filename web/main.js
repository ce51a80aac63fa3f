// SPDX-License-Identifier: MIT
//
// Starts the page: the frame, which view is shown, keys, theme.
import { h, $, fill, failed, count } from './dom.js';
import { tip, lock } from './tip.js';
import { preview, hidePreview } from './preview.js';
import { get, post, onChange } from './api.js';
import { state, watch, visit, go, link } from './state.js';
import { setNames, allSaes } from './names.js';
import { Search } from './search.js';
import { FeaturesPage } from './features.js';
import { HeadsPage } from './heads.js';
import { TokensPage } from './token.js';
import { ContextPage } from './context.js';
import { TrainingPage } from './training.js';
import { ComparePage } from './compare.js';
import { PromptPage } from './prompt.js';
import { CircuitPage } from './circuit.js';
import { EmptyPage } from './empty.js';
import { SqlPage } from './sql.js';
import { AboutPage } from './about.js';

const PAGES = { features: FeaturesPage, heads: HeadsPage, tokens: TokensPage,
                context: ContextPage, training: TrainingPage,
                compare: ComparePage, prompt: PromptPage,
                circuits: CircuitPage, sql: SqlPage, about: AboutPage };
const WITHOUT_SAE = ['prompt', 'circuits', 'sql', 'about'];
const THEMES = ['auto', 'light', 'dark'];
const CHORD = 800; // ms within which the second key of a pair must come
const KEYS = [
  ['Anywhere', [['/', 'jump box'], ['g f', 'features'], ['g h', 'heads'],
    ['g t', 'tokens'], ['g c', 'context'],
    ['g p', 'prompt'], ['g r', 'training'], ['g m', 'compare'],
    ['g i', 'circuits'],
    ['g s', 'SQL'],
    ['g a', 'about'], ['t', 'theme'], ['y', 'copy the address'],
    ['?', 'these keys'], ['Esc', 'unlock, close']]],
  ['Lists', [['j k', 'next, previous'], ['f', 'filter'],
    ['s', 'sort by the next'], ['[ ]', 'layer']]],
  ['Feature', [['1 2', 'strongest, through a head'],
    ['3 4 5', 'intervals, random, silent'], ['h', 'next head'],
    ['e', 'label'], ['m', 'star'],
    ['← → ↑ ↓', 'tokens'], ['↵', 'lock a token'],
    ['w', 'window'], ['d', 'source beside'], ['b', 'BOS'],
    ['u', 'repeats'], ['v', 'show escapes']]],
  ['Head', [['h l', 'head before, after'], ['k j', 'layer before, after'],
    ['← → ↑ ↓', 'move in the grid'], ['↵', 'open']]],
  ['Context', [['h l', 'token before, after'], ['k j', 'context before, after'],
    ['s', 'order']]],
  ['Prompt', [['e', 'edit the text'], ['Ctrl-↵', 'run'],
    ['h l', 'token before, after'], ['j k', 'next, previous feature'],
    ['x', 'switch it off'], ['s', 'order'], ['Esc', 'a step back']]],
  ['Circuits', [['h l', 'head before, after'], ['k j', 'layer before, after'],
    ['s', 'next measure'], ['a', 'all codes'], ['w', 'whole prompts'],
    ['Esc', 'close the pair, the other task']]],
  ['SQL', [['e', 'edit'], ['Ctrl-↵', 'run'], ['j k', 'next, previous']]],
];

let about, page, shown, search;

const pageName = () => Object.hasOwn(PAGES, state.page ?? '') ? state.page
  : about.saes.length || !about.circuits ? 'features' : 'circuits';

/** What shows a page: another thing where it is about SAEs and there are none. */
const pageOf = name => about.saes.length || WITHOUT_SAE.includes(name)
  ? PAGES[name] : EmptyPage;

/** Shows what the address says. */
function update() {
  const name = pageName(), main = $('#main');
  if (!state.lock || name !== shown) lock(null);
  tip(null);
  hidePreview();
  setTheme(theme());
  for (const a of document.querySelectorAll('.nav a'))
    a.setAttribute('href', link({ page: a.dataset.page }));
  if (name !== shown) {
    page = new (pageOf(name))(main, about);
    shown = name;
    for (const a of document.querySelectorAll('.nav a')) {
      if (a.dataset.page === name) a.setAttribute('aria-current', 'page');
      else a.removeAttribute('aria-current');
    }
  }
  page.update();
  document.title = `${page.title()} · headscope`;
}

async function start() {
  try {
    about = await get('about');
  } catch (error) {
    return fill($('#main'), failed(error, start));
  }
  setNames(about);
  const { name } = about.database;
  const file = $('#file');
  file.textContent = name;
  file.title = `${name}: ` + (allSaes().length
    ? `${allSaes().length} SAEs, ${count(about.features)} features, ` +
      `${about.dumps.map(d => count(d.tokens)).join(' + ')} tokens`
    : `${count(about.circuits)} circuits`);
  $('[data-page="circuits"]').hidden = !about.circuits;
  search ??= new Search();
  watch(update);
  return update();
}

// ---- another file -----------------------------------------------------------
function showChange() {
  $('#changed').hidden = false;
}

/** The server opens the file as it is now, and then so does the page. */
async function renew() {
  const button = $('#changed');
  button.textContent = 'Opening …';
  try {
    await post('renew', {});
    location.reload();
  } catch (error) {
    button.textContent = 'Not opened: try again';
    button.title = error.message;
  }
}

// ---- theme -----------------------------------------------------------------
const theme = () => THEMES.find(t => t === (state.theme ?? stored())) ?? 'auto';

/** The reader's choice; a browser may refuse to keep one. */
function stored(choice) {
  try {
    if (choice) localStorage.setItem('theme', choice);
    return localStorage.getItem('theme');
  } catch {
    return null;
  }
}

function setTheme(name) {
  const root = document.documentElement, button = $('#theme');
  if (name === 'auto') delete root.dataset.theme;
  else root.dataset.theme = name;
  button.title = `Theme: ${name} (t)`;
  button.setAttribute('aria-label', `Theme: ${name}`);
}

function nextTheme() {
  const next = THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length];
  stored(next);
  if (state.theme) go({ theme: null });
  setTheme(next);
}

// ---- keys ------------------------------------------------------------------
function showKeys(on) {
  document.documentElement.classList.toggle('show-keys', on);
  $('#help').setAttribute('aria-expanded', String(on));
  $('.keys')?.remove();
  if (!on) return;
  document.body.append(h('section.keys', { 'aria-label': 'Keys' },
    h('div.cap', {}, h('h2', {}, 'Keys'),
      h('span.note', {}, 'also shown on the controls; Esc closes')),
    h('div', {}, KEYS.map(([name, keys]) => h('div', {}, h('h3', {}, name),
      h('dl', {}, keys.map(([key, what]) => [
        h('dt', {}, key.split(' ').map(k => [h('kbd', {}, k), ' '])),
        h('dd', {}, what)])))))));
}

const keysShown = () => !!$('.keys');

let pending = 0;
const CHORDS = { f: null, h: 'heads', t: 'tokens', c: 'context',
                 p: 'prompt', r: 'training', m: 'compare', i: 'circuits',
                 s: 'sql', a: 'about' };

function pressed(e) {
  if (e.ctrlKey || e.metaKey || e.altKey) return;
  tip(null);
  hidePreview();
  if (e.target.matches?.('input, select, textarea')) {
    if (e.key === 'Escape') e.target.blur();
    return;
  }
  const chord = Date.now() - pending < CHORD && Object.hasOwn(CHORDS, e.key);
  pending = e.key === 'g' ? Date.now() : 0;
  if (chord) visit(link({ page: CHORDS[e.key] }));
  else if (e.key === '?') showKeys(!keysShown());
  else if (e.key === 'Escape' && keysShown()) showKeys(false);
  else if (e.key === '/') $('#q').focus();
  else if (e.key === 't') nextTheme();
  else if (e.key === 'y') navigator.clipboard?.writeText(location.href);
  else if (!page?.key(e.key)) return;
  e.preventDefault();
}

onChange(showChange);
$('#changed').addEventListener('click', renew);
addEventListener('keydown', pressed);
addEventListener('pointerover', e => {
  tip(e.target.closest?.('.tok'));
  preview(e.target);
});
addEventListener('focusin', e => {
  tip(e.target.closest?.('.tok'));
  preview(e.target);
});
$('#theme').addEventListener('click', nextTheme);
$('#help').addEventListener('click', () => showKeys(!keysShown()));
setTheme(theme());
start();

// SPDX-License-Identifier: MIT
//
// A list of any length: only the rows in sight are elements, and only the
// pages in sight are fetched. Rows all have one height.

const PAGE = 100;    // rows of a request
const SPARE = 12;    // rows drawn beyond what is seen
const MOST = 80;     // pages kept: 8,000 rows
const REST = 60;     // ms that a scroll must rest before pages are fetched

/**
 * host: the scrolling element; head: its first child, which sticks; draw(row,
 * index): the element of a row, row undefined while it is on its way;
 * fetchPage(offset, limit, signal): {total, rows}; failed(error): told of what
 * went wrong; counted(total).
 */
export class VirtualList {
  constructor(host, { head, draw, fetchPage, failed, counted }) {
    Object.assign(this, { host, head, draw, fetchPage, failed, counted });
    this.body = document.createElement('div');
    this.body.className = 'virtual';
    this.body.setAttribute('role', 'rowgroup');
    host.append(head, this.body);
    host.addEventListener('scroll', () => this.later());
    new ResizeObserver(() => this.later()).observe(host);
    this.reset();
  }

  /** Forgets all rows, as when the question has changed. */
  reset() {
    for (const flight of this.flights?.values() ?? []) flight.abort();
    this.pages = new Map();
    this.flights = new Map();
    this.shown = new Map();
    this.total = 0;
    this.body.replaceChildren();
    this.body.style.setProperty('--h', 0);
    this.host.scrollTop = 0;
  }

  /** Fetches the first page; the promise holds its rows. */
  async start() {
    await this.load(0);
    return this.pages.get(0)?.rows ?? [];
  }

  row(index) {
    return this.pages.get(Math.floor(index / PAGE))?.rows[index % PAGE];
  }

  /** The index of a row among those at hand, or -1. */
  find(wanted) {
    for (const [page, { rows }] of this.pages) {
      const i = rows.findIndex(wanted);
      if (i >= 0) return page * PAGE + i;
    }
    return -1;
  }

  /** The elements of the rows that are drawn. */
  elements() {
    return Array.from(this.shown.values(), ({ el }) => el);
  }

  /** The row at an index, fetched if need be. */
  async need(index) {
    if (!this.row(index)) await this.load(Math.floor(index / PAGE));
    return this.row(index);
  }

  /** Scrolls as little as shows the row whole. */
  reveal(index) {
    const { height, top } = this.sizes(), y = index * height;
    const room = this.host.clientHeight - top;
    if (y < this.host.scrollTop) this.host.scrollTop = y;
    else if (y + height > this.host.scrollTop + room)
      this.host.scrollTop = y + height - room;
    this.render();
  }

  /** The first row that is wholly in sight. */
  first() {
    return Math.ceil(this.host.scrollTop / this.sizes().height);
  }

  sizes() {
    const { fontSize } = getComputedStyle(document.documentElement);
    return { height: 1.5 * parseFloat(fontSize), top: this.head.offsetHeight };
  }

  later() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.render();
    });
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.fetchSeen(), REST);
  }

  range(spare) {
    const { height, top } = this.sizes(), y = this.host.scrollTop;
    const room = Math.max(0, this.host.clientHeight - top);
    return [Math.max(0, Math.floor(y / height) - spare),
            Math.min(this.total, Math.ceil((y + room) / height) + spare)];
  }

  /** Draws the rows in sight, or all of them anew. */
  render(anew = false) {
    const [from, to] = this.range(SPARE), { height } = this.sizes();
    this.body.style.setProperty('--h', this.total * height + 'px');
    for (const [index, old] of this.shown) {
      const same = !anew && (old.full || !this.row(index));
      if (same && index >= from && index < to) continue;
      old.el.remove();
      this.shown.delete(index);
    }
    for (let index = from; index < to; index++) {
      if (this.shown.has(index)) continue;
      const row = this.row(index), el = this.draw(row, index);
      el.style.setProperty('--y', index * height + 'px');
      el.setAttribute('aria-rowindex', index + 2);
      this.body.append(el);
      this.shown.set(index, { el, full: !!row });
    }
  }

  fetchSeen() {
    if (!this.total) return; // the first page is on its way, or all there is
    const [from, to] = this.range(SPARE);
    const first = Math.floor(from / PAGE), last = Math.floor((to - 1) / PAGE);
    for (const [page, flight] of this.flights)
      if (page < first || page > last) flight.abort();
    for (let page = first; page <= last; page++)
      if (!this.pages.has(page)) this.load(page);
  }

  load(page) {
    const flying = this.flights.get(page);
    if (flying && !flying.signal.aborted) return flying.done;
    const flight = new AbortController();
    this.flights.set(page, flight);
    flight.done = this.fly(page, flight);
    return flight.done;
  }

  async fly(page, flight) {
    try {
      const { total, rows } =
        await this.fetchPage(page * PAGE, PAGE, flight.signal);
      if (flight.signal.aborted) return;
      this.pages.set(page, { rows });
      if (this.pages.size > MOST)
        this.pages.delete(this.pages.keys().next().value);
      this.total = total;
      this.host.setAttribute('aria-rowcount', total + 1);
      this.counted(total);
      this.render();
    } catch (error) {
      if (error.name !== 'AbortError') this.failed(error);
    } finally {
      if (this.flights.get(page) === flight) this.flights.delete(page);
    }
  }
}

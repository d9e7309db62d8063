/* A table of any length: only the rows that are visible exist, and they are changed once
   a frame at most, however often changed() is called. A frame asks the browser for no
   measure: how far it is scrolled and how high it is, is noted when the browser says so.

   new VirtualList({
     label: "Payments",                        // said to screen readers
     columns: [{ name: "Order", class: "…" }], // heads; hidden on a phone, where a row is
                                               // a card of `cardHeight`
     key: item => item.id,
     href: item => "#/payments/…",             // a row is a link
     fill(cells, item) { … },                  // cells: the row's elements, one a column
     rowHeight: 44, cardHeight: 84,
     nearEnd() { … },                          // the visitor comes near the last row
     before() { … },                           // each time, before it is drawn
   })
   .element     to put on the page
   .items       an array of yours, newest first; tell of changes:
   .changed()   something in `items` is different: drawn in the next frame
   .draw()      the same at once, for who is called in a frame
   .prepended(n)  n more stand before those that were there: what is read stays in place
   .move(by), .open()   the keyboard's j/k and Enter */

import { h } from "./dom.mjs";

const BEYOND = 6; // rows above and below that exist too
const phone = matchMedia("(max-width: 700px)");

export class VirtualList {
  constructor(options) {
    this.options = { rowHeight: 44, cardHeight: 84, ...options };
    this.items = options.items ?? [];
    this.atKey = null; // of the row that the keyboard is on
    this.rows = new Map(); // key → { element, link, cells, item, place }
    this.spare = []; // rows that show nothing now
    this.frame = 0;
    this.pushed = 0;
    this.top = 0; // how far it is scrolled
    this.room = 0; // how high it is
    const heads = options.columns.map(column =>
      h("div", { role: "columnheader", class: column.class }, column.name));
    this.head = h("div", { role: "row", class: "vrow vhead", "aria-rowindex": 1 }, heads);
    // Rows are placed from the last one up, in a group that begins below it: whatever
    // comes before them moves the group alone.
    this.group = h("div", { role: "rowgroup", class: "vgroup" });
    this.body = h("div", { role: "presentation", class: "vbody" }, this.group);
    this.table = h("div", { role: "table", "aria-label": options.label, class: "vtable" },
      h("div", { role: "rowgroup", class: "vheads" }, this.head), this.body);
    this.element = h("div", { class: "vlist", tabindex: 0, role: "region",
      "aria-label": options.label, onscroll: () => this.scrolled() }, this.table);
    this.watch = new ResizeObserver(([{ contentRect }]) => {
      this.room = contentRect.height;
      this.changed();
    });
    this.watch.observe(this.element);
  }

  scrolled() {
    this.top = this.element.scrollTop;
    this.changed();
  }

  scrollTo(top) {
    this.element.scrollTop = top;
    this.scrolled();
  }

  get height() {
    return phone.matches ? this.options.cardHeight : this.options.rowHeight;
  }

  changed() {
    this.frame ||= requestAnimationFrame(() => this.draw());
  }

  /* Who reads at the top sees the new ones come; who has gone down, or stands on a row
     with the keyboard, keeps what is before their eyes. */
  prepended(n) {
    if (!this.isAtTop || this.holdsFocus) this.pushed += n;
  }

  get holdsFocus() { return this.body.contains(document.activeElement); }

  get isAtTop() { return this.top < this.height; }

  toTop() { this.scrollTo(0); }

  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    if (!this.element.isConnected) return;
    this.options.before?.();
    const { height, items } = this;
    this.stretch();
    const seen = Math.ceil(this.room / height);
    const first = Math.max(0, Math.floor(this.top / height) - BEYOND);
    const last = Math.min(items.length, first + seen + 2 * BEYOND);
    this.keepWithin(first, last);
    for (let place = first; place < last; place += 1) this.drawRow(items[place], place);
    for (const row of this.spare) row.element.remove();
    this.spare.length = 0;
    if (items.length - last < 3 * seen) this.options.nearEnd?.();
  }

  /* As high as all rows, and scrolled down by those that pushed. */
  stretch() {
    const { height, items } = this;
    if (this.whole !== items.length * height) {
      this.whole = items.length * height;
      this.body.style.height = `${this.whole}px`;
      this.group.style.transform = `translateY(${this.whole}px)`;
      this.table.setAttribute("aria-rowcount", items.length + 1);
    }
    if (!this.pushed) return;
    this.top += this.pushed * height;
    this.pushed = 0;
    this.element.scrollTop = this.top;
  }

  keepWithin(first, last) {
    const wanted = new Set();
    for (let place = first; place < last; place += 1) {
      wanted.add(this.options.key(this.items[place]));
    }
    const focused = document.activeElement;
    for (const [key, row] of this.rows) {
      // The row that has the focus stays, else the focus would fall to the page.
      if (wanted.has(key) || row.link === focused) continue;
      this.rows.delete(key);
      this.spare.push(row);
    }
  }

  drawRow(item, place) {
    const key = this.options.key(item);
    let row = this.rows.get(key);
    if (!row) {
      row = this.spare.pop() ?? this.make();
      row.key = key;
      row.item = null;
      row.link.setAttribute("href", this.options.href(item));
      this.rows.set(key, row);
    }
    const { height } = this;
    const up = this.items.length - place;
    if (row.up !== up || row.height !== height) {
      row.element.style.transform = `translateY(${-up * height}px)`;
      if (row.height !== height) row.element.style.height = `${height}px`;
      row.up = up;
      row.height = height;
    }
    if (row.place !== place) row.element.setAttribute("aria-rowindex", place + 2);
    row.place = place;
    if (row.item !== item || row.version !== item.version) {
      row.item = item;
      row.version = item.version;
      this.options.fill(row.cells, item, row.element);
    }
  }

  /* A row's elements, which one item after the other uses. */
  make() {
    const cells = this.options.columns.map(column =>
      h("div", { role: "cell", class: column.class }));
    const link = h("a", { class: "vlink" });
    cells[0].append(link);
    const row = { link, cells: [link, ...cells.slice(1)], place: -1, up: 0, height: 0, version: -1 };
    row.element = h("div", { role: "row", class: "vrow",
      onclick: event => {
        if (event.target.closest("a") || getSelection().toString()) return;
        location.hash = link.getAttribute("href");
      },
      onfocusin: () => { this.atKey = row.key; } }, cells);
    this.group.append(row.element);
    return row;
  }

  /* j and k. */
  move(by) {
    if (!this.items.length) return;
    const now = this.atKey === null ? -1
      : this.items.findIndex(item => this.options.key(item) === this.atKey);
    const next = Math.min(this.items.length - 1, Math.max(0, now + by));
    this.show(next);
    this.atKey = this.options.key(this.items[next]);
    this.draw();
    this.rows.get(this.atKey)?.cells[0].focus({ preventScroll: true });
  }

  show(place) {
    const { element, height } = this;
    const top = place * height;
    const room = element.clientHeight - this.head.offsetHeight;
    if (top < this.top) this.scrollTo(top);
    else if (top + height > this.top + room) this.scrollTo(top + height - room);
  }
}


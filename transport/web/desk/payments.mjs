/* Payments: the list, live. It is kept while other pages are looked at, so that "back"
   leads to where one was. */

import { PaymentRows } from "./payment_rows.mjs";
import { FLAGS, STATUS, amountOf, flagOf, receivedOf, statusOf } from "./payment_words.mjs";
import { VirtualList, announce, api, count, empty, follow, h, may, ofMerchant, put, tag, time }
  from "./kit.mjs";

export const title = "Payments";

const PAGE = 200;
const TYPING_MS = 80; // between two letters; a search that is overtaken is dropped
const AGAIN_MS = 2_000; // a filtered list is read anew no oftener than this

let rows = null; // of the filter that was last looked at; it follows what happens
let coming = null; // those that are being read in its place; they follow it, too
let top = 0; // where the list was scrolled to
let isFollowing = false;
let onEvents = null; // of the page, while it is shown

function followAlways() {
  if (isFollowing) return;
  isFollowing = true;
  follow(events => {
    if (events && coming) coming.apply(events);
    const what = events && rows ? rows.apply(events) : null;
    if (onEvents) onEvents(what);
    else if (events === null) rows = null; // some were missed
  });
}

export async function show(outlet, { query, signal, heading }) {
  followAlways();
  const page = new Page(signal);
  if (may("create")) {
    heading.after(h("div", { class: "actions" },
      h("a", { class: "button main", href: "#/new" }, "New payment")));
  }
  const wanted = wantedOf(query);
  outlet.classList.toggle("of-many", !ofMerchant());
  put(outlet, filters(wanted, changed => page.load(changed)), page.nothing, page.list.element,
    h("div", { class: "below" }, page.below, page.newer));
  onEvents = what => page.happened(what);
  signal.addEventListener("abort", () => { onEvents = null; top = page.list.element.scrollTop; });
  if (rows && JSON.stringify(rows.wanted) === JSON.stringify(wanted)) {
    page.take(rows);
    page.list.draw();
    page.list.scrollTo(top);
  } else {
    await page.load(wanted);
  }
}

/* The list and what is said below it, for as long as the page is shown. */
class Page {
  constructor(signal) {
    this.signal = signal;
    this.rows = null; // that it shows
    this.reading = null; // what is being read for: its answer counts, an older one does not
    this.timer = 0;
    this.readAt = 0;
    this.nothing = h("div");
    this.below = h("span", { role: "status" });
    this.newer = h("button", { type: "button", class: "small", hidden: true,
      onclick: () => { this.newer.hidden = true; this.list.toTop(); } }, "New payments ↑");
    this.list = new VirtualList({
      label: "Payments",
      columns: [{ name: "Order" }, { name: "Status" }, { name: "Amount", class: "num" },
        { name: "Received", class: "num wide" }, { name: "Created", class: "num" }]
        .toSpliced(4, 0, ...(ofMerchant() ? [] : [{ name: "Merchant", class: "wide" }])),
      key: item => item.id,
      href: item => `#/payments/${encodeURIComponent(item.id)}`,
      fill, cardHeight: 72,
      nearEnd: () => this.next(),
      before: () => this.drawn(),
    });
    this.list.element.list = this.list;
    this.list.element.addEventListener("scroll", () => {
      if (this.list.isAtTop) this.newer.hidden = true;
    });
  }

  /* The newest that the filter wants. */
  async load(wanted) {
    const anew = new PaymentRows(wanted);
    this.reading = anew;
    this.overtake?.abort();
    const overtake = this.overtake = new AbortController();
    let isMissing = false;
    coming = anew;
    anew.expect();
    try {
      const signal = AbortSignal.any([this.signal, overtake.signal]);
      isMissing = anew.append(await api("v1/payments", { query: asked(wanted), signal }));
    } catch (error) {
      if (overtake.signal.aborted) return; // a newer one is under way
      throw error;
    } finally {
      if (this.reading === anew) this.reading = null;
      if (coming === anew) coming = null;
    }
    if (overtake.signal.aborted) return;
    this.readAt = Date.now();
    this.list.toTop();
    this.take(anew);
    if (isMissing) this.soon();
    if (wanted.search) announce(this.below.textContent || "Nothing is found.");
  }

  take(anew) {
    rows = this.rows = anew;
    this.newer.hidden = true;
    this.text = null;
    this.drawn();
    this.list.changed();
  }

  async next() {
    if (!rows || rows.isWhole || this.reading) return;
    const mine = rows;
    this.reading = mine;
    mine.expect();
    try {
      const page = await api("v1/payments",
        { query: asked(mine.wanted, mine.cursor), signal: this.signal });
      mine.append(page);
      if (mine === rows) this.take(rows);
    } catch (error) {
      if (!this.signal.aborted) this.below.textContent = error.message;
    } finally {
      mine.heard = null;
      if (this.reading === mine) this.reading = null;
    }
  }

  /* what: of PaymentRows.apply; null: events were missed. */
  happened(what) {
    if (what === null) { this.soon(); return; }
    this.list.prepended(what.added);
    const isAtTop = this.list.isAtTop;
    if ((what.added || what.isMissing) && !isAtTop) this.newer.hidden = false;
    if (what.isMissing && isAtTop) this.soon();
    if (document.hidden) this.list.changed(); // when it is seen again
    else this.list.draw();
  }

  /* Reads the list anew, no oftener than AGAIN_MS. */
  soon() {
    this.timer ||= setTimeout(() => {
      this.timer = 0;
      if (this.signal.aborted || !rows) return;
      this.load(rows.wanted).catch(error => {
        if (!this.signal.aborted) this.below.textContent = error.message;
      });
    }, Math.max(0, this.readAt + AGAIN_MS - Date.now()));
  }

  drawn() {
    if (!this.rows) return; // they are being read
    const { items, isWhole, wanted } = this.rows;
    this.list.items = items;
    const isEmpty = !items.length;
    if (this.isEmpty !== isEmpty || isEmpty) {
      this.isEmpty = isEmpty;
      this.list.element.hidden = isEmpty;
      put(this.nothing, isEmpty ? teach(wanted) : null);
    }
    const word = items.length === 1 && isWhole ? "payment" : "payments";
    const text = isEmpty ? "" : `${count(items.length)}${isWhole ? "" : "+"} ${word}`;
    if (this.text === text) return; // what went wrong meanwhile may stand there
    this.text = text;
    this.below.textContent = text;
  }
}

function wantedOf(query) {
  const wanted = { merchant: ofMerchant() };
  for (const name of ["search", "status", "flag", "after", "before"]) {
    if (query.get(name)) wanted[name] = query.get(name);
  }
  return wanted;
}

function asked({ search, status, flag, merchant, after, before }, cursor = null) {
  return { limit: PAGE, search, status, flag, merchant, created_after: after,
    created_before: before, cursor };
}

function fill(cells, item) {
  const [order, status, amount, received] = cells;
  order.textContent = item.external_id ?? item.id;
  order.title = item.id;
  const [word, kind, what] = statusOf(item.status);
  const isShort = item.flags.includes("underpaid");
  const depth = item.status === "confirming" && item.confirmations_required > 0 && !isShort
    ? ` ${Math.min(item.confirmations, item.confirmations_required)}/${item.confirmations_required}` : "";
  status.title = what;
  put(status, h("span", { class: "tags" }, tag(word + depth, kind),
    item.flags.map(flag => Object.assign(tag(flagOf(flag)[0], flagOf(flag)[1]),
      { title: flagOf(flag)[2] }))));
  amount.textContent = amountOf(item);
  received.textContent = receivedOf(item);
  if (cells.length > 5) cells[4].textContent = item.merchant;
  cells.at(-1).textContent = time(item.created_at);
}

// -- filters -----------------------------------------------------------------------------

const phone = matchMedia("(max-width: 700px)");

/* load(wanted): the list is read by another filter; the address says which. */
function filters(wanted, load) {
  let now = wanted;
  const clear = h("a", { class: "button small", href: "#/payments" }, "Clear filters");
  const mark = () => { clear.hidden = Object.keys(now).length < 2; };
  const wrong = h("p", { class: "wrong", role: "alert" });
  const change = async (name, value) => {
    now = { ...now };
    if (value) now[name] = value;
    else delete now[name];
    mark();
    const { merchant, ...said } = now;
    const search = new URLSearchParams(said);
    history.replaceState(null, "", `#/payments${search.size ? `?${search}` : ""}`);
    wrong.textContent = "";
    try {
      await load(now);
    } catch (error) {
      if (error.name !== "AbortError") wrong.textContent = error.message;
    }
  };
  let timer = 0;
  const search = h("input", { type: "search", placeholder: "Order, address, transaction, sum…",
    "aria-label": "Search payments", title: "Press / to come here", value: now.search ?? "",
    maxlength: 200, autocomplete: "off", spellcheck: "false", oninput: () => {
      clearTimeout(timer);
      timer = setTimeout(change, TYPING_MS, "search", search.value.trim());
    } });
  const pick = (name, label, words) => h("select", { "aria-label": label,
    onchange: event => change(name, event.target.value) }, h("option", { value: "" }, label),
  Object.entries(words).map(([value, [word]]) =>
    h("option", { value, selected: now[name] === value }, word)));
  const day = (name, label) => h("label", { class: "inline" }, label, h("input", { type: "date",
    value: dayOf(now[name], name),
    onchange: event => change(name, momentOf(event.target.value, name)) }));
  mark();
  return h("div", { role: "search", "aria-label": "Payments" },
    h("div", { class: "filters" }, search,
      h("details", { class: "more-filters", open: !phone.matches || Object.keys(now).length > 1 },
        h("summary", {}, "Filters"), h("div", { class: "filters" },
          pick("status", "Any status", STATUS), pick("flag", "Any flag", FLAGS),
          day("after", "From"), day("before", "To"), clear))), wrong);
}

/* The day of the visitor's calendar; "before" is the end of it. */
function momentOf(day, name) {
  if (!day) return "";
  const at = new Date(`${day}T00:00`);
  if (name === "before") at.setDate(at.getDate() + 1);
  return at.toISOString();
}

function dayOf(iso, name) {
  if (!iso) return "";
  const at = new Date(iso);
  if (name === "before") at.setDate(at.getDate() - 1);
  return [at.getFullYear(), at.getMonth() + 1, at.getDate()]
    .map(part => String(part).padStart(2, "0")).join("-");
}

function teach(wanted) {
  if (Object.keys(wanted).length > 1) {
    return empty("No payment fits.", wanted.search
      ? "A search finds order numbers, payment ids, addresses, transactions, and exact sums in sat or BTC."
      : "Try fewer filters.", h("a", { class: "button", href: "#/payments" }, "Show all payments"));
  }
  return empty("No payments yet.",
    "Your shop creates one over the API when a customer wants to pay; you can, too:",
    may("create") ? h("a", { class: "button main", href: "#/new" }, "New payment") : null,
    h("pre", {}, `curl ${location.origin}/v1/payments -H "Authorization: Bearer pbk_…" \\\n`
      + '  -H "Content-Type: application/json" -d \'{"amount_sat": 50000, "external_id": "order-1"}\''));
}

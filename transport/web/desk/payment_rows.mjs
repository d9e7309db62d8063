/* The payments that are listed, and what events make of them. No page, no network: the
   tests run it by itself. */

export const MAX_ROWS = 60_000; // rows at which the oldest go; they are read again if asked for
const KEPT = 50_000;

/* Newest first. `wanted`: { status, flag, merchant, after, before } of the filter. */
export class PaymentRows {
  constructor(wanted = {}) {
    this.wanted = wanted;
    this.items = [];
    this.known = new Map(); // id → item
    this.cursor = null; // of the next page
    this.isWhole = false; // the oldest that fits is here
    this.heard = null; // of payments that are not here, while a page is on its way
  }

  /* A page is asked for: what happens from now on may be newer than its answer. */
  expect() {
    this.heard = [];
  }

  /* A page of the list, in its order. Whether one is missing, as `apply` says it. */
  append(page) {
    for (const payment of page.data) {
      const known = this.known.get(payment.id);
      if (known) { this.take(known, payment); continue; }
      const item = { ...payment, version: 0 };
      this.known.set(item.id, item);
      this.items.push(item);
    }
    this.cursor = page.next_cursor;
    if (this.items.length) this.items.at(-1).cursor = page.next_cursor;
    this.isWhole = !page.next_cursor;
    const heard = this.heard ?? [];
    this.heard = null;
    return this.apply(heard).isMissing;
  }

  /* Events in their order. { added: rows before all others, isMissing: one that the filter
     wants is not here, and where it belongs is not known }. */
  apply(events) {
    const fresh = [];
    let isMissing = false;
    for (const event of events) {
      const item = this.known.get(event.payment_id);
      if (item) { this.take(item, rowOf(event)); continue; }
      this.heard?.push(event);
      if (!this.fits(event)) continue;
      if (event.type !== "payment.created" || this.wanted.search) {
        isMissing ||= Boolean(this.wanted.status || this.wanted.flag) && !this.wanted.search;
        continue;
      }
      const made = { ...rowOf(event), created_at: event.at, version: 0 };
      this.known.set(made.id, made);
      fresh.push(made);
    }
    if (fresh.length) {
      this.items.unshift(...fresh.reverse()); // in place: it may be 60,000 long
      if (this.items.length > MAX_ROWS) this.trim();
    }
    return { added: fresh.length, isMissing };
  }

  /* An older word never undoes a newer one. */
  take(item, change) {
    if (change.seq < item.seq || (change.seq === item.seq && !change.checkout_url)) return;
    Object.assign(item, change);
    item.version += 1;
  }

  fits(event) {
    const { status, flag, merchant, after, before } = this.wanted;
    return (!status || event.status === status)
      && (!flag || event.flags.includes(flag))
      && (!merchant || event.merchant === merchant)
      && (!after || event.at >= after) && (!before || event.at < before);
  }

  /* Back to the end of a page, so that the list can be read on from there. */
  trim() {
    let last = KEPT - 1;
    while (last >= 0 && !this.items[last].cursor) last -= 1;
    if (last < 0) last = KEPT - 1;
    for (const item of this.items.slice(last + 1)) this.known.delete(item.id);
    this.items = this.items.slice(0, last + 1);
    this.cursor = this.items[last].cursor ?? null;
    this.isWhole = this.cursor === null;
  }
}

const decimal = ({ minor, decimals }) => (minor / 10 ** decimals).toFixed(decimals);

/* What an event says of a payment, in the list's words. */
export function rowOf(event) {
  const row = { id: event.payment_id, status: event.status, flags: event.flags,
    amount_sat: event.amount_sat, received_sat: event.received_sat, merchant: event.merchant,
    confirmations: event.confirmations, confirmations_required: event.confirmations_required,
    external_id: event.external_id, seq: event.seq };
  if (event.type === "payment.created") {
    row.address = event.address;
    row.method = event.method ?? "onchain";
    const price = event.data?.terms?.price;
    if (price) row.price = { currency: price.currency, amount: decimal(price) };
  }
  return row;
}

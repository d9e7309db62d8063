/**
 * What a payment is, by its events, in whatever order they come and however often.
 *
 *     const state = row ? PaymentState.load(row) : new PaymentState();
 *     if (state.apply(event)) …it is now what `event` says…
 *     save(state.dump());
 *
 * An event says how its payment stands after it, so the newest one is the state. Newest
 * is: the greatest `seq`. Only of events of one life of the node's database, though:
 * after a backup was restored, `seq` goes on from the backup's, and a number that was
 * given before is given again to something else. Each such life is an epoch, which the
 * event's id names (`evt_<epoch>_<offset>`). Epochs are drawn by chance, so they have no
 * order of their own; of two, the one whose newest event is later (`at`) is the later
 * one, as whoever restores does it after what was lost. That needs clocks that differ by
 * less than a restore takes. Who can ask the node does, after a restore:
 * `PaymentState.of` with all of `paybell.paymentEvents(id)` is its whole story.
 *
 * So the state is a function of the set of events that were applied: no order of arrival
 * and no repetition makes a difference. What `dump` writes, the Python client reads.
 */

import type { Event } from "./types.js";

const ID = /^evt_(?:([0-9a-z]{8})_)?[1-9][0-9]{0,17}$/;
const AT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const KEPT = [
  "id", "payment_id", "seq", "type", "at", "status", "flags", "external_id", "merchant",
  "amount_sat", "received_sat", "confirmations", "confirmations_required", "txid", "method",
  "currency", "amount_minor",
] as const satisfies readonly (keyof Event)[];
const MAX_EPOCHS = 16;

/** What is kept of an event. */
export type KeptEvent = Pick<Event, (typeof KEPT)[number]>;

export class PaymentState {
  readonly #newest = new Map<string, KeptEvent>(); // by epoch

  /** After all of these. */
  static of(events: Iterable<KeptEvent>): PaymentState {
    const state = new PaymentState();
    for (const event of events) state.apply(event);
    return state;
  }

  /**
   * Whether it is news: the payment is now what this event says. False: it is old, or was
   * applied before; nothing changed. Throws a TypeError for what is no event, or one of
   * another payment.
   */
  apply(event: KeptEvent): boolean {
    const [epoch, kept] = checked(event);
    if (this.#newest.size && kept.payment_id !== this.paymentId) {
      throw new TypeError("an event of another payment");
    }
    const known = this.#newest.get(epoch);
    if (known && known.seq >= kept.seq) return false;
    const before = this.event;
    this.#newest.set(epoch, kept);
    while (this.#newest.size > MAX_EPOCHS) {
      const ranked = [...this.#newest].sort((one, other) => (isLater(one, other) ? 1 : -1));
      this.#newest.delete(ranked[0]![0]);
    }
    return before !== this.event;
  }

  /** The newest one (what of it is kept); null: none was applied. */
  get event(): KeptEvent | null {
    let newest: [string, KeptEvent] | null = null;
    for (const one of this.#newest) if (!newest || isLater(one, newest)) newest = one;
    return newest && newest[1];
  }

  get paymentId(): string {
    return this.event?.payment_id ?? "";
  }

  /** `pending` before the first event. */
  get status(): Event["status"] {
    return this.event?.status ?? "pending";
  }

  get flags(): ReadonlySet<string> {
    return new Set(this.event?.flags);
  }

  get seq(): number {
    return this.event?.seq ?? 0;
  }

  get receivedSat(): number {
    return this.event?.received_sat ?? 0;
  }

  /** Money came after the deadline: a person decides, as prices have moved. */
  get isLate(): boolean {
    return this.flags.has("late");
  }

  /**
   * Enough came, deep enough. `failed` with money is a payment whose money could not be
   * sent on: it is paid all the same.
   */
  get isPaid(): boolean {
    const failedAfter = this.status === "failed" && this.receivedSat > 0;
    return failedAfter || this.status === "confirmed" || this.status === "forwarded";
  }

  /**
   * Paid, and in time. Look at it after each event that is news: when it is true and you
   * have not shipped, ship; when it is false and you have, the payment was reversed, and a
   * person must look.
   */
  get mayShip(): boolean {
    return this.isPaid && !this.isLate;
  }

  /** As JSON, for a column of the shop's own database. */
  dump(): string {
    return JSON.stringify([...this.#newest.values()]);
  }

  /** What `dump` wrote. Throws for anything else. */
  static load(text: string): PaymentState {
    const value: unknown = JSON.parse(text);
    if (!Array.isArray(value)) throw new TypeError("not what dump() wrote");
    return PaymentState.of(value as KeptEvent[]);
  }
}

/** `at` is always in one form, and in UTC. */
function isLater(one: [string, KeptEvent], other: [string, KeptEvent]): boolean {
  return one[1].at === other[1].at ? one[0] > other[0] : one[1].at > other[1].at;
}

function checked(event: KeptEvent): [string, KeptEvent] {
  const found = ID.exec(String(event?.id));
  if (!found || !Number.isSafeInteger(event.seq) || event.seq < 1) {
    throw new TypeError("no event of a payment");
  }
  if (
    !AT.test(event.at) || typeof event.payment_id !== "string" || typeof event.status !== "string" ||
    !Number.isSafeInteger(event.received_sat) || !Array.isArray(event.flags)
  ) {
    throw new TypeError("an event that lacks something");
  }
  const kept = Object.fromEntries(
    KEPT.filter(name => event[name] !== undefined).map(name => [name, event[name]]),
  ) as unknown as KeptEvent;
  return [found[1] ?? "", kept];
}

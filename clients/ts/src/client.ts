/** The client: one method for each thing that a shop asks of its node. */

import { Calls, type Options } from "./calls.js";
import { follow, type Following } from "./follow.js";
import type {
  Event, EventPage, Payment, PaymentFilters, PaymentPage, PaymentPatch, PaymentRequest,
  Refund, RefundRequest,
} from "./types.js";

export interface PerCall {
  signal?: AbortSignal;
}

export interface Making extends PerCall {
  /**
   * One is drawn for each call, so that repeating it after a lost answer makes no second
   * payment. Give one of your own (of the order, say) to have the same after your process
   * has died between asking and writing down.
   */
  idempotencyKey?: string;
}

export interface Changing extends PerCall {
  /** The `seq` of the payment as you read it: a `Problem` 412 if it has moved on. */
  ifSeq?: number;
}

/** One node, and one API key (`pbk_…`, of `run.py keys create`). For servers, not pages. */
export class Paybell {
  readonly #calls: Calls;

  constructor(options: Options) {
    this.#calls = new Calls(options);
  }

  /** Ask for a payment: `amount_sat`, or `amount` and `currency`, or `any_amount`. */
  create(asked: PaymentRequest, { idempotencyKey, signal }: Making = {}): Promise<Payment> {
    return this.#make<Payment>("/v1/payments", asked, idempotencyKey, signal);
  }

  /** As it is now. `Problem` 404 where there is none. */
  get(id: string, { signal }: PerCall = {}): Promise<Payment> {
    return this.#calls.call("GET", payment(id), { signal });
  }

  /** All that the filters let through, the newest first; asked for page by page. */
  async *list(
    filters: PaymentFilters & { limit?: number } = {},
    { signal }: PerCall = {},
  ): AsyncGenerator<Payment, void, void> {
    for (let cursor: string | null = null; ; ) {
      const page: PaymentPage = await this.page({ ...filters, cursor }, signal ? { signal } : {});
      yield* page.data;
      cursor = page.next_cursor;
      if (cursor === null) return;
    }
  }

  /** One page, and where the next one begins (`next_cursor`). */
  page(
    asked: PaymentFilters & { limit?: number; cursor?: string | null } = {},
    { signal }: PerCall = {},
  ): Promise<PaymentPage> {
    return this.#calls.call("GET", "/v1/payments", { query: asked, signal });
  }

  /**
   * PATCH (RFC 7396): what is not named stays, null takes away. With `ifSeq` it is not
   * repeated after a lost answer: its own success would refuse it.
   */
  change(id: string, asked: PaymentPatch, { ifSeq, signal }: Changing = {}): Promise<Payment> {
    return this.#calls.call("PATCH", payment(id), {
      body: asked,
      headers: ifSeq === undefined ? {} : { "If-Match": `"${ifSeq}"` },
      repeatable: ifSeq === undefined,
      signal,
    });
  }

  /** Nobody is waited for any more. `Problem` 409 if money is there. */
  cancel(id: string, { signal }: PerCall = {}): Promise<Payment> {
    return this.#calls.call("POST", payment(id, "cancel"), { signal });
  }

  /** Say by hand that it is paid, whatever the chain shows. */
  confirm(id: string, { signal }: PerCall = {}): Promise<Payment> {
    return this.#calls.call("POST", payment(id, "confirm"), { signal });
  }

  /** Money back: all that is left, or a sum; to `address`, else by a link for the payer. */
  refund(
    id: string,
    asked: RefundRequest = {},
    { idempotencyKey, signal }: Making = {},
  ): Promise<Refund> {
    return this.#make<Refund>(payment(id, "refund"), asked, idempotencyKey, signal);
  }

  /** The whole story of one payment, from its beginning. */
  async *paymentEvents(id: string, { signal }: PerCall = {}): AsyncGenerator<Event, void, void> {
    for (let after: string | null = "0"; after !== null; ) {
      const query = { after, limit: 100 };
      const page: EventPage = await this.#calls.call("GET", payment(id, "events"), {
        query,
        signal,
      });
      yield* page.data;
      after = page.next_after;
    }
  }

  /**
   * Every event of the key's merchant, in the node's order, without end.
   *
   *     for await (const event of paybell.events({ after, saveCursor })) await handle(event);
   *
   * At least once: `saveCursor` is called with an event's place when the next one is asked
   * for, that is, when the loop's body has ended without an exception. Where the node is
   * away or answers 429 or 5xx, it is asked again, for ever, with pauses of up to 30 s. A
   * wrong key is a `Problem` at once.
   */
  events(asked: Following = {}): AsyncGenerator<Event, void, void> {
    return follow(this.#calls, asked);
  }

  #make<Made>(
    path: string,
    body: unknown,
    idempotencyKey: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Made> {
    const key = idempotencyKey ?? `js-${drawn()}`;
    return this.#calls.call("POST", path, { body, headers: { "Idempotency-Key": key }, signal });
  }
}

/** 160 bits or so: of `crypto` where there is one (Node 18 has none that is global). */
function drawn(): string {
  if (globalThis.crypto?.randomUUID) return globalThis.crypto.randomUUID();
  const part = () => Math.random().toString(36).slice(2).padEnd(11, "0");
  return `${Date.now().toString(36)}-${part()}${part()}`;
}

function payment(id: string, action = ""): string {
  if (!id) throw new TypeError("a payment's id is empty");
  return `/v1/payments/${encodeURIComponent(id)}${action && `/${action}`}`;
}

/**
 * The API's types, by the operations that give them: from `schema.d.ts`, which
 * openapi-typescript makes of the node's OpenAPI document.
 */

import type { components, operations } from "./schema.js";

type Schemas = components["schemas"];

/** What an operation answers with `Status`. */
export type Answer<Name extends keyof operations, Status extends number> =
  operations[Name] extends { responses: Record<Status, { content: { "application/json": infer Body } }> }
    ? Body
    : never;

/** What an operation takes as its query. */
export type Query<Name extends keyof operations> = NonNullable<
  operations[Name]["parameters"]["query"]
>;

export type Payment = Answer<"create_payment", 201>;
export type PaymentRequest = Schemas["PaymentRequest"];
export type PaymentPage = Answer<"list_payments", 200>;
export type PaymentFilters = Omit<Query<"list_payments">, "limit" | "cursor">;
export type Refund = Answer<"create_refund", 201>;
export type RefundRequest = Schemas["RefundRequest"];
export type EventFeed = Answer<"followEvents", 200>;
export type EventPage = Answer<"list_payment_events", 200>;
export type ProblemBody = Schemas["ProblemBody"];
export type Status = Schemas["Status"];
export type Flag = Schemas["Flag"];

/**
 * A fact about one payment; the same object on every channel. A later version of the
 * node may tell of types that are not in `EventType` yet.
 */
export type Event = Schemas["EventView"];

/** What may change of a payment (RFC 7396): what is not named stays, null takes away. */
export type PaymentPatch = Schemas["PaymentPatch"];

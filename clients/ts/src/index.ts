/** A shop's side of Paybell: ask for payments, follow events, verify webhooks. */

export { Paybell, type Changing, type Making, type PerCall } from "./client.js";
export type { Options } from "./calls.js";
export {
  CursorGone, NotPaybell, PaybellError, Problem, Unreachable, WebhookRefused,
} from "./errors.js";
export type { Following } from "./follow.js";
export { PaymentState, type KeptEvent } from "./state.js";
export type {
  Event, Flag, Payment, PaymentFilters, PaymentPage, PaymentPatch, PaymentRequest,
  ProblemBody, Refund, RefundRequest, Status,
} from "./types.js";
export {
  verifyWebhook, type HeadersLike, type Webhook, type WebhookOptions,
} from "./webhooks.js";

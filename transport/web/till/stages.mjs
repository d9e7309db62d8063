/* What a payment is to a cashier: one stage, from its status and flags as the node tells
   them (docs/states.md). Nothing here asks anybody or shows anything.

   waiting  nothing has come             short      too little has come
   seen     all of it, not yet safe      gone       it was there, and was taken back
   passing  paid, on its way to the user paid       paid
   expired  the time is over             cancelled  by the cashier */

import { PAID } from "./statuses.mjs";

const GONE = ["replaced", "reorged"];

export const OPEN = ["waiting", "short", "seen", "gone"];

/* `goes_on`: whether money of such a sale is passed on to another account. */
export function stage_of({ status, flags = [], amount_sat: wanted, received_sat: received = 0 }, goes_on = false) {
  if (status === "confirmed" && goes_on) return "passing";
  if (PAID.has(status)) return "paid";
  if (status === "expired" || status === "cancelled") return status;
  if (flags.includes("underpaid") || (received > 0 && received < wanted)) return "short";
  if (status === "confirming") return "seen";
  return flags.some(flag => GONE.includes(flag)) ? "gone" : "waiting";
}

/* The key of the words for a line of the list. */
export function line_of(payment) {
  const { flags = [], received_sat: received = 0 } = payment;
  const stage = stage_of(payment);
  const is_late = flags.includes("late");
  if (stage === "paid") return is_late ? "state_late" : flags.includes("overpaid") ? "state_over" : "state_paid";
  if (stage === "expired" || stage === "cancelled") return received > 0 ? "state_money_back" : `state_${stage}`;
  return `state_${stage}`;
}

/* What was said of a payment before, and what an event says of it now. */
const SAID = ["status", "flags", "amount_sat", "received_sat", "confirmations", "confirmations_required", "seq"];
export function moved(payment, event) {
  if (payment.seq !== undefined && event.seq < payment.seq) return payment;
  const after = { ...payment };
  for (const name of SAID) if (name in event) after[name] = event[name];
  return after;
}

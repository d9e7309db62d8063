/* Payments in people's words: their states, and what each event of theirs tells. Pure. */

import { btc, money, sat } from "./formats.mjs";

/* status → [word, kind of label, what it means] */
export const STATUS = {
  pending: ["Waiting", "", "Nothing has been received yet."],
  confirming: ["Confirming", "warn", "Money is there: too little yet, or not deep enough."],
  confirmed: ["Paid", "good", "Paid. The goods can go."],
  forwarded: ["Paid, sent on", "good", "Paid, and its money has arrived at the owner's wallet."],
  expired: ["Expired", "", "The deadline passed before enough came in."],
  failed: ["Failed", "bad", "Its money could not be sent on, or its gateway declined it."],
  cancelled: ["Cancelled", "", "The shop cancelled it."],
};

export const FLAGS = {
  underpaid: ["Too little", "warn", "Less than asked has come in."],
  overpaid: ["Too much", "warn", "More than asked has come in: the rest may be refunded."],
  late: ["Late", "warn", "Money came after the deadline or the cancelling: decide what becomes of it."],
  replaced: ["Replaced", "warn", "A transaction left the mempool or was double-spent."],
  reorged: ["Reorganised", "warn", "A block that held its money was replaced."],
};

export const statusOf = status => STATUS[status] ?? [status, "", ""];
export const flagOf = flag => FLAGS[flag] ?? [flag, "warn", ""];

/* What was asked: in the price's currency if it has one, and in sat. */
export function amountOf(payment) {
  if (payment.price) return money(payment.price.amount, payment.price.currency);
  if (payment.currency && payment.amount_minor !== undefined) {
    return minor(payment.amount_minor, payment);
  }
  return sat(payment.amount_sat);
}

export function receivedOf(payment) {
  if (payment.received_minor !== undefined) return minor(payment.received_minor, payment);
  return payment.received_sat ? sat(payment.received_sat) : "–";
}

function minor(value, { currency, decimals }) {
  return value === null ? "any sum" : money((value / 10 ** decimals).toFixed(decimals), currency);
}

const many = (n, one, more = `${one}s`) => `${n} ${n === 1 ? one : more}`;

const depth = event => `${many(event.confirmations, "confirmation")} of the`
  + ` ${event.confirmations_required} that are asked`;

/* event → [headline, sentence or "", kind]. What is not known is shown by its own name. */
export function told(event) {
  const data = event.data ?? {};
  switch (event.type) {
    case "payment.created":
      return ["Created", `${sat(event.amount_sat)} asked`, ""];
    case "payment.detected":
      if (data.claim && !data.verified) {
        return ["Announced", "A provider says that money is on its way. The chain does not show it yet.", "warn"];
      }
      if (data.receipt?.settled) return ["Received by Lightning", sat(event.received_sat), "good"];
      return ["Seen on the chain", `${sat(event.received_sat)} in all so far`, "good"];
    case "payment.confirming": return ["Being confirmed", depth(event), ""];
    case "payment.confirmed":
      return data.by ? ["Confirmed by hand", `by ${data.by}, whatever the chain shows`, "good"]
        : ["Paid", `${sat(event.received_sat)}, with ${depth(event)}`, "good"];
    case "payment.credited":
      return ["Credited", data.credits ? `${many(data.credits, "credit")} to ${data.account ?? "the account"}` : "", "good"];
    case "payment.forwarding": return ["On its way to the owner", forward(data), ""];
    case "payment.forwarded": return ["Arrived at the owner's wallet", forward(data), "good"];
    case "payment.expired":
      return ["Expired", order(data) || "The deadline passed, and a current source shows that too little came.", "bad"];
    case "payment.underpaid": return ["Too little", data.short_sat ? `${sat(data.short_sat)} are missing` : "", "warn"];
    case "payment.overpaid": return ["Too much", data.excess_sat ? `${sat(data.excess_sat)} more than asked` : "", "warn"];
    case "payment.late": return ["Money came late", "It came after the deadline or the cancelling.", "warn"];
    case "payment.replaced":
      return ["A transaction counts no more", "It left the mempool, was double-spent, or its announcement was withdrawn.", "warn"];
    case "payment.reorged": return ["A block was replaced", "The money is less deep than it was.", "warn"];
    case "payment.reversed":
      return ["Reversed", "It was confirmed and is not any more. What was credited was taken back.", "bad"];
    case "payment.failed":
      return data.forward ? ["Sending on failed", "The payment stays paid; its money is where it was.", "bad"]
        : ["Failed", data.reason ?? "", "bad"];
    case "payment.cancelled": return ["Cancelled", data.reason ?? (data.by ? `by ${data.by}` : ""), "bad"];
    case "payment.refunded":
      return ["Refunded", data.refund?.amount_sat ? sat(data.refund.amount_sat) : "", ""];
    case "payment.updated":
      return data.refund ? ["Refund in another transaction", data.refund.txid ?? "", ""] : ["Changed", changes(data.changed), ""];
    case "payment.token_saved": return ["Means of payment saved", "", ""];
    default: return [event.type.replace(/^payment\./, "").replaceAll("_", " "), "", ""];
  }
}

const NAMES = { external_id: "order number", expires_at: "deadline" };

const plain = value => (value === null || value === undefined || value === "" ? "none"
  : typeof value === "object" ? JSON.stringify(value) : String(value));

function changes(changed) {
  return Object.entries(changed ?? {}).filter(([, moved]) => moved).map(([name, moved]) =>
    `${NAMES[name] ?? name}: ${plain(moved.old)} → ${plain(moved.new)}`).join("; ");
}

function forward(data) {
  const { amount_sat: sent, fee_sat: fee } = data.forward ?? {};
  return sent ? `${btc(sent - (fee ?? 0))}${fee ? `, after ${sat(fee)} of fee` : ""}` : "";
}

function order(data) {
  const status = data.order?.status;
  return status && status !== "unpaid" ? `Its order is ${status} by another payment.` : "";
}

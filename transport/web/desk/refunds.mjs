/* All refunds of a merchant: what waits for somebody, and what went back. */

import { buttons, stateOf } from "./payment_refunds.mjs";
import { copyable, empty, link, more, ofMerchant, put, sat, short, table, tag, when }
  from "./kit.mjs";

export const title = "Refunds";

export async function show(place, { signal }) {
  const again = () => show(place, { signal });
  const made = table({ caption: "Refunds", hideCaption: true, columns: [
    { name: "State", cell: one => tag(...stateOf(one.state)) },
    { name: "Sum", class: "num", cell: one => sat(one.amount_sat) },
    { name: "Of", cell: one => link(`#/payments/${encodeURIComponent(one.payment_id)}`,
      short(one.payment_id, 10, 4)) },
    { name: "Where", cell: one => (one.txid ? copyable(one.txid, "transaction id")
      : one.address ? copyable(one.address, "address") : "–") },
    { name: "Asked for", cell: one => [when(one.created_at), one.reason ? ` · ${one.reason}` : ""] },
    { name: "", cell: one => buttons(one, `v1/payments/${encodeURIComponent(one.payment_id)}`, again) },
  ], rows: [] });
  put(place, made);
  const first = await more(place, "v1/refunds", { merchant: ofMerchant(), limit: 50 }, made.add, signal);
  if (!first) {
    put(place, empty("No refund yet.", "Open a payment that brought money, and choose “Refund”: to an"
      + " address, or by a link with which the payer says where."));
  }
}

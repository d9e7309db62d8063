/* The refunds of one payment. */

import { api, ask, copyable, h, may, put, sat, table, tag, when } from "./kit.mjs";

export const STATES = { open: ["Waits for the payer's address", "warn"],
  pending: ["To be paid", "warn"], paying: ["Being paid", "warn"], paid: ["Paid", "good"],
  cancelled: ["Withdrawn", ""], expired: ["The link ran out", ""] };

export const stateOf = state => STATES[state] ?? [state, ""];

export async function refunds(place, path, again, signal) {
  const { data } = await api(`${path}/refunds`, { signal });
  if (signal.aborted) return;
  put(place, data.length ? table({ caption: "Refunds", columns: [
    { name: "State", cell: one => tag(...stateOf(one.state)) },
    { name: "Sum", class: "num", cell: one => sat(one.amount_sat) },
    { name: "Where", cell: one => (one.txid ? copyable(one.txid, "transaction id")
      : one.address ? copyable(one.address, "address") : "–") },
    { name: "Asked for", cell: one => [when(one.created_at), one.reason ? ` · ${one.reason}` : ""] },
    { name: "", cell: one => buttons(one, path, again) },
  ], rows: data }) : null);
}

export function buttons(one, path, again) {
  if (!may("refund") || !["open", "pending"].includes(one.state)) return null;
  const at = `${path}/refunds/${encodeURIComponent(one.id)}`;
  const act = options => async () => { if (await ask(options)) await again(); };
  return h("span", { class: "tags" },
    h("button", { type: "button", class: "small", onclick: act({
      title: `Withdraw the refund of ${sat(one.amount_sat)}?`, danger: true,
      text: ["Nothing is paid, and the sum can be refunded anew."], action: "Withdraw",
      fields: [{ name: "psbt_destroyed", type: "check",
        label: "A transaction for it (PSBT) was given out, and nobody will sign or send it" }],
      send: body => api(`${at}/cancel`, { method: "POST", body }) }) }, "Withdraw"),
    one.state !== "pending" ? null : h("button", { type: "button", class: "small", onclick: act({
      title: `Was the refund of ${sat(one.amount_sat)} paid by other means?`,
      text: ["It is booked as paid, and this node does not pay it."], action: "It was paid",
      fields: [{ name: "txid", label: "Transaction id", maxlength: 64 }],
      send: body => api(`${at}/paid`, { method: "POST", body }) }) }, "Was paid"));
}

/* A new payment, by hand. */

import { api, form, go, h, newKey, ofMerchant, put, session } from "./kit.mjs";

export const title = "New payment";

const UNITS = [["sat", "sat"], ["EUR", "EUR"], ["USD", "USD"], ["CHF", "CHF"], ["GBP", "GBP"],
  ["any", "Any sum: the payer decides"]];

export async function show(place) {
  const key = newKey(); // sent twice, it is made once
  const fields = [
    { name: "amount", label: "Amount", inputmode: "decimal", maxlength: 20, at: "/amount_sat", plain: true,
      help: "Left empty only for “any sum”." },
    { name: "unit", label: "In", type: "select", options: UNITS, value: "sat", at: "/currency" },
    { name: "external_id", label: "Order number", maxlength: 200 },
    { name: "description", label: "What it is for", maxlength: 200, help: "The payer sees it." },
    session.merchant ? null : { name: "merchant", label: "Merchant", maxlength: 64,
      value: ofMerchant() ?? "", help: "Empty: the default merchant." },
    { name: "minutes", label: "Minutes until the deadline", type: "number", min: 1, at: "/expires_in_s",
      help: "Empty: as the merchant's settings say." },
    { name: "address", label: "Bitcoin address", maxlength: 100, spellcheck: "false",
      help: "Empty: a fresh one from the merchant's wallet." },
  ].filter(Boolean);
  put(place, h("div", { class: "card narrow" }, form(fields, { action: "Create the payment",
    send: said => api("v1/payments", { method: "POST", body: bodyOf(said), key }),
    done: made => go(`#/payments/${encodeURIComponent(made.id)}`) })));
}

export function bodyOf({ amount, unit, minutes, ...rest }) {
  const body = { ...rest };
  if (minutes) body.expires_in_s = Math.round(minutes * 60);
  if (unit === "any") body.any_amount = true;
  else if (unit === "sat") {
    if (amount !== undefined) body.amount_sat = Number(amount.replace(/[\s,']/g, ""));
  } else if (amount !== undefined) Object.assign(body, { amount: amount.replace(",", "."), currency: unit });
  return body;
}

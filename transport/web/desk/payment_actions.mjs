/* What a person can do with a payment. Each asks once more, and says what it will do; what
   the role may not, or what makes no sense now, is not offered. The node decides. */

import { api, ask, copyable, h, may, newKey, sat, toast } from "./kit.mjs";
import { PAID } from "./statuses.mjs";

export function actions(payment, again) {
  const path = `v1/payments/${encodeURIComponent(payment.id)}`;
  const after = text => async result => {
    if (result === null) return;
    toast(text, "good");
    await again();
  };
  const all = [
    may("confirm") && !PAID.has(payment.status)
      && button("Confirm by hand", () => confirm(path, payment).then(after("Confirmed."))),
    may("create") && ["pending", "expired"].includes(payment.status) && !payment.received_sat
      && button("Cancel", () => cancel(path, payment).then(after("Cancelled."))),
    may("refund") && payment.received_sat > payment.refunded_sat
      && button("Refund", () => refund(path, payment).then(after("The refund is made: how it stands is shown below."))),
    may("create") && button("Change", () => change(path, payment).then(after("Changed."))),
    may("settings")
      && button("Send again", () => again_(path).then(after("It is being sent again."))),
    may("create") && payment.address
      && button("Look at the chain now", () => look(payment)),
  ].filter(Boolean);
  return h("div", { class: "actions" }, all);
}

const button = (text, fn) => h("button", { type: "button", onclick: fn }, text);

const nameOf = payment => payment.external_id ?? payment.id;

function confirm(path, payment) {
  return ask({ title: `Confirm ${nameOf(payment)} by hand?`, danger: true,
    text: ["It becomes paid, whatever the chain shows: the shop is told to ship, and what it"
      + " credits is credited.",
    `Asked: ${sat(payment.amount_sat)}. Received so far: ${sat(payment.received_sat)}.`,
    "This cannot be undone."],
    action: "Confirm as paid", send: () => api(`${path}/confirm`, { method: "POST" }) });
}

function cancel(path, payment) {
  return ask({ title: `Cancel ${nameOf(payment)}?`, danger: true,
    text: ["The payer's page says that it is cancelled, and the shop is told. Money that comes"
      + " all the same is reported, and you decide what becomes of it."],
    action: "Cancel the payment", send: () => api(`${path}/cancel`, { method: "POST" }) });
}

/* A merge patch: what is not named stays. If-Match: nobody's change is undone unseen. */
async function change(path, payment) {
  const { value: now, etag } = await api(path, { etag: true });
  const isOpen = ["pending", "confirming"].includes(now.status);
  return ask({ title: `Change ${nameOf(payment)}`, action: "Save", fields: [
    { name: "external_id", label: "Order number", maxlength: 200, value: now.external_id ?? "",
      keepEmpty: true },
    { name: "description", label: "What it is for", maxlength: 200, value: now.description ?? "",
      keepEmpty: true, help: "The payer sees it." },
    isOpen && { name: "minutes", label: "Deadline in so many minutes from now", type: "number",
      min: 1, at: "/expires_in_s", help: "Empty: as it is." },
  ].filter(Boolean), send: ({ minutes, ...said }) => api(path, { method: "PATCH",
    headers: { "If-Match": etag }, body: { ...changed(said, now),
      ...(minutes ? { expires_in_s: Math.round(minutes * 60) } : {}) } }) });
}

const changed = (said, now) => Object.fromEntries(Object.entries(said)
  .filter(([name, value]) => value !== (now[name] ?? ""))
  .map(([name, value]) => [name, value || null]));

async function refund(path, payment) {
  const { left_sat: left } = await api(`${path}/refunds`);
  const key = newKey();
  const made = await ask({ title: `Refund ${nameOf(payment)}`, danger: true,
    text: [`Up to ${sat(left)} can go back. Money leaves the shop's wallet: check the address.`],
    fields: [
      { name: "amount_sat", label: "Sum in sat", type: "number", value: left, min: 1, required: true },
      { name: "address", label: "To the address", maxlength: 100, spellcheck: "false",
        help: "Leave it empty to get a link with which the payer says the address." },
      { name: "fee_from", label: "The network's fee", type: "select", value: "merchant",
        options: [["merchant", "The shop pays it: the whole sum arrives"],
          ["refund", "It is taken off the refund"]] },
      { name: "reason", label: "Reason", maxlength: 200 },
    ],
    action: "Refund", send: body => api(`${path}/refund`, { method: "POST", body, key }) });
  if (made?.claim_url) {
    await ask({ title: "Give this link to the payer", action: "Done", send: () => true,
      text: [h("p", {}, "Whoever has it can have the money. It is shown only now."),
        h("p", {}, copyable(new URL(made.claim_url, location.href).href, "link"))] });
  }
  return made;
}

function again_(path) {
  return ask({ title: "Send all of its notifications again?",
    text: ["Every channel gets each event of this payment once more, with the same id: a receiver"
      + " that knows the id passes over it."],
    action: "Send again", send: () => api(`${path}/redeliver`, { method: "POST" }) });
}

async function look(payment) {
  await api(`v1/watchers/${encodeURIComponent(payment.address)}/poll`, { method: "POST" });
  toast("The chain is being looked at. What is found is shown here.");
}

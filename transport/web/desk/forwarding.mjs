/* Money that goes on: sweeps to the owner's wallet, and what tills pass on by Lightning. */

import { api, ask, copyable, empty, every, h, link, may, ofMerchant, put, sat, session, short, table,
  tag, time, toast, when } from "./kit.mjs";

export const title = "Forwarding";

const KIND = { prepared: "warn", broadcast: "warn", seen: "warn", confirmed: "good", failed: "bad",
  invoiced: "warn", paying: "warn", pending: "warn", paid: "good", waiting: "warn", stuck: "bad",
  given_up: "bad" };

/* Of a till's forwards: a person may say what becomes of it. */
const MOVABLE = new Set(["stuck", "waiting", "left", "given_up"]);

export async function show(place, { signal, heading }) {
  const merchant = ofMerchant();
  const actions = h("div", { class: "actions" });
  heading.after(actions);
  const draw = async () => {
    const [chain, tills] = await Promise.all([
      api("v1/forwarding", { query: { merchant }, signal }),
      api("v1/forwarding/lightning", { query: { merchant }, signal })]);
    switchOf(actions, chain, draw);
    put(place,
      chain.paused ? h("p", { class: "note" },
        `Nothing new is sent on${chain.paused_since ? ` since ${when(chain.paused_since)}` : ""}: it was paused.`) : null,
      h("p", { class: "quiet" }, `Of the merchant ${merchant ?? "default"}, the newest fifty.`),
      h("h2", {}, "Sweeps on the chain"),
      chain.per_day_sat === null ? null : h("p", { class: "quiet" },
        `${sat(chain.sent_today_sat)} went on in the last 24 hours; the limit is ${sat(chain.per_day_sat)}.`),
      chain.outgoing.length ? sweeps(chain.outgoing, draw) : empty("No sweep yet.",
        "Money of payments goes on to the owner's wallet where a payment or the merchant's settings"
        + " name an address (forward_to)."),
      h("h2", {}, "Passed on by Lightning"),
      tills.data.length ? forwards(tills.data, draw) : empty("Nothing was passed on yet.",
        "What comes in on a Lightning account with forward_to is passed on to that account, once."));
  };
  await every(10_000, draw, signal);
}

function switchOf(actions, chain, draw) {
  if (!may("operator")) return;
  const to = !chain.paused;
  put(actions, h("button", { type: "button", onclick: async () => {
    const done = await ask({ title: to ? "Pause all forwarding?" : "Go on with forwarding?",
      text: [to ? "No money of any merchant is sent on until somebody resumes it, also after a"
        + " restart. What is on its way is looked after." : "What has waited is sent on now."],
      action: to ? "Pause" : "Go on",
      send: () => api("v1/forwarding", { method: "PUT", body: { paused: to } }) });
    if (done) await draw();
  } }, to ? "Pause" : "Go on"));
}

function sweeps(rows, draw) {
  return h("div", { class: "scrolls" }, table({ caption: "Sweeps", hideCaption: true, columns: [
    { name: "State", cell: one => [tag(one.state, KIND[one.state]),
      one.reason ? h("p", { class: "quiet" }, one.reason) : null] },
    { name: "Kind", cell: one => one.kind },
    { name: "Sum", class: "num", cell: one => sat(one.sent_sat) },
    { name: "Fee", class: "num", cell: one => sat(one.fee_sat) },
    { name: "To", cell: one => h("code", { title: one.to }, short(one.to)) },
    { name: "Transaction", cell: one => copyable(one.txid, "transaction id") },
    { name: "Of", cell: one => one.payments.map(id => [link(`#/payments/${encodeURIComponent(id)}`,
      short(id, 10, 4)), " "]) },
    { name: "Signed", class: "num", cell: one => h("time", { title: when(one.signed_at) }, time(one.signed_at)) },
    { name: "", cell: one => (one.state === "failed" && may("operator") && one.payments.length
      ? h("button", { type: "button", class: "small", onclick: () => retry(one, draw) }, "Try again") : null) },
  ], rows }));
}

async function retry(one, draw) {
  const done = await ask({ title: "Try the sweep again?", action: "Try again",
    text: ["Its coins are looked at anew, also those that a source said were spent, and are signed"
      + " into a new transaction. What is on its way is left alone."],
    send: () => api(`v1/payments/${encodeURIComponent(one.payments[0])}/forward`, { method: "POST" }) });
  if (done) {
    toast("It is tried again within a round.", "good");
    await draw();
  }
}

function forwards(rows, draw) {
  return h("div", { class: "scrolls" }, table({ caption: "Passed on by Lightning", hideCaption: true, columns: [
    { name: "State", cell: one => [tag(one.state.replaceAll("_", " "), KIND[one.state]),
      one.reason ? h("p", { class: "quiet" }, one.reason) : null] },
    { name: "Payment", cell: one => link(`#/payments/${encodeURIComponent(one.payment_id)}`, short(one.payment_id, 10, 4)) },
    { name: "From, to", cell: one => `${one.source} → ${one.target}` },
    { name: "Sum", class: "num", cell: one => sat(one.amount_sat) },
    { name: "Fee", class: "num", cell: one => sat(one.fee_sat) },
    { name: "Tried", class: "num", cell: one => String(one.attempts) },
    { name: "Moved", class: "num", cell: one => h("time", { title: when(one.moved_at) }, time(one.moved_at)) },
    { name: "Goes on", class: "num", cell: one => (one.next_at ? time(one.next_at) : "–") },
    { name: "", cell: one => (may("operator") && !session.merchant && MOVABLE.has(one.state)
      ? h("span", { class: "tags" }, act(one, draw, "resume", "Go on",
        "Both nodes are asked again before anything is paid."),
      one.state === "given_up" ? null : act(one, draw, "give_up", "Give up",
        "The money stays on the till's account, and the payment is told as failed to be forwarded.")) : null) },
  ], rows }));
}

const act = (one, draw, verb, name, text) => h("button", { type: "button", class: "small",
  onclick: async () => {
    const done = await ask({ title: `${name}: ${sat(one.amount_sat)} to ${one.target}?`, text: [text],
      action: name, danger: verb === "give_up",
      send: () => api(`v1/forwarding/lightning/${encodeURIComponent(one.id)}/${verb}`, { method: "POST" }) });
    if (done) await draw();
  } }, name);

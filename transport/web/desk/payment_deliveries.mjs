/* Who was told of a payment, by which channel, and how each attempt was answered. */

import { api, ask, duration, empty, h, may, more, put, tag, time, toast, when } from "./kit.mjs";

const STATE = { delivered: ["Delivered", "good"], pending: ["Waits", "warn"], dead: ["Given up", "bad"] };

export async function deliveries(place, path, signal) {
  const list = h("ol", { class: "deliveries" });
  const card = h("div", { class: "card" }, h("h2", {}, "Who was told"), list);
  const again = () => deliveries(place, path, signal);
  const first = await more(card, `${path}/deliveries`, { limit: 50 },
    rows => list.append(...rows.map(row => one(row, path, again))), signal);
  if (signal.aborted) return;
  const open = new Set([...place.querySelectorAll("details[open]")].map(each => each.dataset.of));
  for (const each of card.querySelectorAll("details")) each.open = open.has(each.dataset.of);
  put(place, first ? card : h("div", { class: "card" }, h("h2", {}, "Who was told"),
    empty("Nobody was told.", "Webhooks, Telegram, e-mail and Redis Streams are told of events: each is a"
      + " channel. Add one, and it is told of what happens from then on.")));
}

function one(delivery, path, again) {
  const [word, kind] = STATE[delivery.state];
  const name = `${delivery.channel_id} ${delivery.event_id}`;
  return h("li", {}, h("div", { class: "line" },
    h("b", {}, delivery.type.replace("payment.", "").replaceAll("_", " ")), tag(word, kind),
    h("span", { class: "quiet" }, named(delivery)),
    delivery.channel_enabled ? null : tag("channel is off", "warn"),
    may("settings") ? h("button", { type: "button", class: "small",
      onclick: () => resend(delivery, path, again) }, "Send again") : null),
  h("p", { class: "quiet" }, said(delivery)),
  h("details", { "data-of": name }, h("summary", {}, "Request and answers"),
    delivery.request ? [h("h3", {}, "Request"), h("pre", { tabindex: 0 }, written(delivery.request))] : null,
    h("h3", {}, "Attempts, the newest first"),
    delivery.log.length ? h("ul", {}, delivery.log.map(attempt)) : h("p", {}, "None is kept.")));
}

/* A shop has several webhooks: its kind alone does not say which one. */
function named({ description, request, kind, channel_id: id }) {
  return description || request?.url || kind || id;
}

function said({ attempts, next_attempt_at: next, state, log }) {
  if (state === "pending" && !attempts && !next) {
    return "Not tried yet: each channel is told a payment's events one after the other.";
  }
  const last = log[0];
  const answer = last ? `: ${last.status ? `answered ${last.status}` : last.error ?? last.outcome}` : "";
  const tries = attempts === 1 ? "1 attempt" : `${attempts} attempts`;
  return `${tries}${answer}${state === "pending" && next ? `. The next at ${time(next)}` : ""}`;
}

function written({ url, headers, body, body_is_whole: isWhole }) {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return `POST ${url}\n${lines.join("\n")}\n\n${body}${isWhole ? "" : "\n… (more)"}`;
}

function attempt(tried) {
  return h("li", {}, h("time", { datetime: tried.at, title: when(tried.at) }, time(tried.at)),
    ` · attempt ${tried.attempt}: ${tried.status ?? tried.outcome}, after ${duration(tried.latency_ms / 1000)}`,
    tried.error ? h("p", { class: "wrong" }, tried.error) : null,
    tried.answer ? h("pre", { tabindex: 0 }, tried.answer) : null);
}

async function resend(delivery, path, again) {
  const { channel_id, event_id, type } = delivery;
  const done = await ask({ title: `Send ${type} again?`, action: "Send again",
    text: [`It goes to ${named(delivery)} once more, with the same id: a receiver that`
      + " knows the id passes over it."],
    send: () => api(`${path}/redeliver`, { method: "POST", body: { channel_id, event_id } }) });
  if (done) {
    toast("It is being sent again.", "good");
    await again();
  }
}

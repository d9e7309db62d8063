/* Where the node hears of money: chain sources and Lightning accounts, how each stands, and
   why, in words. */

import { ago, api, count, duration, empty, every, h, may, put, session, tag, time, toast, when } from "./kit.mjs";

export const title = "Sources";

const STANDING = { current: ["Current", "good", "It shows all that there is, so it can also prove that nothing came."],
  behind: ["Behind", "warn", "It does not show all yet: it proves money, but never its absence."],
  failing: ["Failing", "bad", "It gives no answer that can be used. Others are asked in its place."] };

const LINK = { live: ["Live", "good"], connecting: ["Connecting", "warn"], behind: ["Catching up", "warn"],
  failing: ["Failing", "bad"] };

export async function show(place, { signal }) {
  await every(5_000, async () => {
    const [sources, upstreams] = await Promise.all([api("v1/sources", { signal }),
      api("v1/upstreams", { signal })]);
    put(place, h("h2", {}, "Chain"), sources.data.length
      ? h("div", { class: "cards" }, sources.data.map(source)) : empty("No source is configured."),
    h("h2", {}, "Lightning"), upstreams.data.length
      ? h("div", { class: "cards" }, upstreams.data.map(upstream))
      : empty("No Lightning account.", "Phoenixd, Blink or Electrum: the operator names accounts in the"
        + " configuration.", h("p", {}, h("a", { href: "docs/lightning" }, "How that is done"))));
  }, signal);
}

const facts = rows => h("dl", { class: "facts" }, rows.filter(Boolean).map(([name, value]) =>
  [h("dt", {}, name), h("dd", {}, value)]));

const errors = one => `${count(one.errors)}${one.requests ? ` (${(100 * one.errors / one.requests).toFixed(1)} %)` : ""}`;

function source(one) {
  const [word, kind, meaning] = STANDING[one.standing] ?? ["Not asked yet", "", ""];
  return h("article", { class: "card" }, h("h3", {}, one.name), h("p", { class: "status-line" },
    tag(word, kind), one.active ? tag("is asked now") : null,
    one.state === "closed" ? null : tag(one.state === "open" ? "rests after errors" : "is tried again", "warn")),
  h("p", {}, one.reason ? `${one.reason[0].toUpperCase()}${one.reason.slice(1)}. ` : "", meaning),
  one.reading ? h("p", { class: "note" }, `It reads what it missed: block ${count(one.reading.height)} of`
    + ` ${count(one.reading.to_height)}, ${count(one.reading.blocks_left)} are left.`) : null,
  facts([["Kind", one.kind], ["Tip", one.tip_height === null ? "–" : count(one.tip_height)],
    ["Last answer", one.lag_s === null ? "none yet" : `${duration(one.lag_s)} ago`],
    ["Requests", count(one.requests)], ["Errors", errors(one)],
    one.budget_per_min === null ? null
      : ["Budget", `${count(Math.floor(one.budget_left ?? 0))} left of ${count(one.budget_per_min)} a minute`],
    ["Addresses watched", count(one.watched)], one.waiting ? ["Wait for an answer", count(one.waiting)] : null,
    one.since_when ? ["So since", h("time", { title: when(one.since_when) }, ago(one.since_when))] : null,
    one.last_error ? ["Last error", h("span", { class: "wrong" }, one.last_error)] : null]));
}

function upstream(one) {
  const [word, kind] = LINK[one.state] ?? [one.state, "warn"];
  return h("article", { class: "card" }, h("h3", {}, one.name), h("p", { class: "status-line" }, tag(word, kind),
    h("span", { class: "quiet" }, `since ${ago(one.since)}`)),
  one.reason ? h("p", {}, one.reason) : null,
  one.state === "live" ? null : h("p", { class: "quiet" }, "Until it is live, what was paid there may be heard late."),
  facts([["Kind", one.kind], ["Last heard", one.answered_at ? ago(one.answered_at) : "never"],
    one.requests === null ? null : ["Requests", count(one.requests)],
    one.requests === null ? null : ["Errors", errors(one)],
    one.attempts ? ["Attempts", count(one.attempts)] : null,
    one.next_attempt_at ? ["Next attempt", time(one.next_attempt_at)] : null,
    one.forward_to ? ["Passes on to", one.forward_to] : null,
    one.merchants?.length ? ["Of", one.merchants.join(", ")] : null]),
  may("settings") || !session.merchant ? h("p", { class: "buttons" }, h("button", { type: "button",
    onclick: () => reconnect(one.name) }, "Reconnect")) : null);
}

async function reconnect(name) {
  await api(`v1/upstreams/${encodeURIComponent(name)}/reconnect`, { method: "POST" });
  toast("It begins anew.", "good");
}

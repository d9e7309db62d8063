/* What a person should look at now, and what to do about it. */

import { ADVICE } from "./advice.mjs";
import { ago, api, empty, every, h, link, put, tag, when } from "./kit.mjs";

export const title = "Alerts";

export async function show(place, { signal }) {
  await every(10_000, async () => {
    const { data } = await api("v1/alerts", { signal });
    put(place, data.length ? h("ul", { class: "alerts" }, data.map(one)) : empty(
      "All is well: nothing needs a person.",
      "What does is listed here for as long as it is so: a source that is behind, a shop that"
      + " cannot be told, money that waits. Channels that name “alert.*” are told too."));
  }, signal);
}

function one(alert) {
  return h("li", { class: "card" }, h("h2", {}, tag(alert.kind, "warn"), " ", about(alert)),
    h("p", {}, alert.detail),
    ADVICE[alert.kind] ? h("p", {}, h("b", {}, "What to do: "), ADVICE[alert.kind]) : null,
    h("p", { class: "quiet", title: when(alert.since) }, `Since ${ago(alert.since)}`,
      alert.merchant ? ` · ${alert.merchant}` : "", " · ",
      h("a", { href: "docs/errors#alerts" }, "What the kinds mean")));
}

function about(alert) {
  return alert.subject.startsWith("pay_")
    ? link(`#/payments/${encodeURIComponent(alert.subject)}`, alert.subject) : alert.subject;
}

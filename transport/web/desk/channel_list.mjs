/* The list of channels, those that need a person first, and how a webhook is added. */

import { nameOf, showSecret, stateOf } from "./channel_words.mjs";
import { api, ask, empty, every, h, link, may, ofMerchant, put, table, tag } from "./kit.mjs";

const SHOWN = 200;

export async function list(place, heading, signal) {
  if (may("settings")) heading.after(h("div", { class: "actions" },
    h("button", { type: "button", class: "main", onclick: () => add(draw) }, "New webhook")));
  const draw = async () => {
    const { data } = await api("v1/channels", { query: { limit: SHOWN }, signal });
    const merchant = ofMerchant();
    const mine = data.filter(one => !merchant || [merchant, "*"].includes(one.merchant));
    const rows = await Promise.all(mine.map(async channel => ({ channel,
      owed: await api(`v1/channels/${encodeURIComponent(channel.id)}/backlog`,
        { query: { limit: 1 }, signal }) })));
    rows.sort((a, b) => urgency(b) - urgency(a));
    put(place, rows.length ? drawn(rows) : empty("No channel yet.",
      "A shop is told of each payment by a webhook; people by Telegram or e-mail; programs by Redis"
      + " Streams. Each of these is a channel.",
      h("p", {}, h("a", { href: "docs/channels" }, "How each is set up"))));
  };
  await every(15_000, draw, signal);
}

const urgency = ({ channel, owed }) => (channel.enabled ? 0 : 4) + (owed.dead ? 2 : 0) + (owed.pending ? 1 : 0);

const counted = (number, most) => (number >= most ? `${most}+` : String(number));

const drawn = rows => h("div", { class: "scrolls" }, table({ caption: "Channels", hideCaption: true, columns: [
  { name: "Channel", cell: ({ channel }) => [link(`#/channels/${encodeURIComponent(channel.id)}`, nameOf(channel)),
    channel.disabled_reason ? h("p", { class: "wrong" }, channel.disabled_reason) : null] },
  { name: "Kind", cell: ({ channel }) => channel.kind },
  { name: "Of", cell: ({ channel }) => (channel.merchant === "*" ? "all merchants" : channel.merchant) },
  { name: "State", cell: ({ channel }) => stateOf(channel) },
  { name: "Waiting", class: "num", cell: ({ owed }) => (owed.pending
    ? tag(counted(owed.pending, owed.counted_up_to), "warn") : "0") },
  { name: "Given up", class: "num", cell: ({ owed }) => (owed.dead
    ? tag(counted(owed.dead, owed.counted_up_to), "bad") : "0") },
], rows }));

async function add(draw) {
  const made = await ask({ title: "New webhook", action: "Add", fields: [
    { name: "url", label: "URL", type: "url", required: true, maxlength: 2048,
      help: "Where the shop's backend takes events, by POST." },
    { name: "description", label: "Name", maxlength: 200, help: "How people call it: “Shop backend”." },
    { name: "merchant", label: "Merchant", maxlength: 64, value: ofMerchant() ?? "",
      help: "Empty: as far as your key reaches." },
  ], send: body => api("v1/channels", { method: "POST", body }) });
  if (!made) return;
  await showSecret(made.secret);
  await draw();
}

/* Who is told of what happens: each channel, what it still has to be told, what was given
   up, and each attempt. */

import { list } from "./channel_list.mjs";
import { nameOf, showSecret, stateOf } from "./channel_words.mjs";
import { api, ask, copyable, every, h, link, may, more, put, short, table, tag, time, toast, when }
  from "./kit.mjs";

export const title = "Channels";

export async function show(place, { params, signal, heading }) {
  if (!params.id) {
    await list(place, heading, signal);
    return;
  }
  const path = `v1/channels/${encodeURIComponent(params.id)}`;
  const [state, dead, pending, log] = ["state", "dead", "pending", "log"].map(name =>
    h("section", { class: `part-${name}` }));
  const buttons = h("div", { class: "actions" });
  heading.after(buttons);
  put(place, h("p", {}, link("#/channels", "All channels")), state, dead, pending, log);
  const draw = async () => {
    const channel = await api(path, { signal });
    heading.textContent = nameOf(channel);
    document.title = `${heading.textContent} · Paybell`;
    put(state, about(channel));
    put(buttons, may("settings") ? actions(channel, path, draw) : null);
    await Promise.all([owed(dead, channel, path, "dead", draw, signal),
      owed(pending, channel, path, "pending", draw, signal)]);
  };
  await every(10_000, draw, signal);
  await attempts(log, path, signal);
}

function about(channel) {
  const facts = [["Kind", channel.kind], channel.url ? ["Told at", h("code", {}, channel.url)] : null,
    ["Of", channel.merchant === "*" ? "all merchants" : channel.merchant],
    ["Events", channel.types.length ? channel.types.join(", ") : "every event of a payment"],
    ["Waits for an answer", `${channel.timeout_s} s`],
    channel.header_names.length ? ["Own headers", `${channel.header_names.join(", ")} (not shown)`] : null,
    channel.old_secret_until ? ["Old secret", `also signs until ${when(channel.old_secret_until)}`] : null,
    ["Since", when(channel.created_at)], ["Id", copyable(channel.id, "channel id")]];
  return h("div", { class: "card" }, h("p", { class: "status-line" }, stateOf(channel)),
    channel.disabled_reason ? h("p", { class: "note" }, `It is told nothing: ${channel.disabled_reason}`) : null,
    h("dl", { class: "facts" }, facts.filter(Boolean).map(([name, value]) =>
      [h("dt", {}, name), h("dd", {}, value)])));
}

/* -- what it has not been told ---------------------------------------------------------- */

const WORDS = {
  dead: ["Given up", "Nothing was given up.", "An event is given up when every attempt of the schedule"
    + " failed, or its receiver will never have it."],
  pending: ["Waiting", "Nothing waits: all that it should know, it was told.", ""],
};

async function owed(place, channel, path, state, draw, signal) {
  const { data, [state]: number, counted_up_to: most, next_cursor: rest } =
    await api(`${path}/backlog`, { query: { state, limit: 20 }, signal });
  const [headline, none, why] = WORDS[state];
  const shown = number >= most ? `${most} or more` : String(number);
  put(place, h("h2", {}, `${headline} (${shown})`), data.length ? [
    state === "dead" && may("settings") ? h("p", {}, h("button", { type: "button",
      onclick: () => all(channel, draw) }, "Send all of them again")) : null,
    h("div", { class: "scrolls" }, table({ caption: headline, hideCaption: true, columns: [
      { name: "Payment", cell: one => link(`#/payments/${encodeURIComponent(one.payment_id)}`, short(one.payment_id, 10, 4)) },
      { name: "Event", cell: one => `${one.seq}: ${one.type}` },
      { name: "Attempts", class: "num", cell: one => String(one.attempts) },
      { name: "Next", class: "num", cell: one => (one.next_attempt_at ? time(one.next_attempt_at) : "–") },
      { name: "", cell: one => (may("settings") ? h("button", { type: "button", class: "small",
        onclick: () => again(channel, one, draw) }, "Send again") : null) },
    ], rows: data })),
    rest ? h("p", { class: "quiet" }, "… and more. Each payment shows its own.") : null,
  ] : h("p", { class: "quiet" }, `${none} ${why}`));
}

async function again(channel, { payment_id: payment, event_id, type }, draw) {
  const done = await ask({ title: `Send ${type} again?`, action: "Send again",
    text: ["It goes out once more, with the same id: a receiver that knows the id passes over it."],
    send: () => api(`v1/payments/${encodeURIComponent(payment)}/redeliver`,
      { method: "POST", body: { channel_id: channel.id, event_id } }) });
  if (done) {
    toast("It is being sent again.", "good");
    await draw();
  }
}

async function all(channel, draw) {
  const done = await ask({ title: "Send again all that was given up?", action: "Send again",
    text: ["Mend the receiver first: each goes through the whole schedule again."],
    send: () => api("v1/redeliver", { method: "POST",
      body: { channel_id: channel.id, dead_only: true, since: channel.created_at } }) });
  if (done) {
    toast(`${done.requeued} are being sent again.`, "good");
    await draw();
  }
}

/* -- each attempt --------------------------------------------------------------------------- */

async function attempts(place, path, signal) {
  const rows = h("div", { class: "scrolls" });
  put(place, h("h2", {}, "Attempts, the newest first"), rows);
  let made = null;
  const first = await more(place, `${path}/deliveries`, { limit: 30 }, data => {
    if (made) made.add(data);
    else if (data.length) put(rows, made = logOf(data));
  }, signal);
  if (!first) put(rows, h("p", { class: "quiet" }, "There was none yet."));
}

const logOf = rows => table({ caption: "Attempts", hideCaption: true, columns: [
  { name: "When", class: "num", cell: one => h("time", { title: when(one.at), datetime: one.at }, time(one.at)) },
  { name: "Payment", cell: one => link(`#/payments/${encodeURIComponent(one.payment_id)}`, short(one.payment_id, 10, 4)) },
  { name: "Event", class: "num", cell: one => String(one.seq) },
  { name: "Answer", cell: one => [tag(one.status ?? one.outcome, ["delivered", "skipped"].includes(one.outcome) ? "good" : "bad"),
    one.error ? h("p", { class: "wrong" }, one.error) : null,
    one.answer ? h("details", {}, h("summary", {}, "What it said"), h("pre", { tabindex: 0 }, one.answer)) : null] },
  { name: "Took", class: "num", cell: one => `${one.latency_ms} ms` },
], rows });

/* -- what can be done ------------------------------------------------------------------------ */

function actions(channel, path, draw) {
  const button = (text, fn) => h("button", { type: "button",
    onclick: () => fn(channel, path, draw) }, text);
  return [button("Test", test), channel.kind === "webhook" ? button("New secret", rotate) : null,
    button(channel.enabled ? "Turn off" : "Turn on", turn), button("Remove", remove)];
}

async function test(_channel, path) {
  const result = await api(`${path}/test`, { method: "POST" });
  const answer = result.status ? `It answered ${result.status}` : "It gave no answer";
  toast(result.delivered ? `${answer}, after ${result.latency_ms} ms.`
    : `${answer}: ${result.error ?? "not delivered"}`, result.delivered ? "good" : "bad");
}

async function rotate(channel, path, draw) {
  const made = await ask({ title: "Make a new secret?", action: "New secret",
    text: ["For 24 hours both sign what is sent, so that the receiver can take the new one over."],
    send: () => api(path, { method: "PATCH", body: { rotate_secret: true } }) });
  if (!made) return;
  await showSecret(made.secret);
  await draw();
}

async function turn(channel, path, draw) {
  const done = await ask({ title: channel.enabled ? "Turn it off?" : "Turn it on?",
    action: channel.enabled ? "Turn off" : "Turn on",
    text: [channel.enabled ? "It is told nothing until it is turned on, and events that happen meanwhile"
      + " are not told later." : "It is told of what happens from now on, and of what it was owed when it"
      + " was turned off."],
    send: () => api(path, { method: "PATCH", body: { enabled: !channel.enabled } }) });
  if (done) await draw();
}

async function remove(channel, path) {
  const done = await ask({ title: `Remove ${nameOf(channel)}?`, danger: true, action: "Remove",
    text: ["What it has not been told yet is dropped. This cannot be undone."],
    send: () => api(path, { method: "DELETE" }) });
  if (done) location.hash = "#/channels";
}

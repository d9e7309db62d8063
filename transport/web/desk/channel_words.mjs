/* What a channel is called, whether it is on, and its secret, shown once: for the list and
   for the page of one. */

import { ask, copyable, h, tag } from "./kit.mjs";

export const nameOf = channel => channel.description || channel.url || `${channel.kind} ${channel.id}`;

export const stateOf = channel => (channel.enabled ? tag("On", "good") : tag("Off", "bad"));

export const showSecret = secret => ask({ title: "The secret", action: "I have it", send: () => true,
  text: [h("p", {}, "The receiver checks signatures with it. It is shown only now."),
    h("p", {}, copyable(secret, "secret"))] });

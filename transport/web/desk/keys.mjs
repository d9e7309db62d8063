/* API keys: who may do what. */

import { api, ask, copyable, empty, h, newKey, ofMerchant, put, table, tag, time, toast, when }
  from "./kit.mjs";

export const title = "Keys";

const ROLES = [["viewer", "Viewer: looks, and changes nothing"],
  ["cashier", "Cashier: also creates payments; for a till or a shop's pages"],
  ["operator", "Operator: also confirms, refunds, keeps channels and settings"],
  ["admin", "Admin: the whole node, with all merchants and keys"]];

export async function show(place, { signal, heading }) {
  heading.after(h("div", { class: "actions" },
    h("button", { type: "button", class: "main", onclick: create }, "New key")));
  let withRevoked = false;

  async function draw() {
    const { data } = await api("v1/keys", { signal });
    const merchant = ofMerchant();
    const mine = data.filter(key => !merchant || key.merchant === merchant).reverse();
    const shown = mine.filter(key => withRevoked || !key.revoked_at);
    put(place, shown.length ? h("div", { class: "scrolls" }, table({ caption: "API keys", hideCaption: true,
      columns: [
        { name: "Name", cell: key => h("b", {}, key.name) },
        { name: "Merchant", cell: key => key.merchant ?? "the whole node" },
        { name: "May", cell: key => h("span", { class: "tags" }, key.scopes.map(one => tag(one))) },
        { name: "Made", class: "num", cell: key => h("time", { title: when(key.created_at) }, time(key.created_at)) },
        { name: "", cell: key => (key.revoked_at ? tag(`revoked ${time(key.revoked_at)}`)
          : h("button", { type: "button", class: "small", onclick: () => revoke(key) }, "Revoke")) },
      ], rows: shown })) : empty("No key yet.", "A shop's backend, a till and each person has a key of"
      + " their own: then each can be revoked by itself."),
    mine.length > shown.length || withRevoked ? h("p", {}, h("label", { class: "inline" },
      h("input", { type: "checkbox", checked: withRevoked, onchange: event => {
        withRevoked = event.target.checked;
        return draw();
      } }), " Show revoked keys")) : null);
  }

  async function create() {
    const made = await ask({ title: "New API key", action: "Create", fields: [
      { name: "name", label: "Name", required: true, maxlength: 100,
        help: "Who or what has it: “shop backend”, “till 2”, “Ada”." },
      { name: "merchant", label: "Merchant", maxlength: 64, value: ofMerchant() ?? "",
        help: "Empty: it sees the whole node." },
      { name: "role", label: "Role", type: "select", options: ROLES, value: "viewer" },
    ], send: body => api("v1/keys", { method: "POST", body, key: newKey() }) });
    if (!made) return;
    await ask({ title: `The key “${made.name}”`, action: "I have it", send: () => true,
      text: [h("p", {}, "Copy it now: it is shown only once, and only its hash is kept."),
        h("p", {}, copyable(made.key, "key"))] });
    await draw();
  }

  async function revoke(key) {
    const done = await ask({ title: `Revoke “${key.name}”?`, danger: true, action: "Revoke",
      text: ["Whoever uses it is refused at once, and sessions opened with it end. This cannot be"
        + " undone."],
      send: () => api(`v1/keys/${encodeURIComponent(key.id)}`, { method: "DELETE" }) });
    if (done) {
      toast("Revoked.", "good");
      await draw();
    }
  }

  await draw();
}

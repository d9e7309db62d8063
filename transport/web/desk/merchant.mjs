/* What is kept of a merchant. A PUT says all of it, so what is not edited here is sent as
   it was read, and only if nobody was faster (If-Match). */

import { api, form, h, may, ofMerchant, put, session, tag, toast, when } from "./kit.mjs";

export const title = "Settings";

const READ_ONLY = new Set(["name", "limits_that_apply", "version", "updated_at"]);

const LINES = text => text.split("\n").map(line => line.trim()).filter(Boolean);

export async function show(place, { signal, heading }) {
  const name = ofMerchant() ?? "default";
  put(heading, `Settings of ${name}`);
  const path = `v1/merchants/${encodeURIComponent(name)}`;
  const { value: shop, etag } = await api(path, { signal, etag: true });
  put(place, h("div", { class: "cards" },
    h("div", { class: "card" }, h("h2", {}, "What payers see"), edit(shop, etag, path)),
    h("div", { class: "card" }, h("h2", {}, "The rest"), rest(shop))));
}

function fieldsOf(shop) {
  return [
    { name: "display_name", label: "Name", maxlength: 100, value: shop.display_name, keepEmpty: true,
      help: "Shown at the top of each payment's page." },
    { name: "logo_url", label: "Logo", type: "url", value: shop.logo_url, keepEmpty: true,
      maxlength: 2000, help: "An https address of a picture." },
    "brand_color" in shop ? { name: "brand_color", label: "Colour", value: shop.brand_color ?? "",
      keepEmpty: true, maxlength: 7, pattern: "#[0-9a-fA-F]{6}", placeholder: "#1f5d4c",
      help: "#rrggbb, of buttons and marks. Empty: Paybell's green." } : null,
    "explorer_url" in shop ? { name: "explorer_url", label: "Explorer", value: shop.explorer_url ?? "",
      keepEmpty: true, maxlength: 500, placeholder: "https://pay.example/tx/{txid}",
      help: "Where a transaction can be looked at." } : null,
    "support_url" in shop ? { name: "support_url", label: "Help for payers", value: shop.support_url ?? "",
      keepEmpty: true, maxlength: 500 } : null,
    "reorder" in shop ? { name: "reorder", label: "A payer may ask for a new address after the deadline",
      type: "check", value: shop.reorder } : null,
    { name: "return_urls", label: "Ways back to the shop", type: "textarea", keepEmpty: true,
      value: shop.return_urls.join("\n"), parse: LINES,
      help: "One a line: where a payment's return_url may lead to." },
    { name: "identify_without_secret", type: "check", value: shop.identify_without_secret,
      label: "Who names an order number on /ws is told when it is paid" },
  ].filter(Boolean);
}

function edit(shop, etag, path) {
  const fields = fieldsOf(shop);
  if (!may("settings")) {
    return h("dl", { class: "facts" }, fields.map(field => [h("dt", {}, field.label),
      h("dd", {}, String(field.value === "" ? "–" : field.value))]));
  }
  return form(fields, { action: "Save",
    send: said => {
      const kept = Object.fromEntries(Object.entries(shop).filter(([key]) => !READ_ONLY.has(key)));
      return api(path, { method: "PUT", body: { ...kept, ...said },
        headers: { "If-Match": etag } });
    },
    done: () => {
      toast("Saved.", "good");
      dispatchEvent(new HashChangeEvent("hashchange"));
    } });
}

function rest(shop) {
  const defaults = Object.entries(shop.defaults).filter(([, value]) => value !== null
    && !(Array.isArray(value) && !value.length));
  const secrets = Object.entries(shop.webhook_secrets).filter(([, isSet]) => isSet);
  const rows = [
    ["Paid by", shop.methods.join(", ")],
    ["Payments that say nothing", defaults.length
      ? defaults.map(([name, value]) => `${name}: ${JSON.stringify(value)}`).join("; ") : "as the node's settings say"],
    ["Packages", Object.keys(shop.packages).join(", ") || "–"],
    ["Books in", shop.accounting_currency || "–"],
    ["Wallet", shop.descriptor ? h("code", {}, shop.descriptor) : "–"],
    ["Money goes on to", shop.forward_to ? h("code", {}, shop.forward_to) : "–"],
    ["Lightning Address", shop.lightning_address?.name ?? "–"],
    ["Webhook secrets", secrets.length ? secrets.map(([name]) => [tag(name), " "]) : "–"],
    ["Site's own tokens", shop.jwt ? shop.jwt.algorithm : "–"],
    ["Limits", Object.entries(shop.limits_that_apply).map(([name, value]) => `${name}: ${value}`).join("; ")],
    ["Changed", shop.updated_at ? when(shop.updated_at) : "never"],
  ];
  return [h("dl", { class: "facts" }, rows.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    h("p", { class: "quiet" }, "These are changed over the API (PUT /v1/merchants/…), for they decide where"
      + " money goes and who is believed", session.merchant ? "; some of them by who runs the server." : ".")];
}

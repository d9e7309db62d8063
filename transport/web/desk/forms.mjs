/* Forms, and the dialog that asks once more.

   A field: { name, label, type, value, help, required, … }. `type` is text (the default),
   number, password, url, color, date, textarea, select (with options: [[value, label]]) or
   check; whatever else it has becomes an attribute (min, max, maxlength, pattern, …).
   values() leaves out fields that are empty and not `keepEmpty`; numbers are numbers.
   What a Problem says of a field stands below it. */

import { announce, h } from "./dom.mjs";

const KNOWN = new Set(["name", "label", "type", "value", "help", "options", "keepEmpty", "parse",
  "at", "plain"]);
let made = 0;

/* form(fields, { action: "Save", send: async values => …, done(result) }) */
export function form(fields, { action, send, done, extra = [], buttons = [] }) {
  const inputs = new Map(fields.map(field => [field.name, input(field)]));
  const wrong = h("p", { class: "wrong", role: "alert" });
  const button = h("button", { class: "main" }, action);
  const element = h("form", { class: "form" },
    fields.map(field => labelled(field, inputs.get(field.name))), extra, wrong,
    h("div", { class: "buttons" }, buttons, button));
  element.addEventListener("submit", async event => {
    event.preventDefault();
    clear(inputs, wrong);
    button.disabled = true;
    try {
      const result = await send(values(fields, inputs));
      done?.(result);
    } catch (error) {
      if (error.name !== "AbortError") mark(fields, inputs, wrong, error); // else they left
    } finally {
      button.disabled = false;
    }
  });
  return Object.assign(element, { button, inputs });
}

function input(field) {
  made += 1;
  const rest = Object.fromEntries(Object.entries(field).filter(([key]) => !KNOWN.has(key)));
  const common = { id: `field-${made}`, name: field.name, autocomplete: "off",
    "aria-describedby": `help-${made} wrong-${made}`, ...rest };
  switch (field.type) {
    case "textarea": return h("textarea", { rows: 3, ...common, value: field.value ?? "" });
    case "check": return h("input", { ...common, type: "checkbox", checked: !!field.value });
    case "select": {
      return h("select", common, field.options.map(([value, label]) =>
        h("option", { value, selected: value === field.value }, label)));
    }
    case "number":
      return h("input", { inputmode: "numeric", step: "any", ...common, type: "number",
        value: field.value ?? "" });
    default: return h("input", { ...common, type: field.type ?? "text",
      value: field.value ?? "" });
  }
}

function labelled(field, element) {
  const number = element.id.split("-")[1];
  const label = h("label", { for: element.id }, field.label,
    field.required || field.plain ? null : h("span", { class: "quiet" }, " (optional)"));
  if (field.type === "check" || field.type === "select" || field.keepEmpty) {
    label.querySelector(".quiet")?.remove();
  }
  const help = h("p", { class: "quiet help", id: `help-${number}` }, field.help);
  const wrong = h("p", { class: "wrong", id: `wrong-${number}` });
  return field.type === "check" ? h("div", { class: "field check" }, element, label, help, wrong)
    : h("div", { class: "field" }, label, element, help, wrong);
}

function values(fields, inputs) {
  const found = {};
  for (const field of fields) {
    const element = inputs.get(field.name);
    let value = field.type === "check" ? element.checked : element.value.trim();
    if (value === "" && !field.keepEmpty) continue;
    if (field.type === "number" && value !== "") value = Number(value);
    found[field.name] = field.parse ? field.parse(value) : value;
  }
  return found;
}

function clear(inputs, wrong) {
  wrong.textContent = "";
  for (const element of inputs.values()) {
    element.removeAttribute("aria-invalid");
    element.parentElement.querySelector("p.wrong").textContent = "";
  }
}

function mark(fields, inputs, wrong, error) {
  let first = null;
  const rest = [];
  for (const one of error.errors ?? []) {
    const field = fields.find(f => one.path === (f.at ?? `/${f.name}`)
      || one.path.startsWith(`${f.at ?? `/${f.name}`}/`));
    if (!field) { rest.push(`${one.path} ${one.message}`.trim()); continue; }
    const element = inputs.get(field.name);
    element.setAttribute("aria-invalid", "true");
    element.parentElement.querySelector("p.wrong").textContent = `It ${one.message}.`;
    first ??= element;
  }
  wrong.textContent = first ? ["Please look at what is marked.", ...rest].join(" ")
    : error.message;
  first?.focus();
  if (!error.status && !error.errors) reportError(error); // no answer of the node: a mistake of ours
}

/* Asks once more, with what will be done. Resolves with what `send` gave, or null if the
   visitor thought better of it. What the node refuses is said in the dialog. */
export function ask({ title, text = [], action, fields = [], send, danger = false }) {
  return new Promise(resolve => {
    made += 1;
    const id = `ask-${made}`;
    let result = null;
    const back = h("button", { type: "button", onclick: () => dialog.close() }, "Not now");
    const inside = form(fields, { action, send, buttons: [back],
      done: value => { result = value ?? true; dialog.close(); } });
    if (danger) inside.button.classList.add("danger");
    const dialog = h("dialog", { "aria-labelledby": id, onclose: () => {
      dialog.remove();
      // The page may have been drawn anew meanwhile, and what opened this be gone.
      (opener?.isConnected ? opener : document.getElementById("outlet"))?.focus();
      resolve(result);
    } }, h("h2", { id }, title), [text].flat().map(one => (one instanceof Node ? one
      : h("p", {}, one))), inside);
    const opener = document.activeElement;
    document.body.append(dialog);
    dialog.showModal();
    (fields.length ? [...inside.inputs.values()][0] : back).focus();
    announce(title);
  });
}

/* Elements. Whatever comes from outside is put in as text: there is no way to HTML here.
   The page's policy refuses style attributes; `style` sets properties one by one. */

const SHOWN_MS = 6_000;
const LINKS = new Set(["http:", "https:", "bitcoin:", "lightning:", "mailto:"]);

/* h("button", { class: "main", onclick: fn, disabled: true }, "Text", otherElement).
   null, undefined and false are left out, among the properties and the children. */
export function h(name, props, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "class") element.className = value;
    else if (key === "style") {
      for (const [what, is] of Object.entries(value)) element.style.setProperty(what, is);
    } else if (key === "value" || key === "checked") element[key] = value;
    else if (key === "href" && !isLink(value)) continue;
    else element.setAttribute(key, value === true ? "" : value);
  }
  add(element, children);
  return element;
}

/* In place of what was there. */
export function put(place, ...children) {
  place.replaceChildren();
  add(place, children);
  return place;
}

function add(place, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    place.append(child instanceof Node ? child : String(child));
  }
}

function isLink(text) {
  try {
    return LINKS.has(new URL(text, location.href).protocol);
  } catch {
    return false;
  }
}

const byId = id => document.getElementById(id);

/* Said to screen readers. The same text twice is said twice. */
export function announce(text) {
  const place = byId("announcement");
  place.textContent = "";
  requestAnimationFrame(() => { place.textContent = text; });
}

/* kind: "good", "bad", or nothing. */
export function toast(text, kind = "") {
  const note = h("p", { class: `toast ${kind}` }, text);
  byId("toasts").append(note);
  while (byId("toasts").children.length > 3) byId("toasts").firstChild.remove();
  setTimeout(() => note.remove(), SHOWN_MS);
  announce(text);
}

/* A long value that people take elsewhere. */
export function copyable(text, label = "value") {
  const button = h("button", { type: "button", class: "copy", "aria-label": `Copy ${label}`,
    onclick: async () => {
      try {
        await navigator.clipboard.writeText(text);
        toast("Copied.");
      } catch { // no secure context, or not allowed: then it is marked
        getSelection().selectAllChildren(code);
        toast("Press Ctrl+C to copy.");
      }
    } }, "Copy");
  const code = h("code", {}, text);
  return h("span", { class: "copyable" }, code, " ", button);
}

export const tag = (text, kind = "") => h("span", { class: `tag ${kind}` }, text);

/* What stands where nothing is yet. */
export function empty(headline, ...more) {
  return h("div", { class: "empty" }, h("p", { class: "lead" }, headline),
    more.map(one => (one instanceof Node ? one : h("p", {}, one))));
}

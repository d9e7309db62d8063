/* Elements. Whatever comes from outside is put in as text: there is no way to HTML here.
   The page's policy refuses style attributes; `style` sets properties one by one. */

const SHOWN_MS = 6_000;
const LINKS = new Set(["http:", "https:", "bitcoin:", "lightning:", "mailto:"]);

/* h("button", { class: "main", onclick: fn, disabled: true }, "Text", otherElement).
   null, undefined and false are left out, among the properties and the children. What a
   handler promises is awaited here: it need not catch what the visitor may be told. */
export function h(name, props, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), event => value(event)?.catch?.(failed));
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

/* In place of what was there. Whoever was on a button or a link there is on the same one
   of the new, so that the keyboard does not begin at the top of the page again. */
export function put(place, ...children) {
  const focused = document.activeElement;
  const again = place !== focused && place.contains(focused) ? [...alike(place, focused)].indexOf(focused) : -1;
  place.replaceChildren();
  add(place, children);
  if (again >= 0 && document.activeElement !== focused) {
    const found = focused.isConnected ? [focused] : alike(place, focused);
    (found[again] ?? found.at(-1))?.focus({ preventScroll: true });
  }
  return place;
}

const nameOf = one => one.getAttribute("aria-label") ?? (one.name || one.textContent);

/* What a place has that is called the same: "Send again" is there once for each event. */
function alike(place, wanted) {
  return [...place.querySelectorAll(wanted.localName)].filter(one => nameOf(one) === nameOf(wanted));
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

/* Told to the visitor, unless it ended because they left the page, or chose anew. */
function failed(error) {
  if (error.name === "AbortError") return;
  toast(error.message, "bad");
  if (error.status === undefined) reportError(error); // no Problem: a mistake of ours
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

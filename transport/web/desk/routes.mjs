/* Which page is shown: by the hash, so that a link to a page works and "back" goes back. */

import { announce, h, put } from "./dom.mjs";

let leave = null; // AbortController of the page that is shown
let routes = [];
let options = {};

export const go = hash => { location.hash = hash; };

export const link = (hash, ...text) => h("a", { href: hash }, ...text);

/* routes: [{ path: "payments/:id", page: module }]. The first is the front page.
   refused(route): why not, or null. shown(route): the menu marks it. */
export function begin(given, more) {
  routes = given.map(route => ({ ...route, parts: route.path.split("/") }));
  options = more;
  addEventListener("hashchange", show);
  return show();
}

function match(path) {
  const parts = path.split("/");
  for (const route of routes) {
    if (route.parts.length !== parts.length) continue;
    const params = {};
    const fits = route.parts.every((part, i) => {
      if (!part.startsWith(":")) return part === parts[i];
      params[part.slice(1)] = decoded(parts[i]);
      return params[part.slice(1)] !== "";
    });
    if (fits) return { route, params };
  }
  return null;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

export async function show() {
  const [path, search = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const found = match(path || routes[0].path);
  leave?.abort();
  leave = new AbortController();
  const { signal } = leave;
  const place = h("div", { class: `page page-${found?.route.name ?? "none"}` });
  const heading = h("h1", { tabindex: -1 }, found?.route.page.title ?? "There is no such page");
  const outlet = document.getElementById("outlet");
  const isFirst = !outlet.querySelector("h1");
  put(outlet, h("div", { class: "heading" }, heading), place);
  document.title = `${heading.textContent} · Paybell`;
  options.shown(found?.route);
  if (!isFirst) { // as a browser does it when another page is loaded
    heading.focus({ preventScroll: true });
    scrollTo(0, 0);
    announce(heading.textContent);
  }
  if (!found) {
    put(place, h("p", {}, "Please choose one in the menu."));
    return;
  }
  const refused = options.refused(found.route);
  if (refused) {
    put(place, h("p", {}, refused));
    return;
  }
  try {
    await found.route.page.show(place, { params: found.params, signal, heading,
      query: new URLSearchParams(search) });
  } catch (error) {
    if (signal.aborted) return;
    put(place, h("div", { class: "empty", role: "alert" }, h("p", { class: "lead" }, error.message),
      h("button", { type: "button", class: "main", onclick: show }, "Try again")));
    if (error.status === undefined) reportError(error);
  }
}

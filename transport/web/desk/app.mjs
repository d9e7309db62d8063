/* The dashboard begins: who is it, what may they see, what happens on the node. */

import { choose, may, ofMerchant, session } from "./api.mjs";
import { h, put, toast } from "./dom.mjs";
import { onLink, prime, start } from "./live.mjs";
import { PAGES } from "./pages.mjs";
import { begin, show } from "./routes.mjs";
import { loginAgain, logout, readSession } from "./session.mjs";

const byId = id => document.getElementById(id);

const LINK = {
  live: ["Live", "What happens is shown at once."],
  connecting: ["Connecting…", "What is shown may be old until the node is heard again."],
  offline: ["Offline", "This device has no network. What is shown may be old."],
};

async function main() {
  try {
    const [found] = await Promise.all([readSession(), prime()]);
    if (!found) await loginAgain();
  } catch (error) { // the node is away
    put(byId("outlet"), h("div", { class: "empty", role: "alert" },
      h("p", { class: "lead" }, error.message),
      h("button", { type: "button", class: "main", onclick: () => location.reload() }, "Try again")));
    return;
  }
  history.replaceState(null, "", location.pathname + location.hash); // without "?in"
  who();
  menu();
  keys();
  onLink(state => {
    const [text, title] = LINK[state];
    const light = byId("link");
    light.dataset.state = state;
    light.title = title;
    put(light, text);
  });
  begin(PAGES, {
    refused: route => (may(route.scope) ? null
      : `This page needs the right “${route.scope}”, which your key has not.`),
    shown(route) {
      for (const one of byId("menu").querySelectorAll("a")) {
        const isIt = route && one.getAttribute("href").slice(2) === route.path.split("/")[0];
        if (isIt) one.setAttribute("aria-current", "page");
        else one.removeAttribute("aria-current");
      }
      document.body.classList.remove("menu-open");
      byId("menu-button").setAttribute("aria-expanded", "false");
    },
  });
  byId("skip").addEventListener("click", event => { // the hash is the page's name
    event.preventDefault();
    byId("outlet").focus();
  });
  start();
}

function who() {
  put(byId("who"), h("b", {}, session.name), session.role ? ` · ${session.role}` : null);
  byId("logout").hidden = false;
  byId("logout").addEventListener("click", async () => {
    try {
      await logout();
    } catch (error) {
      toast(error.message, "bad");
    }
  });
  const place = byId("merchant");
  if (session.merchant) { put(place, session.merchant); return; }
  const input = h("input", { id: "merchant-name", placeholder: "all merchants", maxlength: 64,
    value: ofMerchant() ?? "", size: 14, autocomplete: "off", spellcheck: "false" });
  put(place, h("form", { onsubmit: event => {
    event.preventDefault();
    choose(input.value.trim());
    show();
  } }, h("label", { for: "merchant-name" }, "Merchant"), input,
  h("button", {}, "Show")));
}

function menu() {
  put(byId("menu"), h("ul", {}, PAGES.filter(page => page.menu && may(page.scope)
    && !(page.node && session.merchant)).map(page =>
    h("li", {}, h("a", { href: `#/${page.path}` }, page.menu)))));
  byId("menu-button").addEventListener("click", () => {
    const isOpen = document.body.classList.toggle("menu-open");
    byId("menu-button").setAttribute("aria-expanded", String(isOpen));
  });
}

/* j, k: down and up in the list. /: search. ?: says so. None while somebody types. */
function keys() {
  addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select, dialog")) return;
    const list = document.querySelector(".vlist")?.list;
    const by = { j: 1, k: -1, ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by && list) {
      event.preventDefault();
      list.move(by);
    } else if (event.key === "/" && document.querySelector("[type=search]")) {
      event.preventDefault();
      document.querySelector("[type=search]").focus();
    } else if (event.key === "?") {
      toast("j and k go through the list, Enter opens, / searches.");
    }
  });
}

main();

/* Logging in and out, in this tab and in the others of this browser. */

import { api, base, session, whenEnded } from "./api.mjs";
import { announce, h } from "./dom.mjs";

const tabs = "BroadcastChannel" in window ? new BroadcastChannel("paybell") : null;

/* Who is logged in; null: nobody. */
export async function readSession() {
  const found = await api("session", { isLogin: true });
  return found && take(found);
}

/* Throws Problem; the key goes to the node, and is kept nowhere here. */
export async function login(key) {
  const made = await api("session", { method: "POST", body: { key: key.trim() }, isLogin: true });
  return take(made);
}

export async function logout() {
  await api("session", { method: "DELETE", isLogin: true });
  tabs?.postMessage("ended");
  location.replace(base);
}

function take(value) {
  for (const name of Object.keys(session)) delete session[name];
  return Object.assign(session, value);
}

let asking = null;

/* The session has ended: ask for a key over the page. Resolves when one was given that
   sees the same; with another key the page begins anew. */
export function loginAgain() {
  asking ??= again().finally(() => { asking = null; });
  return asking;
}

async function again() {
  const before = { ...session };
  const isIn = await readSession().catch(() => null); // in another tab, meanwhile
  if (!isIn) await ask();
  if (before.csrf && !isOfSame(before)) {
    location.reload();
    await new Promise(() => {}); // nothing of this page goes on
  }
}

const isOfSame = before => session.merchant === before.merchant
  && String(session.scopes) === String(before.scopes);

function ask() {
  return new Promise(resolve => {
    const wrong = h("p", { class: "wrong", role: "alert" });
    const key = h("input", { type: "password", id: "again-key", required: true, maxlength: 512,
      autocomplete: "current-password", autocapitalize: "off", spellcheck: "false",
      placeholder: "pbk_…" });
    const send = h("button", { class: "main" }, "Log in");
    const form = h("form", {},
      h("h2", { id: "again-title" }, "Your session has ended"),
      h("p", {}, "Nothing on this page is lost: log in, and go on where you were."),
      h("label", { for: "again-key" }, "API key"), key, wrong,
      h("div", { class: "buttons" },
        h("button", { type: "button", onclick: () => logout().catch(() => location.replace(base)) },
        "Leave the page"),
        send));
    const dialog = h("dialog", { "aria-labelledby": "again-title", class: "again",
      oncancel: event => event.preventDefault() }, form);
    const finish = () => {
      dialog.close();
      dialog.remove();
      tabs?.removeEventListener("message", elsewhere);
      announce("You are logged in again.");
      resolve();
    };
    const elsewhere = async event => { // somebody logged in in another tab
      if (event.data === "begun" && await readSession().catch(() => null)) finish();
    };
    form.addEventListener("submit", async event => {
      event.preventDefault();
      wrong.textContent = "";
      send.disabled = true;
      try {
        await login(key.value);
        tabs?.postMessage("begun");
        finish();
      } catch (error) {
        wrong.textContent = error.message;
        key.focus();
      } finally {
        send.disabled = false;
      }
    });
    tabs?.addEventListener("message", elsewhere);
    document.body.append(dialog);
    dialog.showModal();
    key.focus();
  });
}

whenEnded(loginAgain);
tabs?.addEventListener("message", event => {
  if (event.data === "ended" && session.csrf) loginAgain();
});

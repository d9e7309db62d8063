/* The front page's form: a key for a session. */

import { base } from "./api.mjs";
import { login, readSession } from "./session.mjs";

const [form, key, wrong] = ["login", "key", "wrong"].map(id => document.getElementById(id));

/* The same address is the dashboard then. "?in" is for the link of another site, with which
   no browser sends the cookie: asked for by our own page, it comes. */
const enter = () => location.replace(`${base}?in${location.hash}`);

form.addEventListener("submit", async event => {
  event.preventDefault();
  wrong.textContent = "";
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    await login(key.value);
    enter();
  } catch (error) {
    wrong.textContent = error.message;
    key.select();
    button.disabled = false;
  }
});

if (!new URLSearchParams(location.search).has("in")) {
  readSession().then(found => found && enter(), () => {});
}

/* The front page's form: a key for a session. */

import { login } from "./session.mjs";

const [form, key, wrong] = ["login", "key", "wrong"].map(id => document.getElementById(id));

form.addEventListener("submit", async event => {
  event.preventDefault();
  wrong.textContent = "";
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    await login(key.value);
    location.reload(); // the same address is the dashboard now
  } catch (error) {
    wrong.textContent = error.message;
    key.select();
    button.disabled = false;
  }
});

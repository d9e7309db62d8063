/* The page's elements, and small things that all its parts do with them. */

export const $ = id => document.getElementById(id);

/* Text that is the same is not put again: whoever reads it aloud would say it again. */
export function put(id, text) {
  if ($(id).textContent !== text) $(id).textContent = text;
}

export function made(tag, { text = "", on_click = null, ...attributes } = {}, ...inside) {
  const one = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) one.setAttribute(name.replaceAll("_", "-"), value);
  if (text) one.textContent = text;
  one.append(...inside);
  if (on_click) one.addEventListener("click", on_click);
  return one;
}

export const view = () => document.body.dataset.view;
export const show = name => {
  document.body.dataset.view = name;
};

/* Say something to who listens: screen readers. */
export const announce = text => put("announcement", text);

/* Ask the cashier. Escape and the first button are no. */
export function is_wanted(title, lines, yes) {
  const dialog = $("warning");
  put("warning-title", title);
  put("warning-yes", yes);
  $("warning-list").replaceChildren(...lines.map(text => made("li", { text })));
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise(answer => {
    dialog.addEventListener("close", () => answer(dialog.returnValue === "yes"), { once: true });
  });
}

/* What this browser keeps over a reload: never a key. What is there may be of an older
   page, or damaged: then it is nothing. */
export const kept = {
  get(name) {
    try {
      return JSON.parse(localStorage.getItem(`paybell.till.${name}`));
    } catch {
      return null;
    }
  },
  set(name, value) {
    localStorage.setItem(`paybell.till.${name}`, JSON.stringify(value));
  },
  drop(name) {
    localStorage.removeItem(`paybell.till.${name}`);
  },
};

export const clock = moment => new Date(moment).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });

/* Tables that are short, and lists that are read page by page. */

import { api } from "./api.mjs";
import { h, put } from "./dom.mjs";

/* columns: [{ name, class, cell: row => text or element }]. On a phone each row is a card
   in which every cell is named. */
export function table({ caption, columns, rows, hideCaption = false }) {
  const body = h("tbody");
  const made = h("table", { class: "table" },
    h("caption", { class: hideCaption ? "unseen" : "" }, caption),
    h("thead", {}, h("tr", {}, columns.map(column =>
      h("th", { scope: "col", class: column.class },
        column.name || h("span", { class: "unseen" }, "What can be done"))))),
    body);
  const add = more => body.append(...more.map(row => h("tr", {}, columns.map(column =>
    h("td", { class: column.class, "data-name": column.name }, column.cell(row))))));
  add(rows);
  return Object.assign(made, { add, clear: () => put(body) });
}

/* A list by cursor: `draw(rows)` puts a page's rows on the page; below it stands "Show
   more" as long as there is more. Resolves with how many the first page had. */
export async function more(place, path, query, draw, signal) {
  const button = h("button", { type: "button" }, "Show more");
  let cursor = null;
  const step = async () => {
    button.disabled = true;
    try {
      const page = await api(path, { query: { ...query, cursor }, signal });
      cursor = page.next_cursor;
      draw(page.data);
      button.hidden = !cursor;
      return page.data.length;
    } finally {
      button.disabled = false;
    }
  };
  const first = await step();
  button.addEventListener("click", () => step().catch(error => {
    if (!signal?.aborted) button.after(h("p", { class: "wrong", role: "alert" }, error.message));
  }));
  place.append(button);
  return first;
}

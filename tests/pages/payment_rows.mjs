/* The dashboard's list of payments, told what a test says, without a browser. A question
   is [filter, [[what, given], …]]; the answer is the list as it is shown after that. Of
   many payments ("pages", "news") only how many, and the ends, are told. */

import { PaymentRows } from "../../transport/web/desk/payment_rows.mjs";

const made = id => ({ payment_id: id, status: "pending", seq: 1, type: "payment.created", flags: [] });
const WAYS = {
  expect: rows => rows.expect(),
  page: (rows, page) => rows.append(page),
  events: (rows, events) => rows.apply(events).isMissing,
  // `count` pages of `size` rows p1, p2, …, each page with a cursor to the next.
  pages(rows, [count, size]) {
    for (let page = 1; page <= count; page += 1) {
      const data = Array.from({ length: size }, (_, n) => ({ id: `p${(page - 1) * size + n + 1}`, seq: 1 }));
      rows.append({ data, next_cursor: `after ${page}` });
    }
  },
  // So many that were made just now, one call each time or all in one.
  news: (rows, count) => rows.apply(Array.from({ length: count }, (_, n) => made(`n${n + 1}`))).added,
};

let text = "";
for await (const piece of process.stdin) text += piece;
const answers = JSON.parse(text).map(([wanted, told]) => {
  const rows = new PaymentRows(wanted);
  const said = told.map(([what, given]) => WAYS[what](rows, given));
  const { items } = rows;
  return { rows: items.length > 99 ? [] : items.map(({ id, status, seq }) => [id, status, seq]),
    items: items.length > 99 ? [] : items, is_missing: said.at(-1), heard: rows.heard,
    count: items.length, known: rows.known.size, first: items[0]?.id, last: items.at(-1)?.id,
    cursor: rows.cursor, is_whole: rows.isWhole };
});
process.stdout.write(JSON.stringify(answers));

/* The dashboard's list of payments, told what a test says, without a browser. A question
   is [filter, [[what, given], …]]; the answer is the list as it is shown after that. */

import { PaymentRows } from "../../transport/web/desk/payment_rows.mjs";

let text = "";
for await (const piece of process.stdin) text += piece;
const answers = JSON.parse(text).map(([wanted, told]) => {
  const rows = new PaymentRows(wanted);
  const missing = told.map(([what, given]) => {
    if (what === "expect") return rows.expect();
    return what === "page" ? rows.append(given) : rows.apply(given).isMissing;
  });
  return { rows: rows.items.map(({ id, status, seq }) => [id, status, seq]),
    is_missing: missing.at(-1), heard: rows.heard };
});
process.stdout.write(JSON.stringify(answers));

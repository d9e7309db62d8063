// Follows a node's events for ever and prints each one's id; the cursor is in a file.
// node follow.mjs URL KEY CURSOR AFTER [die-at]: with it, the n-th event's handler dies.
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { Paybell } from "paybell-api";

const [url, key, file, after, dieAt = 0] = process.argv.slice(2);
const paybell = new Paybell({ url, key });
let heard = 0;
const events = paybell.events({
  after: existsSync(file) ? readFileSync(file, "ascii") : after,
  waitS: 1,
  saveCursor(cursor) {
    writeFileSync(`${file}.new`, cursor);
    renameSync(`${file}.new`, file);
  },
  onGone: gone => console.log(`gone ${gone.after} ${gone.cursor}`),
});
for await (const event of events) {
  console.log(event.id);
  if (++heard === Number(dieAt)) throw new Error("the handler died");
}

/* What `every` leaves behind, as JSON: how often it called, and its timers, when the page
   was left at the end of the first call, and when later. */

const nothing = () => {};
const element = () => ({ setAttribute: nothing, append: nothing, prepend: nothing, remove: nothing });
globalThis.document = { hidden: false, createElement: element, getElementById: element };

const { every } = await import("../../transport/web/desk/repeat.mjs");

const timers = () => process.getActiveResourcesInfo().filter(name => name === "Timeout").length;

async function leftAfter(times) {
  const page = new AbortController();
  let calls = 0;
  const left = new Promise(resolve => page.signal.addEventListener("abort", resolve));
  await every(1, async () => {
    calls += 1;
    if (calls === times) page.abort();
  }, page.signal);
  await left;
  return [calls, timers()];
}

console.log(JSON.stringify([await leftAfter(1), await leftAfter(3)]));

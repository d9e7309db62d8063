/* The dashboard's kit: all that a page of it may use. A page imports from here only.

   A page is a module that exports

     export const title = "Alerts";
     export async function show(place, { params, query, signal }) { … }

   `place` is its empty element; `params` what its route's :names stand for, `query` the
   URLSearchParams behind the hash's "?"; `signal` is aborted when the visitor leaves the
   page (give it to api() and every()). An error that it throws is shown to the visitor
   with a way to try again. Pages are listed in pages.mjs with their route, the scope
   that they need, and their name in the menu.

   dom.mjs      h(tag, props, ...children)   an element; text is always text, never HTML;
                                             what a handler's promise ends with is told
                put(place, ...children)      in place of what was there
                announce(text)               said to screen readers, shown to nobody
                toast(text, kind)            shown for some seconds, and announced
                copyable(text, label)        a value with a button that copies it
                tag(text, kind)              a small label; kind: good, warn, bad, or none
                empty(headline, ...more)     what stands where nothing is yet; it teaches
   forms.mjs    form(fields, {...})          fields with labels, help and their errors
                ask({title, text, action, fields, send, danger})  a dialog that asks once
                                             more; resolves with what send() gave, or null
   api.mjs      api(path, {method, body, query, signal, headers, key})  JSON of /v1/…;
                                             throws Problem, whose message people can read.
                                             A session that has ended is asked for anew,
                                             over the page as it stands, then goes on
                newKey()                     an Idempotency-Key, for api's `key`
                pages(path, query, signal)   an async iterator over a list's pages
                session, may(scope)          who is logged in; whether they may
                ofMerchant()                 the merchant that is looked at (or null: all)
   live.mjs     follow(fn, signal)           fn(events) once a frame, for what happened
                onLink(fn, signal)           fn("live" | "connecting" | "offline")
   list.mjs     new VirtualList({...})       a table of any length: only visible rows exist
   table.mjs    table({caption, columns, rows})  a short table; cards on a phone
                more(place, path, query, draw, signal)  "Show more" below a list by cursor
   formats.mjs  sat(n), btc(n), money(text, currency), when(iso), time(iso), ago(iso),
                duration(s), count(n), short(id)   texts in the browser's language
   routes.mjs   go(hash), link(hash, text)   to another page
   every(ms, fn, signal)                     now and then again, not while hidden, nor two
                                             at a time; its errors are shown beside the page
   chart(…)                                  see charts' page: uPlot is loaded on demand by
   uplot()                                   which resolves with the constructor */

export { announce, copyable, empty, h, put, tag, toast } from "./dom.mjs";
export { ask, form } from "./forms.mjs";
export { Problem, api, may, newKey, ofMerchant, pages, session } from "./api.mjs";
export { follow, onLink } from "./live.mjs";
export { VirtualList } from "./list.mjs";
export { more, table } from "./table.mjs";
export { ago, btc, count, duration, money, sat, short, time, when } from "./formats.mjs";
export { go, link } from "./routes.mjs";
export { every, uplot } from "./repeat.mjs";

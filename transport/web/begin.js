/* Fetches the rest when all that a payer must see is there: beside the page and its sheet
   it would share a slow line with them. */
"use strict";
for (const url of document.currentScript.dataset.then.split(" ")) {
  const isSheet = url.endsWith(".css");
  const element = document.createElement(isSheet ? "link" : "script");
  if (isSheet) Object.assign(element, { rel: "stylesheet", href: url });
  else Object.assign(element, { src: url, async: false }); // in their order
  document.head.append(element);
}

/* The documentation's own script: search, and copying of code. Without it all can be
   read. What is found is put in as text, never as HTML. */
"use strict";
(() => {
  const SHOWN = 12; // results that are shown
  const $ = id => document.getElementById(id);
  const way = document.body.dataset.docs; // from this page to /docs/
  const field = $("search"), results = $("results"), found = $("found");

  /* -- search ------------------------------------------------------------------- */

  let index = null; // rows of [address, page, part, beginning, words]

  function rows() {
    index ??= fetch(`${way}search.json`)
      .then(answer => {
        if (!answer.ok) throw new Error(`status ${answer.status}`);
        return answer.json();
      })
      .catch(error => { index = null; throw error; });
    return index;
  }

  const wordsOf = text => text.toLowerCase().match(/[a-z0-9_]+/g) ?? [];

  /* 0 if a word is missing; titles count more than what stands below them. */
  function score([, page, part, , words], wanted) {
    const titles = [[` ${wordsOf(part).join(" ")}`, 8], [` ${wordsOf(page).join(" ")}`, 5]];
    const text = ` ${words}`;
    let sum = 0;
    for (const word of wanted) {
      let best = text.includes(` ${word}`) ? 1 : 0;
      for (const [title, weight] of titles) {
        if (title.includes(` ${word}`)) best += weight;
      }
      if (!best) return 0;
      sum += best;
    }
    return sum > wanted.length && !part ? sum + 1 : sum; // the page before its parts
  }

  function result([address, page, part, begins]) {
    const item = document.createElement("li"), link = document.createElement("a");
    const title = document.createElement("b"), text = document.createElement("span");
    link.href = address.startsWith("index") ? address.replace("index", way ? "docs" : "../docs")
      : way + address;
    title.textContent = part ? `${part} · ${page}` : page;
    text.textContent = begins;
    link.append(title, text);
    item.append(link);
    return item;
  }

  async function look() {
    const text = field.value, wanted = wordsOf(text).slice(0, 8);
    if (!wanted.length) return show([], "");
    let all;
    try {
      all = await rows();
    } catch (error) {
      return show([], `The search could not be loaded: ${error.message}`);
    }
    if (text !== field.value) return; // a later look is on its way
    const hits = all.map(row => [score(row, wanted), row]).filter(([sum]) => sum > 0)
      .sort(([one], [other]) => other - one);
    const said = hits.length ? `${hits.length} found` : `Nothing is found for “${text}”`;
    show(hits.slice(0, SHOWN).map(([, row]) => row), said);
  }

  function show(hits, said) {
    results.replaceChildren(...hits.map(result));
    results.hidden = !hits.length;
    found.textContent = said;
  }

  function move(event) {
    const links = [...results.querySelectorAll("a")];
    const at = links.indexOf(document.activeElement);
    if (event.key === "Escape") {
      field.value = "";
      show([], "");
      field.focus();
    } else if (event.key === "ArrowDown" && links.length) {
      links[Math.min(at + 1, links.length - 1)].focus();
    } else if (event.key === "ArrowUp" && at >= 0) {
      (at ? links[at - 1] : field).focus();
    } else if (event.key === "Enter" && at < 0 && links.length) {
      links[0].click();
    } else {
      return;
    }
    event.preventDefault();
  }

  field.closest(".search").hidden = false;
  field.addEventListener("input", look);
  field.addEventListener("focus", () => rows().catch(() => null), { once: true });
  field.closest(".search").addEventListener("keydown", move);
  results.addEventListener("click", () => { field.value = ""; show([], ""); });
  document.addEventListener("keydown", event => {
    const typing = event.target.closest("input, textarea, select");
    if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    field.focus();
  });

  if (matchMedia("(hover: hover)").matches) field.placeholder = "Search: press /";

  /* -- where we are in the contents, which scroll by themselves on a wide page ---- */

  const here = document.querySelector("#contents [aria-current]");
  if (here && matchMedia("(min-width: 60rem)").matches) {
    $("contents").scrollTop = here.offsetTop - innerHeight / 2;
  }

  /* -- copying ------------------------------------------------------------------ */

  for (const block of document.querySelectorAll(".code")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(block.querySelector("code").textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(block.querySelector("code"));
        button.textContent = "Selected: press Ctrl+C";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 3000);
    });
    block.append(button);
  }
})();

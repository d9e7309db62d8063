/* The past in numbers, drawn by uPlot: of the node, or of one merchant. */

import { api, duration, h, ofMerchant, put, sat, session, uplot } from "./kit.mjs";

export const title = "Charts";

const HEIGHT = 220;
const DAY_S = 86_400;
const RANGES = { "6 hours": ["minute", 6 * 3_600], "2 days": ["hour", 2 * DAY_S], "7 days": ["hour", 7 * DAY_S],
  "30 days": ["hour", 30 * DAY_S], "1 year": ["day", 365 * DAY_S], "5 years": ["day", 5 * 365 * DAY_S] };
const LINES = ["--accent", "--warn", "--bad", "--quiet", "--good"];

const number = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1, notation: "compact" });
const plain = value => number.format(value);
const took = ms => duration(ms / 1_000);

const KINDS = [
  { series: "payments", caption: "Payments", pick: ["created", "confirmed"], as: plain },
  { series: "payments", caption: "Value that was booked", pick: ["value_sat"], as: value => `${plain(value)} sat` },
  { series: "detection", caption: "From its creation until a payment is seen", pick: ["p50_ms", "p90_ms", "p99_ms"], as: took },
  { series: "confirmation", caption: "From there until it is confirmed", pick: ["p50_ms", "p90_ms", "p99_ms"], as: took },
  { series: "sources", caption: "Errors of sources", as: plain, node: true },
  { series: "load", caption: "Connected clients", pick: ["sessions"], as: plain, node: true },
  { series: "load", caption: "Deliveries that wait", pick: ["backlog"], as: plain, node: true },
];

const NAMES = { created: "created", confirmed: "confirmed", value_sat: "value", p50_ms: "half within",
  p90_ms: "9 of 10 within", p99_ms: "99 of 100 within", sessions: "most at one time", backlog: "most at one time" };

const ZONES = { "": "This browser's time", UTC: "UTC" };

export async function show(place, { signal, heading, query }) {
  const isNode = !session.merchant && !ofMerchant();
  const ranges = Object.keys(RANGES).filter(name => isNode || RANGES[name][0] !== "minute");
  let range = ranges.includes(query.get("range")) ? query.get("range") : "7 days";
  let zone = query.get("zone") === "UTC" ? "UTC" : "";
  const choice = (label, options, value, fn) => h("label", { class: "inline" }, `${label} `, h("select",
    { onchange: event => { fn(event.target.value); draw().catch(fail); } },
    options.map(([key, text]) => h("option", { value: key, selected: key === value }, text))));
  const wrong = h("p", { class: "wrong", role: "status" });
  const fail = error => { if (!signal.aborted) wrong.textContent = error.message; };
  const grid = h("div", { class: "charts" });
  put(place, h("div", { class: "filters" },
    choice("Time", ranges.map(name => [name, name]), range, value => { range = value; }),
    choice("Clock", Object.entries(ZONES), zone, value => { zone = value; })), wrong, grid);
  const UPlot = await uplot();
  if (signal.aborted) return; // left meanwhile: nothing would stop what begins here
  let drawn = [];
  let turn = 0;

  const draw = async () => {
    const mine = turn += 1;
    const [step, span] = RANGES[range];
    const since = new Date(Date.now() - span * 1_000).toISOString();
    const kinds = KINDS.filter(kind => isNode || !kind.node);
    const asked = [...new Set(kinds.map(kind => kind.series))];
    const got = Object.fromEntries(await Promise.all(asked.map(async series => [series,
      await api("v1/history", { signal, query: { series, step, since, merchant: session.merchant ? null : ofMerchant() } })])));
    if (mine !== turn) return; // another time was chosen since
    wrong.textContent = "";
    drawn.forEach(one => one.destroy());
    put(grid);
    drawn = kinds.map(kind => figure(UPlot, grid, kind, got[kind.series], zone)).filter(Boolean);
  };

  const fit = new ResizeObserver(() => drawn.forEach(one => {
    const width = one.root.parentElement?.clientWidth;
    if (width && width !== one.width) one.setSize({ width, height: HEIGHT });
  }));
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const recolour = () => draw().catch(fail);
  dark.addEventListener("change", recolour);
  fit.observe(grid);
  const timer = setInterval(() => { if (!document.hidden) recolour(); }, 60_000);
  signal.addEventListener("abort", () => {
    clearInterval(timer);
    fit.disconnect();
    dark.removeEventListener("change", recolour);
    drawn.forEach(one => one.destroy());
  });
  await draw();
  heading.dataset.drawn = "yes";
}

/* One chart, or what stands in its place while there is nothing to draw. */
function figure(UPlot, grid, kind, history, zone) {
  const names = (kind.pick ?? Object.keys(history.values)).filter(name => name in history.values);
  const columns = names.map(name => history.values[name]);
  const place = h("div", { class: "plot" });
  const box = h("figure", { class: "card" }, h("figcaption", {}, kind.caption), place,
    h("p", { class: "quiet" }, summary(kind, names, columns)));
  grid.append(box);
  if (!columns.some(column => column.some(value => value))) {
    put(place, h("p", { class: "quiet nothing" }, "Nothing in this time."));
    return null;
  }
  const colour = name => getComputedStyle(document.body).getPropertyValue(name).trim();
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") } };
  const made = new UPlot({
    width: place.clientWidth || 480, height: HEIGHT,
    tzDate: seconds => (zone ? UPlot.tzDate(new Date(seconds * 1_000), zone) : new Date(seconds * 1_000)),
    legend: { show: names.length > 1, live: false },
    cursor: { drag: { x: true, y: false } },
    scales: { y: { range: (_, low, high) => [Math.min(0, low ?? 0), Math.max(1, high ?? 1) * 1.05] } },
    axes: [axis, { ...axis, size: 84, values: (_, splits) => splits.map(kind.as) }],
    series: [{}, ...names.map((name, at) => ({ label: nameOf(name), width: 2, spanGaps: false,
      stroke: colour(LINES[at % LINES.length]), dash: at ? [4 + 2 * at, 4] : undefined, points: { size: 4 } }))],
  }, [history.at.map(time => Date.parse(time) / 1_000), ...columns], place);
  made.root.querySelector("canvas").setAttribute("aria-hidden", "true");
  return made;
}

const nameOf = name => NAMES[name] ?? name.replace(/^errors:/, "");

/* What the picture says, for who does not see it. */
function summary(kind, names, columns) {
  return names.map((name, at) => {
    const known = columns[at].filter(value => value !== null);
    if (!known.length) return null;
    const total = known.reduce((sum, value) => sum + value, 0);
    const isSum = ["payments", "sources"].includes(kind.series);
    const most = kind.as(Math.max(...known));
    const said = name === "value_sat" ? sat(total) : isSum ? `${total} in all`
      : kind.series === "load" ? most : `at most ${most}`;
    return `${nameOf(name)}: ${said}`;
  }).filter(Boolean).join(" · ");
}

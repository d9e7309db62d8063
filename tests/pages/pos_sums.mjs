/* Counts what it is asked for with the modules of the till: a list of [function, …] in,
   a list of results out. `test_pos_sums.py` knows what is right. */

import { readFileSync } from "node:fs";
import * as money from "../../transport/web/till/money.mjs";
import * as stages from "../../transport/web/till/stages.mjs";
import * as statuses from "../../transport/web/till/statuses.mjs";

const [digits, unit, sum] = [String, decimals => ({ currency: "EUR", decimals }), BigInt];
const FUNCTIONS = {
  in_sat: (minor, decimals, rate) => digits(money.in_sat(sum(minor), unit(decimals), rate)),
  in_currency: (sat, decimals, rate) => digits(money.in_currency(sum(sat), unit(decimals), rate)),
  percent: (minor, percent) => digits(money.percent_of(sum(minor), percent)),
  text: (minor, decimals) => money.text(sum(minor), unit(decimals)),
  parsed: (given, decimals) => digits(money.parsed(given, unit(decimals))),
  typed: (before, keys) => [...keys].reduce((now, key) => money.typed(now, key === "<" ? "back" : key), before),
  stage: (payment, goes_on) => stages.stage_of(payment, goes_on),
  line: payment => stages.line_of(payment),
  paid: () => [...statuses.PAID].sort(),
  is_open: stage => stages.OPEN.includes(stage),
  shown: (minor, currency, decimals) => money.shown(sum(minor), currency ? { currency, decimals } : money.SAT),
  moved: (payment, event) => stages.moved(payment, event),
};
const asked = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(asked.map(([name, ...given]) => FUNCTIONS[name](...given))));

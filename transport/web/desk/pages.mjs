/* All pages: where, what the menu calls them, and the scope that they need. A page without
   a menu name is reached from others. `node`: only who sees the whole node has it. */

import * as alerts from "./alerts.mjs";
import * as payments from "./payments.mjs";

export const PAGES = [
  { path: "payments", name: "payments", menu: "Payments", scope: "read", page: payments },
  { path: "alerts", name: "alerts", menu: "Alerts", scope: "operator", page: alerts },
];

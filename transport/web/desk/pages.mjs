/* All pages: where, what the menu calls them, and the scope that they need. A page without
   a menu name is reached from others. `node`: only who sees the whole node has it. */

import * as alerts from "./alerts.mjs";
import * as channels from "./channels.mjs";
import * as charts from "./charts.mjs";
import * as forwarding from "./forwarding.mjs";
import * as keys from "./keys.mjs";
import * as ledger from "./ledger.mjs";
import * as merchant from "./merchant.mjs";
import * as fresh from "./new.mjs";
import * as payment from "./payment.mjs";
import * as payments from "./payments.mjs";
import * as refunds from "./refunds.mjs";
import * as sources from "./sources.mjs";
import * as supervision from "./supervision.mjs";
import * as wallets from "./wallets.mjs";

export const PAGES = [
  { path: "payments", name: "payments", menu: "Payments", scope: "read", page: payments },
  { path: "payments/:id", name: "payment", scope: "read", page: payment },
  { path: "new", name: "new", scope: "create", page: fresh },
  { path: "refunds", name: "refunds", menu: "Refunds", scope: "read", page: refunds },
  { path: "ledger", name: "ledger", menu: "Ledger", scope: "read", page: ledger },
  { path: "ledger/:account", name: "account", scope: "read", page: ledger },
  { path: "forwarding", name: "forwarding", menu: "Forwarding", scope: "read", page: forwarding },
  { path: "wallets", name: "wallets", menu: "Wallets", scope: "read", page: wallets },
  { path: "channels", name: "channels", menu: "Channels", scope: "read", page: channels },
  { path: "channels/:id", name: "channel", scope: "read", page: channels },
  { path: "charts", name: "charts", menu: "Charts", scope: "read", page: charts },
  { path: "sources", name: "sources", menu: "Sources", scope: "read", page: sources },
  { path: "supervision", name: "supervision", menu: "Supervision", scope: "operator", node: true,
    page: supervision },
  { path: "alerts", name: "alerts", menu: "Alerts", scope: "operator", node: true, page: alerts },
  { path: "settings", name: "settings", menu: "Settings", scope: "read", page: merchant },
  { path: "keys", name: "keys", menu: "Keys", scope: "operator", node: true, page: keys },
];

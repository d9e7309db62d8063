"""A page that sleeps while very much happens to the payment that it shows.

    with node_at(folder, site, port) as node:
        payment = fall_asleep(node, page)
    last = lengthen(folder / "node.db", payment.id, 10_000)
    with node_at(folder, site, port):
        wake(page)

The page draws the payment's state into its document, as a shop's would, and notes when.
"""

import json
from contextlib import AbstractContextManager
from pathlib import Path

from engine.payment.model import Terms
from tests.browser.page import Page
from tests.browser.site import Site
from tests.tools.livenode import LiveNode, live_node

__all__ = ["AMOUNT_SAT", "DATABASE", "fall_asleep", "node_at", "wake"]

AMOUNT_SAT = 2_000
DATABASE = "node.db"  # as `live_node` names it

# `renders`: what became of the document each time, how many events were told by then,
# and when the frame was there, in ms after the page woke. `toldAt`: when the last event
# had been told.
_PAGE = """
(() => {
  const root = document.getElementById("root");
  window.renders = [];
  window.seqs = [];
  window.woken = 0;
  document.addEventListener("resume", () => { window.woken = performance.now(); });
  new MutationObserver(() => {
    const one = { text: root.textContent, told: seqs.length };
    renders.push(one);
    requestAnimationFrame(() => {
      const shown = new MessageChannel();
      shown.port1.onmessage = () => { one.ms = performance.now() - window.woken; };
      shown.port2.postMessage(0);
    });
  }).observe(root, { childList: true });
  window.watch = watchPayment({ ...OPTIONS,
    onState: s => { root.textContent = `${s.status} ${s.seq}`; },
    onEvent: e => { seqs.push(e.seq); window.toldAt = performance.now() - woken; } });
  return 1;
})()
"""


def node_at(folder: Path, site: Site, port: int) -> AbstractContextManager[LiveNode]:
    """The same database each time, and the same port, where the page looks for it."""
    return live_node(folder, origins=(site.origin,), port=port)


def fall_asleep(node: LiveNode, page: Page) -> Terms:
    """A payment that was created, on the page; then the browser freezes the page."""
    payment = node.create(amount_sat=AMOUNT_SAT)
    url = f"http://127.0.0.1:{node.server.port}"
    options = {"url": url, "address": payment.address, "since": "0"}
    page.evaluate(_PAGE.replace("OPTIONS", json.dumps(options)))
    page.wait_for_js("renders.length === 1 && seqs.length === 1")
    page.call("Page.setWebLifecycleState", state="frozen")
    return payment


def wake(page: Page) -> None:
    """Chromium leaves a page hidden that it froze, and draws nothing of it."""
    page.call("Page.setWebLifecycleState", state="active")
    page.call("Emulation.setFocusEmulationEnabled", enabled=True)

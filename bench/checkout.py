"""A payer opens the checkout: when its code can be scanned, and what that weighs.

Chromium, a new profile for each opening, one node on loopback; once as the line is, and
once on 50 kbit/s by Chromium's own brake. The code is there when the frame is shown
that has the words which follow it on the page, as Chromium's Element Timing says. Of a
payment that Lightning may pay, too, it is the invoice's code, which is seen first; the
page has both. The peer is a page of one word without a line: what Chromium itself
takes.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Final

from bench.measure import median
from bench.report import Row, Section, compare, spread
from engine.payment.model import Payment
from tests.browser.playwright_page import VisitorPage, visiting
from tests.browser.shop import Shop, shop
from tests.pages.shots_checkout import invoice

__all__ = ["run"]

TIMES: Final = 15
SLOW_TIMES: Final = 5
SLOW_BYTES_S: Final = 50_000 // 8

#: The words right behind the code are drawn with it or after it.
WATCH: Final = """
  new MutationObserver(() => {
    document.querySelector(".copies dt")?.setAttribute("elementtiming", "code");
  }).observe(document, { childList: true, subtree: true });
  new PerformanceObserver(list => {
    for (const { identifier, renderTime } of list.getEntries())
      if (identifier === "code") window.codeAt ??= renderTime;
  }).observe({ type: "element", buffered: true });
"""
PAINT: Final = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
ONE_WORD: Final = "data:text/html,<!doctype html><title>One</title><p>word"
WEIGHT: Final = """
  ["navigation", "resource"].flatMap(type => performance.getEntriesByType(type))
    .reduce((sum, one) => sum + one.transferSize, 0)
"""
WIDE: Final = {"viewport": {"width": 1180, "height": 800}}


def run() -> Section:
    with (
        tempfile.TemporaryDirectory() as folder,
        shop(Path(folder)) as node,
        visiting() as page,
    ):
        empty = [_one_word(page) for _ in range(TIMES)]
        opened = [_open(page, node, _onchain(node)) for _ in range(TIMES)]
        slow = [
            _open(page, node, _onchain(node), SLOW_BYTES_S) for _ in range(SLOW_TIMES)
        ]
        both = [_open(page, node, _both(node)) for _ in range(TIMES)]
        slow_both = [
            _open(page, node, _both(node), SLOW_BYTES_S) for _ in range(SLOW_TIMES)
        ]
    rows = [
        compare(
            "code on the screen, loopback",
            [one["code"] for one in opened],
            "ms",
            "a page of one word",
            empty,
            aim="300 ms",
        ),
        Row("first contentful paint, loopback", _ms(opened, "paint")),
        Row("code on the screen, 50 kbit/s", _ms(slow, "code"), aim="1,000 ms"),
        Row("first contentful paint, 50 kbit/s", _ms(slow, "paint")),
        _weight("all of the page over the wire, compressed", opened),
        Row("with Lightning: its code on the screen, loopback", _ms(both, "code")),
        Row(
            "with Lightning: its code on the screen, 50 kbit/s",
            _ms(slow_both, "code"),
            aim="1,000 ms",
        ),
        _weight("with Lightning: all of the page over the wire, compressed", both),
    ]
    return Section(
        name="checkout",
        title="The checkout page",
        measured=__doc__.split("\n\n")[1].replace("\n", " "),
        rows=rows,
    )


def _onchain(node: Shop) -> Payment:
    return node.create()


def _both(node: Shop) -> Payment:
    return node.create(lightning=invoice(node))


def _weight(name: str, runs: list[dict[str, float]]) -> Row:
    return Row(name, f"{median([one['bytes'] for one in runs]):,.0f} B", aim="60,000 B")


def _open(
    page: VisitorPage, node: Shop, payment: Payment, bytes_s: int = 0
) -> dict[str, float]:
    page.do("anew", WIDE)
    page.do("before_load", WATCH)
    if bytes_s:
        brake = {"offline": False, "latency": 0, "uploadThroughput": bytes_s}
        page.do(
            "cdp",
            "Network.emulateNetworkConditions",
            {**brake, "downloadThroughput": bytes_s},
        )
    page.do("goto", node.url(payment))
    page.do("wait_for", "#freshness:not([data-link=opening])", "attached")
    page.do("wait_until", "'codeAt' in window")
    found: dict[str, Any] = {
        "code": page.do("evaluate", "window.codeAt"),
        "paint": page.do("evaluate", PAINT),
        "bytes": page.do("evaluate", WEIGHT),
    }
    return found


def _one_word(page: VisitorPage) -> float:
    page.do("anew", WIDE)
    page.do("goto", ONE_WORD)
    page.do("wait_until", f"{PAINT} !== undefined")
    return float(page.do("evaluate", PAINT))


def _ms(runs: list[dict[str, float]], name: str) -> str:
    return spread([one[name] for one in runs], "ms")

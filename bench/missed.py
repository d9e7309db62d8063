"""A page wakes up and has missed very much: until the present state is on the screen.

Chromium freezes a page that follows a payment; 10,000 events of it are committed while
the node is down; the node starts again, and the page wakes. From the page's `resume` to
the frame that shows the payment as it is now, and until the last of the events was
handed to the page. One node on loopback, a new database and a new page for each run.
The peer is the same page where nothing was missed but that the payment was seen: what
connecting again and drawing take.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bench.measure import folder
from bench.report import Row, Section, compare
from tests.browser.chromium import Chromium, browser
from tests.browser.missed import DATABASE, fall_asleep, node_at, wake
from tests.browser.page import Page
from tests.browser.site import Site
from tests.tools.many_events import lengthen
from tests.tools.ports import free_ports

__all__ = ["run"]

EVENTS: Final = 10_000
SHORT_STORY: Final = 4  # `lengthen` makes seven: seen, reorganised once, paid
TIMES: Final = 7
PATIENCE_S: Final = 60.0

Found = dict[str, float]


def run() -> Section:
    many, short = [], []
    with browser() as chromium:
        for _ in range(TIMES):  # in turn, so that both meet the same weather
            many.append(_once(chromium, EVENTS))
            short.append(_once(chromium, SHORT_STORY))

    def row(what: str, key: str, aim: str = "") -> Row:
        ours, peer = [one[key] for one in many], [one[key] for one in short]
        return compare(what, ours, "ms", "just paid", peer, aim)

    return Section(
        "missed",
        f"A page that missed {EVENTS:,} events",
        (__doc__ or "").split("\n\n")[1].replace("\n", " "),
        [
            row("the present state on the screen", "shown", "1,000 ms"),
            row("all events handed to the page", "told"),
            Row(
                "drawings until then",
                f"{max(one['renders'] for one in many):.0f} at most",
                aim="1",
            ),
        ],
    )


def _once(chromium: Chromium, events: int) -> Found:
    site, page = Site(), chromium.page(600, 400)
    (port,) = free_ports(1)
    try:
        page.goto(site.origin)
        with folder() as path:
            return _slept(Path(path), page, site, port, events)
    finally:
        page.close()
        site.close()


def _slept(path: Path, page: Page, site: Site, port: int, events: int) -> Found:
    with node_at(path, site, port) as node:
        payment = fall_asleep(node, page)
    last = lengthen(path / DATABASE, payment.id, events)
    with node_at(path, site, port):
        wake(page)
        wanted = f"seqs.length >= {last.seq} && renders.at(-1).ms !== undefined"
        page.wait_for_js(wanted, timeout_s=PATIENCE_S)
        found: Found = page.evaluate(
            "({ shown: renders[1].ms, told: toldAt, renders: renders.length - 1 })"
        )
        page.evaluate("watch.stop(), 1")
    return found

"""10,000 events while a page slept: the present state first, drawn once, then all."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.chromium import browser
from tests.browser.missed import DATABASE, fall_asleep, node_at, wake
from tests.browser.page import Page
from tests.browser.site import Site
from tests.tools.many_events import lengthen
from tests.tools.ports import free_ports

EVENTS = 10_000


@pytest.fixture
def page() -> Iterator[Page]:
    with browser() as running:
        opened = running.page(600, 400)
        yield opened
        opened.close()


@pytest.mark.timeout_s(300)
def test_after_a_sleep_of_ten_thousand_events_the_state_is_drawn_once_then_all_is_told(
    page: Page, tmp_path: Path
) -> None:
    """Chromium freezes the page; the node it comes back to is a whole one, whose
    database has them. How long it takes is measured by `make bench ARGS=missed`."""
    site = Site()
    (port,) = free_ports(1)
    try:
        page.goto(site.origin)
        with node_at(tmp_path, site, port) as node:
            payment = fall_asleep(node, page)
        last = lengthen(tmp_path / DATABASE, payment.id, EVENTS)
        with node_at(tmp_path, site, port) as node:
            wake(page)
            page.wait_for_js(f"seqs.length >= {last.seq}", timeout_s=60)
            told = node.gateway.payment(payment.id)
            assert told is not None
            assert told.seq == last.seq >= EVENTS
            assert page.evaluate("seqs") == list(range(1, last.seq + 1))
            page.wait_for_js("renders.at(-1).ms !== undefined")  # it is on the screen
            renders = page.evaluate("renders.map(({ text, told }) => [text, told])")
            assert renders == [["pending 1", 0], [f"confirmed {last.seq}", 1]]
            assert page.evaluate("watch.stop(), 1")
    finally:
        site.close()

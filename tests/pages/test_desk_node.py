"""What an operator sees of the node itself: the tree, the sources, and the charts."""

from collections.abc import Iterator

import pytest

from engine.payment.history import Fact, measured, sums_of
from engine.store.history_writes import AddHistory
from engine.store.writes import Write
from tests.pages.conftest import Visited
from tests.pages.desk import PHONE, Desk, desk

HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("desk")) as running:
        yield running


def remember(at: Desk) -> None:
    """Some hours of a shop that was busy."""
    now = at.node.gateway.now()
    kinds = ("payment.created", "payment.detected", "payment.confirmed")
    facts = [
        Fact(
            offset=n,
            type=kinds[n % 3],
            at=now - n * HOUR_MS // 4,
            merchant="ann" if n % 2 else "bob",
            waited_ms=None if n % 3 == 0 else (n % 40 + 1) * 1_500,
            booked_sat=5_000 if n % 3 == 2 else 0,
        )
        for n in range(300)
    ]
    noted = measured({"sessions": 12, "backlog": 3, "errors:devchain": 2}, now)
    rows = AddHistory(sums_of(facts)), AddHistory(noted)
    at.node.gateway._commit(Write(rows=rows))


def test_charts_say_so_while_there_is_nothing_and_then_draw(
    at: Desk, visited: Visited
) -> None:
    at.enter(visited, page="charts")
    visited.do("wait_for", "h1[data-drawn]")
    assert "Nothing in this time" in visited.do("text", ".charts")
    remember(at)
    visited.do("select", "#outlet label:has-text('Time') select", "2 days")
    drawn = "document.querySelectorAll('.charts canvas').length"
    visited.do("wait_until", f"{drawn} === 7")
    assert "12" in visited.do("text", "figure:has-text('Connected clients')")
    assert visited.do("axe") == []
    width = "document.querySelector('.charts canvas').getBoundingClientRect().width"
    before = visited.do("evaluate", width)
    visited.do("size", 500, 800)
    visited.do("wait_until", f"{width} !== {before}")
    visited.do("emulate", {"color_scheme": "dark"})
    visited.do("wait_until", f"{drawn} === 7")
    assert visited.do("axe") == []


@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Auckland"])
def test_hours_are_those_of_the_visitor_or_of_utc(
    at: Desk, visited: Visited, zone: str
) -> None:
    remember(at)
    at.enter(visited, page="charts?range=2 days", timezone_id=zone)
    visited.do("wait_for", "h1[data-drawn]")
    visited.do("select", "#outlet label:has-text('Clock') select", "UTC")
    visited.do("wait_until", "document.querySelectorAll('.charts canvas').length === 7")


def test_a_merchant_sees_its_own_numbers_and_nothing_of_the_node(
    at: Desk, visited: Visited
) -> None:
    remember(at)
    at.enter(visited, "viewer", "ann", "charts", viewport=PHONE)
    visited.do("wait_until", "document.querySelectorAll('.charts canvas').length === 4")
    said = visited.do("text", "#outlet")
    assert "Errors of sources" not in said
    assert "6 hours" not in said
    assert "Supervision" not in visited.do("evaluate", "menu.textContent")
    at.go(visited, "supervision")
    visited.do("wait_for_text", "#outlet", "needs the right")


def test_the_tree_shows_watchers_and_what_they_wait_for(
    at: Desk, visited: Visited
) -> None:
    mine = at.node.create(1_000)
    at.enter(visited, page="supervision")
    visited.do("wait_for_text", ".part-core", "journal")
    visited.do("wait_for_text", ".part-watchers", "running")
    visited.do("wait_for_text", ".part-trouble", "every open payment is looked after")
    assert visited.do("axe") == []
    visited.do("fill", "[name=address]", mine.terms.address)
    visited.do("press", "Enter")
    visited.do("wait_for_text", ".part-found tbody", "pending")
    visited.do("click", ".part-found tbody >> text=Look now")
    visited.do("wait_for_text", "#toasts", "looks at the chain now")


def test_a_source_says_in_words_how_it_stands(at: Desk, visited: Visited) -> None:
    at.enter(visited, page="sources")
    visited.do("wait_for_text", "article", "Current")
    visited.do("wait_for_text", "article", "It shows all that there is")
    visited.do("wait_for_text", "#outlet", "No Lightning account")
    assert visited.do("axe") == []

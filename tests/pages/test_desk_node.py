"""What an operator sees of the node itself: the tree, the sources, and the charts."""

from collections.abc import Iterator
from typing import Any

import pytest

from engine.lightning.till import TillState
from engine.payment.history import Fact, measured, sums_of
from engine.payment.model import Payment
from engine.runtime.supervision import RestartPolicy
from engine.store.history_writes import AddHistory
from engine.store.writes import MoveOutgoing, NewOutgoing, NewTill, Row, Write
from engine.wallet.outgoing import OutgoingState, moved
from tests.pages.conftest import Visited
from tests.pages.desk import PHONE, Desk, desk, toasted
from tests.tools.wait import wait_until
from tests.unit.engine.store.outgoing_cases import coin, outgoing
from tests.unit.engine.store.till_cases import forward

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
    toasted(visited, "looks at the chain now")


def test_a_source_says_in_words_how_it_stands(at: Desk, visited: Visited) -> None:
    at.enter(visited, page="sources")
    visited.do("wait_for_text", "article", "Current")
    visited.do("wait_for_text", "article", "It shows all that there is")
    visited.do("wait_for_text", "#outlet", "No Lightning account")
    assert visited.do("axe") == []


# -- what is in trouble ----------------------------------------------------------------


def write(at: Desk, *rows: Row) -> None:
    at.node.gateway._commit(Write(rows=rows))


def row_of(payment: Payment) -> str:
    """Of a table: a payment's own, wherever its number is shown."""
    return f"tr:has(a[href$='{payment.id}'])"


def test_a_sweep_that_failed_says_why_and_is_tried_again(
    at: Desk, visited: Visited
) -> None:
    mine = at.node.create(50_000)
    made = outgoing(1, coin(1, mine.id), merchant="default", at=at.node.gateway.now())
    broadcast = moved(made, OutgoingState.BROADCAST, made.at)
    why = "its coin was spent by another"
    failed = moved(
        broadcast, OutgoingState.FAILED, made.at, reason=why,
        lost=((coin(1).txid, 0),), is_open=False,
    )  # fmt: skip
    write(at, NewOutgoing(made))
    write(at, MoveOutgoing(broadcast, OutgoingState.PREPARED))
    write(at, MoveOutgoing(failed, OutgoingState.BROADCAST))
    at.enter(visited, "viewer", page="forwarding")
    visited.do("wait_for_text", row_of(mine), why)
    assert "Try again" not in visited.do("text", "#outlet"), "not a viewer's to say"
    at.enter(visited, page="forwarding")
    visited.do("wait_for_text", row_of(mine), "49,000 sat")
    assert visited.do("axe") == []
    visited.do("click", f"{row_of(mine)} >> text=Try again")
    visited.do("click", "dialog >> text=Try again")
    toasted(visited, "tried again within a round")
    after = at.node.gateway.outgoing(made.id)
    assert after is not None
    assert after.lost == ()


def test_what_a_till_could_not_pass_on_goes_on_or_is_given_up(
    at: Desk, visited: Visited
) -> None:
    one, other, paid = (at.node.create(5_000) for _ in range(3))
    now = at.node.gateway.now()
    own: dict[str, Any] = {"merchant": "default", "at": now, "next_at": now}
    stuck = {**own, "state": TillState.STUCK, "reason": "no way to it was found"}
    done = {**own, "state": TillState.PAID, "amount_sat": 5_000, "bolt11": "lnbcrt1"}
    write(
        at,
        NewTill(forward(1, payment_id=one.id, **stuck)),
        NewTill(forward(2, payment_id=other.id, **stuck)),
        NewTill(forward(3, payment_id=paid.id, payment_hash="ab" * 32, **done)),
    )
    at.enter(visited, page="forwarding")
    visited.do("wait_for_text", row_of(one), "no way to it was found")
    visited.do("wait_for_text", row_of(one), "till → own")
    assert "Go on" not in visited.do("text", row_of(paid))
    assert visited.do("axe") == []
    visited.do("click", f"{row_of(one)} >> text=Go on")
    visited.do("wait_for_text", "dialog", "Both nodes are asked again")
    visited.do("click", "dialog button:has-text('Go on')")
    visited.do("wait_for_text", row_of(one), "wanted")
    visited.do("click", f"{row_of(other)} >> text=Give up")
    visited.do("wait_for_text", "dialog", "stays on the till's account")
    visited.do("click", "dialog button.danger")
    visited.do("wait_for_text", row_of(other), "given up")
    assert "Give up" not in visited.do("text", row_of(other))
    visited.do("wait_for_text", f"{row_of(other)} button", "Go on")


def test_a_watcher_that_was_set_aside_says_why_and_resumes(
    at: Desk, visited: Visited
) -> None:
    mine = at.node.create(7_000)
    supervisor: Any = at.node.node.supervisor._actor
    once, supervisor._policy = supervisor._policy, RestartPolicy(max_restarts=0)
    at.node.node.watchers[mine.id].kill(RuntimeError("a bug of ours"))
    wait_until(lambda: at.node.node.watchers.quarantined, 10, "the quarantine")
    supervisor._policy = once
    at.enter(visited, page="supervision")
    aside = f".part-trouble {row_of(mine)}"
    visited.do("wait_for_text", aside, "quarantined")
    visited.do("wait_for_text", aside, "a bug of ours")
    assert visited.do("axe") == []
    visited.do("click", f"{aside} >> text=Resume")
    toasted(visited, "looks at the chain now")
    visited.do("wait_for_text", ".part-trouble", "every open payment is looked after")
    at.node.chain.pay(mine.terms.address, 7_000)
    at.node.chain.mine(2)
    wait_until(lambda: at.node.payment(mine).confirmed_at, 10, "it to be paid")

"""The actor of a payment without a chain, under its supervisor."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest

from actors.messages import CoverageEnded
from actors.watching.chainless import ChainlessActor
from actors.watching.external import ExternalActor
from engine.errors import Duplicate, EngineBusy
from engine.payment.model import EXTERNAL, Payment, Status, external_key
from engine.payment.observations import (
    Cancel,
    ConfirmByHand,
    GatewayMeaning,
    GatewayWord,
)
from engine.store.writes import Conflict, InboundWebhook
from tests.unit.actors.edge.house import House
from tests.unit.payment_cases import HOUR_MS, T0

MONITOR_MS = 3 * HOUR_MS


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.close()


def create(house: House, invoice: str = "INV") -> Payment:
    return house.create(
        id=f"pay-{invoice}",
        method=EXTERNAL,
        asset="EUR",
        decimals=2,
        gateway="stripe",
        amount_sat=None,
        amount_minor=1_000,
        external_id=invoice,
        merchant="cafe",
        address=external_key("cafe", "stripe", invoice),
        monitor_until=T0 + MONITOR_MS,
    )


def say(
    house: House, payment: Payment, word: str, event_id: str, amount: int | None = None
) -> Payment:
    said = GatewayWord(
        gateway="stripe", word=GatewayMeaning(word), amount_minor=amount, currency="EUR"
    )
    row = InboundWebhook("gateway/stripe", event_id, T0, payment.id, "taken", b"{}")
    return house.gateway.command(payment, said, row)


def story(house: House, payment: Payment) -> list[str]:
    events = house.gateway.history(payment.id, 0, 100)
    assert [one.event.seq for one in events] == [*range(1, len(events) + 1)]
    return [one.event.type.removeprefix("payment.") for one in events]


def until(house: House, payment: Payment, status: Status) -> Payment:
    """Time passes, from deadline to deadline."""
    for _ in range(100):
        found = house.gateway.payment(payment.id)
        assert found is not None
        if found.status is status:
            return found
        house.stage.pass_s(600)
        gevent.sleep(0)
    raise AssertionError(f"it never was {status}")


def test_it_asks_no_source_and_has_no_poll(house: House) -> None:
    payment = create(house)
    assert isinstance(house.watcher(payment).actor, ExternalActor)
    (state,) = house.gateway.watchers(10)
    assert (state.address, state.next_poll_at, state.seen_at) == ("", None, None)
    assert state.next_deadline_at == payment.terms.expires_at
    assert not any(
        "Watch" in type(message).__name__ or "Poll" in type(message).__name__
        for message in house.stage.source.got
        if "AllWatched" not in type(message).__name__
    )


def test_a_word_is_believed_after_its_commit_and_heard_once(house: House) -> None:
    payment = create(house)
    assert say(house, payment, "SUCCESS", "evt_1", 1_000).status is Status.CONFIRMED
    with pytest.raises(Duplicate):
        say(house, payment, "SUCCESS", "evt_1", 1_000)
    say(house, payment, "SUCCESS", "evt_2", 1_000)  # news of nothing, and kept
    assert story(house, payment) == ["created", "confirmed"]


def test_an_invoice_has_one_open_payment(house: House) -> None:
    payment = create(house)
    other = house.gateway.create([payment.terms])
    assert isinstance(other[0], Conflict)
    assert "invoice INV of stripe" in other[0].detail


def test_it_expires_by_time_alone_and_is_let_go(house: House) -> None:
    payment = create(house)
    until(house, payment, Status.EXPIRED)
    house.stage.pass_s(MONITOR_MS / 1000)
    gevent.sleep(0)
    assert house.node.watchers.get(payment.id) is None
    assert story(house, payment) == ["created", "expired"]


def test_money_is_taken_back_long_after_it_was_let_go(house: House) -> None:
    payment = create(house)
    paid = say(house, payment, "SUCCESS", "evt_1", 1_000)
    house.stage.pass_s(MONITOR_MS / 1000 + 60)
    gevent.sleep(0)
    assert house.node.watchers.get(payment.id) is None
    after = say(house, paid, "REVERSED", "evt_2")
    assert after.status is Status.FAILED
    with pytest.raises(Duplicate):
        say(house, after, "REVERSED", "evt_2")
    assert house.gateway.payment(payment.id) == after
    assert story(house, payment) == ["created", "confirmed", "reversed"]


def test_a_crashed_one_goes_on_from_what_is_stored(house: House) -> None:
    payment = create(house)
    say(house, payment, "PENDING", "evt_1")
    house.crash(payment, 1)
    assert isinstance(house.watcher(payment).actor, ExternalActor)
    assert say(house, payment, "SUCCESS", "evt_2", 1_000).status is Status.CONFIRMED
    assert story(house, payment) == ["created", "detected", "confirmed"]


def test_one_that_crashed_on_the_journal_s_answer_is_let_go_all_the_same(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its deadline had passed: who takes its place sets the next one."""
    payment, left = create(house), [1]
    believe = ChainlessActor._believe

    def crash(actor: ChainlessActor, outcome: Any, after: Payment, reply: Any) -> None:
        if left:
            left.pop()
            raise RuntimeError("a bug")
        believe(actor, outcome, after, reply)

    monkeypatch.setattr(ChainlessActor, "_believe", crash)
    until(house, payment, Status.EXPIRED)
    house.stage.pass_s(MONITOR_MS / 1000)
    gevent.sleep(0)
    assert left == []
    assert house.node.watchers.get(payment.id) is None
    assert story(house, payment) == ["created", "expired"]


def test_by_hand(house: House) -> None:
    one, two = create(house, "A"), create(house, "B")
    assert house.gateway.command(one, Cancel("api")).status is Status.CANCELLED
    assert house.gateway.command(two, ConfirmByHand("api")).status is Status.CONFIRMED


def test_what_cannot_be_written_is_not_believed(house: House) -> None:
    payment = create(house)
    sql = house.stage.journal.connection
    sql.execute("PRAGMA query_only = 1")
    with pytest.raises(EngineBusy):
        say(house, payment, "SUCCESS", "evt_1", 1_000)
    sql.execute("PRAGMA query_only = 0")
    house.stage.pass_s(60)
    gevent.sleep(0)
    assert say(house, payment, "SUCCESS", "evt_1", 1_000).status is Status.CONFIRMED
    assert story(house, payment) == ["created", "confirmed"]


def test_that_coverage_has_ended_is_nothing_to_it(house: House) -> None:
    payment = create(house)
    house.stage.source.got.clear()
    house.watcher(payment).tell_system(CoverageEnded())
    house.stage.pass_s(61)
    (state,) = house.gateway.watchers(10)
    assert (state.state, state.incarnation, state.next_poll_at) == ("running", 1, None)
    assert house.stage.source.got == []

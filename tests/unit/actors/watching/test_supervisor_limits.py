"""The supervisor's numbers as it starts and creates: pages, steps, who is refused."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from actors.messages import (
    AllWatched,
    Watch,
)
from actors.watching.external import ExternalActor
from actors.watching.invoice import InvoiceActor
from actors.watching.supervisor import SupervisorActor
from engine.payment.events import opening
from engine.payment.model import EXTERNAL, Payment, Terms, external_key
from engine.runtime.heap import LongLived
from engine.store.writes import Conflict, Entry, InboundWebhook, Unavailable, Write
from tests.unit.actor_stage import ActorStage
from tests.unit.actors.watching.supervised import asked, created, supervised
from tests.unit.payment_cases import (
    EXPIRY,
    T0,
    lightning_terms,
    terms,
)


@pytest.fixture
def stage(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[ActorStage]:
    caplog.set_level(logging.INFO, "paybell.supervisor")
    stage = ActorStage(tmp_path)
    yield stage
    stage.close()


def external(number: int = 1, **changes: Any) -> Terms:
    fields: dict[str, Any] = {
        "id": f"e{number}",
        "method": EXTERNAL,
        "asset": "EUR",
        "decimals": 2,
        "gateway": "stripe",
        "amount_sat": None,
        "amount_minor": 1_000,
        "external_id": "INV",
        "merchant": "cafe",
        "address": external_key("cafe", "stripe", "INV"),
    }
    return terms(**(fields | changes))


def stored(stage: ActorStage, *agreed: Terms) -> None:
    for one in agreed:
        event, payment = opening(one)
        stage.journal.commit([Write((Entry(payment, (event,)),))])


# -- boot ------------------------------------------------------------------------------


def test_two_hundred_and_fifty_payments_are_read_back_in_a_turn(
    stage: ActorStage,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    pages: list[int] = []
    spawn_all = SupervisorActor._spawn_all

    def noted(self: SupervisorActor, payments: list[Payment]) -> None:
        pages.append(len(payments))
        spawn_all(self, payments)

    monkeypatch.setattr(SupervisorActor, "_spawn_all", noted)
    stored(stage, *(asked(n) for n in range(260)))
    stage.booted.publish(False)
    supervised(stage)
    assert pages == [250, 10]
    assert stage.booted.now
    assert AllWatched(1) in stage.source.got
    assert "watchers.ready count=260" in caplog.messages
    assert stage.node.statuses.now()["pending"] == 260


def test_a_whole_page_is_followed_by_one_that_may_be_empty(stage: ActorStage) -> None:
    stored(stage, *(asked(n) for n in range(250)))
    supervised(stage)
    assert len(stage.book) == 250
    assert stage.booted.now


def test_the_heap_hears_of_all_that_stay(
    stage: ActorStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    grown: list[int] = []
    settled: list[int] = []
    monkeypatch.setattr(LongLived, "grown", lambda _heap, count: grown.append(count))
    monkeypatch.setattr(LongLived, "settle", lambda _heap: settled.append(1))
    stored(stage, *(asked(n) for n in range(3)))
    supervisor = supervised(stage)
    assert (grown, settled) == ([3], [1])
    created(stage, supervisor, asked(9))
    assert (grown, settled) == ([3, 1], [1])


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_without_a_supervisor_the_node_is_not_ready(
    stage: ActorStage, how: str
) -> None:
    supervisor = supervised(stage)
    assert stage.booted.now
    supervisor.stop() if how == "stop" else supervisor.kill()
    stage.run()
    assert not stage.booted.now


def test_payments_that_cannot_be_read_are_a_crash(
    stage: ActorStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(_ask: object, reply: Callable[[Any], None]) -> None:
        reply(RuntimeError("no disk"))

    stage.booted.publish(True)
    monkeypatch.setattr(stage.node, "read", unreadable)
    supervisor = supervised(stage)
    assert not supervisor.is_alive
    assert not stage.booted.now


def test_only_a_later_life_waits_for_what_is_being_written(
    stage: ActorStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []
    for name in ("read", "read_written"):
        original = getattr(stage.node, name)

        def noted(ask: Any, reply: Any, name: str = name, go: Any = original) -> None:
            reads.append(name)
            go(ask, reply)

        monkeypatch.setattr(stage.node, name, noted)
    stored(stage, *(asked(n) for n in range(251)))
    supervisor = supervised(stage)
    assert reads == ["read", "read"]
    reads.clear()
    old = stage.book["p0000"]
    supervisor.kill()
    supervisor.start()
    stage.run()
    assert reads[0] == "read_written"
    assert set(reads[1:]) == {"read"}, "the pages after the first"
    assert stage.book["p0000"] is not old
    assert old.is_stopped
    assert len(stage.book) == 251
    assert stage.node.statuses.now()["pending"] == 251
    assert AllWatched(2) in stage.source.got


# -- creation --------------------------------------------------------------------------


def test_who_is_created_is_watched_by_whom_its_method_wants(stage: ActorStage) -> None:
    supervisor = supervised(stage)
    agreed = (asked(1), external(1), lightning_terms(id="l1"))
    created(stage, supervisor, *agreed)
    actors = {name: stage.book[name].actor for name in stage.book}
    assert isinstance(actors["e1"], ExternalActor)
    assert isinstance(actors["l1"], InvoiceActor)
    (watch,) = [m for m in stage.source.got if isinstance(m, Watch)]
    assert (watch.ref, watch.address) == (stage.book["p0001"], agreed[0].address)
    for name in ("p0001", "e1", "l1"):
        ref = stage.book[name]
        assert ref.scope.parent is supervisor
        assert (ref.scope.mailbox_limit, ref.scope.named_as) == (100, "payment")
        assert stage.book.deadline_of(name) == EXPIRY
    assert stage.book.at(agreed[1].address) is stage.book["e1"]
    assert stage.node.counters["payments.created"] == 3
    assert sorted(stage.node.orders.merchants(9)) == ["cafe", "default"]


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (asked(1), asked(1, id="again"), "address {0} is watched by another payment"),
        (
            external(),
            external(id="again"),
            "invoice INV of stripe is followed by another payment",
        ),
        (
            lightning_terms(id="l1"),
            lightning_terms(id="again"),
            "its Lightning invoice is followed by another payment",
        ),
    ],
)
def test_what_two_payments_cannot_share_is_named(
    stage: ActorStage, first: Terms, second: Terms, said: str
) -> None:
    supervisor = supervised(stage)
    created(stage, supervisor, first)
    (answer,) = created(stage, supervisor, second)
    assert answer == Conflict("address", said.format(first.address))
    both = created(stage, supervisor, asked(7), asked(7, id="again"))
    assert isinstance(both[0], Payment)
    assert isinstance(both[1], Conflict), "in one request, too"


def test_an_address_of_another_merchant_s_wallet_is_refused(stage: ActorStage) -> None:
    supervisor = supervised(stage)
    one, two = asked(1), asked(2)
    answers = created(stage, supervisor, one, two, owned=frozenset({one.id}))
    detail = f"address {one.address} is of another merchant's wallet"
    assert answers[0] == Conflict("address", detail)
    assert isinstance(answers[1], Payment)
    assert list(stage.book) == [two.id]
    (alone,) = created(stage, supervisor, one, owned=frozenset({one.id}))
    assert isinstance(alone, Conflict)
    (again,) = created(stage, supervisor, one)
    assert isinstance(again, Payment), "it was reserved by nobody"


def test_rows_are_written_with_no_payment_at_all(stage: ActorStage) -> None:
    supervisor = supervised(stage)
    row = InboundWebhook("one", "evt", T0, "p", "taken", b"{}")
    asked_for: list[Any] = []

    def rows(answers: list[Any]) -> tuple[InboundWebhook, ...]:
        asked_for.append(list(answers))
        return (row,)

    answer = created(stage, supervisor, asked(1), rows=rows)
    assert asked_for == [list(answer)]
    other = replace(row, dedupe="evt2")
    only = created(stage, supervisor, asked(1), rows=lambda _answers: (other,))
    assert isinstance(only[0], Conflict)
    sql = stage.journal.connection
    assert sql.execute("SELECT count(*) FROM inbound").fetchone() == (2,)


def test_what_could_not_be_written_is_answered_so_and_its_address_free(
    stage: ActorStage,
) -> None:
    supervisor = supervised(stage)
    sql = stage.journal.connection
    sql.execute("PRAGMA query_only = 1")
    answer = created(stage, supervisor, asked(1))
    sql.execute("PRAGMA query_only = 0")
    assert isinstance(answer, Unavailable)
    assert stage.node.counters["payments.created"] == 0
    assert stage.node.orders.merchants(9) == []
    stage.pass_s(30)
    (payment,) = created(stage, supervisor, asked(1))
    assert isinstance(payment, Payment)


def test_a_hundred_watchers_are_started_in_a_turn(
    stage: ActorStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []
    spawn_all = SupervisorActor._spawn_all

    def noted(self: SupervisorActor, payments: list[Payment]) -> None:
        steps.append(len(payments))
        spawn_all(self, payments)

    supervisor = supervised(stage)
    monkeypatch.setattr(SupervisorActor, "_spawn_all", noted)
    created(stage, supervisor, *(asked(n) for n in range(201)))
    assert steps == [100, 100, 1]
    assert SupervisorActor.mailbox_limit == 20_000

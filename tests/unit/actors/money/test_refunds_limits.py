"""What happens to refunds by itself: its times, what it remembers and lets go."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from actors.messages import Command, NotWatched, PollNow, RefundMoved, Watch
from actors.money.refunds import (
    LookDue,
    RefundEnded,
    RefundsActor,
    RefundWatchDue,
    given_back,
)
from engine.payment.observations import RefundPaid
from engine.payment.refund import RefundState
from engine.runtime.clock import Timer
from engine.runtime.ref import Exited, ExitReason, Ref
from engine.store.writes import (
    Conflict,
    MoveRefund,
    NewOutgoing,
    Unavailable,
    Write,
)
from tests.unit.actor_stage import ActorStage, Inbox
from tests.unit.actors.money.test_refund_links import Links
from tests.unit.actors.money.test_refund_watches import ADDRESS, SAT, Watches
from tests.unit.engine.store.outgoing_cases import coin, outgoing
from tests.unit.engine.store.refund_cases import refund


@pytest.fixture
def links(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Links]:
    caplog.set_level(logging.INFO, "paybell.refunds")
    stage = Links(tmp_path)
    yield stage
    stage.close()


@pytest.fixture
def stage(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Watches]:
    caplog.set_level(logging.INFO, "paybell.refunds")
    stage = Watches(tmp_path)
    yield stage
    stage.close()


def timers(
    stage: ActorStage, patch: pytest.MonkeyPatch, kind: type[Any]
) -> list[tuple[float, Any]]:
    found: list[tuple[float, Any]] = []
    original = stage.clock.call_later

    def counted(delay_s: float, ref: Ref, message: object) -> Timer:
        if isinstance(message, kind):
            found.append((delay_s, message))
        return original(delay_s, ref, message)

    patch.setattr(stage.clock, "call_later", counted)
    return found


# -- links -----------------------------------------------------------------------------


def test_it_looks_an_hour_ahead_and_when_the_first_link_runs_out(
    links: Links, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_ = timers(links, monkeypatch, LookDue)
    links.begin()
    assert [wait for wait, _ in set_] == [3_600.0]
    links.link(1, 1_800_000)
    links.refunds.tell(RefundMoved(refund(1).id))
    links.run()
    assert [wait for wait, _ in set_] == [3_600.0, 1_800.0]
    links.refunds.tell(RefundMoved(refund(1).id))
    links.run()
    assert len(set_) == 2, "it is known already"


def test_one_that_runs_out_in_this_millisecond_has_run_out(
    links: Links, caplog: pytest.LogCaptureFixture
) -> None:
    links.link(1, 60_000)
    links.begin()
    links.pass_s(59.999)
    assert links.state(1) is RefundState.OPEN
    links.pass_s(0.001)
    assert links.state(1) is RefundState.EXPIRED
    assert f"refund.expired refund={refund(1).id} payment=p1" in caplog.messages


def test_after_some_ran_out_it_looks_for_more_in_a_quarter_of_a_minute(
    links: Links, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        links.link(number, 1_000)
    links.link(9, 50_000)
    links.begin()
    links.pass_s(0.5)
    set_ = timers(links, monkeypatch, LookDue)
    links.pass_s(0.5)
    assert [links.state(number) for number in range(3)] == [RefundState.EXPIRED] * 3
    assert [wait for wait, _ in set_] == [15.0]
    links.pass_s(15)
    assert set_[-1][0] == pytest.approx(34.0)
    assert links.state(9) is RefundState.OPEN


def test_what_could_not_be_read_is_read_in_a_quarter_of_a_minute(
    links: Links, monkeypatch: pytest.MonkeyPatch
) -> None:
    links.begin()
    set_ = timers(links, monkeypatch, LookDue)
    actor = links.refunds.actor
    assert isinstance(actor, RefundsActor)
    actor._look_at = None
    actor._run_out(RuntimeError("no disk"))
    assert [wait for wait, _ in set_] == [15.0]


def test_only_the_last_timer_counts(links: Links) -> None:
    links.begin()
    before = links.asked
    links.refunds.tell(LookDue(7))
    links.run()
    assert links.asked == before


def test_refunds_that_cannot_be_read_at_the_start_are_a_crash(
    links: Links, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(_ask: object, reply: Any) -> None:
        reply(RuntimeError("no disk"))

    monkeypatch.setattr(links.node, "read", read)
    links.begin()
    assert not links.refunds.is_alive


# -- what is told of one ---------------------------------------------------------------


def test_what_was_given_back_is_what_arrived() -> None:
    paid = refund(1, "p1", amount_sat=20_000, txid="ab" * 32, fee_sat=300)
    back = given_back(paid, is_ours=True)
    assert (back.id, back.amount_sat, back.txid) == (paid.id, 20_000, paid.txid)
    assert (back.fee_sat, back.is_ours, back.worth) == (300, True, paid.worth)
    less = given_back(replace(paid, takes_fee=True), is_ours=False)
    assert (less.amount_sat, less.is_ours) == (19_700, False)


# -- watches ---------------------------------------------------------------------------


def test_one_watch_serves_all_refunds_to_an_address_until_none_is_pending(
    stage: Watches,
) -> None:
    watch = stage.watches[ADDRESS]
    (told,) = {m.ref for m in stage.source.got if isinstance(m, Watch)}
    assert told is watch
    watches = [m for m in stage.source.got if isinstance(m, Watch)]
    assert {m.merchant for m in watches} == {refund(1).merchant}
    for number in (1, 2):
        assert stage.watches.get(ADDRESS) is watch
        there = stage.store.refund(refund(number).id)
        assert there is not None
        row = MoveRefund(
            replace(there, state=RefundState.CANCELLED), RefundState.PENDING
        )
        stage.append(Write(rows=(row,)))
        stage.run()
        stage.refunds.tell(RefundMoved(refund(number).id))
        stage.run()
    assert stage.watches == {}
    assert watch.is_stopped
    actor = stage.refunds.actor
    assert isinstance(actor, RefundsActor)
    assert (actor._pending, actor._used) == ({}, {})
    stage.refunds.tell(RefundMoved("nobody"))
    stage.run()
    assert stage.refunds.is_alive


def test_a_watch_that_ended_is_started_in_five_seconds(
    stage: Watches, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_ = timers(stage, monkeypatch, RefundWatchDue)
    stage.watches[ADDRESS].kill()
    stage.run()
    assert set_ == [(5.0, RefundWatchDue(ADDRESS))]
    stage.refunds.tell(Exited(stage.watches[ADDRESS], 1, ExitReason.STOPPED))
    stage.refunds.tell(RefundWatchDue("nowhere"))
    stage.run()
    assert len(set_) == 1
    assert stage.refunds.is_alive


@pytest.mark.parametrize("how", ["stop", "again"])
def test_no_watch_goes_on_alone(stage: Watches, how: str) -> None:
    watch = stage.watches[ADDRESS]
    if how == "stop":
        stage.refunds.stop()
        stage.run()
        assert stage.watches == {}
    else:
        stage.start("again", RefundsActor(stage.node, stage.watches))
        stage.run()
        assert stage.watches[ADDRESS] is not watch
    assert watch.is_stopped


def test_a_payment_s_watcher_is_told_and_if_it_goes_the_payment_itself(
    stage: Watches,
) -> None:
    inbox = Inbox()
    ref = stage.start("p1", inbox)
    stage.book.add(ref, "an address")
    stage.shows("t1")
    (command,) = inbox.got
    assert isinstance(command, Command)
    assert isinstance(command.observation, RefundPaid)
    back = command.observation.refund
    assert (back.id, back.amount_sat, back.txid) == (refund(1).id, SAT, "t1")
    assert not back.is_ours
    assert isinstance(command.beside, MoveRefund)
    after = command.beside.refund
    assert (after.state, after.outgoing_id) == (RefundState.PAID, "t1:0")
    assert stage.paid() == []
    command.reply(NotWatched())
    stage.run()
    assert [one.id for one in stage.paid()] == [refund(1).id]
    assert stage.payment("p1").refunded_sat == SAT


def test_one_whose_watcher_has_stopped_is_told_itself(stage: Watches) -> None:
    ref = stage.start("p1", Inbox())
    stage.book.add(ref, "an address")
    stage.run()
    ref.stop()
    stage.run()
    stage.shows("t1")
    assert len(stage.paid()) == 1


def test_what_was_not_told_is_looked_at_again_in_five_seconds(
    stage: Watches, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    set_ = timers(stage, monkeypatch, PollNow)
    sql = stage.journal.connection
    sql.execute("PRAGMA query_only = 1")
    stage.shows("t1")
    sql.execute("PRAGMA query_only = 0")
    assert [wait for wait, _ in set_] == [5.0]
    said = f"refund.not_told refund={refund(1).id} payment=p1 detail="
    assert any(line.startswith(said) for line in caplog.messages)
    stage.pass_s(30)
    stage.shows("t1")
    assert len(stage.paid()) == 1
    assert f"refund.paid refund={refund(1).id} payment=p1" in caplog.messages
    assert len(set_) == 1


@pytest.mark.parametrize(
    ("answer", "is_used"),
    [
        (Conflict("refund", "paid already"), True),
        (Conflict("seq", "another hand"), False),
        (Unavailable("the disk is full"), False),
    ],
)
def test_an_output_that_paid_another_is_not_offered_again(
    stage: Watches, answer: object, is_used: bool
) -> None:
    pending = stage.store.refund(refund(1).id)
    assert pending is not None
    stage.refunds.tell(RefundEnded(pending, ("t1", 0), answer))
    stage.run()
    stage.shows("t1")
    assert len(stage.paid()) == (0 if is_used else 1)
    stage.shows("t1", "t2")
    assert len(stage.paid()) == (1 if is_used else 2)


def test_an_output_pays_one_refund(stage: Watches) -> None:
    stage.shows("t1")
    stage.shows("t1")
    assert len(stage.paid()) == 1
    stage.shows("t1", "t2")
    assert len(stage.paid()) == 2
    assert RefundsActor.mailbox_limit == 20_000


def test_what_paid_a_refund_that_is_over_is_passed_over_and_looked_at_again(
    stage: Watches, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was made for another refund, which is not pending any more."""
    ours = outgoing(1, coin(1))
    stage.append(Write(rows=(NewOutgoing(ours),)))
    stage.run()
    set_ = timers(stage, monkeypatch, PollNow)
    stage.shows(ours.txid)
    assert [wait for wait, _ in set_] == [5.0]
    assert stage.paid() == []

"""The address actor: when it looks again, to the second, and what it tells whom."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from actors.messages import (
    Command,
    Deadline,
    LetGo,
    Poll,
    PollNow,
    Retired,
    ReviewDue,
    Unwatch,
    Watch,
)
from actors.watching.address import AddressActor
from engine.bitcoin.address import parse_address
from engine.chain.feed import Tip
from engine.payment.model import Status
from engine.payment.observations import Cancel, ConfirmByHand, ProviderClaim
from engine.runtime.clock import COALESCE_S, TimersDue
from engine.store.writes import Conflict, InboundWebhook, Write
from tests.unit.actor_stage import ActorStage
from tests.unit.actors.watching.watched import EXPIRY, Watched
from tests.unit.payment_cases import ADDRESS, T0, mempool, mined, view

SCRIPT = parse_address(ADDRESS, "regtest").script


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[ActorStage]:
    staged = ActorStage(tmp_path)
    yield staged
    staged.close()


def waits(stage: ActorStage, patch: pytest.MonkeyPatch) -> list[float]:
    """How long it wants to wait until it looks again, each time that it says so."""
    found: list[float] = []
    original = stage.clock.call_later_coalesced

    def counted(delay_s: float, ref: Any) -> int:
        found.append(delay_s)
        return original(delay_s, ref)

    patch.setattr(stage.clock, "call_later_coalesced", counted)
    return found


def deadlines(stage: ActorStage) -> list[int]:
    return [m.at for m in stage.supervisor.got if isinstance(m, Deadline)]


def test_at_first_it_looks_at_some_moment_of_its_interval(
    stage: ActorStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = waits(stage, monkeypatch)
    monkeypatch.setattr(stage.node.random, "random", lambda: 0.25)
    watched = Watched(stage, poll_interval_s=40)
    assert found == [10.0]
    assert deadlines(stage) == [EXPIRY]
    report = watched.report()
    assert report.payment == stage.payment("p")
    assert (report.seen_at, report.last_error) == (None, None)
    at = report.next_poll_at
    assert at is not None
    assert 10_000 <= at - stage.clock.now() <= 10_000 + round(COALESCE_S * 1000)


def test_a_deadline_that_the_supervisor_knows_is_not_asked_for(
    stage: ActorStage,
) -> None:
    payment = stage.create("p", address=ADDRESS)
    stage.start("p", AddressActor(stage.node, payment, EXPIRY))
    stage.run()
    assert deadlines(stage) == []
    assert AddressActor.mailbox_limit == 100


def test_one_that_reads_its_payment_tells_the_source_and_shows_it(
    stage: ActorStage,
) -> None:
    payment = stage.create("p", address=ADDRESS, merchant="ann")
    ref = stage.start("p", AddressActor(stage.node))
    stage.run()
    assert ref.shown == payment
    (watch,) = [m for m in stage.source.got if isinstance(m, Watch)]
    assert (watch.script, watch.address, watch.ref) == (SCRIPT, ADDRESS, ref)
    assert (watch.merchant, watch.known) == ("ann", ())
    assert deadlines(stage) == [EXPIRY]


@pytest.mark.parametrize("answer", [None, RuntimeError("no disk"), "no payment"])
def test_one_that_cannot_read_its_payment_crashes(
    stage: ActorStage, monkeypatch: pytest.MonkeyPatch, answer: object
) -> None:
    def read(_ask: object, reply: Callable[[Any], None]) -> None:
        reply(answer)

    monkeypatch.setattr(stage.node, "read_written", read)
    ref = stage.start("p", AddressActor(stage.node))
    stage.run()
    assert not ref.is_alive
    assert stage.source.got == []


def test_a_timer_that_was_replaced_is_nobody_s(stage: ActorStage) -> None:
    watched = Watched(stage)
    watched.ref.tell(TimersDue(-5))
    stage.run()
    assert watched.polls() == []


def test_a_look_of_its_own_is_not_urgent_and_by_hand_is(stage: ActorStage) -> None:
    watched = Watched(stage)
    stage.pass_s(61)
    (poll,) = watched.polls()
    assert poll.due > 0.0
    assert poll.by_hand_at is None
    watched.ref.tell(PollNow())
    stage.run()
    poll = watched.polls()[-1]
    assert (poll.script, poll.due) == (SCRIPT, 0.0)
    assert poll.by_hand_at == stage.clock.monotonic()
    assert PollNow.coalesce


def test_while_a_deadline_waits_its_looks_are_urgent(stage: ActorStage) -> None:
    watched = Watched(stage)
    watched.deadline_passes()
    before = len(watched.polls())
    stage.pass_s(61)
    assert len(watched.polls()) > before
    assert {poll.due for poll in watched.polls()[before:]} == {0.0}


def test_what_an_answer_leaves_open_is_looked_for_in_two_seconds(
    stage: ActorStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(stage)
    watched.seen(view(mempool("t1")))
    found = waits(stage, monkeypatch)
    watched.seen(view())
    assert found == [2.0]
    found.clear()
    watched.seen(view(mempool("t1")))
    assert found == []


def test_a_fast_payment_looks_for_what_is_open_by_its_own_pace(
    stage: ActorStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(stage, poll_interval_s=1)
    watched.seen(view(mempool("t1")))
    found = waits(stage, monkeypatch)
    watched.seen(view())
    assert found == [1.0]


def test_five_seconds_after_a_commit_that_failed_it_looks_again(
    stage: ActorStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(stage)
    found = waits(stage, monkeypatch)
    watched.disk_is_full(True)
    watched.seen(view(mempool("t1")))
    watched.disk_is_full(False)
    assert found == [5.0]


def test_since_when_it_was_seen_is_when_the_source_was_asked(
    stage: ActorStage,
) -> None:
    watched = Watched(stage)
    at = stage.clock.now()
    watched.seen(view())
    assert watched.report().seen_at == at
    stage.pass_s(5)
    watched.seen(view(mempool("t1")))
    assert watched.report().seen_at == at + 5_000
    stage.pass_s(5)
    watched.seen(view(mempool("t1"), is_current=False))
    assert watched.report().seen_at == at + 5_000, "who is behind says nothing"
    stage.covered_as_of(at + 60_000)
    assert watched.report().seen_at == at + 5_000, "he has something to lose"


def test_what_was_seen_and_is_nothing_is_not_committed_and_read_whole(
    stage: ActorStage,
) -> None:
    watched, point = Watched(stage), stage.node.restart_point
    shown = view(mined("t1", 998, 5), is_current=False)
    point.shown(SCRIPT, shown)
    assert len(point) == 1
    empty = view()
    point.shown(SCRIPT, empty)
    watched.seen(empty)
    assert len(point) == 0
    assert stage.payment("p").seq == 1


def test_a_receipt_is_told_the_source_when_its_place_changes(
    stage: ActorStage,
) -> None:
    watched = Watched(stage)
    watched.seen(view(mempool("t1")))
    told = [m for m in stage.source.got if isinstance(m, Watch)]
    assert told == [], "what is in no block is known to no one for good"
    watched.seen(view(mined("t1", 1_000)))
    told = [m for m in stage.source.got if isinstance(m, Watch)]
    assert [[o.block_height for o in watch.known] for watch in told] == [[1_000]]
    watched.seen(view(mined("t1", 1_000), tip=1_001))
    assert len([m for m in stage.source.got if isinstance(m, Watch)]) == 1


def test_each_commit_is_shown_counted_and_its_deadline_told(
    stage: ActorStage,
) -> None:
    watched = Watched(stage)
    watched.seen(view(mined("t1", 998)))
    after = watched.payment
    assert watched.ref.shown == after
    assert stage.node.counters["payments.confirmed"] == 1
    assert deadlines(stage) == [EXPIRY, after.terms.monitor_until]


def test_a_review_that_comes_too_soon_is_judged_by_what_has_passed(
    stage: ActorStage,
) -> None:
    watched = Watched(stage)
    watched.ref.tell_system(ReviewDue())
    stage.run()
    (poll,) = watched.polls()
    assert poll.due == 0.0
    watched.seen(view())
    assert watched.status() is Status.PENDING
    assert deadlines(stage) == [EXPIRY, EXPIRY]


def test_money_on_its_way_is_looked_at_again_after_the_recheck(
    stage: ActorStage,
) -> None:
    watched = Watched(stage)
    watched.seen(view(mempool("t1")))
    until = stage.payment("p").terms.monitor_until
    stage.pass_s((until - stage.clock.now()) / 1000)
    watched.ref.tell_system(ReviewDue())
    stage.run()
    watched.seen(view(mempool("t1")))
    recheck_ms = stage.node.settings.recheck_s * 1000
    assert deadlines(stage)[-1] == stage.clock.now() + recheck_ms


def test_an_end_tells_the_source_and_nothing_stays_open(stage: ActorStage) -> None:
    watched = Watched(stage)
    stage.node.alerts.raise_("payment.crowded", "p", "why", 0)
    watched.ref.stop()
    stage.run()
    assert Unwatch(SCRIPT, watched.ref) in stage.source.got
    assert stage.node.alerts.standing() == ()


def test_a_command_that_the_journal_heard_before_is_answered_so(
    stage: ActorStage,
) -> None:
    watched = Watched(stage)
    answers: list[Any] = []
    row = InboundWebhook("one", "evt", T0, "p", "claimed", b"{}")
    claim = ProviderClaim("one", "t1", 1_000)
    for _ in range(2):
        watched.obey(Command(claim, answers.append, row))
    assert answers[0].claims
    assert isinstance(answers[1], Conflict)
    assert watched.ref.is_alive
    assert [poll.due for poll in watched.polls()] == [0.0, 0.0]


def test_what_changes_nothing_is_answered_without_a_commit(
    stage: ActorStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(stage)
    answers: list[Any] = []
    watched.obey(Command(Cancel("ann"), answers.append))
    written: list[Write] = []
    append = stage.node.append

    def noted(write: Write, reply: Any) -> None:
        written.append(write)
        append(write, reply)

    monkeypatch.setattr(stage.node, "append", noted)
    watched.obey(Command(Cancel("ann"), answers.append))
    assert answers[1] == answers[0]
    assert written == []
    assert watched.polls() == [], "a person's word is no reason to look"
    row = InboundWebhook("one", "evt", T0, "p", "claimed", b"{}")
    watched.obey(Command(Cancel("ann"), answers.append, row))
    assert [(write.entries, write.rows) for write in written] == [((), (row,))]


def test_one_confirmed_by_hand_waits_for_its_new_deadline(stage: ActorStage) -> None:
    watched = Watched(stage)
    answers: list[Any] = []
    watched.obey(Command(ConfirmByHand("ann"), answers.append))
    assert answers[0].status is Status.CONFIRMED
    assert deadlines(stage)[-1] == answers[0].terms.monitor_until


def test_blocks_that_were_skipped_before_it_was_made_are_no_gap_of_its(
    stage: ActorStage,
) -> None:
    """`seen_by`: of one that was made on a later tip, they say nothing."""
    watched = Watched(stage, tip_height=900, tip_hash="")
    watched.seen(replace(view(), unread_below=900))
    assert watched.report().last_error is None
    watched.seen(replace(view(), unread_below=902))
    assert "cannot read all of it" in str(watched.report().last_error)
    assert stage.node.alerts.standing() != ()
    watched.seen(view())
    assert watched.report().last_error is None
    assert stage.node.alerts.standing() == ()


def test_an_order_to_let_go_answers_once_and_ends_it(stage: ActorStage) -> None:
    watched = Watched(stage)
    answers: list[object] = []
    watched.ref.tell(LetGo("ann", answers.append))
    stage.run()
    assert len(answers) == 1
    assert watched.ref.is_stopped
    retired = [m for m in stage.supervisor.got if isinstance(m, Retired)]
    assert retired == [Retired("p", ADDRESS)]
    assert not any(isinstance(m, Poll) for m in stage.source.got)


def test_what_it_is_asked_about_is_told_from_the_first(stage: ActorStage) -> None:
    watched = Watched(stage, tip_height=900, tip_hash="aa" * 32)
    actor = watched.ref.actor
    assert isinstance(actor, AddressActor)
    assert actor.interest(watched.ref).since == Tip(900, "aa" * 32)

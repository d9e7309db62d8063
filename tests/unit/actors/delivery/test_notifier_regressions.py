"""What the simulation found in the notifier, each in a dozen steps."""

from collections.abc import Callable
from typing import Any

import pytest

from actors.delivery.notes import BreakerRested
from actors.live.session import SessionActor
from actors.messages import ChannelChanged
from engine.delivery.attempt import AttemptOutcome
from engine.delivery.endpoint_breaker import CHANNEL_BREAKER
from engine.delivery.kinds import CONCURRENCY
from engine.errors.codes import StreamCode
from engine.payment.events import CommittedEvent
from engine.payment.model import Payment
from engine.policy.breaker import BreakerPolicy
from engine.ports import Freshness
from engine.runtime.ref import Ref
from engine.store.records import Owed, Pending, PendingPayment
from engine.store.writes import ChannelRow, DeliveryResult, Unavailable
from tests.unit.actors.delivery.notifier_bench import Bench, event_at


class _Sink:
    def __init__(self) -> None:
        self.closed: int | None = None

    def has_room(self, again: Callable[[], None]) -> bool:
        return True

    def state(self, payment: Payment, since: int | None) -> bool:
        return True

    def event(self, event: CommittedEvent) -> bool:
        return True

    def freshness(self, freshness: Freshness) -> bool:
        return True

    def problem(self, code: StreamCode, message: str) -> bool:
        return True

    def close(self, code: int, reason: str) -> None:
        self.closed = code


def test_a_notifier_sends_no_event_before_it_knows_what_is_owed() -> None:
    bench = Bench()
    notifier = bench.notifier()
    notifier.tell_system(event_at(5))
    bench.settle()
    assert bench.sender.sent == []
    bench.asked[0].reply(Owed(4, []))
    bench.settle()
    assert bench.sender.sent == ["evt_5"]


def test_a_notifier_looks_before_it_sends_an_event_that_may_have_been_sent() -> None:
    bench = Bench()
    notifier = bench.notifier()
    bench.settle()
    bench.asked[0].reply(Owed(5, []))
    notifier.tell_system(event_at(5))
    bench.settle()
    assert bench.sender.sent == []
    bench.asked[-1].reply(None)
    bench.settle()
    assert bench.sender.sent == []


def test_a_killed_session_closes_the_wire_of_its_client() -> None:
    bench = Bench()
    sink = _Sink()
    session = bench.ref("session", SessionActor(bench.node, sink))
    bench.settle()
    session.kill(RuntimeError("cannot read"))
    assert sink.closed == 1011


def _head(offset: int, next_at: int = 0, attempts: int = 0) -> Pending:
    return Pending(offset, offset, attempts, next_at, event_at(offset).wire)


def test_a_head_that_a_predecessor_asked_for_is_not_sent() -> None:
    """It may have been delivered since."""
    bench = Bench()
    notifier = bench.begun(5, "pay_1")
    before = bench.asked[-1]
    bench.again(notifier, 6, "pay_1")
    now = bench.asked[-1]
    assert now is not before
    bench.answer(before, _head(5))
    assert bench.sender.sent == []
    bench.answer(now, _head(6))
    assert bench.sender.sent == ["evt_6"]


def test_a_commit_that_a_predecessor_asked_for_ends_no_attempt_of_ours() -> None:
    """Else the next event overtakes the record of the one before."""
    bench = Bench()
    notifier = bench.begun(4)
    notifier.tell_system(event_at(5))
    bench.settle()
    bench.again(notifier, 5, "pay_1")
    bench.answer(bench.asked[-1], _head(5))
    notifier.tell_system(event_at(6))
    assert bench.sender.sent == ["evt_5", "evt_5"]
    asked = len(bench.asked)
    bench.commit(0)
    assert len(bench.asked) == asked
    bench.commit(1)
    bench.answer(bench.asked[-1], _head(6))
    assert bench.sender.sent == ["evt_5", "evt_5", "evt_6"]


def test_what_was_owed_to_a_predecessor_is_asked_for_by_nobody() -> None:
    bench = Bench()
    notifier = bench.begun(4)
    notifier.tell_system(ChannelChanged("chn_1"))
    bench.settle()
    before = bench.asked[-1]
    bench.again(notifier, 5)
    asked = len(bench.asked)
    bench.answer(before, [PendingPayment("pay_1", 0)])
    assert len(bench.asked) == asked


def test_a_head_is_not_sent_before_it_is_due() -> None:
    bench = Bench()
    bench.begun(5, "pay_1")
    due = bench.clock.now() + 10_000
    bench.answer(bench.asked[-1], _head(5, next_at=due))
    asked = len(bench.asked)
    bench.pass_s(9.9)
    assert (bench.sender.sent, len(bench.asked)) == ([], asked)
    bench.pass_s(0.2)
    assert len(bench.asked) == asked + 1
    bench.answer(bench.asked[-1], _head(5, next_at=due))
    assert bench.sender.sent == ["evt_5"]


def test_a_head_that_is_due_this_very_moment_is_sent() -> None:
    bench = Bench()
    bench.begun(5, "pay_1")
    bench.answer(bench.asked[-1], _head(5, next_at=bench.clock.now()))
    assert bench.sender.sent == ["evt_5"]


def test_an_outbox_that_cannot_be_read_is_read_again_a_little_later() -> None:
    bench = Bench()
    bench.begun(5, "pay_1")
    asked = len(bench.asked)
    bench.answer(bench.asked[-1], RuntimeError("too many queries wait"))
    bench.pass_s(4.9)
    assert len(bench.asked) == asked
    bench.pass_s(0.2)
    assert len(bench.asked) == asked + 1


def test_an_attempt_that_cannot_be_written_down_is_not_repeated_by_a_redelivery() -> (
    None
):
    bench = Bench()
    notifier = bench.begun(4)
    notifier.tell_system(event_at(5))
    bench.settle()
    bench.appends[0].reply(Unavailable("the disk is full"))
    notifier.tell_system(ChannelChanged(None))
    bench.settle()
    bench.answer(bench.asked[-1], [PendingPayment("pay_1", 0)])
    assert bench.sender.sent == ["evt_5"]
    bench.pass_s(5.1)
    first, second = (append.write.rows for append in bench.appends)
    assert first == second
    bench.commit(1)
    bench.answer(bench.asked[-1], None)
    assert bench.sender.sent == ["evt_5"]


def test_no_more_heads_are_read_ahead_than_can_be_sent() -> None:
    """A shop that was away may be owed a million."""
    bench = Bench()
    owed = [f"pay_{number}" for number in range(3 * CONCURRENCY)]
    bench.begun(100, *owed)
    assert len(bench.asked) == 1 + CONCURRENCY
    for number in range(len(owed)):
        bench.answer(bench.asked[1 + number], None)
        read = len(bench.asked) - 1
        assert read == min(CONCURRENCY + number + 1, len(owed))


def test_so_many_deliveries_are_under_way_at_one_time_and_no_more() -> None:
    bench = Bench()
    notifier = bench.begun(4)
    most = 0
    for number in range(2 * CONCURRENCY):
        notifier.tell_system(event_at(5 + number, f"pay_{number}"))
    while bench.dispatcher.step() is not None:
        actor: Any = notifier.actor
        busy = actor._senders._busy_with.values()
        most = max(most, sum(payment is not None for payment in busy))
    assert most == CONCURRENCY
    assert len(bench.sender.sent) == 2 * CONCURRENCY


def test_an_event_found_in_the_outbox_is_not_sent_again_when_it_is_routed() -> None:
    bench = Bench()
    notifier = bench.begun(4, "pay_1")
    bench.answer(bench.asked[-1], _head(7))
    bench.commit(0)
    bench.answer(bench.asked[-1], None)
    notifier.tell_system(event_at(7))
    bench.settle()
    bench.answer(bench.asked[-1], None)
    assert bench.sender.sent == ["evt_7"]


def test_after_a_410_nothing_is_sent_though_it_cannot_be_written_down() -> None:
    bench = Bench()
    bench.sender.outcome = AttemptOutcome.GONE
    notifier = bench.begun(4)
    notifier.tell_system(event_at(5))
    bench.settle()
    bench.appends[0].reply(Unavailable("the disk is full"))
    notifier.tell_system(event_at(6, "pay_2"))
    bench.pass_s(6)
    assert bench.sender.sent == ["evt_5"]
    actor: Any = notifier.actor
    senders = list(actor._senders._busy_with)
    bench.commit(1)
    assert notifier.is_stopped
    assert [sender.is_stopped for sender in senders] == [True]
    (result, channel) = bench.appends[1].write.rows
    assert isinstance(result, DeliveryResult)
    assert isinstance(channel, ChannelRow)
    assert (result.state, channel.enabled) == ("dead", False)


def test_what_cannot_be_read_at_the_start_ends_the_notifier() -> None:
    bench = Bench()
    notifier = bench.notifier()
    bench.settle()
    bench.answer(bench.asked[-1], RuntimeError("too many queries wait"))
    assert not notifier.is_alive


def test_a_list_of_what_is_owed_that_cannot_be_read_ends_the_notifier() -> None:
    bench = Bench()
    notifier = bench.begun(4)
    notifier.tell_system(ChannelChanged(None))
    bench.settle()
    bench.answer(bench.asked[-1], RuntimeError("too many queries wait"))
    assert not notifier.is_alive


def test_a_probe_that_fails_soon_is_followed_by_the_next_after_its_own_rest() -> None:
    """Not after the time that was set for a probe that never answers."""
    bench = Bench()
    bench.sender.outcome = AttemptOutcome.RETRY
    notifier = bench.begun(4)
    for number in range(CHANNEL_BREAKER.threshold + 5):
        notifier.tell_system(event_at(5 + number, f"pay_{number}"))
        bench.settle()
    failed = len(bench.sender.sent)
    assert failed == CHANNEL_BREAKER.threshold
    bench.pass_s(2 * CHANNEL_BREAKER.base_s)
    assert len(bench.sender.sent) == failed + 1
    bench.pass_s(4 * CHANNEL_BREAKER.base_s)
    assert len(bench.sender.sent) == failed + 2


def test_how_an_endpoint_is_spared_is_as_operators_are_told() -> None:
    """At most 16 deliveries at one time; after ten failures in a row rests of 5, 10 …
    300 s, and a probe that does not answer is lost after a minute."""
    assert CONCURRENCY == 16
    assert (
        BreakerPolicy(threshold=10, base_s=5.0, cap_s=300.0, probe_s=60.0)
        == CHANNEL_BREAKER
    )


def test_while_the_breaker_rests_one_timer_waits_whatever_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench()
    bench.sender.outcome = AttemptOutcome.RETRY
    notifier = bench.begun(4)
    for number in range(CHANNEL_BREAKER.threshold):
        notifier.tell_system(event_at(5 + number, f"pay_{number}"))
        bench.settle()
    timers: list[float] = []
    call_later = bench.clock.call_later

    def note(delay_s: float, ref: Ref, message: object) -> Any:
        if isinstance(message, BreakerRested):
            timers.append(delay_s)
        return call_later(delay_s, ref, message)

    monkeypatch.setattr(bench.clock, "call_later", note)
    for number in range(100):
        notifier.tell_system(event_at(50 + number, f"other_{number}"))
        bench.pass_s(0.01)
    assert len(timers) == 1
    assert timers[0] <= 1.2 * CHANNEL_BREAKER.base_s + 0.01
    sent = len(bench.sender.sent)
    bench.pass_s(timers[0])
    assert len(bench.sender.sent) == sent + 1
    assert len(timers) == 3, "for a probe that never answers, and for its rest"

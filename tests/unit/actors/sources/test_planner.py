"""The planner of rounds: who is asked, when, and with what."""

from typing import Any, cast

import pytest

from actors.messages import Poll, RoundDone
from actors.sources.feed_state import FeedSpec
from actors.sources.planner import (
    BUSY_S,
    MAX_ADDRESSES,
    MAX_POLLS,
    ROUND_GAP_S,
    Ask,
    RoundPlanner,
    Wait,
)
from engine.chain.feed import ChainView, Output, Tip
from engine.errors import SourceBusy, SourceError, SourceUnavailable
from engine.runtime.ref import Ref

TIP = Tip(100, "aa" * 32)
A, B, C = b"script a", b"script b", b"script c"
EVERY_S = 7.0


def ref() -> Ref:
    """Somebody; the planner speaks to nobody."""
    return cast(Ref, object())


class Plan:
    """A planner, and the answers that a worker would send."""

    def __init__(self, *kinds: str, per_minute: float | None = None) -> None:
        self.planner = RoundPlanner(
            [
                FeedSpec(
                    name=f"{kind} {number}",
                    kind=kind,
                    worker=ref(),
                    by_block=kind == "block",
                    every_s=EVERY_S,
                    per_minute=per_minute,
                )
                for number, kind in enumerate(kinds)
            ]
        )
        self.now = 1_000.0
        self.asked_at = 5_000
        self.requests = 0
        self.under_way: Ask | None = None  # planned by the end of the one before

    def watch(self, *scripts: bytes, known: tuple[Output, ...] = ()) -> None:
        for script in scripts:
            self.planner.watch(script, script.decode(), ref(), known)

    def plan(self) -> Ask | Wait | None:
        return self.planner.plan(self.now, ready=True)

    def ask(self) -> Ask:
        """The round that is under way, or the next one."""
        plan, self.under_way = self.under_way or self.plan(), None
        assert isinstance(plan, Ask), plan
        return plan

    def done(self, ask: Ask, *shown: bytes, **more: Any) -> Ask | Wait | None:
        """The round's end, and what follows. `shown`: scripts that got a view."""
        view = ChainView("s", TIP, ())
        self.requests += 1
        done = RoundDone(
            feed=ask.feed.number,
            number=ask.round.number,
            asked_at=more.pop("asked_at", self.asked_at),
            views=dict.fromkeys(shown, view),
            tip=TIP,
            requests=more.pop("requests", self.requests),
            **more,
        )
        self.planner.answered(ask.feed, shown)
        self.planner.finish(done, self.now, 0.5)
        after = self.planner.plan_after(done, self.now, ready=True)
        self.under_way = after if isinstance(after, Ask) else None
        return after

    def round(self, *shown: bytes, **more: Any) -> Ask | Wait | None:
        return self.done(self.ask(), *shown, **more)


def scripts_of(pieces: tuple[tuple[bytes, ...], ...]) -> set[bytes]:
    return {script for piece in pieces for script in piece}


# -- when ----------------------------------------------------------------------------


def test_no_block_is_read_before_all_scripts_are_known() -> None:
    plan = Plan("block")
    plan.watch(A)
    assert plan.planner.plan(plan.now, ready=False) is None
    assert plan.planner.plan_soon(plan.now, ready=False) is None
    plan.watch(B)
    assert scripts_of(plan.ask().round.watch) == {A, B}


def test_one_round_is_under_way_at_a_time() -> None:
    plan = Plan("block", "block")
    first = plan.ask()
    assert plan.planner.is_busy
    assert plan.plan() is None
    assert isinstance(plan.done(first), Wait)
    assert not plan.planner.is_busy
    assert plan.ask().round.number == first.round.number + 1


def test_the_next_round_waits_its_time_unless_there_is_a_reason() -> None:
    plan = Plan("block")
    plan.watch(A)
    assert plan.round() == Wait(EVERY_S)
    plan.now += EVERY_S
    assert isinstance(plan.round(more=True), Ask), "there is more to read"


def test_a_push_while_a_round_is_under_way_leads_to_another_one() -> None:
    plan = Plan("block")
    ask = plan.ask()
    plan.planner.nudge()
    after = plan.done(ask)
    assert isinstance(after, Wait)
    assert after.seconds == pytest.approx(ROUND_GAP_S)
    plan.now += ROUND_GAP_S
    assert plan.round() == Wait(EVERY_S), "and to one only"


def test_a_hundred_pushes_are_not_a_hundred_rounds() -> None:
    plan = Plan("block")
    plan.round()
    plan.now += ROUND_GAP_S / 2
    soon = plan.planner.plan_soon(plan.now, ready=True)
    assert isinstance(soon, Wait)
    assert soon.seconds == pytest.approx(ROUND_GAP_S / 2)
    plan.now += ROUND_GAP_S
    assert isinstance(plan.planner.plan_soon(plan.now, ready=True), Ask)


def test_an_urgent_poll_is_taken_to_a_block_feed_without_waiting() -> None:
    plan = Plan("block")
    plan.watch(A)
    ask = plan.ask()
    assert not plan.planner.poll(Poll(A, due=3.0))
    assert plan.planner.poll(Poll(A, due=0.0))
    after = plan.done(ask)
    assert isinstance(after, Wait)
    assert after.seconds <= ROUND_GAP_S


def test_polls_wait_for_an_address_feed_as_long_as_its_budget_asks() -> None:
    plan = Plan("address", per_minute=60)
    plan.watch(A, B)
    after = plan.done(plan.ask(), A, requests=6)
    assert isinstance(after, Wait)
    assert 0 < after.seconds < EVERY_S, "B is still to be asked for"


def test_without_a_source_there_is_nothing_to_ask_for_a_while() -> None:
    plan = Plan()
    wait = plan.plan()
    assert isinstance(wait, Wait)
    assert wait.seconds >= 60


# -- who -------------------------------------------------------------------------------


def test_the_first_source_is_asked_until_it_fails() -> None:
    plan = Plan("block", "address")
    ask = plan.ask()
    assert (ask.feed.number, ask.left) == (0, None)
    for _ in range(5):
        plan.done(ask, error=SourceUnavailable("gone"))
        after = plan.ask()
        if after.feed.number == 1:
            break
        ask = after
    assert after.feed.number == 1
    assert after.left is ask.feed
    assert isinstance(plan.done(after), Wait)
    plan.now += 120
    back = plan.ask()
    assert (back.feed.number, back.left) == (0, after.feed), "it may be well again"
    assert back.round.reset


def test_a_source_that_asks_for_a_pause_gets_the_one_it_asked_for() -> None:
    plan = Plan("block")
    after = plan.round(error=SourceBusy("429", retry_after_s=90.0))
    assert isinstance(after, Wait)
    assert 90 <= after.seconds < 91
    plan.now += 91
    after = plan.round(error=SourceBusy("429"))
    assert isinstance(after, Wait)
    assert BUSY_S <= after.seconds < BUSY_S + 1
    plan.now += BUSY_S + 1
    after = plan.round(error=SourceUnavailable("503", retry_after_s=50.0))
    assert isinstance(after, Wait)
    assert 50 <= after.seconds < 51


def test_a_failure_is_counted_and_said_until_the_source_answers() -> None:
    plan = Plan("block")
    plan.round(error=SourceUnavailable("gone"))
    feed = plan.planner.feeds[0]
    assert (feed.errors, feed.error) == (1, "gone")
    plan.round()
    assert (feed.errors, feed.error) == (1, None)
    assert (feed.answered_at, feed.tip) == (plan.asked_at, TIP)


# -- what is reported -----------------------------------------------------------------


def test_the_report_says_who_answered_and_up_to_when_all_was_told() -> None:
    plan = Plan("block")
    assert not plan.planner.report.freshness.live
    plan.round()
    report = plan.planner.report
    assert report.freshness.live
    assert report.freshness.source == "block 0"
    assert report.freshness.since == plan.asked_at
    assert report.freshness.tip_height == TIP.height
    assert report.complete_as_of == plan.asked_at


def test_a_source_that_lags_is_not_live_and_has_told_nothing_new() -> None:
    plan = Plan("block")
    plan.round()
    plan.round(lagging=True, asked_at=plan.asked_at + 500)
    assert not plan.planner.report.freshness.live
    assert plan.planner.report.complete_as_of == plan.asked_at
    plan.round(asked_at=plan.asked_at + 900)
    assert plan.planner.report.freshness.live
    assert plan.planner.report.complete_as_of == plan.asked_at + 900


def test_a_source_that_fails_is_not_live_and_what_it_told_still_holds() -> None:
    plan = Plan("block")
    plan.round()
    plan.round(error=SourceUnavailable("gone"))
    assert not plan.planner.report.freshness.live
    assert plan.planner.report.freshness.since == plan.asked_at
    assert plan.planner.report.complete_as_of == plan.asked_at


def test_by_silence_of_an_address_feed_nobody_is_covered() -> None:
    plan = Plan("address")
    plan.round()
    assert plan.planner.report.freshness.live
    assert plan.planner.report.complete_as_of is None


def test_another_source_covers_nobody_before_it_has_answered() -> None:
    plan = Plan("block", "block")
    ask = plan.ask()
    plan.done(ask)
    plan.planner.feeds[0].breaker = plan.planner.feeds[0].breaker.resting(plan.now, 60)
    assert plan.ask().feed.number == 1
    assert plan.planner.report.complete_as_of is None


def test_a_worker_that_crashed_covers_nobody_until_it_has_read_all_again() -> None:
    plan = Plan("block")
    plan.watch(A)
    plan.round(A)
    plan.planner.crashed(plan.planner.feeds[0], SourceError("bug"), plan.now, 0.5)
    assert plan.planner.report.complete_as_of is None
    assert plan.planner.report.freshness.live, "it failed to answer nothing"
    again = plan.ask()
    assert again.round.reset
    assert plan.planner.report.complete_as_of is None
    plan.planner.crashed(again.feed, SourceError("bug"), plan.now, 0.5)
    assert not plan.planner.report.freshness.live
    assert again.feed.errors == 1
    assert not plan.planner.is_busy
    assert plan.ask().round.reset


def test_the_crash_of_another_worker_is_no_matter_of_the_one_that_is_asked() -> None:
    plan = Plan("block", "block")
    plan.round()
    plan.planner.crashed(plan.planner.feeds[1], SourceError("bug"), plan.now, 0.5)
    assert plan.planner.report.complete_as_of == plan.asked_at
    assert not plan.ask().round.reset


# -- what a round asks of a block feed -------------------------------------------------


def test_a_block_feed_is_told_of_scripts_by_difference() -> None:
    known = (Output("t", 0, 5, "bb", 50),)
    plan = Plan("block")
    plan.watch(A)
    plan.watch(B, known=known)
    first = plan.ask().round
    assert first.reset
    assert scripts_of(first.watch) == scripts_of(first.show) == {A, B}
    assert first.known == {B: known}
    plan.done(Ask(plan.planner.feeds[0], first), A, B)
    owner = plan.planner.watchers.get(A)
    assert owner is not None
    plan.watch(C)
    assert plan.planner.unwatch(A, owner)
    second = plan.ask().round
    assert not second.reset
    assert scripts_of(second.watch) == scripts_of(second.show) == {C}
    assert (second.unwatch, second.known) == ((A,), {})
    plan.done(Ask(plan.planner.feeds[0], second), C)
    third = plan.ask().round
    assert (scripts_of(third.watch), third.show, third.unwatch) == (set(), (), ())


def test_a_round_holds_what_was_so_when_it_was_sent() -> None:
    plan = Plan("block")
    plan.watch(A, B, known=(Output("t", 0, 5, "bb", 50),))
    sent = plan.ask()
    before = repr(sent.round)
    owner = plan.planner.watchers.get(A)
    assert owner is not None
    plan.planner.unwatch(A, owner)
    plan.watch(C)
    plan.planner.poll(Poll(B, due=0.0))
    plan.done(sent, error=SourceUnavailable("gone"))
    plan.ask()
    assert repr(sent.round) == before


def test_who_was_let_go_and_comes_again_is_watched() -> None:
    plan = Plan("block")
    plan.watch(A)
    plan.round(A)
    owner = plan.planner.watchers.get(A)
    assert owner is not None
    plan.planner.unwatch(A, owner)
    plan.watch(A)
    work = plan.ask().round
    assert (scripts_of(work.watch), work.unwatch) == ({A}, ())


def test_only_its_own_watcher_lets_a_script_go() -> None:
    plan = Plan("block")
    plan.watch(A)
    assert not plan.planner.unwatch(A, ref())
    assert not plan.planner.unwatch(B, ref())
    assert A in plan.planner.watchers


def test_what_a_round_failed_to_show_is_shown_by_the_next() -> None:
    plan = Plan("block")
    plan.watch(A)
    first = plan.ask()
    plan.watch(B)
    plan.done(first, error=SourceUnavailable("gone"))
    second = plan.ask().round
    assert not second.reset, "the worker keeps what it was given"
    assert scripts_of(second.watch) == {B}
    assert scripts_of(second.show) == {A, B}
    plan.done(Ask(first.feed, second), A, B)
    assert plan.ask().round.show == ()


def test_polls_are_one_for_a_script_with_the_most_urgent_moment() -> None:
    plan = Plan("block")
    plan.watch(A)
    plan.round(A)
    for due in (3.0, 2.0, 9.0):
        plan.planner.poll(Poll(A, due=due))
    plan.planner.poll(Poll(B, due=1.0))  # nobody watches it
    assert plan.planner.waiting == 1
    assert plan.ask().round.polls == (Poll(A, due=2.0),)
    assert plan.planner.waiting == 0


def test_what_got_no_view_is_asked_for_again() -> None:
    plan = Plan("block")
    plan.watch(A, B)
    plan.round(A, B)
    plan.planner.poll(Poll(A, due=2.0))
    plan.planner.poll(Poll(B, due=1.0))
    plan.round(A)
    assert plan.ask().round.polls == (Poll(B, due=1.0),)


def test_a_newer_poll_outlives_the_one_that_was_put_back() -> None:
    plan = Plan("block")
    plan.watch(A)
    plan.round(A)
    plan.planner.poll(Poll(A, (("old", 1),), due=2.0))
    ask = plan.ask()
    newer = Poll(A, (("new", 2),), due=5.0)
    plan.planner.poll(newer)
    plan.done(ask)
    assert plan.ask().round.polls == (newer,)


def test_who_is_watched_no_longer_is_not_asked_for_again() -> None:
    plan = Plan("block")
    plan.watch(A)
    plan.round(A)
    plan.planner.poll(Poll(A, due=2.0))
    ask = plan.ask()
    owner = plan.planner.watchers.get(A)
    assert owner is not None
    plan.planner.unwatch(A, owner)
    plan.done(ask)
    assert plan.planner.waiting == 0


def test_a_round_takes_a_bounded_number_of_polls_but_a_reset_takes_all() -> None:
    many = MAX_POLLS + 5
    scripts = [b"%06d" % number for number in range(many)]
    plan = Plan("block")
    plan.watch(*scripts)
    for script in scripts:
        plan.planner.poll(Poll(script, due=1.0))
    first = plan.ask()
    assert len(first.round.polls) == many, "its answer shows everybody"
    plan.done(first, *scripts)
    for script in scripts:
        plan.planner.poll(Poll(script, due=1.0))
    assert len(plan.ask().round.polls) == MAX_POLLS
    assert plan.planner.waiting == 5


# -- what a round asks of an address feed ---------------------------------------------


def test_to_watch_is_to_ask_an_address_feed_a_first_time() -> None:
    known = (Output("t", 0, 5, "bb", 50),)
    plan = Plan("address")
    plan.watch(A, known=known)
    work = plan.ask().round
    assert work.polls == (Poll(A, (("bb", 50),), plan.now, known),)
    assert work.addresses == {A: A.decode()}


def test_an_address_feed_is_asked_the_most_urgent_first_in_short_rounds() -> None:
    scripts = [b"%06d" % number for number in range(MAX_ADDRESSES + 5)]
    plan = Plan("address")
    plan.watch(*scripts)
    for number, script in enumerate(scripts):
        plan.planner.poll(Poll(script, due=100.0 - number))
    asked = [poll.script for poll in plan.ask().round.polls]
    assert asked == scripts[: -MAX_ADDRESSES - 1 : -1]


def test_a_budget_keeps_a_reserve_and_is_waited_for() -> None:
    plan = Plan("address", per_minute=60)  # a burst of 6
    scripts = [b"%06d" % number for number in range(20)]
    plan.watch(*scripts)
    ask = plan.ask()
    assert len(ask.round.polls) == 4
    done = [poll.script for poll in ask.round.polls]
    after = plan.done(ask, *done, requests=5)
    assert isinstance(after, Wait)
    plan.now += after.seconds
    second = plan.ask()
    assert second.round.polls, "what was asked before our time is no debt of ours"
    after = plan.done(second, requests=20)
    assert isinstance(after, Wait)
    assert after.seconds > 10
    assert plan.plan() == after, "it is in debt until then"


def test_scripts_that_a_block_feed_never_showed_are_asked_for_by_address() -> None:
    plan = Plan("block", "address")
    plan.watch(A, B)
    ask = plan.ask()
    owner = plan.planner.watchers.get(B)
    assert owner is not None
    plan.planner.unwatch(B, owner)
    for _ in range(4):
        plan.done(ask, error=SourceUnavailable("gone"))
        ask = plan.ask()
        if ask.feed.number == 1:
            break
    assert [poll.script for poll in ask.round.polls] == [A]


def test_an_address_that_cannot_be_read_is_left_to_its_watcher() -> None:
    plan = Plan("address")
    plan.watch(A, B)
    plan.round(B, unreadable=(A,))
    assert plan.planner.waiting == 0
    plan.planner.poll(Poll(A, due=1.0))
    plan.round(unreadable=(A,), error=SourceUnavailable("gone"))
    again = plan.ask().round.polls
    assert [poll.script for poll in again] == [A], "the whole round failed"


def test_what_a_watcher_could_not_take_is_asked_for_once_more() -> None:
    plan = Plan("block")
    plan.watch(A)
    plan.round(A)
    urgent = Poll(A, due=0.0)
    plan.planner.poll(urgent)
    plan.planner.show_again(A, plan.now)
    assert plan.ask().round.polls == (urgent,), "it asked for it itself"


def test_a_round_of_a_worker_that_died_is_known_as_such() -> None:
    plan = Plan("block")
    ask = plan.ask()
    assert plan.planner.feed_asked(0, ask.round.number) is ask.feed
    assert plan.planner.feed_asked(0, ask.round.number + 1) is None
    plan.planner.crashed(ask.feed, SourceError("bug"), plan.now, 0.5)
    assert plan.planner.feed_asked(0, ask.round.number) is None

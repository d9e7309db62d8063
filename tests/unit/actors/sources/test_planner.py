"""The planner of rounds: who is asked and when, and what is reported."""

import pytest

from actors.messages import Poll
from actors.sources.messages import Probed
from actors.sources.planner import (
    ROUND_GAP_S,
    Ask,
    Wait,
)
from actors.sources.witnesses import BUSY_S
from engine.chain.feed import SourceStatus, Tip
from engine.chain.witness import Assessment, Standing
from engine.errors import SourceBehind, SourceBusy, SourceError, SourceUnavailable
from tests.unit.actors.sources.plan import EVERY_S, TIP, A, B, Plan, scripts_of

BEHIND = Assessment(Standing.BEHIND, "at block 90; block 100 was seen")

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


def test_what_is_urgent_waits_for_a_source_of_which_nothing_can_be_read_yet() -> None:
    plan = Plan("block")
    plan.watch(A)
    assert plan.planner.poll(Poll(A, due=0.0))
    after = plan.round(error=SourceBehind("still in its first download"))
    assert after == Wait(EVERY_S), "it is not asked without a pause"


def test_what_a_source_showed_before_it_failed_is_the_best_tip_all_the_same() -> None:
    plan = Plan("block")
    shown = SourceStatus(Tip(140, "bb" * 32))
    plan.round(error=SourceUnavailable("gone"), status=shown)
    best = plan.planner.report.best
    assert best is not None
    assert best.tip == shown.tip


def test_the_budget_of_a_source_that_is_only_probed_grows_again() -> None:
    plan = Plan("block", "address", per_minute=60)
    feed = plan.planner.feeds[1]
    for _ in range(20):
        plan.now += 10
        assert plan.planner.probes(plan.now, ready=True) or feed.probe_at > plan.now
        status = SourceStatus(TIP)
        number, asked = (feed.requests or 0) + 1, plan.asked_at
        plan.planner.probed(Probed(1, status, None, number, asked), plan.now, 0.5)
    assert feed.poor_s(plan.now, 3) == 0


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


def test_a_source_that_has_said_nothing_yet_is_not_live() -> None:
    plan = Plan("block", "block")
    plan.round(assessment=BEHIND, status=SourceStatus(TIP))
    second = plan.ask()
    assert second.feed.number == 1
    said = Probed(0, SourceStatus(TIP, doubt="old"), None, 9, plan.asked_at)
    plan.planner.probed(said, plan.now, 0.5)
    fresh = plan.planner.report.freshness
    assert (fresh.source, fresh.live, fresh.standing) == ("block 1", False, None)
    plan.done(second, status=SourceStatus(TIP))
    assert plan.planner.report.freshness.live


def test_the_first_source_is_asked_until_it_fails() -> None:
    plan = Plan("block", "address")
    ask = plan.ask()
    assert (ask.feed.number, ask.left) == (0, None)
    after = ask
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
    (probed,) = plan.planner.probes(plan.now, ready=True)
    assert probed is ask.feed, "it may be well again"
    after = plan.ask()
    assert after.feed.number == 1, "who waits for the probe is not kept waiting"
    answer = Probed(0, SourceStatus(TIP), None, plan.requests, plan.asked_at)
    plan.planner.probed(answer, plan.now, 0.5)
    plan.done(after)
    back = plan.ask()
    assert (back.feed.number, back.left) == (0, after.feed)
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
    plan.round(assessment=BEHIND, asked_at=plan.asked_at + 500)
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

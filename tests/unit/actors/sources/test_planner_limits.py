"""The planner's bounds and waits by their numbers, and what it forgets."""

import pytest

from actors.messages import Poll
from actors.sources.planner import Ask, RoundPlanner, Wait
from engine.chain.feed import Output, SourceStatus, Tip
from engine.chain.witness import Assessment, Best, Standing
from engine.errors import SourceBehind, SourceError, SourceUnavailable
from tests.unit.actors.sources.plan import EVERY_S, TIP, A, B, C, Plan, ref, scripts_of

FAR = Assessment(Standing.BEHIND, "far behind")
SCRIPTS = [b"%06d" % number for number in range(20_001)]


def about(seconds: float) -> Wait:
    return Wait(pytest.approx(seconds))  # type: ignore[arg-type]


def test_twenty_thousand_polls_are_a_round_of_a_source_that_reads_blocks() -> None:
    plan = Plan("block")
    plan.watch(*SCRIPTS)
    plan.done(plan.ask(), *SCRIPTS)
    for script in SCRIPTS:
        plan.planner.poll(Poll(script, due=1.0))
    plan.now += EVERY_S
    assert len(plan.ask().round.polls) == 20_000


def test_twenty_addresses_are_a_round_of_an_explorer() -> None:
    plan = Plan("address")
    plan.watch(*SCRIPTS[:25])
    work = plan.ask().round
    assert len(work.polls) == len(work.addresses) == 20
    assert plan.planner.waiting == 5


def test_three_requests_are_kept_before_a_round_begins_and_two_in_it() -> None:
    plan = Plan("address", per_minute=60)  # a burst of six, one a second
    plan.watch(*SCRIPTS[:9])
    ask = plan.ask()
    assert len(ask.round.polls) == 4
    after = plan.done(ask, *(p.script for p in ask.round.polls), requests=5)
    assert after == about(2.0), "one is left of six"
    plan.now += 1.9
    assert plan.plan() == about(0.1)
    plan.now += 0.1
    assert len(plan.ask().round.polls) == 1


def test_without_a_source_it_looks_again_in_a_minute() -> None:
    assert Plan().plan() == about(60.01)


def test_when_all_rest_it_looks_when_the_first_may_be_asked() -> None:
    plan = Plan("block", "block")
    for feed, rest in zip(plan.planner.feeds, (9.0, 4.0), strict=True):
        feed.breaker = feed.breaker.resting(plan.now, rest)
    assert plan.plan() == about(4.01)


def test_one_that_is_just_asked_aside_is_waited_for_half_a_second() -> None:
    plan = Plan("block", "address")
    plan.watch(A)
    plan.round(A)
    plan.planner.poll(Poll(A, heard=("somebody",)))
    aside = plan.planner.plan_aside(plan.now, ready=True)
    assert aside is not None
    assert aside.feed.number == 1
    assert not plan.planner.is_busy
    first = plan.planner.feeds[0]
    first.breaker = first.breaker.resting(plan.now, 60.0)
    assert plan.plan() == Wait(0.5)


def test_between_two_rounds_that_are_asked_for_are_fifty_milliseconds() -> None:
    plan = Plan("block")
    plan.round()
    assert plan.planner.plan_soon(plan.now, ready=True) == about(0.05)
    plan.now += 0.05
    assert isinstance(plan.planner.plan_soon(plan.now, ready=True), Ask)


def test_the_first_round_of_a_clock_that_begins_at_none_waits_for_nothing() -> None:
    plan = Plan("block")
    plan.now = 0.0
    assert isinstance(plan.planner.plan_soon(plan.now, ready=True), Ask)


def test_before_the_node_is_ready_nobody_is_asked_anything() -> None:
    plan = Plan("block", "block")
    plan.watch(A)
    plan.planner.poll(Poll(A, heard=("s",)))
    assert plan.planner.plan(plan.now, ready=False) is None
    assert plan.planner.plan_aside(plan.now, ready=False) is None
    assert plan.planner.probes(plan.now, ready=False) == []
    assert plan.planner.plan_aside(plan.now, ready=True) is not None


def test_a_look_by_hand_waits_ten_seconds_unless_told_otherwise() -> None:
    planner = RoundPlanner([Plan("address").planner.feeds[0].spec])
    planner.watch(A, "a", ref(), ())
    planner._polls._note_asked([Poll(A)], 100.0)
    assert planner.poll(Poll(A, by_hand_at=109.9)) is False
    assert len(planner._polls) == 0
    assert planner.poll(Poll(A, by_hand_at=110.0)) is True


def test_a_second_word_is_not_asked_of_the_same_and_not_urgent() -> None:
    plan = Plan("block", "address")
    plan.watch(A)
    assert plan.planner.poll(Poll(A, due=0.0, heard=("x",))) is False
    assert plan.planner.waiting == 0


def test_who_is_let_go_leaves_nothing_behind() -> None:
    plan = Plan("address", "address")
    owner = ref()
    paid = (Output("t", 0, 5, "bb", 50),)
    plan.planner.watch(A, "a", owner, paid, "ann", Tip(7, "07"))
    plan.watch(B)
    ask = plan.ask()
    assert set(ask.feed.asked) == {A, B}
    plan.planner.poll(Poll(A))
    plan.planner.poll(Poll(A, heard=("x",)))
    assert plan.planner.unwatch(A, owner)
    assert set(ask.feed.asked) == {B}
    assert plan.planner.waiting == 0
    assert plan.planner.plan_aside(plan.now, ready=True) is None
    assert plan.planner.poll(Poll(A)) is False
    plan.planner.watch(A, "another", ref(), ())
    plan.done(ask, B)
    plan.now += EVERY_S
    work = plan.ask().round
    assert work.polls == (Poll(A, (), plan.now, ()),), "what was known is forgotten"
    assert work.addresses == {A: "another"}


def test_who_was_new_and_is_gone_before_the_round_is_not_in_it() -> None:
    plan = Plan("block")
    plan.round()
    owner = ref()
    plan.planner.watch(A, "a", owner, ())
    plan.planner.unwatch(A, owner)
    plan.now += EVERY_S
    work = plan.ask().round
    assert (scripts_of(work.watch), work.unwatch) == (set(), (A,))


def test_a_round_says_what_it_is_held_against_and_the_last_known_tip() -> None:
    best = Best(TIP, 1)
    for kind in ("block", "address"):
        plan = Plan(kind)
        plan.planner.believe(best)
        work = plan.ask().round
        assert work.best is best
        assert not work.aside
        assert work.reset is (kind == "block")


def test_what_could_not_be_shown_is_asked_of_its_source_with_all_that_is_known() -> (
    None
):
    plan = Plan("block")
    paid, since = (Output("t", 0, 5, "bb", 50),), Tip(7, "07")
    plan.watch(A, known=paid, since=since)
    plan.round(A)
    plan.planner.show_again(A, plan.now)
    plan.now += EVERY_S
    poll = Poll(A, (("bb", 50),), plan.now - EVERY_S, paid, since)
    assert plan.ask().round.polls == (poll,)


def test_a_round_that_failed_is_followed_by_another_at_once_while_it_may_be() -> None:
    plan = Plan("block")
    plan.watch(A)
    again = plan.round(error=SourceUnavailable("gone"))
    assert isinstance(again, Ask)
    assert not again.round.reset


def test_one_that_is_stuck_begins_anew_and_covers_nobody() -> None:
    plan = Plan("block", "block")
    plan.watch(A)
    plan.round(A)
    plan.now += EVERY_S
    again = plan.round(error=SourceUnavailable("pruned"), is_stuck=True)
    assert isinstance(again, Ask)
    assert again.round.reset
    assert plan.planner.report.complete_as_of is None
    plan.done(again, A)
    assert plan.planner.report.complete_as_of == plan.asked_at
    plan.now += EVERY_S
    once_more = plan.round(error=SourceUnavailable("gone"))
    assert isinstance(once_more, Ask)
    assert not once_more.round.reset, "only one that is stuck"
    assert plan.planner.report.complete_as_of == plan.asked_at


def test_one_asked_aside_that_is_stuck_is_no_matter_of_the_one_that_is_asked() -> None:
    plan = Plan("block", "block")
    plan.watch(A)
    plan.round(A)
    plan.planner.poll(Poll(A, heard=("x",)))
    aside = plan.planner.plan_aside(plan.now, ready=True)
    assert aside is not None
    plan.done(aside, error=SourceUnavailable("pruned"), is_stuck=True)
    assert plan.planner.report.complete_as_of == plan.asked_at
    plan.now += EVERY_S
    assert not plan.ask().round.reset


def test_aside_it_is_asked_until_it_has_read_up_to_its_tip() -> None:
    plan = Plan("block", "block")
    plan.watch(A)
    plan.round(A)
    poll = Poll(A, heard=("x",))
    plan.planner.poll(poll)
    for more in (True, False):
        aside = plan.planner.plan_aside(plan.now, ready=True)
        assert aside is not None
        assert aside.round.polls == (poll,)
        plan.done(aside, A, more=more)
    assert plan.planner.plan_aside(plan.now, ready=True) is None


def test_aside_a_failure_keeps_its_polls_and_shows_nothing_anew() -> None:
    plan = Plan("block", "block")
    plan.watch(A)
    plan.round(A)
    plan.planner.poll(Poll(A, heard=("x",)))
    aside = plan.planner.plan_aside(plan.now, ready=True)
    assert aside is not None
    plan.done(aside, error=SourceUnavailable("gone"))
    assert aside.feed.asked == {}
    assert aside.feed.busy is None
    assert plan.planner.waiting == 0, "it is no matter of the one that is asked"
    assert plan.planner.plan_aside(plan.now, ready=True) is not None


def test_what_one_could_not_read_is_kept_from_it_and_asked_of_the_next() -> None:
    plan = Plan("address", "address")
    plan.watch(A, B)
    ask = plan.ask()
    assert ask.feed.number == 0
    plan.done(ask, B, unreadable=(A, C))
    aside = plan.planner.plan_aside(plan.now, ready=True)
    assert aside is not None
    assert (aside.feed.number, [p.script for p in aside.round.polls]) == (1, [A])
    assert plan.planner.poll(Poll(A, due=0.0)) is False
    assert plan.planner.waiting == 0


def test_a_source_far_behind_is_left_after_its_round() -> None:
    plan = Plan("block", "block")
    after = plan.round(assessment=FAR, status=SourceStatus(TIP))
    assert isinstance(after, Ask)
    assert (after.feed.number, after.left) == (1, plan.planner.feeds[0])
    assert after.round.reset


def test_an_explorer_that_has_polls_left_goes_on_as_soon_as_its_budget_lets_it() -> (
    None
):
    plan = Plan("address")
    plan.watch(*SCRIPTS[:25])
    ask = plan.ask()
    after = plan.done(ask, *(p.script for p in ask.round.polls))
    assert after == Wait(0.05)
    plan.now += 0.05
    rest = plan.ask()
    assert plan.done(rest, *(p.script for p in rest.round.polls)) == Wait(EVERY_S)
    plan.now += EVERY_S
    again = plan.ask()
    plan.watch(C)  # while it is under way
    assert plan.done(again) == Wait(0.05)


def test_an_urgent_poll_does_not_hurry_one_that_is_asked_by_address() -> None:
    plan = Plan("address", per_minute=60)
    plan.watch(A)
    plan.round(A, requests=2)
    plan.now += EVERY_S
    ask = plan.ask()
    plan.planner.poll(Poll(A, due=0.0))
    assert plan.done(ask, A, requests=2 + 15) == about(12.0)


def test_a_nudge_is_over_with_the_round_that_it_led_to() -> None:
    plan = Plan("block")
    ask = plan.ask()
    plan.planner.nudge()
    plan.done(ask)
    plan.now += 0.05
    assert isinstance(plan.planner.plan_soon(plan.now, ready=True), Ask)
    plan.under_way = None
    feed = plan.planner.feeds[0]
    assert feed.busy is not None
    assert plan.done(Ask(feed, feed.busy)) == Wait(EVERY_S)


def test_the_crash_of_a_worker_that_did_nothing_is_no_failure() -> None:
    plan = Plan("block", "block")
    plan.round()
    other = plan.planner.feeds[1]
    other.primed = True
    plan.planner.crashed(other, SourceError("bug"), plan.now, 0.5)
    assert (other.errors, other.primed) == (0, False)


def test_one_that_is_behind_is_asked_with_its_usual_pause() -> None:
    plan = Plan("block")
    plan.watch(A)
    plan.planner.poll(Poll(A, due=0.0))
    error, status = SourceBehind("downloading"), SourceStatus(TIP)
    assert plan.round(error=error, status=status) == Wait(EVERY_S)


def test_a_held_look_is_waited_for_no_longer_than_the_budget_asks() -> None:
    plan = Plan("address", per_minute=60)
    plan.watch(A)
    plan.round(A, requests=2)
    plan.now += 60
    plan.round(A, requests=2)
    plan.planner._polls._note_asked([Poll(A)], plan.now)
    plan.planner.poll(Poll(A, due=0.0, by_hand_at=plan.now))
    plan.now += EVERY_S
    after = plan.round(requests=20)
    assert isinstance(after, Wait)
    assert after.seconds == pytest.approx(EVERY_S), "whichever is sooner"

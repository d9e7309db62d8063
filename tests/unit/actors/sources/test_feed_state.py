"""What is remembered of one source: its waits, its budget, its standing, its words."""

import pytest

from actors.messages import RoundDone
from actors.sources.feed_state import SOURCE_BREAKER, Feed, FeedSpec
from engine.chain.feed import ChainView, Tip
from engine.chain.witness import CURRENT, Assessment, Standing
from engine.gateway import Reading
from engine.policy.breaker import BreakerState
from tests.unit.actors.sources.plan import TIP, A, B, ref

SLIGHT = Assessment(Standing.BEHIND, "a block late", is_slight=True)
FAR = Assessment(Standing.BEHIND, "far behind")


def feed(per_minute: float | None = None) -> Feed:
    spec = FeedSpec("mine", "esplora", ref(), False, 10.0, per_minute, "somebody")
    return Feed(3, spec)


def done(height: int | None = None, **more: object) -> RoundDone:
    fields: dict[str, object] = {
        "feed": 0,
        "number": 1,
        "asked_at": 7_000,
        "views": {},
        "tip": TIP,
        "requests": 0,
        "height": height,
        **more,
    }
    return RoundDone(**fields)  # type: ignore[arg-type]


def test_a_source_of_which_nothing_is_known() -> None:
    one = feed()
    assert (one.number, one.spec.name, one.round) == (3, "mine", 0)
    assert (one.busy, one.asked, one.tip, one.reading) == (None, {}, None, None)
    assert (one.answered_at, one.requests, one.errors, one.error) == (
        None,
        None,
        0,
        None,
    )
    assert (one.assessment, one.distrust, one.behind_from) == (None, None, None)
    assert (one.told, one.since_when, one.primed) == (None, None, False)
    assert one.wait_s(0.0) == 0.0
    assert one.probe_at <= 0.0 == one.distrusted_until
    said = one.describe(now=0.0, wall=1_000, active=False, watched=2, waiting=1)
    assert (said.requests, said.errors, said.tip_height, said.tip_hash) == (
        0,
        0,
        None,
        None,
    )
    assert (said.last_answer_at, said.lag_s, said.standing) == (None, None, None)
    assert (said.budget_per_min, said.budget_left, said.reason) == (None, None, None)
    assert (said.watched, said.waiting, said.active) == (2, 1, False)


def test_a_genesis_block_is_no_fall_back() -> None:
    one = feed()
    one.succeeded(1, Tip(0, "00"), SLIGHT, 5.0)
    assert one.assessment is SLIGHT


def test_three_failures_in_a_row_rest_a_source_for_two_seconds_then_doubled() -> None:
    breaker, now, rests = feed().breaker, 0.0, []
    for _ in range(2):
        breaker = breaker.after_failure(now, 0.5)
        assert breaker.state(now) is BreakerState.CLOSED
    for _ in range(8):
        breaker = breaker.taking(now).after_failure(now, 0.5)
        rests.append(breaker.wait_s(now))
        now += rests[-1]
    assert rests == pytest.approx([2, 4, 8, 16, 32, 60, 60, 60])
    assert breaker.taking(now).wait_s(now) == 120, "a probe that does not answer"
    assert SOURCE_BREAKER.probe_s == 120


def test_it_waits_for_its_breaker_and_for_as_long_as_it_is_distrusted() -> None:
    one = feed()
    one.breaker = one.breaker.resting(100.0, 30.0)
    assert one.wait_s(110.0) == 20.0
    one.distrusted_until = 150.0
    assert one.wait_s(110.0) == 40.0
    assert one.wait_s(149.0) == 1.0
    assert one.wait_s(151.0) == 0.0


def test_a_budget_is_a_tenth_of_a_minute_at_once_and_comes_back() -> None:
    one = feed(per_minute=120)  # a burst of 12, two a second
    assert one.poor_s(0.0, 12) == 0.0
    assert one.room(0.0, 2, 20) == 10
    assert one.room(0.0, 2, 5) == 5
    assert one.room(0.0, 13, 5) == 0
    one.spend_to(1_010, 10)
    assert one.poor_s(0.0, 3) == 0.5
    assert one.room(0.0, 0, 20) == 2
    assert one.room(1.0, 0, 20) == 4
    said = one.describe(now=1.0, wall=0, active=True, watched=0, waiting=0)
    assert (said.budget_per_min, said.budget_left) == (120, 4.0)
    said = one.describe(now=1.13, wall=0, active=True, watched=0, waiting=0)
    assert said.budget_left == 4.3


def test_without_a_budget_there_is_room_for_as_many_as_are_asked() -> None:
    one = feed()
    assert one.room(0.0, 5, 20) == 20
    assert one.poor_s(0.0, 10**6) == 0.0
    one.spend_to(50, 1)
    assert one.room(0.0, 0, 20) == 20
    assert one.requests == 50


def test_of_what_was_asked_before_our_time_nothing_is_owed() -> None:
    """A round's own requests are what is new: a status, and one for each address."""
    one = feed(per_minute=120)
    view = ChainView("mine", TIP, ())
    one.spend(done(requests=1_000, views={A: view}, unreadable=(B,)))
    assert one.budget is not None
    assert one.budget.tokens == 12 - 3
    one.spend(done(requests=1_004, views={A: view}))
    assert one.budget.tokens == 12 - 3 - 4
    assert one.requests == 1_004


def test_one_that_is_shown_and_unreadable_at_once_was_asked_for_once() -> None:
    one = feed(per_minute=120)
    view = ChainView("mine", TIP, ())
    one.spend(done(requests=9, views={A: view}, unreadable=(A,)))
    assert one.budget is not None
    assert one.budget.tokens == 12 - 2


def test_how_far_blocks_are_read_is_said_until_they_are() -> None:
    one = feed()
    one.read(done(40, blocks=30))
    assert one.reading == Reading(
        height=40, to_height=100, blocks_read=30, blocks_left=60, since=7_000
    )
    one.read(done(99, blocks=59, asked_at=9_000))
    assert one.reading == Reading(
        height=99, to_height=100, blocks_read=89, blocks_left=1, since=7_000
    )
    one.read(done(100, blocks=1))
    assert one.reading is None
    one.read(done(40))
    one.read(done(None))
    assert one.reading is None
    one.read(done(40))
    one.read(done(40, tip=None))
    assert one.reading is None


def test_an_answer_is_remembered_and_forgives() -> None:
    one = feed()
    one.breaker = one.breaker.resting(0.0, 60.0)
    one.error = "refused"
    one.succeeded(5_000, TIP, CURRENT, 10.0)
    assert one.breaker.state(0.0) is BreakerState.CLOSED
    state = one.describe(now=0.0, wall=0, active=True, watched=0, waiting=0)
    assert (state.last_error, state.last_answer_at) == (None, 5_000)
    assert (state.tip_height, state.tip_hash) == (TIP.height, TIP.hash)
    assert (one.assessment, one.behind_from, one.top) == (CURRENT, None, 100)


def test_who_is_a_block_late_is_slightly_behind_and_who_fell_back_is_not() -> None:
    one = feed()
    one.succeeded(1, TIP, SLIGHT, 10.0)
    assert one.assessment is SLIGHT
    one.succeeded(2, Tip(99, "99"), SLIGHT, 11.0)
    assert one.assessment is not None
    assert not one.assessment.is_slight
    assert one.assessment.reason == "a block late"
    one.succeeded(3, TIP, SLIGHT, 12.0)
    assert one.assessment is SLIGHT, "where it was before"
    one.succeeded(4, None, SLIGHT, 13.0)
    assert one.tip is None
    assert one.top == 100


def test_since_when_it_is_behind_is_kept_until_it_is_not() -> None:
    one = feed()
    one.assessed(FAR, 10.0)
    one.assessed(SLIGHT, 20.0)
    assert (one.behind_from, one.assessment) == (10.0, SLIGHT)
    one.assessed(CURRENT, 30.0)
    assert one.behind_from is None
    one.assessed(FAR, 40.0)
    assert one.behind_from == 40.0


def test_a_standing_is_told_since_it_began() -> None:
    one = feed()
    one.note_standing(Standing.CURRENT, 1_000)
    one.note_standing(Standing.CURRENT, 2_000)
    assert (one.told, one.since_when) == (Standing.CURRENT, 1_000)
    one.note_standing(Standing.BEHIND, 3_000)
    assert (one.told, one.since_when) == (Standing.BEHIND, 3_000)


def test_it_is_described_as_it_is() -> None:
    one = feed()
    one.succeeded(5_000, TIP, CURRENT, 10.0)
    one.note_standing(Standing.CURRENT, 4_000)
    one.requests, one.errors, one.error = 7, 2, "refused"
    one.read(done(40, blocks=1))
    said = one.describe(
        now=10.0, wall=7_500, active=True, watched=3, waiting=4, reason="so"
    )
    assert (said.name, said.kind, said.state) == ("mine", "esplora", "closed")
    assert (said.tip_height, said.tip_hash) == (TIP.height, TIP.hash)
    assert (said.last_answer_at, said.lag_s) == (5_000, 2.5)
    assert (said.requests, said.errors, said.last_error) == (7, 2, "refused")
    assert (said.standing, said.since_when, said.reason) == ("current", 4_000, "so")
    assert (said.watched, said.waiting, said.active) == (3, 4, True)
    assert said.reading is one.reading is not None

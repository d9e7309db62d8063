"""The sources as witnesses, by themselves: what each answer does to the report."""

from typing import Any

from actors.messages import RoundDone
from actors.sources.feed_state import Feed, FeedSpec
from actors.sources.messages import Probed
from actors.sources.witnesses import Witnesses
from engine.chain.feed import SourceStatus, Tip
from engine.chain.witness import Assessment, Best, Standing
from engine.errors import SourceBehind, SourceBusy, SourceUnavailable
from engine.policy.breaker import BreakerState
from tests.unit.actors.sources.plan import TIP, ref

NOW, WALL = 1_000.0, 5_000_000
FAR = Assessment(Standing.BEHIND, "far behind")
HIGHER = Tip(101, "bb" * 32)


def spec(number: int, kind: str = "bitcoind", by_block: bool = True) -> FeedSpec:
    return FeedSpec(f"s{number}", kind, ref(), by_block, 1.0)


def two(
    best: Best | None = None, by_block: bool = True
) -> tuple[Witnesses, Feed, Feed]:
    one = Witnesses([spec(0, by_block=by_block), spec(1)], best, "regtest")
    one.active = one.feeds[0]
    return one, one.feeds[0], one.feeds[1]


def done(feed: int = 0, **more: Any) -> RoundDone:
    fields = {"asked_at": WALL, "views": {}, "tip": TIP, "requests": 1, **more}
    return RoundDone(feed=feed, number=1, **fields)


def test_at_first_nobody_is_asked_and_the_best_tip_is_that_of_the_last_run() -> None:
    best = Best(TIP, WALL)
    one = Witnesses([spec(0)], best, "regtest")
    assert one.active is None
    assert (one.best, one.report.best) == (best, best)
    assert not one.report.is_made_anew
    assert not one.report.freshness.live
    assert Witnesses([spec(0), spec(1, "devchain")], None, "x").report.is_made_anew


def test_an_answer_is_what_is_reported() -> None:
    one, _, _ = two()

    def look(_script: bytes) -> Any:
        """Nobody looks."""

    one.answered(one.feeds[0], done(look=look, height=90, blocks=1), NOW)
    report = one.report
    fresh = report.freshness
    assert (fresh.source, fresh.live, fresh.since) == ("s0", True, WALL)
    assert (fresh.tip_height, fresh.standing, fresh.reason) == (100, "current", None)
    assert fresh.since_when == WALL
    assert report.complete_as_of == WALL
    assert report.look is look
    assert one.feeds[0].reading is not None


def test_a_source_that_is_not_the_asked_one_covers_nobody() -> None:
    one, _, other = two()
    one.answered(other, done(1), NOW)
    assert one.report.complete_as_of is None


def test_silence_of_one_behind_covers_nobody_and_takes_no_cover_away() -> None:
    one, first, _ = two()
    one.answered(first, done(), NOW)
    one.answered(first, done(asked_at=WALL + 1, assessment=FAR), NOW)
    assert one.report.complete_as_of == WALL


def test_one_that_is_asked_by_address_takes_cover_away() -> None:
    one, first, _ = two(by_block=False)
    one.covers(WALL)
    assert one.report.complete_as_of == WALL
    one.answered(first, done(), NOW)
    assert one.report.complete_as_of is None


def test_when_another_is_asked_nothing_that_the_first_had_holds() -> None:
    one, first, _ = two()

    def look(_script: bytes) -> Any:
        """Nobody looks."""

    one.answered(first, done(look=look), NOW)
    one.left()
    assert (one.report.complete_as_of, one.report.look) == (None, None)
    assert one.report.freshness.live, "it is as it was"


def test_since_when_anybody_answered_is_the_newest_of_all() -> None:
    one, first, other = two()
    one.answered(other, done(1, asked_at=WALL + 9), NOW)
    one.answered(first, done(), NOW)
    assert one.report.freshness.since == WALL + 9


def test_without_any_answer_nothing_is_said_of_when() -> None:
    one, first, _ = two()
    one.fail(first, SourceUnavailable("gone"), NOW, 0.5)
    fresh = one.report.freshness
    assert (fresh.since, fresh.live, fresh.tip_height) == (None, False, None)
    assert (fresh.standing, fresh.reason) == ("failing", "gone")
    assert (first.errors, first.error) == (1, "gone")
    assert first.breaker.failures == 1


def test_the_clock_of_a_failure_is_that_of_its_word_if_it_had_one() -> None:
    one, first, _ = two()
    one.answered(first, done(), NOW)
    gone = SourceUnavailable("gone")
    one.fail(first, gone, NOW, 0.5, done(asked_at=WALL + 5, tip=None))
    assert first.since_when == WALL
    one.answered(first, done(asked_at=WALL + 6), NOW)
    status = SourceStatus(TIP)
    one.fail(first, gone, NOW, 0.5, done(asked_at=WALL + 7, status=status))
    assert first.since_when == WALL + 7


def test_one_that_says_it_is_behind_has_answered_and_did_not_fail() -> None:
    one, first, _ = two()
    error, status = SourceBehind("downloading"), SourceStatus(Tip(5, "05"))
    one.fail(first, error, NOW, 0.5, done(status=status))
    assert (first.error, first.errors, first.tip) == (None, 0, status.tip)
    assert first.assessment == Assessment(Standing.BEHIND, "downloading")
    assert first.answered_at == WALL
    assert one.report.freshness.standing == "behind"


def test_one_that_is_behind_without_a_word_of_itself_failed() -> None:
    for told in (None, done()):
        one, first, _ = two()
        one.fail(first, SourceBehind("downloading"), NOW, 0.5, told)
        assert (first.errors, first.error) == (1, "downloading")


def test_one_that_asks_for_a_pause_gets_it_and_is_not_held_to_have_failed() -> None:
    for error, wait_s in (
        (SourceBusy("429"), 30.0),
        (SourceBusy("429", retry_after_s=0.5), 0.5),
        (SourceUnavailable("503", retry_after_s=50.0), 50.0),
    ):
        one, first, _ = two()
        one.fail(first, error, NOW, 0.5)
        assert first.wait_s(NOW) == wait_s
        assert (first.errors, first.breaker.failures) == (1, 0)


def test_ten_minutes_a_source_that_contradicts_the_others_is_left_alone() -> None:
    one, first, other = two()
    one.answered(first, done(), NOW)
    one.set_aside("s0", "of a payment", NOW)
    assert first.distrust == "set aside: of a payment"
    assert first.wait_s(NOW) == 600.0
    assert other.distrust is None
    assert other.wait_s(NOW) == 0
    fresh = one.report.freshness
    assert (fresh.live, fresh.reason) == (False, "set aside: of a payment")


def test_the_others_are_probed_every_half_minute() -> None:
    one, _, other = two()
    other.breaker = other.breaker.resting(NOW - 9, 5.0)
    assert one.probes(NOW, 3) == [other]
    assert other.probe_at == NOW + 30.0
    assert other.breaker.state(NOW) is BreakerState.HALF_OPEN
    assert other.wait_s(NOW) == 120.0, "one question at a time"
    other.breaker = other.breaker.after_success()
    assert one.probes(NOW + 29.9, 3) == []
    assert one.probes(NOW + 30.0, 3) == [other]


def test_a_probe_s_answer_is_held_against_the_best_tip() -> None:
    one, _, other = two(Best(Tip(105, "cc" * 32), WALL))
    one.probed(Probed(1, SourceStatus(TIP), None, 41, WALL + 3), NOW, 0.5)
    assert (other.tip, other.answered_at, other.requests) == (TIP, WALL + 3, 41)
    assert other.assessment is not None
    assert other.assessment.standing is Standing.BEHIND
    assert other.since_when == WALL + 3
    one.probed(Probed(1, None, SourceUnavailable("gone"), 42, WALL + 4), NOW, 0.5)
    assert (other.error, other.errors, other.requests) == ("gone", 1, 42)


def test_a_probe_costs_one_request() -> None:
    one = Witnesses([replace_budget(spec(0))], None, "regtest")
    (feed,) = one.feeds
    one.probed(Probed(0, SourceStatus(TIP), None, 900, WALL), NOW, 0.5)
    assert feed.budget is not None
    assert feed.budget.tokens == 6 - 1


def replace_budget(one: FeedSpec) -> FeedSpec:
    return FeedSpec(one.name, one.kind, one.worker, False, 1.0, per_minute=60.0)


def test_what_was_known_is_believed_unless_better_was_heard() -> None:
    one = Witnesses([spec(0)], None, "regtest")
    low, high = Best(TIP, WALL), Best(HIGHER, WALL)
    one.believe(low)
    assert (one.best, one.report.best) == (low, low)
    one.believe(high)
    assert one.best is high
    one.believe(low)
    assert (one.best, one.report.best) == (high, high)


def test_the_best_tip_of_all_that_was_heard_is_reported_at_once() -> None:
    one, _, _ = two()
    before = one.report
    one.heard(WALL, None)
    assert one.report is before
    one.heard(WALL, SourceStatus(HIGHER), None, SourceStatus(TIP))
    assert one.best is not None
    assert (one.best.tip, one.best.shown_at) == (HIGHER, WALL)
    assert one.report.best is one.best


def test_without_an_asked_source_only_standings_are_noted() -> None:
    one, first, other = two()
    one.active = None
    before = one.report.freshness
    one.probed(Probed(1, SourceStatus(TIP), None, 1, WALL), NOW, 0.5)
    assert one.report.freshness is before
    assert (other.told, other.since_when) == (Standing.CURRENT, WALL)
    assert (first.told, first.since_when) == (None, None), "it has said nothing yet"


def test_a_source_that_has_said_nothing_is_not_live_though_others_have() -> None:
    one, _, other = two()
    one.answered(other, done(1), NOW)
    fresh = one.report.freshness
    assert (fresh.source, fresh.live, fresh.standing) == ("s0", False, None)
    assert fresh.tip_height is None

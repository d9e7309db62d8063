"""Which source is asked, and of which a person is told, by what is kept of each."""

from typing import cast

from actors.messages import Poll, Round
from actors.sources.aside import Aside
from actors.sources.choice import (
    ALERTS,
    alerts,
    choose,
    due_probes,
    is_fit,
    standing_of,
)
from actors.sources.feed_state import Feed, FeedSpec
from engine.chain.feed import Tip
from engine.chain.witness import CURRENT, Assessment, Standing
from engine.policy.token_bucket import TokenBucket
from engine.ports import Alert
from engine.runtime.ref import Ref
from tests.unit.actors.sources.plan import A, B


def feed(number: int) -> Feed:
    somebody = cast(Ref, object())
    return Feed(number, FeedSpec(f"source {number}", "esplora", somebody, False, 10.0))


def failed(one: Feed, times: int, now: float) -> Feed:
    for _ in range(times):
        one.breaker = one.breaker.taking(now).after_failure(now, 0.5)
    one.error = "connection refused"
    return one


def test_a_source_that_failed_once_is_no_alert_yet_and_one_that_is_down_is() -> None:
    fine = feed(0)
    assert alerts([fine, failed(feed(1), 1, 1.0)], 1.0) == ()
    (alert,) = alerts([fine, failed(feed(1), 3, 1.0)], 1.0)
    assert (alert.subject, alert.detail) == ("source 1", "connection refused")
    assert alert.since == 0, "nobody was told since when"


def test_a_source_that_rests_and_did_not_fail_is_no_alert() -> None:
    one = failed(feed(1), 3, 1.0)
    one.error = None
    assert alerts([feed(0), one], 1.0) == ()


def test_one_round_aside_is_under_way_at_a_time() -> None:
    feeds = active, _, _ = [feed(number) for number in range(3)]
    aside = Aside()
    aside.bar(Poll(A, due=0.0), active, feeds, 1.0)
    first = aside.plan(feeds, active, None, {A: "a"}, {}, 1.0, 0)
    assert first is not None
    assert first[0] is feeds[1]
    aside.bar(Poll(B, due=0.0), active, feeds, 1.0)
    assert aside.plan(feeds, active, None, {B: "b"}, {}, 1.0, 0) is None
    feeds[1].busy = None
    assert aside.plan(feeds, active, None, {B: "b"}, {}, 1.0, 0) is not None


NOW = 1_000.0
SLIGHT = Assessment(Standing.BEHIND, "a block late", is_slight=True)
FAR = Assessment(Standing.BEHIND, "far behind")


def at(number: int, height: int, worth: Assessment = FAR) -> Feed:
    one = feed(number)
    one.tip, one.assessment = Tip(height, f"{height}"), worth
    return one


def test_the_first_that_is_current_is_asked_in_order_of_preference() -> None:
    first, second = at(0, 50), at(1, 50, CURRENT)
    assert choose([first, second], first, NOW) is second
    first.assessment = CURRENT
    assert choose([first, second], second, NOW) is first
    assert choose([], None, NOW) is None


def test_one_of_which_nothing_is_known_may_be_current() -> None:
    assert is_fit(feed(0), NOW)


def test_one_that_rests_is_not_asked_and_one_that_was_down_last() -> None:
    first, second = at(0, 50, CURRENT), at(1, 50, CURRENT)
    first.breaker = first.breaker.resting(NOW, 5.0)
    assert choose([first, second], first, NOW) is second
    assert choose([first, second], second, NOW + 5.0) is second, "probed first"
    assert choose([first], first, NOW + 5.0) is first
    assert choose([first], first, NOW + 4.9) is None


def test_a_block_late_is_forgiven_for_half_a_minute() -> None:
    late = at(0, 50, SLIGHT)
    assert is_fit(late, NOW)
    late.behind_from = NOW - 29.9
    assert is_fit(late, NOW)
    late.behind_from = NOW - 30.0
    assert not is_fit(late, NOW)
    far = at(0, 50)
    assert not is_fit(far, NOW)


def test_of_those_behind_the_longest_chain_is_asked_and_stayed_with_within_ten() -> (
    None
):
    low, high = at(0, 100), at(1, 110)
    assert choose([low, high], None, NOW) is high
    assert choose([low, high], low, NOW) is low, "ten blocks are no reason to leave"
    high.tip = Tip(111, "111")
    assert choose([low, high], low, NOW) is high
    assert choose([low, high], high, NOW) is high
    low.breaker = low.breaker.resting(NOW, 5.0)
    high.tip = Tip(101, "101")
    assert choose([low, high], low, NOW) is high, "the one that was asked rests"


def test_no_tip_is_lower_than_the_first_block() -> None:
    none, genesis = at(0, 0), at(1, 0)
    none.tip = None
    assert choose([none, genesis], None, NOW) is genesis


def test_those_not_asked_are_probed_when_it_is_time_and_they_may_be() -> None:
    active, due, busy, later, rests, poor = feeds = [feed(n) for n in range(6)]
    for one in feeds:
        one.probe_at = NOW
    busy.busy = Round(1)
    later.probe_at = NOW + 0.1
    rests.breaker = rests.breaker.resting(NOW, 1.0)
    poor.budget = TokenBucket.per_minute(60).spend(4)
    assert due_probes(feeds, active, NOW, 3) == [due]
    assert due_probes(feeds, None, NOW, 2) == [active, due, poor]


def test_people_are_told_why_a_source_is_not_current() -> None:
    one = at(0, 50, CURRENT)
    assert standing_of(one, NOW) == (Standing.CURRENT, None)
    one.assessment = SLIGHT
    assert standing_of(one, NOW) == (Standing.CURRENT, None)
    one.assessment = FAR
    assert standing_of(one, NOW) == (Standing.BEHIND, "far behind")
    one.error = "refused"
    assert standing_of(one, NOW) == (Standing.FAILING, "refused")
    one.distrust, one.distrusted_until = "contradicts", NOW + 1
    assert standing_of(one, NOW) == (Standing.BEHIND, "contradicts")
    assert standing_of(one, NOW + 1) == (Standing.FAILING, "refused")
    assert standing_of(feed(1), NOW) == (Standing.CURRENT, None)


def test_an_alert_says_what_is_wrong_since_when() -> None:
    behind = at(0, 50)
    behind.since_when = 5_000
    (alert,) = alerts([behind, feed(1)], NOW)
    assert alert == Alert("source.behind", "source 0", "far behind", 5_000)
    behind.distrust, behind.distrusted_until = "contradicts", NOW + 1
    (alert,) = alerts([behind, feed(1)], NOW)
    assert alert == Alert("source.contradicts", "source 0", "contradicts", 5_000)


def test_when_all_are_wrong_that_is_an_alert_of_its_own_since_the_last_one() -> None:
    one, two = at(0, 50), failed(at(1, 50), 3, NOW)
    one.since_when, two.since_when = 9_000, 5_000
    found = alerts([one, two], NOW)
    assert [alert.kind for alert in found] == [
        "source.behind",
        "source.failing",
        "sources.none_current",
    ]
    assert (found[-1].subject, found[-1].since) == ("", 9_000)
    assert alerts([], NOW) == ()
    assert {alert.kind for alert in found} < ALERTS
    assert len(ALERTS) == 4

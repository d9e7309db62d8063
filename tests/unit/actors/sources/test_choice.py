"""Which source is asked, and of which a person is told, by what is kept of each."""

from typing import cast

from actors.messages import Poll
from actors.sources.aside import Aside
from actors.sources.choice import alerts
from actors.sources.feed_state import Feed, FeedSpec
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

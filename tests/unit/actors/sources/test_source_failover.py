"""Sources that fail, lie, crash or ask for a pause: who is asked next, what is told."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.messages import Unwatch
from actors.sources.aside import BARRED_S
from engine.chain.feed import Output, Tip
from engine.errors import (
    HistoryIncomplete,
    SourceBusy,
    SourceGarbage,
    SourceUnavailable,
)
from tests.tools.fake_feed import FakeFeed, make_tx
from tests.unit.actor_stage import ActorStage
from tests.unit.actors.sources.market import Market


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[ActorStage]:
    staged = ActorStage(tmp_path)
    yield staged
    staged.close()


def test_a_failing_source_tells_nothing_and_the_next_is_asked_at_once(
    stage: ActorStage,
) -> None:
    market = Market(stage, "one", "two")
    market.watch("a")
    one, two = market.feeds
    one.down = SourceUnavailable("connection refused")
    market.poll("a")
    stage.pass_s(0.5)
    assert one.asked == []
    assert two.asked == ["a"]
    assert [s.view.source for s in market.seen("a")] == ["two"]
    assert market.state("one").last_error == "connection refused"
    assert market.state("two").active


def test_the_first_source_is_preferred_again_when_it_has_recovered(
    stage: ActorStage,
) -> None:
    market = Market(stage, "one", "two")
    market.watch("a")
    one, _two = market.feeds
    one.down = SourceUnavailable("connection refused")
    stage.pass_s(120)
    one.down = None
    stage.pass_s(130)
    market.poll("a")
    stage.pass_s(1)
    assert one.asked == ["a"]
    assert market.state("one").state == "closed"


def test_when_all_sources_fail_only_the_freshness_changes(stage: ActorStage) -> None:
    market = Market(stage, "one", "two")
    market.watch("a", "b")
    for feed in market.feeds:
        feed.down = SourceUnavailable("connection refused")
    market.poll("a")
    market.poll("b", 5.0)
    stage.pass_s(300)
    assert market.seen("a") == market.seen("b") == []
    assert market.freshness()[-1][1] is False
    assert stage.published.now.freshness.live is False
    for feed in market.feeds:
        assert feed.requests < 60
        feed.down = None
    stage.pass_s(130)
    assert len(market.seen("a")) == len(market.seen("b")) == 1
    assert stage.published.now.freshness.live is True


def test_a_source_that_asks_for_a_pause_gets_it(stage: ActorStage) -> None:
    market = Market(stage, "one")
    market.watch("a")
    one = market.feeds[0]
    one.down = SourceBusy("429 Too Many Requests", retry_after_s=90.0)
    market.poll("a")
    stage.pass_s(1)
    before = one.requests
    one.down = None
    stage.pass_s(85)
    assert one.requests == before
    stage.pass_s(20)
    assert len(market.seen("a")) == 1


def test_an_address_that_cannot_be_read_holds_up_no_other(stage: ActorStage) -> None:
    market = Market(stage, "one")
    market.watch("bad", "b", "c")
    one = market.feeds[0]
    one.bad["bad"] = SourceGarbage("over 10,000 transactions")
    for _ in range(5):
        market.poll("bad", 1.0)
        market.poll("b", 2.0)
        market.poll("c", 3.0)
        stage.pass_s(15)
    shown = [seen.view for seen in market.seen("bad")]
    assert {(view.complete, view.gap) for view in shown} == {
        (False, "over 10,000 transactions")
    }, "its watcher says so"
    assert not any(view.outputs for view in shown)
    assert len(market.seen("b")) == len(market.seen("c")) == 5
    assert market.state("one").state == "closed"


def test_of_an_address_that_cannot_be_read_whole_what_there_is_is_shown(
    stage: ActorStage,
) -> None:
    market = Market(stage, "one")
    names = [f"a{n}" for n in range(8)]
    market.watch(*names, "b")
    one = market.feeds[0]
    for name in names:
        paid = Output(f"newest of {name}", 0, 1_000)
        one.bad[name] = HistoryIncomplete("too many transactions", (paid,))
    for name in names:
        market.poll(name, 1.0)
    market.poll("b", 2.0)
    stage.pass_s(15)
    (seen,) = market.seen("a0")
    assert [output.txid for output in seen.view.outputs] == ["newest of a0"]
    assert not seen.view.complete
    (other,) = market.seen("b")
    assert other.view.complete
    assert market.state("one").errors == 0, "it is no fault of the source"


def test_a_receipt_not_listed_whose_block_stands_proves_an_old_index(
    stage: ActorStage,
) -> None:
    market = Market(stage, "one")
    market.watch("a", "b")
    market.feeds[0].on_chain.add("block of a")
    market.feeds[0].off_chain.add("block of b")
    market.poll("a", 0.0, "block of a")
    market.poll("b", 0.0, "block of b")
    stage.pass_s(2)
    (a,), (b,) = market.seen("a"), market.seen("b")
    assert (a.view.complete, a.view.off_chain) == (False, ())
    assert (b.view.complete, b.view.off_chain) == (True, ("block of b",))


@pytest.mark.parametrize(
    ("height", "known", "asked"),
    [(980, False, False), (989, False, True), (1_000, False, True), (995, True, False)],
)
def test_whether_the_tip_of_the_creation_stands_is_asked_where_it_matters(
    stage: ActorStage, height: int, known: bool, asked: bool
) -> None:
    """An output of about its height is older than the payment, unless it is gone."""
    market = Market(stage, "one")
    market.watch("a")
    one = market.feeds[0]
    one.height = height
    one.off_chain.add("tip")
    receipts = one.outputs("a", b"") if known else ()
    market.poll("a", 0.0, known=receipts, since=Tip(1_000, "tip"))
    stage.pass_s(2)
    assert market.seen("a")[-1].view.off_chain == (("tip",) if asked else ())


def test_a_source_that_talks_nonsense_of_everybody_is_left_for_the_next(
    stage: ActorStage,
) -> None:
    market = Market(stage, "one", "two")
    names = [f"a{n}" for n in range(12)]
    market.watch(*names)
    one, two = market.feeds
    one.bad = dict.fromkeys(names, SourceGarbage("HTML, not JSON"))
    for name in names:
        market.poll(name, 1.0)
    stage.pass_s(15)
    assert len(one.asked) <= 20
    assert market.state("one").errors > 0
    assert len(two.asked) > 0


def test_a_worker_that_crashes_is_started_again_and_its_polls_with_it(
    stage: ActorStage,
) -> None:
    market = Market(stage, "one")
    market.watch("a")
    market.feeds[0].bad["a"] = KeyError("a bug")
    market.poll("a")
    stage.pass_s(0.5)
    assert market.seen("a") == []
    market.feeds[0].bad.clear()
    stage.pass_s(60)
    assert len(market.seen("a")) == 1


def test_a_source_actor_that_starts_again_owes_nothing_for_its_past(
    stage: ActorStage,
) -> None:
    market = Market(stage, "one", per_minute=60)
    market.feeds[0].requests = 100_000
    market.ref.kill()
    market.ref.start()
    market.watch("a")
    stage.pass_s(30)
    assert len(market.seen("a")) == 1


# -- an address that one source cannot read --------------------------------------------


def test_an_address_that_one_source_cannot_read_is_asked_of_the_next(
    stage: ActorStage,
) -> None:
    market = Market(stage, "one", "two")
    one, two = market.feeds
    one.bad["much used"] = SourceGarbage("too many history entries")
    market.watch("much used", "b")
    stage.pass_s(20)
    assert two.asked == ["much used"]
    assert one.asked.count("b") == 1
    shown = market.seen("much used")[-1].view
    assert (shown.source, shown.complete, shown.is_current) == ("two", True, True)
    assert market.state("one").active, "it is asked for all the others"
    for _ in range(5):
        market.poll("much used")
        market.poll("b")
        stage.pass_s(12)
    assert one.asked.count("much used") == 1, "once is enough for a while"
    assert two.asked.count("much used") == 6
    assert {seen.view.source for seen in market.seen("b")} == {"one"}
    stage.pass_s(BARRED_S)
    one.bad.clear()
    market.poll("much used")
    stage.pass_s(12)
    assert market.seen("much used")[-1].view.source == "one", "it may be able to now"


def test_an_address_that_nobody_can_read_is_asked_as_any_other(
    stage: ActorStage,
) -> None:
    market = Market(stage, "one", "two")
    for feed in market.feeds:
        feed.bad["much used"] = SourceGarbage("too many history entries")
    market.watch("much used")
    stage.pass_s(20)
    market.poll("much used")
    stage.pass_s(20)
    one, two = market.feeds
    assert (one.asked, two.asked) == (["much used"] * 2, ["much used"])
    assert not any(seen.view.complete for seen in market.seen("much used"))


def test_a_source_that_is_asked_aside_and_fails_is_asked_again(
    stage: ActorStage,
) -> None:
    market = Market(stage, "one", "two")
    one, two = market.feeds
    one.bad["much used"] = SourceGarbage("too many history entries")
    two.down = SourceUnavailable("connection refused")
    market.watch("much used", "b")
    stage.pass_s(120)
    assert two.requests < 20
    assert market.seen("b")
    two.down = None
    stage.pass_s(90)
    assert market.seen("much used")[-1].view.source == "two"


def test_who_is_watched_no_more_is_not_asked_for_aside(stage: ActorStage) -> None:
    market = Market(stage, "one", "two")
    one, two = market.feeds
    one.bad["much used"] = SourceGarbage("too many history entries")
    two.down = SourceUnavailable("connection refused")
    market.watch("much used")
    stage.pass_s(20)
    ref = stage.node.source
    ref.tell_system(Unwatch(b"much used", market.refs["much used"]))
    two.down = None
    stage.pass_s(120)
    assert two.asked == []


def test_a_node_is_asked_for_the_few_that_an_explorer_cannot_read(
    stage: ActorStage,
) -> None:
    """It reads its blocks for them, and speaks of nobody else."""
    node = FakeFeed(height=1_000)
    much, other = "much used".ljust(22), "other".ljust(22)
    node.mine([make_tx("t", [(much.encode(), 7), (other.encode(), 8)])])
    market = Market(stage, "one", node=node)
    (one,) = market.feeds
    one.bad[much] = SourceGarbage("too many history entries")
    market.watch(much, other)
    stage.pass_s(30)
    view = market.seen(much)[-1].view
    assert (view.source, view.is_current, view.complete) == ("fake", True, True)
    assert [o.amount_sat for o in view.outputs] == [7]
    assert {seen.view.source for seen in market.seen(other)} == {"one"}
    assert market.state("one").active
    assert stage.store.source_tip("fake") is None, "its blocks were read for a few only"
    node.add(make_tx("u", [(much.encode(), 9)]))
    market.poll(much)
    stage.pass_s(12)
    view = market.seen(much)[-1].view
    assert [o.amount_sat for o in view.outputs] == [7, 9]
    one.down = SourceUnavailable("connection refused")
    market.poll(other)
    stage.pass_s(60)
    assert market.state("fake").active
    assert market.seen(other)[-1].view.source == "fake", "now it is read for all"

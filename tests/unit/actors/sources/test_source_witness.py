"""A source that is behind: what its views are worth, who is asked instead, alerts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.messages import CoverageEnded, Seen, Watch
from actors.sources.choice import PATIENCE_S, PROBE_S
from engine.chain.witness import Standing
from engine.errors import SourceUnavailable
from tests.tools.fake_feed import FakeFeed, make_tx
from tests.unit.actor_stage import ActorStage, Inbox
from tests.unit.actors.sources.reader import Reader

ALICE = b"\x00\x14" + b"a" * 20


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[ActorStage]:
    staged = ActorStage(tmp_path)
    yield staged
    staged.close()


def node(name: str, height: int = 100) -> FakeFeed:
    """Nodes of the same height have the same blocks."""
    feed = FakeFeed(height)
    feed.name = name
    return feed


def watched(stage: ActorStage) -> Inbox:
    inbox = Inbox()
    stage.node.source.tell_system(Watch(ALICE, "a", stage.start("w", inbox)))
    return inbox


def views(inbox: Inbox) -> list[Any]:
    return [m.view for m in inbox.got if isinstance(m, Seen)]


def active(stage: ActorStage) -> str:
    return stage.published.now.freshness.source


def alerts(stage: ActorStage) -> list[tuple[str, str]]:
    return [(alert.kind, alert.subject) for alert in stage.node.alerts.standing()]


# -- what its views are worth ----------------------------------------------------------


def test_a_node_that_was_rolled_back_takes_nothing_away_and_can_show_money(
    stage: ActorStage,
) -> None:
    feed = node("core")
    Reader(stage, feed)
    inbox = watched(stage)
    feed.add(make_tx("t", [(ALICE, 7)]))
    feed.mine()
    feed.mine([])
    stage.pass_s(3)
    assert views(inbox)[-1].is_current
    whole = stage.complete_as_of
    feed.undo(2)
    feed.pool.clear()
    feed.add(make_tx("new", [(ALICE, 8)]))
    stage.pass_s(20)
    assert len(views(inbox)) > 1
    assert [o.amount_sat for o in views(inbox)[-1].outputs] == [7, 8]
    for view in views(inbox)[1:]:
        assert not view.is_current
        assert not view.complete
        assert view.off_chain == ()
        assert view.tip.height == 102
    fresh = stage.published.now.freshness
    assert (fresh.live, fresh.standing) == (False, Standing.BEHIND)
    assert fresh.reason == "at block 100; block 102 was seen"
    assert fresh.since_when is not None
    assert stage.complete_as_of == whole, "silence proves nothing now"
    assert alerts(stage) == [("source.behind", "core"), ("sources.none_current", "")]
    feed.mine([])
    feed.mine([])
    stage.pass_s(5)
    last = views(inbox)[-1]
    assert (last.is_current, last.complete) == (True, True)
    assert [o.amount_sat for o in last.outputs] == [8]
    assert stage.published.now.freshness.live
    assert alerts(stage) == []
    assert stage.node.counters.snapshot()["alerts.raised"] == 2


@pytest.mark.parametrize(
    "says",
    [{"mempool_loaded": False}, {"headers": 900}, {"doubt": "its index is old"}],
)
def test_what_a_source_showed_while_it_was_behind_counts_when_it_is_current(
    stage: ActorStage, says: dict[str, object]
) -> None:
    feed = node("core")
    feed.says = says
    Reader(stage, feed)
    inbox = watched(stage)
    feed.mine([make_tx("t", [(ALICE, 7)])])
    stage.pass_s(10)
    shown = views(inbox)
    assert [o.amount_sat for o in shown[-1].outputs] == [7]
    assert not any(view.is_current or view.complete for view in shown)
    assert stage.complete_as_of is None
    feed.says = {}
    stage.pass_s(3)
    assert len(views(inbox)) == len(shown) + 1
    last = views(inbox)[-1]
    assert (last.is_current, last.complete) == (True, True)
    assert last.outputs[0].block_height == 101


def test_where_reading_starts_again_waits_for_a_view_that_counts(
    stage: ActorStage,
) -> None:
    """A restart would never show it again: it is not in the last blocks any more."""
    feed = node("core")
    reader = Reader(stage, feed)
    inbox = watched(stage)
    stage.pass_s(3)
    feed.says = {"doubt": "something"}
    feed.mine([make_tx("t", [(ALICE, 7)])])
    for _ in range(5):
        stage.pass_s(11)
        for view in views(inbox):
            stage.node.restart_point.committed(ALICE, view)
        feed.mine([])
    saved = reader.saved()
    assert saved is not None
    assert saved[0] == 100
    feed.says = {}
    for _ in range(3):
        stage.pass_s(11)
        for view in views(inbox):
            stage.node.restart_point.committed(ALICE, view)
        feed.mine([])
    saved = reader.saved()
    assert saved is not None
    assert saved[0] > 101


# -- who is asked instead --------------------------------------------------------------


def test_a_first_source_that_stands_still_is_left_for_one_that_goes_on(
    stage: ActorStage,
) -> None:
    first, second = node("first"), node("second")
    Reader(stage, first, second)
    stage.pass_s(3)
    assert active(stage) == "first"
    for _ in range(5):
        second.mine([])
    stage.pass_s(PROBE_S + 3)
    assert active(stage) == "second"
    assert stage.published.now.freshness.live
    assert alerts(stage) == [("source.behind", "first")]
    for _ in range(5):
        first.mine([])
    stage.pass_s(PROBE_S + 3)
    assert active(stage) == "first", "it is preferred when it is current again"
    assert alerts(stage) == []


def test_a_source_that_falls_back_is_left_at_once(stage: ActorStage) -> None:
    first, second = node("first"), node("second")
    Reader(stage, first, second)
    stage.pass_s(3)
    first.undo(1)
    stage.pass_s(3)
    assert active(stage) == "second"
    assert stage.published.now.freshness.live


def test_a_source_that_is_one_block_late_is_left_only_if_it_stays_so(
    stage: ActorStage,
) -> None:
    first, second = node("first"), node("second")
    Reader(stage, first, second)
    inbox = watched(stage)
    stage.pass_s(3)
    second.mine([])
    stage.pass_s(PROBE_S + 2)
    assert active(stage) == "first"
    assert stage.published.now.freshness.live, "a block on its way is nothing to tell"
    known = stage.published.now.best
    assert known is not None
    assert known.tip.height == 101
    whole = stage.complete_as_of
    first.add(make_tx("t", [(ALICE, 7)]))
    stage.pass_s(3)
    assert not views(inbox)[-1].is_current, "but it proves nothing meanwhile"
    assert stage.complete_as_of == whole
    stage.pass_s(PATIENCE_S)
    assert active(stage) == "second"


def test_when_none_is_current_the_longest_chain_is_asked(stage: ActorStage) -> None:
    first, second = node("first", 50), node("second", 90)
    first.says = second.says = {"initial_download": True, "headers": 900}
    Reader(stage, first, second)
    stage.pass_s(PROBE_S)
    assert active(stage) == "second"
    assert alerts(stage) == [
        ("source.behind", "first"),
        ("source.behind", "second"),
        ("sources.none_current", ""),
    ]
    for _ in range(45):
        first.mine([])
    stage.pass_s(PROBE_S + 3)
    assert active(stage) == "second", "a few blocks more are not worth reading anew"


def test_a_source_that_fails_is_probed_until_it_answers(stage: ActorStage) -> None:
    first, second = node("first"), node("second")

    def fail(_call: str) -> None:
        raise SourceUnavailable("second: gone")

    second.on_call = fail
    Reader(stage, first, second)
    stage.pass_s(PROBE_S * 5)
    assert ("source.failing", "second") in alerts(stage)
    assert second.requests <= 6
    assert stage.published.now.freshness.live
    second.on_call = lambda _call: None
    stage.pass_s(PROBE_S * 3)
    assert alerts(stage) == []


def test_a_first_source_that_hangs_is_probed_and_not_asked_in_place_of_another(
    stage: ActorStage,
) -> None:
    """A round with it lasts a whole deadline, in which nobody else would be asked."""
    first, second = node("first"), node("second")
    Reader(stage, first, second)
    stage.pass_s(3)
    assert active(stage) == "first"
    asked: list[str] = []

    def hang(call: str) -> None:
        asked.append(call)
        raise SourceUnavailable("first: did not answer in full within 60 s", 5.0)

    first.on_call = hang
    stage.pass_s(PROBE_S * 5)
    assert active(stage) == "second"
    assert stage.published.now.freshness.live
    assert len(asked) <= 7, "once in a round, then in probes"
    first.on_call = lambda _call: None
    stage.pass_s(PROBE_S * 2)
    assert active(stage) == "first"


# -- that silence is no answer any more ------------------------------------------------


def fail(feed: FakeFeed) -> None:
    def refuse(_call: str) -> None:
        raise SourceUnavailable("connection refused")

    feed.on_call = refuse


def coverage_ends(stage: ActorStage) -> int:
    return stage.supervisor.got.count(CoverageEnded())


def test_the_supervisor_is_told_when_another_source_is_asked(stage: ActorStage) -> None:
    one, two = node("one"), node("two")
    Reader(stage, one, two)
    stage.pass_s(20)
    assert (stage.complete_as_of is not None, coverage_ends(stage)) == (True, 0)
    fail(one)
    stage.pass_s(20)
    assert (active(stage), coverage_ends(stage)) == ("two", 1)
    assert stage.complete_as_of is not None, "and then the other's word counts"


@pytest.mark.parametrize("who", ["source", "worker"])
def test_the_supervisor_is_told_when_the_source_or_its_worker_begins_anew(
    stage: ActorStage, who: str
) -> None:
    reader = Reader(stage, node("core"))
    stage.pass_s(20)
    ref = stage.node.source if who == "source" else reader.workers[0]
    ref.kill(RuntimeError("a bug"))
    stage.run()
    if not ref.is_alive:
        ref.start()
    stage.pass_s(20)
    assert coverage_ends(stage) == 1
    assert stage.complete_as_of is not None


def test_nobody_is_told_of_a_node_that_fails_with_no_other_to_ask(
    stage: ActorStage,
) -> None:
    """Nothing that a watcher did would help: silence stays an answer up to then."""
    core = node("core")
    Reader(stage, core)
    stage.pass_s(20)
    whole = stage.complete_as_of
    fail(core)
    stage.pass_s(600)
    assert (stage.complete_as_of, coverage_ends(stage)) == (whole, 0)

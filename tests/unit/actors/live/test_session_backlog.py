"""Sessions with more to tell than the wire takes: a backlog waits, and is bounded."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.live.messages import Follow, FollowAll, Unfollow
from actors.live.session import open_session
from engine.store.epochs import Position
from tests.unit.actor_stage import ActorStage
from tests.unit.actors.live.wire import Wire, connected, grow, opened


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[ActorStage]:
    staged = ActorStage(tmp_path)
    yield staged
    staged.close()


def test_a_backlog_waits_for_the_wire_and_is_told_whole(stage: ActorStage) -> None:
    stage.create("p")
    for _ in range(4):
        grow(stage, "p")
    wire = Wire()
    wire.takes = 0
    connected(stage, wire, Follow("p", since=Position(None, 0)))
    told: list[int] = []
    while told != list(range(1, stage.payment("p").seq + 1)):
        assert len(wire.waiting) == 1
        before = told
        if len(told) == 4:
            grow(stage, "p")  # what happens meanwhile comes behind the backlog
        wire.read_on(3)
        stage.run()
        told = [seq for _, seq in wire.of("event")]
        assert len(before) < len(told) <= len(before) + 3
    assert len(wire.of("state")) == 1
    wire.read_on(None)
    stage.run()
    grow(stage, "p")
    assert wire.of("event")[-1] == ("p", stage.payment("p").seq)
    assert wire.closed == []


def test_what_waited_behind_a_backlog_waits_for_the_wire_too(
    stage: ActorStage,
) -> None:
    stage.create("p")
    grow(stage, "p")
    wire = Wire()
    wire.takes = stage.payment("p").seq  # all there is, and nothing more
    ref = open_session(stage.node, "session", wire)
    ref.tell(Follow("p", since=Position(None, 0)))
    grow(stage, "p")
    stage.run()
    wire.read_on(None)
    stage.run()
    last = stage.payment("p").seq
    assert wire.of("event") == [("p", n) for n in range(1, last + 1)]


def test_who_unfollows_while_its_backlog_waits_hears_no_more(
    stage: ActorStage,
) -> None:
    stage.create("p")
    grow(stage, "p")
    wire = Wire()
    wire.takes = 1
    ref = connected(stage, wire, Follow("p", since=Position(None, 0)))
    ref.tell(Unfollow("p"))
    stage.run()
    wire.read_on(None)
    stage.run()
    assert wire.of("event") == [("p", 1)]


def test_who_follows_everything_gets_its_backlog_at_its_own_pace(
    stage: ActorStage,
) -> None:
    stage.create("p")
    stage.create("q")
    grow(stage, "p")
    wire = Wire()
    wire.takes = 1
    connected(stage, wire, FollowAll(0, None))
    for _ in range(stage.payment("p").seq + stage.payment("q").seq):
        wire.read_on(1)
        stage.run()
    wire.read_on(None)
    stage.run()
    for name in ("p", "q"):
        seqs = [seq for told, seq in wire.of("event") if told == name]
        assert seqs == list(range(1, stage.payment(name).seq + 1))


def test_a_client_that_does_not_read_is_let_go_and_forgotten(
    stage: ActorStage,
) -> None:
    stage.create("p")
    wire = opened(stage, Follow("p"), room=3)
    grow(stage, "p")
    grow(stage, "p")
    assert len(wire.lines) == 3
    assert wire.closed == [1001]
    stage.run()
    assert stage.node.sessions.now == 0
    router: Any = stage.node.router.actor
    assert not router._everyone

"""The root: whatever a core actor dies of, it and what depends on it start again."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import gevent
import pytest

from actors.facts.published import Health, Published
from actors.node import Node, Settings
from actors.root import CLIENT_READERS, READERS, FeedConfig, RootActor, build_tree
from engine.runtime.actor import Actor
from engine.runtime.ref import ActorScope, Ref
from engine.runtime.simulation import SimulatedClock, SimulatedDispatcher
from engine.secrets.vault import Vault
from engine.store.sqlite.journal import Journal
from tests.tools.direct_store import DirectStore
from tests.tools.fake_feed import FakeFeed


class Core(Actor):
    """Raises what it is told."""

    __slots__ = ("_ended",)

    def __init__(self, ended: list[str]) -> None:
        self._ended = ended

    def on_stop(self) -> None:
        self._ended.append(self.ref.name)

    def on_receive(self, message: object) -> None:
        if isinstance(message, BaseException):
            raise message


class Tree:
    """Three core actors under a root."""

    def __init__(self) -> None:
        self.clock = SimulatedClock(0)
        self.dispatcher = SimulatedDispatcher(Random(1))
        self.node = node = Node(self.clock, self.dispatcher, Random(1), Settings())
        self.gave_up: list[str] = []
        self.published = Published(False)
        self.ended: list[str] = []
        self.children: list[Ref] = []
        scope = ActorScope(
            self.dispatcher,
            lambda _name: RootActor(
                node, self.children, self.published, self.gave_up.append
            ),
        )
        self.root = root = Ref(scope, "root")
        core = ActorScope(self.dispatcher, lambda _name: Core(self.ended), parent=root)
        self.children += [Ref(core, name) for name in ("first", "second", "third")]
        root.start()
        self.settle()

    def settle(self, seconds: int = 60) -> None:
        for _ in range(seconds * 10):
            self.run()
            self.clock.advance(100)

    def run(self) -> None:
        _run(self.dispatcher)

    def lives(self) -> list[int]:
        assert all(child.is_alive for child in self.children)
        return [child.incarnation for child in self.children]


def test_what_depends_on_a_crashed_actor_starts_again_with_it() -> None:
    tree = Tree()
    tree.children[1].tell(ValueError("a bug"))
    tree.settle()
    assert tree.lives() == [1, 2, 2]


class Question(ValueError):
    """A message that crashes who handles it, and that somebody waits for."""

    dropped = False

    def on_dropped(self) -> None:
        self.dropped = True


def test_who_waits_for_what_a_core_actor_crashed_on_is_told() -> None:
    tree = Tree()
    question = Question("a bug")
    tree.children[1].tell(question)
    tree.settle()
    assert question.dropped
    assert tree.lives() == [1, 2, 2]


def test_an_actor_killed_by_nobody_of_ours_starts_again_too() -> None:
    tree = Tree()
    tree.children[1].tell(gevent.GreenletExit())
    tree.settle()
    assert tree.lives() == [1, 2, 2]


def test_one_that_is_killed_while_others_wait_to_start_again_starts_again_too() -> None:
    tree = Tree()
    tree.children[1].tell(ValueError("a bug"))
    while tree.children[2].is_alive:
        tree.dispatcher.step()
    tree.children[0].kill()
    tree.settle()
    assert tree.lives()[0] == 2


def test_the_root_gives_up_when_starting_again_does_not_help() -> None:
    tree = Tree()
    for _ in range(6):
        tree.children[0].tell(ValueError("a bug"))
        tree.settle(seconds=5)
    assert len(tree.gave_up) == 1
    assert "first" in tree.gave_up[0]


def test_those_before_a_crashed_actor_go_on() -> None:
    tree = Tree()
    tree.children[2].tell(ValueError("a bug"))
    tree.settle()
    assert tree.lives() == [1, 1, 2]


def test_when_the_root_gives_up_everybody_can_read_it() -> None:
    tree = Tree()
    for _ in range(5):
        tree.children[0].tell(ValueError("a bug"))
        tree.settle(seconds=5)
    assert (tree.gave_up, tree.published.now) == ([], False)
    assert tree.lives() == [6, 6, 6]
    tree.children[0].tell(ValueError("a bug"))
    tree.settle(seconds=5)
    assert tree.published.now
    assert not tree.children[0].is_alive


def test_crashes_that_are_far_apart_are_forgiven() -> None:
    tree = Tree()
    for _ in range(10):
        tree.children[0].tell(ValueError("a bug"))
        tree.settle(seconds=61)
    assert tree.gave_up == []
    assert tree.node.counters["core.crashes"] == 10


def test_nobody_starts_again_before_the_backoff_is_over() -> None:
    tree = Tree()
    tree.children[1].tell(ValueError("a bug"))
    tree.run()
    assert [child.is_alive for child in tree.children] == [True, False, False]
    tree.clock.advance(79)  # 0.1 s, a fifth less at least
    tree.run()
    assert not tree.children[1].is_alive
    tree.clock.advance(42)
    tree.run()
    assert tree.lives() == [1, 2, 2]


def test_what_is_stopped_is_not_started_again() -> None:
    tree = Tree()
    tree.root.stop()
    tree.settle()
    assert all(child.is_stopped for child in (*tree.children, tree.root))
    assert tree.node.counters["core.crashes"] == 0
    assert sorted(tree.ended) == ["first", "second", "third"]


def test_of_two_crashes_in_a_row_the_earlier_child_says_who_starts_again() -> None:
    tree = Tree()
    tree.children[2].tell(ValueError("a bug"))
    tree.run()
    tree.children[1].tell(ValueError("another"))
    tree.settle()
    assert tree.lives() == [1, 2, 2]


@pytest.fixture
def built(tmp_path: Path) -> Iterator[tuple[Node, Ref, SimulatedDispatcher]]:
    """A whole node with two sources; nothing runs by itself."""
    dispatcher = SimulatedDispatcher(Random(1))
    node = Node(SimulatedClock(0), dispatcher, Random(1), Settings())
    journal = Journal(tmp_path / "node.db", synchronous="OFF")
    store = DirectStore(journal)
    root = build_tree(
        node,
        writer=store,
        reader=store,
        client_reader=store,
        feeds=[
            FeedConfig("bitcoind", FakeFeed(), by_block=True),
            FeedConfig(
                "esplora", FakeFeed(), by_block=False, every_s=5.0, per_minute=60.0
            ),
        ],
        vault=Vault(bytes(32)),
        sender=None,  # type: ignore[arg-type]
        give_up=lambda _text: None,
    )
    root.start()
    yield node, root, dispatcher
    journal.close()


def _run(dispatcher: SimulatedDispatcher) -> None:
    while dispatcher.step() is not None:
        pass


def test_a_node_that_is_built_boots(
    built: tuple[Node, Ref, SimulatedDispatcher],
) -> None:
    node, root, dispatcher = built
    assert not node.health.booted
    _run(dispatcher)
    refs = (*node.readers, node.journal, node.router, node.source, node.notifiers)
    assert all(ref.is_alive for ref in (*refs, node.supervisor, root))
    assert len(node.readers) == READERS == 2
    assert len(node.client_readers) == CLIENT_READERS == 16
    assert all(ref.is_alive for ref in node.client_readers)
    assert node.health == Health(journal=None, booted=True, fatal=False)
    assert (len(node.watchers), node.sessions.now) == (0, 0)


def test_while_the_supervisor_is_away_the_node_is_not_booted(
    built: tuple[Node, Ref, SimulatedDispatcher],
) -> None:
    """Else a new source reads past blocks that pay scripts that it does not know."""
    node, _root, dispatcher = built
    _run(dispatcher)
    node.journal.kill()
    _run(dispatcher)
    assert not node.supervisor.is_alive
    assert not node.health.booted


def test_a_source_is_looked_at_once_a_second_and_as_often_as_it_likes() -> None:
    feed: Any = None
    config = FeedConfig("bitcoind", feed, by_block=True)
    assert (config.every_s, config.per_minute, config.by_block) == (1.0, None, True)


def test_those_whom_all_ask_have_room_for_what_comes_at_once(
    built: tuple[Node, Ref, SimulatedDispatcher],
) -> None:
    """A batch is a thousand payments, a block touches a hundred thousand: with a tenth
    of the room a busy minute would be refused."""
    node, _root, dispatcher = built
    _run(dispatcher)
    refs = (node.journal, *node.readers, node.supervisor, node.source)
    rooms = {ref.name.partition(".")[0]: ref.scope.mailbox_limit for ref in refs}
    assert rooms == {
        "journal": 20_000, "reader": 20_000, "supervisor": 20_000, "source": 200_000,
    }  # fmt: skip


def test_those_who_wait_for_the_outside_have_a_greenlet_to_wait_in(
    built: tuple[Node, Ref, SimulatedDispatcher],
) -> None:
    node, _root, dispatcher = built
    _run(dispatcher)
    source: Any = node.source.actor
    specs = [feed.spec for feed in source.planner.feeds]
    waiting = [*node.readers, *node.client_readers, *(spec.worker for spec in specs)]
    busy = [node.journal, node.router, node.source, node.notifiers, node.supervisor]
    assert all(ref.scope.blocking is True for ref in waiting)
    assert all(ref.scope.blocking is False for ref in busy)
    assert all(ref.scope.turn_timeout_s is None for ref in (*waiting, *busy))
    kinds = [
        (spec.kind, spec.by_block, spec.every_s, spec.per_minute) for spec in specs
    ]
    assert kinds == [("bitcoind", True, 1.0, None), ("esplora", False, 5.0, 60.0)]
    assert [spec.name for spec in specs] == [FakeFeed().name] * 2
    names = [spec.worker.name for spec in specs]
    assert names == [f"feed.{n}.{FakeFeed().name}" for n in range(2)]
    assert all(spec.worker.is_alive for spec in specs)

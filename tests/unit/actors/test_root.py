"""The root: whatever a core actor dies of, it and what depends on it start again."""

from random import Random

import gevent

from actors.node import Node, Settings
from actors.published import Published
from actors.root import RootActor
from engine.runtime.actor import Actor
from engine.runtime.ref import Ref, Scope
from engine.runtime.simulation import SimulatedClock, SimulatedDispatcher


class Core(Actor):
    """Raises what it is told."""

    __slots__ = ()

    def __init__(self) -> None: ...

    def on_receive(self, message: object) -> None:
        if isinstance(message, BaseException):
            raise message


class Tree:
    """Three core actors under a root."""

    def __init__(self) -> None:
        self.clock = SimulatedClock(0)
        self.dispatcher = SimulatedDispatcher(Random(1))
        node = Node(self.clock, self.dispatcher, Random(1), Settings())
        self.gave_up: list[str] = []
        self.children: list[Ref] = []
        scope = Scope(
            self.dispatcher,
            lambda _name: RootActor(
                node, self.children, Published(False), self.gave_up.append
            ),
        )
        root = Ref(scope, "root")
        core = Scope(self.dispatcher, lambda _name: Core(), parent=root)
        self.children += [Ref(core, name) for name in ("first", "second", "third")]
        root.start()
        self.settle()

    def settle(self, seconds: int = 60) -> None:
        for _ in range(seconds * 10):
            while self.dispatcher.step() is not None:
                pass
            self.clock.advance(100)

    def lives(self) -> list[int]:
        assert all(child.is_alive for child in self.children)
        return [child.incarnation for child in self.children]


def test_what_depends_on_a_crashed_actor_starts_again_with_it() -> None:
    tree = Tree()
    tree.children[1].tell(ValueError("a bug"))
    tree.settle()
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

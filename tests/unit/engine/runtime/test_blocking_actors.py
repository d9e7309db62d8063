"""Blocking actors: their turns run in greenlets, but one at a time for each actor."""

from collections.abc import Iterator

import pytest
from gevent.event import Event

from engine.runtime.actor import Actor
from engine.runtime.dispatcher import GeventDispatcher
from engine.runtime.ref import ActorScope, Exited, ExitReason, Ref
from tests.tools.wait import wait_until


class Gated(Actor):
    """Writes down when it begins and ends; waits at the gate in between."""

    __slots__ = ("_gate", "_log")

    blocking = True

    def __init__(self, log: list[str], gate: Event) -> None:
        self._log = log
        self._gate = gate

    def on_receive(self, message: object) -> None:
        self._log.append(f"begin {message}")
        self._gate.wait(timeout=60)
        self._log.append(f"end {message}")


def test_mail_that_comes_while_a_blocking_actor_waits_is_handled_after_it() -> None:
    log: list[str] = []
    gate = Event()
    dispatcher = GeventDispatcher()
    dispatcher.start()
    scope = ActorScope(
        dispatcher=dispatcher, factory=lambda _name: Gated(log, gate), blocking=True
    )
    ref = Ref(scope, "gated")
    ref.start()
    ref.tell(1)
    wait_until(lambda: log == ["begin 1"], 5, "the first message to be in work")
    turns = dispatcher.turns
    ref.tell(2)
    ref.tell(3)
    assert dispatcher.turns == turns, "a second greenlet was given the same actor"
    wait_until(lambda: log == ["begin 1"], 5, "others to run meanwhile")
    gate.set()
    wait_until(lambda: len(log) == 6, 5, "all to be handled")
    assert log == ["begin 1", "end 1", "begin 2", "end 2", "begin 3", "end 3"]
    dispatcher.stop()


class Holding(Actor):
    """Does one of its hooks only when the gate opens."""

    blocking = True

    def __init__(self, gate: Event, asked: list[str]) -> None:
        self._gate = gate
        self._asked = asked
        self.got: list[object] = []

    def on_receive(self, message: object) -> None:
        self.got.append(message)
        if message == "wait, then ask":
            self._gate.wait(timeout=60)
            self.await_reply(lambda _reply: self._asked.append("asked"), print)
        elif message == "wait, then stop":
            self._gate.wait(timeout=60)
            self.stop()
        elif message == "wait, then crash":
            self._gate.wait(timeout=60)
            raise ValueError("late")

    def on_stop(self) -> None:
        self._asked.append("stopping")
        self._gate.wait(timeout=60)


class Parent(Actor):
    def __init__(self) -> None:
        self.reports: list[Exited] = []

    def on_receive(self, message: object) -> None:
        assert isinstance(message, Exited)
        self.reports.append(message)


@pytest.fixture
def dispatcher() -> Iterator[GeventDispatcher]:
    dispatcher = GeventDispatcher()
    dispatcher.start()
    yield dispatcher
    dispatcher.stop()


class Family:
    def __init__(self, dispatcher: GeventDispatcher) -> None:
        self.gate, self.log, self.parent = Event(), [], Parent()  # type: ignore[var-annotated]
        parent = Ref(ActorScope(dispatcher, lambda _name: self.parent), "parent")
        parent.start()
        self.ref = Ref(
            ActorScope(
                dispatcher,
                lambda _name: Holding(self.gate, self.log),
                parent=parent,
                blocking=True,
            ),
            "child",
        )
        self.ref.start()

    @property
    def ends(self) -> list[tuple[int, ExitReason]]:
        return [(one.incarnation, one.reason) for one in self.parent.reports]


@pytest.fixture
def family(dispatcher: GeventDispatcher) -> Family:
    return Family(dispatcher)


@pytest.mark.parametrize(
    "late", ["wait, then ask", "wait, then stop", "wait, then crash"]
)
def test_what_a_killed_actor_does_late_is_not_done_to_its_successor(
    family: Family, late: str
) -> None:
    ref = family.ref
    ref.tell(late)
    wait_until(lambda: ref.actor is not None and ref.backlog == 0, 5, "it to wait")
    ref.kill()
    ref.start()
    family.gate.set()
    ref.tell("mail of the next life")
    wait_until(
        lambda: getattr(ref.actor, "got", []) == ["mail of the next life"],
        5,
        "the successor to take mail",
    )
    assert family.log == []
    assert family.ends == [(1, ExitReason.KILLED)]
    assert ref.is_alive


@pytest.mark.parametrize("restarted", [False, True])
def test_one_that_is_killed_while_it_stops_is_reported_once_and_stays_stopped(
    family: Family, restarted: bool
) -> None:
    ref = family.ref
    ref.stop()
    wait_until(lambda: family.log == ["stopping"], 5, "it to stop")
    ref.kill()
    if restarted:
        ref.start()
    family.gate.set()
    wait_until(lambda: ref.is_stopped, 5, "it to be stopped for good")
    ends = [(1, ExitReason.KILLED), (2, ExitReason.STOPPED)]
    expected = ends if restarted else ends[:1]
    wait_until(lambda: len(family.ends) >= len(expected), 5, "the reports")
    assert family.ends == expected

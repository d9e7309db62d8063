"""Blocking actors: their turns run in greenlets, but one at a time for each actor."""

from gevent.event import Event

from engine.runtime.actor import Actor
from engine.runtime.dispatcher import GeventDispatcher
from engine.runtime.ref import Ref, Scope
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
        self._gate.wait(timeout=5)
        self._log.append(f"end {message}")


def test_mail_that_comes_while_a_blocking_actor_waits_is_handled_after_it() -> None:
    log: list[str] = []
    gate = Event()
    dispatcher = GeventDispatcher()
    dispatcher.start()
    scope = Scope(
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

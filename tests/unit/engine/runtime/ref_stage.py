"""A parent and its children on a dispatcher that the test runs."""

from collections.abc import Callable
from random import Random

from engine.runtime.actor import Actor
from engine.runtime.ref import ActorScope, Exited, ExitReason, Ref
from engine.runtime.simulation import SimulatedDispatcher

__all__ = [
    "Asked",
    "Child",
    "Parent",
    "Stage",
]


class Parent(Actor):
    def __init__(self) -> None:
        self.reports: list[Exited] = []

    def on_receive(self, message: object) -> None:
        assert isinstance(message, Exited)
        self.reports.append(message)


class Child(Actor):
    """Raises what it is sent; keeps all else. `hooks` fail as the class says."""

    start_error: BaseException | None = None
    stop_error: BaseException | None = None

    def __init__(self, got: list[object]) -> None:
        self.got = got

    def on_start(self) -> None:
        if self.start_error is not None:
            raise self.start_error

    def on_stop(self) -> None:
        if self.stop_error is not None:
            raise self.stop_error

    def on_receive(self, message: object) -> None:
        if isinstance(message, BaseException):
            raise message
        if isinstance(message, Asked):
            message.reply("answer")
        elif callable(message):
            message(self)
        else:
            self.got.append(message)


class Asked:
    def __init__(self, reply: Callable[[str], None]) -> None:
        self.reply = reply


class Stage:
    """A parent and its children on a dispatcher that the test runs."""

    def __init__(self) -> None:
        self.dispatcher = SimulatedDispatcher(Random(7))
        self.parent_actor = Parent()
        self.parent = Ref(ActorScope(self.dispatcher, lambda _n: Parent()), "parent")
        self.parent.start(self.parent_actor)
        self.got: list[object] = []

    def child(self, name: str = "child", limit: int = 100) -> Ref:
        scope = ActorScope(
            self.dispatcher,
            lambda _name: Child(self.got),
            parent=self.parent,
            mailbox_limit=limit,
        )
        ref = Ref(scope, name)
        ref.start()
        return ref

    def run(self) -> list[tuple[ExitReason, int]]:
        while self.dispatcher.step() is not None:
            pass
        return [(r.reason, r.incarnation) for r in self.parent_actor.reports]

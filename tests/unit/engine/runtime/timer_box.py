"""A box that keeps which timers fired, for tests of the clocks."""

from random import Random

from engine.runtime.actor import Actor
from engine.runtime.ref import ActorScope, Ref
from engine.runtime.simulation import SimulatedDispatcher

__all__ = [
    "Box",
    "Dice",
    "box",
]


class Box(Actor):
    """Keeps what it is told; crashes when told so."""

    def __init__(self, got: list[object]) -> None:
        self._got = got

    def on_receive(self, message: object) -> None:
        if message == "crash":
            raise ValueError(message)
        self._got.append(message)


def box(dispatcher: object, got: list[object]) -> Ref:
    ref = Ref(ActorScope(dispatcher, lambda _name: Box(got)), "box")  # type: ignore[arg-type]
    ref.start()
    return ref


class Dice:
    """A dispatcher whose actors run when the test says so."""

    def __init__(self) -> None:
        self.dispatcher = SimulatedDispatcher(Random(1))
        self.got: list[object] = []
        self.ref = box(self.dispatcher, self.got)

    def run(self) -> list[object]:
        while self.dispatcher.step() is not None:
            pass
        return self.got

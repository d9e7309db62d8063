"""The timers of one actor, one of each kind of message. In that actor's turns."""

import msgspec

from engine.runtime.clock import Clock, Timer
from engine.runtime.ref import Ref

__all__ = ["Timers"]


class Timers:
    """Whoever gets the message says `fired`, so that it counts as pending no more."""

    __slots__ = ("_clock", "_pending", "_ref")

    def __init__(self, clock: Clock, ref: Ref) -> None:
        self._clock = clock
        self._ref = ref
        self._pending: dict[type, Timer] = {}

    def __contains__(self, kind: type) -> bool:
        return kind in self._pending

    def set(self, message: msgspec.Struct, delay_s: float) -> None:
        """In place of the one of its kind that there is."""
        self.cancel(type(message))
        timer = self._clock.call_later(delay_s, self._ref, message)
        self._pending[type(message)] = timer

    def cancel(self, kind: type) -> None:
        if (timer := self._pending.pop(kind, None)) is not None:
            timer.cancel()

    def fired(self, message: object) -> None:
        self._pending.pop(type(message), None)

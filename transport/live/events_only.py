"""A sink for those who want some of the events and nothing else of a session."""

from collections.abc import Callable

from engine.errors.codes import StreamCode
from engine.payment.model import Payment
from engine.ports import Freshness

__all__ = ["EventsOnly"]


class EventsOnly:
    """The part of `engine.ports.Sink` beside `event` and `close` that tells nothing.

    A subclass whose client can go says so with `is_open`: its session ends then.
    """

    __slots__ = ()

    @property
    def is_open(self) -> bool:
        return True

    def has_room(self, again: Callable[[], None]) -> bool:
        return True  # what it is told of is next to nothing

    def state(self, payment: Payment, since: int | None) -> bool:
        return self.is_open

    def freshness(self, freshness: Freshness) -> bool:
        return self.is_open

    def problem(self, code: StreamCode, message: str) -> bool:
        return self.is_open

"""The real edges of refunds in a world: requests that wait without a gevent hub.

What an HTTP handler does runs here as it is: `ActorGateway`, the sums of a request, the
claims. Each request is a greenlet of the process: where it would wait for an actor or
the journal, the world goes on, and it is switched back to by a thing to come. When the
process dies the request dies with it, and whoever asked hears nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast
from unittest.mock import patch

from greenlet import getcurrent, greenlet

from actors.edge.gateway import ActorGateway
from engine.gateway import Gateway

if TYPE_CHECKING:
    from tests.simulation.world import World

__all__ = ["Awaited", "Handler", "RefundDesk", "waiting_in"]

T = TypeVar("T")

Handler = Callable[[Gateway], T]


class Awaited:
    """What the edges use of gevent's `AsyncResult`, in a world's own time."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._waiter: greenlet | None = None
        self._answer: list[Any] = []

    def set(self, answer: Any) -> None:
        if not self._answer:
            self._answer.append(answer)
            self._world.in_memory(0, self._go_on)

    def wait(self, timeout: float) -> None:
        if self._answer:
            return
        self._waiter = me = getcurrent()
        self._world.in_memory(int(timeout * 1_000), self._go_on)
        assert me.parent is not None, "an edge that is no request"
        me.parent.switch()

    def ready(self) -> bool:
        return bool(self._answer)

    def get(self) -> Any:
        return self._answer[0]

    def _go_on(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.switch()


@contextmanager
def waiting_in(world: World) -> Iterator[None]:
    """The edges wait in this world."""

    def awaited() -> Awaited:
        return Awaited(world)

    with (
        patch("actors.edge.kept.AsyncResult", awaited),
        patch("engine.runtime.ask.AsyncResult", awaited),
    ):
        yield


class RefundDesk:
    """See the module docstring."""

    def __init__(self, world: World) -> None:
        self._world = world

    def ask(self, handler: Handler[T], done: Callable[[T | Exception], object]) -> None:
        """`done` gets what the handler returns or raises; nothing if the process dies
        before. Nobody listens: it gets an exception at once."""
        node = self._world.node
        if node is None:
            done(ConnectionRefusedError())
            return
        desk = cast("Any", self)  # it draws no addresses
        gateway = ActorGateway(
            node, self._world.store, self._world.channels.vault, desk
        )

        def request() -> None:
            try:
                answer: Any = handler(cast("Gateway", gateway))
            except Exception as error:  # noqa: BLE001 - as the server does
                answer = error
            done(answer)

        greenlet(request).switch()

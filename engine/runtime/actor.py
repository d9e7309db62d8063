"""The Actor class: pykka's contract, without a thread.

A subclass implements `on_receive(message)` and, if it needs them, `on_start`, `on_stop`
and `on_failure`, exactly as with pykka. It is started through a `Ref`, which owns the
mailbox; pykka's global registry and its loop are never used (the registry is a list;
the loop stops every actor of the process when one handler meets a `gevent.Timeout`).

All hooks run in the actor's turn, never two at once. Set `blocking = True` in a class
whose handlers wait for the outside world: its turns run on a pool of greenlets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pykka

from engine.runtime.mailbox import PriorityMailbox
from engine.runtime.ref import Ref

__all__ = ["Actor"]


class Actor(pykka.Actor):
    """Base of every actor. Give subclasses `__slots__`: there may be a million."""

    __slots__ = ("ref",)

    blocking: ClassVar[bool] = False
    mailbox_limit: ClassVar[int] = 1_000
    turn_timeout_s: ClassVar[float | None] = None

    # pykka's __init__ makes a UUID string, a threading.Event and a queue for each
    # actor (several KB); none of them is needed behind a Ref.
    def __init__(self) -> None:
        self.ref: Ref

    def attach(self, ref: Ref) -> None:
        """Called once by the Ref, before `on_start`."""
        self.ref = ref

    def __str__(self) -> str:
        return f"{type(self).__name__} ({self.ref.name} #{self.ref.incarnation})"

    def await_reply(
        self,
        send: Callable[[Callable[[Any], None]], object],
        then: Callable[[Any], None],
    ) -> None:
        """Ask without blocking: mail is stashed until the reply comes.

        `send` is called at once with the function to reply through; `then` runs with
        the answer in a later turn, before any other mail. If the actor dies meanwhile
        the answer is dropped.

        A blocking actor that was killed while it waited asks nothing any more: the ref
        may be another's by then.
        """
        if self._is_current():
            send(self.ref.suspend(then))

    def stop(self) -> None:
        """End this actor after the current message."""
        if self._is_current():
            self.ref.stop()

    def _is_current(self) -> bool:
        return self.ref.actor is self

    # -- pykka's hooks for implementors of actor types ---------------------------

    @staticmethod
    def _create_actor_inbox() -> Any:
        return PriorityMailbox()

    @staticmethod
    def _create_future() -> pykka.Future[Any]:
        return pykka.ThreadingFuture()

    def _start_actor_loop(self) -> None:
        raise TypeError("actors are started through a Ref, not by Actor.start()")

"""Idle actors as others make them, and our runtime without a payment on top.

Each class has a counter and answers two messages: count, and tell the count.
"""

from __future__ import annotations

from typing import Any

import gevent
import gevent.queue
import pykka

from engine.runtime.actor import Actor
from engine.runtime.dispatcher import GeventDispatcher
from engine.runtime.ref import ActorScope, Ref

__all__ = ["BareActor", "GreenletActor", "PykkaActor", "bare", "bare_scope"]


class PykkaActor(pykka.ThreadingActor):
    """pykka as it is: a thread per actor, which under gevent is a greenlet."""

    use_daemon_thread = True

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def on_receive(self, message: Any) -> int:
        self.count += 1
        return self.count


class GreenletActor:
    """One greenlet with a `gevent.queue` inbox per actor."""

    __slots__ = ("count", "greenlet", "inbox")

    def __init__(self) -> None:
        self.count = 0
        self.inbox: gevent.queue.Queue[Any] = gevent.queue.Queue()
        self.greenlet = gevent.spawn(self._run)

    def _run(self) -> None:
        while True:
            self.inbox.get()
            self.count += 1


class BareActor(Actor):
    """The least that lives on our runtime."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0

    def on_receive(self, message: Any) -> None:
        self.count += 1
        if callable(message):
            message(self.count)


def bare_scope(dispatcher: GeventDispatcher) -> ActorScope:
    return ActorScope(
        dispatcher=dispatcher,
        factory=lambda _name: BareActor(),
        mailbox_limit=1_000_000,
    )


def bare(count: int, dispatcher: GeventDispatcher) -> list[Ref]:
    """So many, started."""
    scope = bare_scope(dispatcher)
    refs = [Ref(scope, f"actor.{number}") for number in range(count)]
    for ref in refs:
        ref.start(BareActor())
    return refs

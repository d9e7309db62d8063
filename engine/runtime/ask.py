"""Waiting for an actor's answer: for edges only, never for actors.

An edge (the handler of an HTTP request) has a greenlet of its own and nothing else to
do meanwhile. An actor asks with `Actor.await_reply`, which blocks nobody.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import pykka
from gevent.event import AsyncResult

from engine.errors import MailboxFull
from engine.runtime.ref import Ref

__all__ = ["ask"]

T = TypeVar("T")


def ask(
    ref: Ref, build: Callable[[Callable[[T], None]], object], timeout_s: float
) -> T:
    """Send `build(reply)` and wait for the reply.

    Raises `MailboxFull` at once if the actor takes no more mail, and
    `pykka.Timeout` when no reply came within `timeout_s` seconds.
    """
    # A third of what pykka's future costs, whose lock every thread may take.
    reply: AsyncResult[Any] = AsyncResult()
    if not ref.tell(build(reply.set)):
        raise MailboxFull(ref.name)
    reply.wait(timeout=timeout_s)
    if not reply.ready():
        raise pykka.Timeout(f"{ref.name} did not answer within {timeout_s:g} s")
    return cast("T", reply.get())

"""What a channel is told of an event, by the version of events it was made with. Pure.

A version is a form of the body that endpoints were written for; `Channel.event_version`
says which. Today there is one. A channel with a version that is not here was made by a
newer Paybell: it rests, rather than be told what it does not understand.
"""

from collections.abc import Callable, Mapping
from typing import Final

from engine.delivery.attempt import AttemptOutcome, SendResult
from engine.delivery.channel import payload
from engine.payment.events import VERSION

__all__ = ["BODIES", "no_such_version"]

Body = Callable[[bytes, str, str, tuple[int, ...]], bytes]

BODIES: Final[Mapping[int, Body]] = {VERSION: payload}


def no_such_version(version: int) -> SendResult:
    """In place of an attempt."""
    known = ", ".join(map(str, BODIES))
    error = f"this node does not tell events of version {version} (it tells {known})"
    return SendResult(AttemptOutcome.RESTED, None, error, None, 0.0)

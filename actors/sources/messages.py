"""What the source actor, its workers and its own timers say to one another.

Rounds are in `actors/messages.py`, with all that others see of them.
"""

from collections.abc import Mapping

import msgspec

from engine.chain.feed import ChainView, SourceStatus
from engine.errors import SourceError
from engine.store.writes import SourceTip

__all__ = ["SomeViews", "BestRead", "Probe", "Probed", "ReadBest"]


class SomeViews(msgspec.Struct, frozen=True):
    """Views ahead of their `RoundDone`: of 100,000 in one message, handing them out
    would hold up everybody for half a second. `first`: what the source said of itself
    before; what follows from the views may not be committed before its tip is."""

    feed: int
    number: int
    asked_at: int
    views: Mapping[bytes, ChainView]
    first: SourceStatus


class Probe(msgspec.Struct, frozen=True):
    """How is your source? To a worker whose source is not asked now."""


class Probed(msgspec.Struct, frozen=True):
    """Its answer: a status, or why there is none."""

    feed: int
    status: SourceStatus | None
    error: SourceError | None
    requests: int
    asked_at: int  # ms


class ReadBest(msgspec.Struct, frozen=True):
    """The source actor's own timer: the best tip could not be read yet."""


class BestRead(msgspec.Struct, frozen=True):
    """Reader to source actor: the best tip as saved, None, or why it is not known."""

    answer: SourceTip | Exception | None

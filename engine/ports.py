"""Ports: what actors need of the outside, as Protocol classes. No implementation.

`transport/` implements them, `installation.py` puts the two together, simulation has
its own.
The ports of chain sources are in `engine/chain/feed.py`, of the store in
`engine/store/port.py`, of time in `engine/runtime/clock.py`; a Lightning node's is in
`engine/lightning/node.py`, with all that it says.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from engine.chain.witness import Standing
from engine.delivery.attempt import SendResult
from engine.delivery.endpoint import Endpoint
from engine.delivery.stream_ids import StreamPlan, StreamTold
from engine.errors.codes import StreamCode
from engine.lightning.node import LightningNode
from engine.money.rates import Quote
from engine.payment.events import CommittedEvent
from engine.payment.model import Payment

__all__ = [
    "Alert",
    "ChannelSender",
    "Freshness",
    "LightningNode",
    "Outside",
    "RateAnswer",
    "RateProvider",
    "Sink",
    "StreamSender",
]


class Freshness(msgspec.Struct, frozen=True):
    """How far what we show can be trusted to be present.

    `since` (ms): the last moment at which a source answered; None: never yet. `live`:
    the source that is asked now is a current witness, or was a moment ago and is a
    block late. `reason`: why its standing is not current, one line for people;
    `since_when` (ms): how long it has had that standing.
    """

    source: str
    live: bool
    since: int | None
    tip_height: int | None = None
    standing: Standing | None = None  # None: nobody has been asked yet
    reason: str | None = None
    since_when: int | None = None


class Alert(msgspec.Struct, frozen=True, gc=False):
    """Something that a person should look at, as long as it is so.

    `kind` is stable (`docs/errors.md`). `subject`: what it is about, the name of a
    source or the id of a payment. `since`: ms, when it was raised.
    """

    kind: str  # dotted: payment.waits
    subject: str
    detail: str  # one line for people; never a secret
    since: int
    merchant: str | None = None  # whom it concerns; None: the node


class Sink(Protocol):
    """One client's wire, seen from its session. Nothing blocks.

    What tells something returns False when the client is gone or too slow (the wire
    closes itself then, with 1013); the session ends.
    """

    def has_room(self, again: Callable[[], None]) -> bool:
        """Whether more of a backlog can be queued now; asked before each event of it.

        Events as they happen are not asked for: a wire keeps room for them. False:
        not now. Then `again` is called once, from any greenlet, when the client has
        read on; never if it goes before.
        """

    def state(self, payment: Payment, since: int | None) -> bool:
        """The present state, first of all. `since`: events after it follow."""

    def event(self, event: CommittedEvent) -> bool:
        """The next event, in order."""

    def freshness(self, freshness: Freshness) -> bool:
        """The sources became fresh or stale."""

    def problem(self, code: StreamCode, message: str) -> bool:
        """Something the client asked for cannot be done."""

    def close(self, code: int, reason: str) -> None:
        """End the connection with a WebSocket close code (or its like)."""


class StreamSender(Protocol):
    """Port: tells events to one stream, in their order. Blocks; never raises."""

    def tell(
        self, endpoint: Endpoint, plan: StreamPlan | None, starts: Sequence[int]
    ) -> StreamTold:
        """Look at the stream and, if it is as the plan expects, carry that out: all of
        it or nothing. `starts`: when our epochs began."""

    def forget(self, channel_id: str) -> None:
        """What is kept for this channel, a connection say, is needed no more."""


class ChannelSender(Protocol):
    """Port: tells one event to one outside endpoint. Blocks; never raises.

    `body`: the envelope of `engine/delivery/channel.py`, `payload`. `payment`: of the
    event, as it is now, for a kind that wants it (`Kind.wants_payment`); None if it is
    kept no longer, and of what is no payment's event.
    """

    def send(
        self,
        endpoint: Endpoint,
        msg_id: str,
        body: bytes,
        now_s: int,
        payment: Payment | None = None,
    ) -> SendResult: ...


class Outside(Protocol):
    """Port: who watches over the node from outside, and the disk below it. Blocks."""

    def beat(self) -> str | None:
        """Tell that the node works, if anybody is to be told. What went wrong, in one
        line that holds no secret; None: nothing. Never raises."""

    def free_bytes(self) -> int | None:
        """What is free where the database is; None: that cannot be said."""


class RateAnswer(msgspec.Struct, frozen=True):
    """What a provider of rates said: a quote for each currency, and of which currencies
    it said what can be no rate, with the reason (no quote then)."""

    quotes: tuple[Quote, ...]
    refused: tuple[tuple[str, str], ...] = ()


class RateProvider(Protocol):
    """Port: somebody who says what a bitcoin is worth. Blocks, for a bounded time."""

    @property
    def name(self) -> str:
        """One of `engine.money.providers.PROVIDERS`, or `fixed`."""

    def ask(self, now: int) -> RateAnswer:
        """All that it quotes of the currencies that we know, as of `now` (ms) or, where
        it says so itself, of before. Raises `SourceError`."""

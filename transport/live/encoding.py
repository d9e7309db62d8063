"""What the live edges say, as bytes: each event made once, shared by all who hear it.

A thousand browsers on one payment get the same frame object, not a thousand copies of
it. WebSocket messages and Server-Sent Events are both made here, so that the two can
never tell a different story.

Messages besides the events (each the event object of the API, byte for byte):

    {"type": "state", "epoch", ...payment...} first of all; who comes back says
                                              `since=<epoch>-<seq>`
    {"type": "source", "name", "live", "since", "tip_height", "standing", "reason",
     "since_when"}                            how far what is shown is present; after
                                              the state, and whenever that changes
    {"type": "error", "code", "message", "payment_id"?}

What a stranger is told of an event and of a state is `allow_list.py`: `Frames` has a
twin for strangers, so that each event is made at most once for either audience.

No I/O and no clock. Called by the sinks, in the dispatcher's greenlet.
"""

from collections import OrderedDict
from collections.abc import Callable
from functools import cached_property
from typing import Any, Final

import msgspec

from engine.errors.codes import StreamCode
from engine.payment.events import CommittedEvent
from engine.payment.model import Payment
from engine.ports import Freshness
from engine.store.epochs import Position
from transport.http.views import iso_or_none, public_reason, view
from transport.live.allow_list import (
    event_for_strangers,
    event_for_visitors,
    state_for_strangers,
    state_for_visitors,
)
from transport.server.websocket.frames import encode_text

__all__ = [
    "KEEP_ALIVE",
    "PREAMBLE",
    "Frames",
    "error_message",
    "message",
    "source_message",
    "sse",
]

#: First of every event stream. The reconnection time is in ms; the comment makes
#: proxies and browsers see an answer at once.
PREAMBLE: Final = b"retry: 2000\n\n: ok\n\n"
KEEP_ALIVE: Final = b": keep-alive\n\n"

_encode = msgspec.json.Encoder().encode


def message(kind: str, **fields: Any) -> bytes:
    """One JSON message `{"type": kind, ...}`; a field that is None is null."""
    return _encode({"type": kind, **fields})


def error_message(code: StreamCode, text: str, payment_id: str | None = None) -> bytes:
    """What a client asked for cannot be done; `code` is for programs."""
    if payment_id is None:
        return message("error", code=code, message=text)
    return message("error", code=code, message=text, payment_id=payment_id)


def source_message(freshness: Freshness) -> bytes:
    """`live` is False while no source is current; `since` is when one last answered,
    `since_when` how long it has had its standing, `reason` why it is behind."""
    return message(
        "source",
        name=freshness.source,
        live=freshness.live,
        since=iso_or_none(freshness.since),
        tip_height=freshness.tip_height,
        standing=freshness.standing,
        reason=public_reason(freshness),
        since_when=iso_or_none(freshness.since_when),
    )


def sse(data: bytes, event: str, event_id: Position | None = None) -> bytes:
    """One Server-Sent Event. `data` is JSON, so it holds no line break."""
    head = b"" if event_id is None else b"id: %b\n" % str(event_id).encode()
    return b"%bevent: %b\ndata: %b\n\n" % (head, event.encode(), data)


class Frames:
    """Encoded events by journal offset; the most recently used are kept.

    An offset names one event as long as the node runs, and so does the epoch, so
    nothing here can be out of date.
    """

    def __init__(
        self,
        epoch: str,
        max_events: int = 2_048,
        max_bytes: int = 4_194_304,
        unread: Callable[[str], Freshness | None] = lambda _payment_id: None,
        *,
        public_url: str = "",
        now: Callable[[], int] = lambda: 0,
    ) -> None:
        """`unread`, `now`: of the `Gateway`. `public_url`: where clients reach this
        node."""
        self.epoch = epoch  # the present one
        self.unread = unread
        self.now = now
        self.public_url = public_url
        self._websocket = _Recent(max_events, max_bytes)
        self._by_seq = _Recent(max_events, max_bytes)
        self._by_offset = _Recent(max_events, max_bytes)
        self._latest: tuple[CommittedEvent | None, bytes] = (None, b"")
        self._freshness: tuple[Freshness, bytes, bytes] | None = None
        self._limits = (max_events, max_bytes)

    @cached_property
    def for_strangers(self) -> "Frames":
        """The same for those who know an address only."""
        return _StrangersFrames(
            self.epoch,
            *self._limits,
            self.unread,
            public_url=self.public_url,
            now=self.now,
        )

    @cached_property
    def for_visitors(self) -> "Frames":
        """The same for those with a token of the shop's site."""
        return _VisitorsFrames(
            self.epoch,
            *self._limits,
            self.unread,
            public_url=self.public_url,
            now=self.now,
        )

    def state_object(self, payment: Payment) -> bytes:
        """The payment as the API shows it, without its secret."""
        unread = self.unread(payment.id)
        return _encode(view(payment, self.public_url, unread=unread, now=self.now()))

    def state(self, payment: Payment) -> bytes:
        """`{"type": "state", "epoch", ...payment...}`."""
        state = self.state_object(payment)[1:]
        return b'{"type":"state","epoch":"%b",%b' % (self.epoch.encode(), state)

    def text(self, event: CommittedEvent) -> bytes:
        """The event as one JSON object."""
        return event.wire

    def websocket(self, event: CommittedEvent) -> bytes:
        """The event as one text frame."""
        latest, frame = self._latest
        if latest is not event:
            frame = self._websocket.get(
                event.offset, lambda: encode_text(self.text(event))
            )
            self._latest = (event, frame)
        return frame

    def sse(self, event: CommittedEvent) -> bytes:
        """For streams about one payment: the id is the seq."""
        return self._by_seq.get(
            event.offset, lambda: self._event(event, event.event.seq)
        )

    def sse_by_offset(self, event: CommittedEvent) -> bytes:
        """For streams about everything: the id is the journal offset."""
        return self._by_offset.get(
            event.offset, lambda: self._event(event, event.offset)
        )

    def _event(self, event: CommittedEvent, number: int) -> bytes:
        return sse(self.text(event), event.event.type, Position(self.epoch, number))

    def freshness_frame(self, freshness: Freshness) -> bytes:
        return self._freshness_of(freshness)[1]

    def freshness_sse(self, freshness: Freshness) -> bytes:
        return self._freshness_of(freshness)[2]

    def _freshness_of(self, freshness: Freshness) -> tuple[Freshness, bytes, bytes]:
        """Every session is told of a change at the same time: keep the last one."""
        kept = self._freshness
        if kept is None or kept[0] != freshness:
            text = source_message(freshness)
            kept = (freshness, encode_text(text), sse(text, "source"))
            self._freshness = kept
        return kept


class _StrangersFrames(Frames):
    """See `Frames.for_strangers`."""

    def state_object(self, payment: Payment) -> bytes:
        return state_for_strangers(super().state_object(payment))

    def text(self, event: CommittedEvent) -> bytes:
        return event_for_strangers(event.wire)


class _VisitorsFrames(Frames):
    """See `Frames.for_visitors`."""

    def state_object(self, payment: Payment) -> bytes:
        return state_for_visitors(super().state_object(payment))

    def text(self, event: CommittedEvent) -> bytes:
        return event_for_visitors(event.wire)


class _Recent:
    """Byte strings by number, bounded in count and in bytes together."""

    __slots__ = ("_bytes", "_kept", "_max_bytes", "_max_items")

    def __init__(self, max_items: int, max_bytes: int) -> None:
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._bytes = 0
        self._max_items = max_items
        self._max_bytes = max_bytes

    def get(self, key: int, make: Callable[[], bytes]) -> bytes:
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            return kept
        made = make()
        self._kept[key] = made
        self._bytes += len(made)
        while len(self._kept) > self._max_items or self._bytes > self._max_bytes:
            self._bytes -= len(self._kept.popitem(last=False)[1])
        return made

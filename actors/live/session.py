"""The session actor: one connected client, whatever its protocol.

It follows payments for the client and writes their story to its wire (a `Sink`): the
present state first, then what was missed since the client's last seq, then every
event, in order, each once. It subscribes first and reads then; what is routed in the
meantime waits in a buffer and is cut by seq, so nothing is lost or told twice.

A backlog is told at the pace of the wire. What the wire has no room for is forgotten
and read once more when the client has read on: the journal is the queue of the slow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from actors.live.subscription import JournalLane, Lane
from actors.messages import (
    Backlog,
    Follow,
    FollowAll,
    FreshnessChanged,
    Loaded,
    Subscribe,
    Unfollow,
    Unsubscribe,
)
from actors.node import Node
from engine.errors import StreamCode
from engine.payment.events import CommittedEvent
from engine.payment.model import Payment
from engine.ports import Sink
from engine.runtime.actor import Actor
from engine.runtime.ref import Ref, Scope
from engine.store.port import StoreReader
from engine.store.records import StoredEvent

__all__ = ["MAX_FOLLOWED", "SessionActor", "open_session"]

PAGE = 100
"""Events read at once while a client catches up: about what a wire has room for."""

MAX_FOLLOWED = 1_000
"""Payments that one session may follow."""


class _Read(msgspec.Struct, frozen=True):
    """What was read for a lane: of no use to the one that follows it."""

    lane: Lane
    loaded: Loaded


class _Room(msgspec.Struct, frozen=True):
    """The wire takes more of a lane's backlog. `payment_id` None: of everything."""

    lane: Lane
    payment_id: str | None


class SessionActor(Actor):
    """Answers `Follow`, `Unfollow`, `FollowAll`; its lanes hear what is routed."""

    __slots__ = ("_all", "_lanes", "_merchant", "_node", "_sink")

    mailbox_limit = 1_000

    def __init__(self, node: Node, sink: Sink) -> None:
        self._node = node
        self._sink = sink
        self._lanes: dict[str, Lane] = {}
        self._all: Lane | None = None  # following everything: seq is a journal offset
        self._merchant: str | None = None  # whose events, when following everything

    def on_receive(self, message: object) -> None:
        match message:
            case Follow(payment_id, since):
                self._follow(payment_id, since)
            case _Read(lane, loaded):
                self._on_loaded(lane, loaded)
            case _Room(lane, payment_id):
                self._read_on(lane, payment_id)
            case Unfollow(payment_id):
                lane_of = self._lanes.pop(payment_id, None)
                if lane_of is not None:
                    lane_of.over = True
                    self._node.router.tell_system(Unsubscribe(payment_id, self.ref))
            case FollowAll(after, merchant):
                self._follow_all(after, merchant)
            case Backlog(events, last):
                self._on_backlog(events, last)
            case FreshnessChanged(freshness):
                self._must(self._sink.freshness(freshness))

    def on_stop(self) -> None:
        self._leave()
        self._sink.close(1001, "the server ends this session")

    def on_failure(self, *_exc_info: Any) -> None:
        self._leave()
        self._node.sessions.pop(self.ref, None)
        self._sink.close(1011, "internal error")

    def _leave(self) -> None:
        for payment_id, lane in self._lanes.items():
            lane.over = True
            self._node.router.tell_system(Unsubscribe(payment_id, self.ref))
        if self._all is not None:
            self._all.over = True
            self._node.router.tell_system(Unsubscribe(None, self.ref))

    def _must(self, delivered: bool) -> bool:
        """The client is gone or too slow when its wire takes no more."""
        if not delivered:
            self.stop()
        return delivered

    # -- following one payment -------------------------------------------------------

    def _follow(self, payment_id: str, since: int | None) -> None:
        if payment_id in self._lanes:
            return
        if len(self._lanes) >= MAX_FOLLOWED:
            self._must(
                self._sink.problem(
                    StreamCode.TOO_MANY, f"at most {MAX_FOLLOWED} payments"
                )
            )
            return
        limit = self._node.settings.session_buffer
        self._lanes[payment_id] = lane = Lane(self._sink, self.stop, limit, since)
        self._node.router.tell_system(Subscribe(payment_id, self.ref, hear=lane.hear))
        self._load(payment_id, lane, since)

    def _load(self, payment_id: str, lane: Lane, since: int | None) -> None:
        ref = self.ref

        def loaded(answer: object) -> None:
            if isinstance(answer, Loaded):
                ref.tell_system(_Read(lane, answer))
            else:
                ref.kill(RuntimeError(f"cannot read {payment_id}: {answer!r}"))

        self._node.read(lambda store: _load(store, payment_id, since), loaded)

    def _on_loaded(self, lane: Lane, loaded: Loaded) -> None:
        if self._lanes.get(loaded.payment_id) is not lane:
            return  # unfollowed since, and maybe followed anew from elsewhere
        payment = loaded.payment
        if payment is None:
            self._drop(
                loaded.payment_id, StreamCode.UNKNOWN, "there is no such payment"
            )
            return
        if lane.seq is None and not self._open(lane, payment):
            return
        self._catch_up(lane, loaded.payment_id, loaded.events, loaded.more)

    def _catch_up(
        self,
        lane: Lane,
        payment_id: str | None,
        page: list[StoredEvent],
        more: bool,
    ) -> None:
        """Tell a page of the backlog, then read the next or end with what waits."""
        if not self._write_events(lane, payment_id, map(_committed, page)):
            return
        if lane.must_read_on(more):
            self._read_on(lane, payment_id)
            return
        # What the wire has no room for now is in the journal: it is read there.
        lane.loading = True
        if self._write_events(lane, payment_id, lane.take_waiting()):
            lane.loading = False

    def _write_events(
        self,
        lane: Lane,
        payment_id: str | None,
        events: Iterable[CommittedEvent],
    ) -> bool:
        """True if all was told; else the lane goes on with `_Room`, or has ended."""
        again = self._when_room(lane, payment_id)
        return all(self._sink.has_room(again) and lane.tell(event) for event in events)

    def _when_room(self, lane: Lane, payment_id: str | None) -> Callable[[], None]:
        ref, room = self.ref, _Room(lane, payment_id)
        return lambda: ref.tell_system(room)

    def _read_on(self, lane: Lane, payment_id: str | None) -> None:
        """Read the lane's next page as soon as the wire has room for some of it."""
        current = self._all if payment_id is None else self._lanes.get(payment_id)
        if current is not lane or not self._sink.has_room(
            self._when_room(lane, payment_id)
        ):
            return
        if payment_id is None:
            self._read_journal(lane.seq or 0, self._merchant)
        else:
            self._load(payment_id, lane, lane.seq)

    def _open(self, lane: Lane, payment: Payment) -> bool:
        """First of all the state, and from where the story goes on."""
        since = lane.since
        if since is not None and since > payment.seq:
            told = self._sink.problem(
                StreamCode.SINCE_IN_FUTURE,
                f"this payment's last event is {payment.seq}, not {since};"
                " going on from its present state",
            )
            if not self._must(told):
                return False
            since = None
        lane.seq = payment.seq if since is None else since
        return self._must(self._sink.state(payment, since)) and self._must(
            self._sink.freshness(self._node.source_report.now.freshness)
        )

    def _drop(self, payment_id: str, code: StreamCode, message: str) -> None:
        self._lanes.pop(payment_id).over = True
        self._node.router.tell_system(Unsubscribe(payment_id, self.ref))
        self._must(self._sink.problem(code, message))

    # -- following everything --------------------------------------------------------

    def _follow_all(self, after: int, merchant: str | None) -> None:
        limit = self._node.settings.session_buffer
        self._all = lane = JournalLane(self._sink, self.stop, limit, after)
        lane.seq = after
        self._node.router.tell_system(Subscribe(None, self.ref, merchant, lane.hear))
        self._read_journal(after, merchant)

    def _read_journal(self, after: int, merchant: str | None) -> None:
        ref = self.ref

        def read(answer: object) -> None:
            if isinstance(answer, Backlog):
                ref.tell_system(answer)
            else:
                ref.kill(RuntimeError(f"cannot read the journal: {answer!r}"))

        self._merchant = merchant
        self._node.read(lambda store: _page(store, after, merchant), read)

    def _on_backlog(self, events: list[StoredEvent], last: int) -> None:
        lane = self._all
        if lane is None:
            return
        if lane.seq is not None and lane.seq > last:
            # It would wait in silence for a journal that was put back to a backup.
            told = self._sink.problem(
                StreamCode.SINCE_IN_FUTURE,
                f"the journal's last event is {last}, not {lane.seq}; going on from it",
            )
            if not self._must(told):
                return
            lane.seq = last
        self._catch_up(lane, None, events, len(events) == PAGE)


def _committed(stored: StoredEvent) -> CommittedEvent:
    return CommittedEvent(stored.offset, stored.event, stored.merchant, stored.wire)


def _load(store: StoreReader, payment_id: str, since: int | None) -> Loaded:
    """A payment, and a page of its events after `since`: one read, one snapshot."""
    found = store.payment_history(payment_id, since, PAGE + 1)
    if found is None:
        return Loaded(payment_id, None, [], False)
    events = found.events
    return Loaded(payment_id, found.payment, events[:PAGE], len(events) > PAGE)


def _page(store: StoreReader, after: int, merchant: str | None) -> Backlog:
    """A page of the journal after an offset, and its last offset: one snapshot."""
    page = store.journal_page(after, PAGE, merchant)
    return Backlog(page.events, page.last_offset)


def open_session(node: Node, name: str, sink: Sink) -> Ref:
    """Start a session for a connected client; the edge tells it what to follow."""
    scope = Scope(
        dispatcher=node.dispatcher,
        factory=lambda _name: SessionActor(node, sink),
        parent=node.router,
        mailbox_limit=SessionActor.mailbox_limit,
    )
    ref = Ref(scope, name)
    node.sessions[ref] = sink
    ref.start()
    return ref

"""The session actor: one connected client, whatever its protocol.

It follows payments for the client and writes what happens to its wire (a `Sink`): the
present state first, then what was missed since the client's last seq, then every
event, in order, each once. It subscribes first and reads then; what is routed in the
meantime is held and cut by seq, so nothing is lost or told twice.

A backlog is told at the pace of the wire. What the wire has no room for is forgotten
and read once more when the client has read on: the journal is the queue of the slow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from msgspec.structs import replace

from actors.live.loaded import Loaded, LoadedPage
from actors.live.messages import (
    Follow,
    FollowAll,
    OpenSession,
    Subscribe,
    Unfollow,
    Unsubscribe,
)
from actors.live.subscription import JournalSubscription, Subscription
from actors.messages import FreshnessChanged
from actors.node import Node
from engine.errors.codes import StreamCode
from engine.payment.events import CommittedEvent
from engine.payment.model import Payment
from engine.ports import Sink
from engine.runtime.actor import Actor
from engine.runtime.ref import ActorScope, Ref
from engine.store.epochs import Position
from engine.store.port import StoreReader
from engine.store.records import StoredEvent

__all__ = ["MAX_FOLLOWED", "SessionActor", "open_session"]

PAGE = 100
"""Events read at once while a client catches up: about what a wire has room for."""

MAX_FOLLOWED = 1_000
"""Payments that one session may follow."""


class _PageRead(msgspec.Struct, frozen=True):
    """What was read for the subscription with this number: of no use to another."""

    number: int
    page: Loaded | LoadedPage


class _Room(msgspec.Struct, frozen=True):
    """The wire takes more of a subscription's backlog."""

    payment_id: str | None  # None: of everything
    number: int


class SessionActor(Actor):
    """Answers `Follow`, `Unfollow`, `FollowAll`; its subscriptions are told events."""

    __slots__ = (
        "_is_closed",
        "_journal",
        "_node",
        "_numbers",
        "_sink",
        "_subscriptions",
    )

    mailbox_limit = 1_000

    def __init__(self, node: Node, sink: Sink) -> None:
        self._node = node
        self._sink = sink
        self._is_closed = False
        self._numbers = 0  # subscriptions so far
        self._subscriptions: dict[str, Subscription] = {}  # by payment id
        self._journal: JournalSubscription | None = None

    def on_receive(self, message: object) -> None:
        match message:
            case Follow(payment_id, since):
                self._follow(payment_id, since)
            case _PageRead(number, Loaded() as loaded):
                self._on_loaded(number, loaded)
            case _PageRead(number, LoadedPage() as backlog):
                self._on_backlog(number, backlog)
            case _Room(payment_id, number):
                subscription = self._current(payment_id, number)
                if subscription is not None:
                    self._read_on(subscription, payment_id)
            case Unfollow(payment_id):
                if payment_id in self._subscriptions:
                    self._unsubscribe(payment_id)
            case FollowAll(after, merchant):
                self._follow_all(after, merchant)
            case FreshnessChanged(freshness):
                self._end_unless(self._sink.freshness(freshness))

    def on_stop(self) -> None:
        self._leave()
        self._close(1001, "the server ends this session")

    def on_failure(self, *_exc_info: Any) -> None:
        self._leave()
        self.hang_up()

    def hang_up(self) -> None:
        """It failed. Its parent calls this too: if it ended before its first turn,
        nothing of it ran."""
        self._close(1011, "internal error")

    def _close(self, code: int, reason: str) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._sink.close(code, reason)

    def _leave(self) -> None:
        for payment_id in tuple(self._subscriptions):
            self._unsubscribe(payment_id)
        if self._journal is not None:
            self._journal.end()
            self._node.router.tell_system(Unsubscribe(None, self.ref))

    def _unsubscribe(self, payment_id: str) -> None:
        self._subscriptions.pop(payment_id).end()
        self._node.router.tell_system(Unsubscribe(payment_id, self.ref))

    def _current(self, payment_id: str | None, number: int) -> Subscription | None:
        """The subscription, unless it was ended since, and maybe begun anew."""
        if payment_id is None:
            subscription: Subscription | None = self._journal
        else:
            subscription = self._subscriptions.get(payment_id)
        if subscription is None or subscription.number != number:
            return None
        return subscription

    def _end_unless(self, delivered: bool) -> bool:
        """The client is gone or too slow when its wire takes no more."""
        if not delivered:
            self.stop()
        return delivered

    # -- following one payment -------------------------------------------------------

    def _follow(self, payment_id: str, since: Position | None) -> None:
        if payment_id in self._subscriptions:
            return
        if len(self._subscriptions) >= MAX_FOLLOWED:
            self._end_unless(
                self._sink.problem(
                    StreamCode.TOO_MANY, f"at most {MAX_FOLLOWED} payments"
                )
            )
            return
        self._numbers += 1
        limit = self._node.settings.session_buffer
        subscription = Subscription(self._sink, self.stop, limit, self._numbers)
        self._subscriptions[payment_id] = subscription
        self._node.router.tell_system(
            Subscribe(payment_id, self.ref, on_event=subscription.on_event)
        )
        self._node.read_for_client(
            lambda store: _load(store, payment_id, since),
            self._on_page(subscription.number),
        )

    def _on_page(self, number: int) -> Callable[[object], None]:
        """Takes what was read for a subscription to this session's mailbox."""
        ref = self.ref

        def read(answer: object) -> None:
            if isinstance(answer, Loaded | LoadedPage):
                ref.tell_system(_PageRead(number, answer))
            else:
                ref.kill(RuntimeError(f"cannot read for {ref.name}: {answer!r}"))

        return read

    def _on_loaded(self, number: int, loaded: Loaded) -> None:
        payment_id, payment = loaded.payment_id, loaded.payment
        subscription = self._current(payment_id, number)
        if subscription is None:
            return
        if payment is None:
            self._unsubscribe(payment_id)
            self._end_unless(
                self._sink.problem(StreamCode.UNKNOWN, "there is no such payment")
            )
            return
        if subscription.seq is None and not self._open(subscription, payment, loaded):
            return
        self._catch_up(subscription, payment_id, loaded.events, loaded.more)

    def _open(
        self, subscription: Subscription, payment: Payment, loaded: Loaded
    ) -> bool:
        """First of all the state, and after which event the client goes on."""
        since = loaded.since
        if loaded.is_anew and not self._end_unless(
            self._sink.problem(
                StreamCode.BEGINS_ANEW,
                "what you have read is of another database, or of this one before a"
                " backup was restored, or what came after it is kept no longer: forget"
                " it; this payment begins anew with its present state",
            )
        ):
            return False
        if since is not None and since > payment.seq:
            told = self._sink.problem(
                StreamCode.SINCE_IN_FUTURE,
                f"this payment's last event is {payment.seq}, not {since};"
                " going on from its present state",
            )
            if not self._end_unless(told):
                return False
            since = None
        subscription.seq = payment.seq if since is None else since
        return self._end_unless(self._sink.state(payment, since)) and self._end_unless(
            self._sink.freshness(self._node.source_report.now.freshness)
        )

    # -- catching up -----------------------------------------------------------------

    def _catch_up(
        self,
        subscription: Subscription,
        payment_id: str | None,
        page: tuple[StoredEvent, ...],
        more: bool,
    ) -> None:
        """Tell a page of the backlog, then read the next or end with what is held."""
        if not self._write_events(subscription, payment_id, map(_committed, page)):
            return
        if subscription.must_read_on(more):
            self._read_on(subscription, payment_id)
            return
        # What the wire has no room for now is in the journal: it is read there.
        held = subscription.take_held()
        if self._write_events(subscription, payment_id, held):
            subscription.caught_up()

    def _write_events(
        self,
        subscription: Subscription,
        payment_id: str | None,
        events: Iterable[CommittedEvent],
    ) -> bool:
        """True if all was told; else it goes on with `_Room`, or has ended."""
        again = self._when_room(subscription, payment_id)
        return all(
            self._sink.has_room(again) and subscription.tell(event) for event in events
        )

    def _when_room(
        self, subscription: Subscription, payment_id: str | None
    ) -> Callable[[], None]:
        ref, room = self.ref, _Room(payment_id, subscription.number)
        return lambda: ref.tell_system(room)

    def _read_on(self, subscription: Subscription, payment_id: str | None) -> None:
        """Read the next page as soon as the wire has room for some of it."""
        if not self._sink.has_room(self._when_room(subscription, payment_id)):
            return
        if isinstance(subscription, JournalSubscription):
            self._read_journal(subscription)
        elif payment_id is not None:
            after = subscription.seq
            self._node.read_for_client(
                lambda store: _page_of(store, payment_id, after),
                self._on_page(subscription.number),
            )

    # -- following everything --------------------------------------------------------

    def _follow_all(self, after: int, merchant: str | None) -> None:
        if self._journal is not None:
            self._journal.end()
        self._numbers += 1
        limit = self._node.settings.session_buffer
        self._journal = subscription = JournalSubscription(
            self._sink, self.stop, limit, after, merchant, self._numbers
        )
        self._node.router.tell_system(
            Subscribe(None, self.ref, merchant, subscription.on_event)
        )
        self._read_journal(subscription)

    def _read_journal(self, subscription: JournalSubscription) -> None:
        after, merchant = subscription.seq, subscription.merchant
        assert after is not None
        self._node.read_for_client(
            lambda store: _page(store, after, merchant),
            self._on_page(subscription.number),
        )

    def _on_backlog(self, number: int, backlog: LoadedPage) -> None:
        subscription, last = self._current(None, number), backlog.last
        if subscription is None:
            return
        if subscription.seq is not None and subscription.seq > last:
            # It would wait in silence for a journal that was put back to a backup.
            told = self._sink.problem(
                StreamCode.SINCE_IN_FUTURE,
                f"the journal's last event is {last}, not {subscription.seq};"
                " going on from it",
            )
            if not self._end_unless(told):
                return
            subscription.seq = last
        self._catch_up(subscription, None, backlog.events, len(backlog.events) == PAGE)


def _committed(stored: StoredEvent) -> CommittedEvent:
    return CommittedEvent(stored.offset, stored.event, stored.merchant, stored.wire)


def _load(store: StoreReader, payment_id: str, since: Position | None) -> Loaded:
    """The first page for a client that comes with `since`, as far as it is ours."""
    if since is None:
        return _page_of(store, payment_id, None)

    def began_at() -> int | None:
        first = store.history(payment_id, 0, 1)
        return first[0].offset if first else None

    if store.epochs().is_story_of(since, began_at):
        loaded = _page_of(store, payment_id, since.number)
        if loaded.goes_on:
            return loaded
    return replace(_page_of(store, payment_id, None), is_anew=True)


def _page_of(store: StoreReader, payment_id: str, since: int | None) -> Loaded:
    """A payment, and a page of its events after `since`: one read, one snapshot."""
    found = store.payment_history(payment_id, since, PAGE + 1)
    if found is None:
        return Loaded(payment_id, None)
    page, more = tuple(found.events[:PAGE]), len(found.events) > PAGE
    return Loaded(payment_id, found.payment, page, more, since)


def _page(store: StoreReader, after: int, merchant: str | None) -> LoadedPage:
    """A page of the journal after an offset, and its last offset: one snapshot."""
    page = store.journal_page(after, PAGE, merchant)
    return LoadedPage(tuple(page.events), page.last_offset)


def open_session(node: Node, name: str, sink: Sink) -> Ref:
    """A session for a connected client; the edge tells it what to follow.

    The router starts it. What it is told before that waits in its mailbox.
    """
    scope = ActorScope(
        dispatcher=node.dispatcher,
        factory=lambda _name: SessionActor(node, sink),
        parent=node.router,
        mailbox_limit=SessionActor.mailbox_limit,
        named_as="session",
    )
    ref = Ref(scope, name)
    node.router.tell_system(OpenSession(ref, sink))
    return ref

"""One invoice that one client follows: a `Sink`, with a session of its own.

An invoice is the payments that have its number: the newest one that there is, and those
that are made later. What a client was told of one it is not told again; but when it
unsubscribes and comes back without a place (`since`), then anew that it is paid. Told
by the dispatcher's greenlet; begun and ended in the greenlet of the connection.

Each protocol has its own part: `salon_invoice.py` and `socketio/invoices.py`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

from engine.errors.codes import StreamCode
from engine.gateway import Gateway, SessionHandle
from engine.payment.events import CommittedEvent
from engine.payment.model import EventType, Payment
from engine.store.epochs import START, Position
from transport.live.doors import Guest
from transport.live.events_only import EventsOnly

__all__ = ["FollowedInvoice", "ToldSeqs"]

#: Payments of which a client's wire remembers how much it was told, and cards.
_TOLD = 1_000


class ToldSeqs:
    """How much one client was told of each payment: the last seq. Of saved cards it
    may hear in two ways (`saved_cards.py`), so each of them is noted."""

    __slots__ = ("_cards", "_left", "_seqs")

    def __init__(self) -> None:
        self._cards: dict[int, None] | None = None  # offsets; most pages hear of none
        self._seqs: dict[str, int] = {}
        self._left: set[str] = set()

    def leave(self, payment_ids: set[str]) -> None:
        """The client unsubscribed: asked for without a place they are new to it."""
        self._left |= payment_ids & self._seqs.keys()

    def forget_left(self, payment_id: str) -> None:
        if payment_id in self._left:
            self._left.discard(payment_id)
            del self._seqs[payment_id]

    def is_new_card(self, offset: int) -> bool:
        """Whether this event is told now for the first time: it is noted as told."""
        if self._cards is None:
            self._cards = {}
        if offset in self._cards:
            return False
        self._cards[offset] = None
        if len(self._cards) > _TOLD:
            del self._cards[next(iter(self._cards))]
        return True

    def seq(self, payment_id: str) -> int | None:
        return self._seqs.get(payment_id)

    def note(self, payment_id: str, seq: int) -> None:
        seqs = self._seqs
        self._left.discard(payment_id)
        seqs[payment_id] = max(seq, seqs.pop(payment_id, 0))  # the newest stands last
        if len(seqs) > _TOLD:
            oldest = next(iter(seqs))
            del seqs[oldest]
            self._left.discard(oldest)


class FollowedInvoice(EventsOnly):
    """See the module docstring."""

    __slots__ = (
        "_begins_anew",
        "_ended",
        "_epoch",
        "_gateway",
        "_guest",
        "_kind",
        "_own",
        "_session",
        "_told",
        "stop_waiting",
    )

    def __init__(
        self, kind: str, gateway: Gateway, epoch: str, guest: Guest, told: ToldSeqs
    ) -> None:
        """`kind`: of its session's name. `told`: the client's, of all its invoices."""
        self._kind = kind
        self._gateway = gateway
        self._epoch = epoch
        self._guest = guest
        self._told = told
        self._begins_anew: tuple[StreamCode, str] | None = None
        self._own: set[str] = set()  # payments that the guest may hear of
        self._session: SessionHandle | None = None
        self._ended = False
        #: Called when it ends: it waits for no payment that is still to come.
        self.stop_waiting: Callable[[], None] | None = None

    def follow(self, payment_id: str, since: Position | None) -> None:
        """`since` None: from now on; never what this client was told before, but for
        how a payment stands that it unsubscribed from."""
        if self._ended:
            return
        if since is None:
            self._told.forget_left(payment_id)
        told = self._told.seq(payment_id)
        if told is not None and (since is None or since.number < told):
            since = Position(self._epoch, told)
        if self._session is None:
            self._session = self._gateway.open_session(self._kind, self)
        self._session.follow(payment_id, since)

    def created(self, payment_id: str) -> None:
        """A payment was made for it: told from its beginning."""
        self.follow(payment_id, START)

    @property
    def ended(self) -> bool:
        return self._ended

    def end(self) -> None:
        if self._ended:
            return
        self._ended = True
        if self.stop_waiting is not None:
            self.stop_waiting()
        if self._session is not None:
            self._session.close()

    def unsubscribe(self) -> None:
        """Its client wants it no more. `end` alone: it comes again, or is gone."""
        self._told.leave(self._own)
        self.end()

    # Of each protocol.

    @abstractmethod
    def nothing_yet(self) -> None:
        """No payment has its number so far."""

    @abstractmethod
    def is_connected(self) -> bool:
        """Whether its client is there."""

    @abstractmethod
    def tell_state(self, payment: Payment, since: int | None) -> bool:
        """How a payment of the guest's stands; False: the client has gone."""

    @abstractmethod
    def tell(self, event: CommittedEvent) -> bool:
        """An event of a payment of the guest's; False: the client has gone."""

    @abstractmethod
    def close(self, code: int, reason: str) -> None:
        """The session ended from the other side."""

    # The `Sink`.

    @property
    def is_open(self) -> bool:
        return not self._ended and self.is_connected()

    def state(self, payment: Payment, since: int | None) -> bool:
        if not self.is_open:  # noted as told, it would be lost to who comes next
            return False
        if not self._guest.may_hear_of(payment.terms):
            assert self._session is not None, "a state without a session"
            self._session.unfollow(payment.id)
            return True
        self._own.add(payment.id)
        self._told.note(payment.id, payment.seq if since is None else since)
        return self.tell_state(payment, since) and self.is_open

    def event(self, event: CommittedEvent) -> bool:
        if not self.is_open:
            return False
        fact = event.event
        if fact.payment_id not in self._own:
            return True  # it is being left, but its session's turn goes on
        self._told.note(fact.payment_id, fact.seq)
        is_card = fact.type is EventType.TOKEN_SAVED
        if is_card and not self._told.is_new_card(event.offset):
            return True  # as its user's own
        return self.tell(event) and self.is_open

    def problem(self, code: StreamCode, message: str) -> bool:
        # What is read anew is no story that goes on: it is told with the state.
        if code in (StreamCode.BEGINS_ANEW, StreamCode.SINCE_IN_FUTURE):
            self._begins_anew = (code, message)
        return self.is_open

    def take_begins_anew(self) -> tuple[StreamCode, str] | None:
        """What is to be told before the state, once."""
        taken, self._begins_anew = self._begins_anew, None
        return taken

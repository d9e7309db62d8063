"""Tells a socket of payments created later for the external id it identified by.

A page may connect before its shop has made the payment. One session of the node
follows everything for all such sockets together, and looks only at `payment.created`,
and at a payment that gets another external id: one dict lookup for each, no polling,
however many sockets wait. The same session shows whoever asks (`saved_cards.py`) each
card that a gateway saved.

`add` before you look for the payments that are there already: then none falls between.
`add` and `remove` run in the sockets' greenlets; only the first `add` waits, to read
where the journal stands.
"""

import logging
from collections.abc import Callable
from typing import Final

import gevent

from engine.gateway import Gateway, SessionHandle
from engine.payment.events import CommittedEvent
from engine.payment.model import EventType
from transport.live.events_only import EventsOnly

__all__ = ["CreationListeners"]

log = logging.getLogger("paybell.live")

#: Called with the id of a new payment, in the dispatcher's greenlet; must not wait.
Listener = Callable[[str], None]
#: Says whether payments of a merchant are meant; likewise.
OfMerchant = Callable[[str], bool]
#: Called with a `payment.token_saved`; likewise.
CardListener = Callable[[CommittedEvent], None]

_REOPEN_S: Final = 0.5


class CreationListeners:
    """One per node."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        # external id -> listener -> whose payments it may hear of
        self._waiting: dict[str, dict[Listener, OfMerchant]] = {}
        self._on_card: CardListener | None = None
        self._listener: _Listener | None = None
        self._session: SessionHandle | None = None

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def add(
        self, external_id: str, of_merchant: OfMerchant, listener: Listener
    ) -> None:
        """From now on `listener` hears of new payments with this external id, of those
        merchants that it is for at the time."""
        self._begin()
        self._waiting.setdefault(external_id, {})[listener] = of_merchant

    def remove(self, external_id: str, listener: Listener) -> None:
        """Nobody to tell any more. The session ends when nobody waits at all."""
        listeners = self._waiting.get(external_id, {})
        listeners.pop(listener, None)
        if not listeners:
            self._waiting.pop(external_id, None)
        self._end_if_idle()

    def listen_for_cards(self, listener: CardListener) -> None:
        """From now on it hears of each card that is saved. There is one such listener.
        Waits as `add` does."""
        self._begin()
        self._on_card = listener

    def forget_cards(self) -> None:
        self._on_card = None
        self._end_if_idle()

    def created(self, payment_id: str, external_id: str, merchant: str) -> None:
        """Called for each new payment with an external id, in the dispatcher."""
        listeners = self._waiting.get(external_id, {})
        for listener, of_merchant in tuple(listeners.items()):
            if of_merchant(merchant):
                listener(payment_id)

    def card_saved(self, event: CommittedEvent) -> None:
        """Called in the dispatcher, too."""
        if self._on_card is not None:
            self._on_card(event)

    def lost(self, listener: "_Listener") -> None:
        """The session was ended from the other side: go on where it was."""
        if listener is not self._listener:
            return
        self._listener = self._session = None
        if self._is_needed:
            log.warning("live.creation_listeners_reopened offset=%d", listener.offset)
            gevent.spawn_later(_REOPEN_S, self._reopen, listener.offset)

    @property
    def _is_needed(self) -> bool:
        return bool(self._waiting) or self._on_card is not None

    def _begin(self) -> None:
        if self._listener is None:
            offset = self._gateway.health().last_offset
            # Reading waited: meanwhile another socket may have opened it.
            if self._listener is None:
                self._open(offset)

    def _end_if_idle(self) -> None:
        if not self._is_needed and self._session is not None:
            session, self._session, self._listener = self._session, None, None
            session.close()

    def _open(self, offset: int) -> None:
        self._listener = _Listener(self, offset)
        self._session = self._gateway.open_session("creations", self._listener)
        self._session.follow_all(offset, None)

    def _reopen(self, offset: int) -> None:
        if self._is_needed and self._listener is None:
            self._open(offset)


class _Listener(EventsOnly):
    """The `Sink` of one session that follows everything."""

    __slots__ = ("_owner", "offset")

    def __init__(self, owner: CreationListeners, offset: int) -> None:
        self._owner = owner
        self.offset = offset  # how far the journal was looked at

    def event(self, event: CommittedEvent) -> bool:
        self.offset = event.offset
        if event.event.type is EventType.TOKEN_SAVED:
            self._owner.card_saved(event)
            return True
        data, order = event.event.data, None
        if data.terms is not None and event.event.type is EventType.CREATED:
            order = data.terms.external_id
        elif data.changed is not None and data.changed.external_id is not None:
            order = data.changed.external_id.new
        if order is not None:
            self._owner.created(event.event.payment_id, order, event.merchant)
        return True

    def close(self, code: int, reason: str) -> None:
        self._owner.lost(self)

"""Tells the pages of a shop's site of the cards that a gateway saved for their user.

A page that shows a list of cards subscribes to no invoice. So a client whom a token of
the site lets in hears `payment:token-saved` of its own by itself: of the payments whose
`metadata.customer` is the user that the token names; and where it names none, but a
salon, of that salon's. Never of another user's, salon's or merchant's, and without a
token of nothing: what a page may follow by an invoice's number is another question.

It is told as things happen, and to who is there: whoever was away loads its list anew.
So there is no place to go on from (`since`) in it.

One per node. `join` and what it returns are called in the clients' greenlets; an event
comes in the dispatcher's, and its payment is read in one of our own.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

import gevent

from engine.errors import EngineError
from engine.gateway import Gateway
from engine.payment.events import CommittedEvent
from engine.payment.model import Terms
from transport.live.creation_listeners import CreationListeners
from transport.live.doors import SALON, Guest
from transport.live.payment_messages import PaymentMessage, card_message

__all__ = ["SavedCards", "Tell"]

_log = logging.getLogger("paybell.live")

#: Called with the event's offset, and the message; must not wait.
Tell = Callable[[int, PaymentMessage], None]

#: Where a gateway's notification, or the shop, notes whose payment it is.
_CUSTOMER: Final = "customer"
#: Events whose payments are still to be read; beyond, the oldest are told to nobody.
_MOST_UNREAD: Final = 1_000

_Key = tuple[str, str, str]  # merchant, "user" or "salon", its name


class SavedCards:
    """See the module docstring."""

    def __init__(self, gateway: Gateway, listeners: CreationListeners) -> None:
        self._gateway = gateway
        self._listeners = listeners
        self._guests: dict[_Key, dict[Tell, Guest]] = {}
        self._unread: deque[CommittedEvent] = deque(maxlen=_MOST_UNREAD)
        self._is_reading = False

    def __len__(self) -> int:
        """Clients that would be told."""
        return sum(map(len, self._guests.values()))

    def join(self, guest: Guest, tell: Tell) -> Callable[[], None]:
        """From now on `tell` hears of the guest's own cards. Call what it returns when
        the client leaves. The first of all waits, to read where the journal stands."""
        key = _key_of(guest)
        if key is None:
            return lambda: None
        self._listeners.listen_for_cards(self._saved)
        self._guests.setdefault(key, {})[tell] = guest
        return lambda: self._leave(key, tell)

    def _leave(self, key: _Key, tell: Tell) -> None:
        guests = self._guests.get(key, {})
        guests.pop(tell, None)
        if not guests:
            self._guests.pop(key, None)
        if not self._guests:
            self._listeners.forget_cards()

    def _saved(self, event: CommittedEvent) -> None:
        self._unread.append(event)
        if not self._is_reading:
            self._is_reading = True
            gevent.spawn(self._read)

    def _read(self) -> None:
        try:
            while self._unread:
                self._tell(self._unread.popleft())
        finally:
            self._is_reading = False

    def _tell(self, event: CommittedEvent) -> None:
        payment_id = event.event.payment_id
        try:
            payment = self._gateway.payment(payment_id)
        except EngineError as error:
            _log.warning(
                "live.card_not_told payment=%s detail=%s", payment_id, str(error)
            )
            return
        if payment is None:
            return
        message = card_message(event)
        for tell in tuple(self._those_of(payment.terms)):
            tell(event.offset, message)

    def _those_of(self, terms: Terms) -> Iterator[Tell]:
        for kind, field in (("user", _CUSTOMER), ("salon", SALON)):
            named = terms.metadata.get(field)
            guests = self._guests.get((terms.merchant, kind, str(named)), {})
            for tell, guest in guests.items():
                if named is not None and guest.may_hear_of(terms):
                    yield tell


def _key_of(guest: Guest) -> _Key | None:
    """None: it has shown no token, and nothing is its own."""
    if not guest.is_known:
        return None
    if guest.user is not None:
        return guest.merchant, "user", guest.user
    return None if guest.salon is None else (guest.merchant, "salon", guest.salon)

"""What one client is in one namespace: who it is, and what it follows there."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec

from transport.live.doors import Guest
from transport.live.followed_invoice import ToldSeqs
from transport.live.payment_messages import PaymentMessage
from transport.live.socketio import packets
from transport.live.socketio.session import Session

__all__ = ["Seat"]

#: How often the clock and the rules are looked at, while a token lasts.
_LOOK_S: Final = 30.0


class Followed(Protocol):
    """`transport.live.socketio.invoices.Invoice`."""

    def end(self) -> None: ...

    def unsubscribe(self) -> None: ...


class Seat:
    """See the module docstring."""

    __slots__ = (
        "_alarm",
        "_is_welcome",
        "_now",
        "_on_expired",
        "closed",
        "guest",
        "invoices",
        "leave_cards",
        "namespace",
        "session",
        "told",
    )

    def __init__(self, session: Session, namespace: str, guest: Guest) -> None:
        self.session = session
        self.namespace = namespace
        self.guest = guest
        self.invoices: dict[str, Followed] = {}  # by the number that the client gave
        self.told = ToldSeqs()
        self.closed = False
        self.leave_cards: Callable[[], None] = lambda: None
        self._alarm: Any = None
        self._now: Callable[[], int] = lambda: 0
        self._is_welcome: Callable[[Guest], bool] = lambda _guest: True
        self._on_expired: Callable[[Seat], None] = lambda _seat: None

    def end_with_token(
        self,
        now: Callable[[], int],
        is_welcome: Callable[[Guest], bool],
        on_expired: Callable[[Seat], None],
    ) -> None:
        """`on_expired(self)` is called when the token has ended, or the shop lets
        guests in by other rules; `now` in ms."""
        self._now, self._is_welcome, self._on_expired = now, is_welcome, on_expired
        self.on_alarm(time.monotonic())

    def on_alarm(self, now_s: float) -> None:
        if self.closed:
            return
        expires_at = self.guest.expires_at
        left_s = _LOOK_S
        if expires_at is not None:
            left_s = (expires_at - self._now()) / 1_000
        if left_s <= 0 or not self._is_welcome(self.guest):
            self._on_expired(self)
        else:
            # The clock may be set meanwhile, and the rules: look now and then.
            self._alarm = self.session.set_alarm(self, now_s + min(left_s, _LOOK_S))

    def emit(self, name: str, value: dict[str, Any] | msgspec.Raw) -> bool:
        return self.session.send(packets.event(self.namespace, name, value))

    def acknowledge(self, number: int, value: dict[str, Any]) -> None:
        self.session.send(packets.acknowledgement(self.namespace, number, value))

    def tell_card(self, offset: int, card: PaymentMessage) -> None:
        """One of its user's own, whether it follows the invoice or not."""
        if not self.closed and self.told.is_new_card(offset):
            self.emit(card.name, msgspec.Raw(card.body))

    def leave(self) -> None:
        """Nothing of it stays."""
        if self.closed:
            return
        self.closed = True
        self.leave_cards()
        if self._alarm is not None:
            self._alarm.cancel()
        for invoice in tuple(self.invoices.values()):
            invoice.end()
        self.invoices.clear()

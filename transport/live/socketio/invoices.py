"""An invoice that a Socket.IO client follows: behind `subscribe:payment-events`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from engine.gateway import Gateway
from engine.payment.events import CommittedEvent
from engine.payment.model import Payment
from transport.live.followed_invoice import FollowedInvoice
from transport.live.socketio.payment_packets import PaymentPackets
from transport.live.socketio.seat import Seat

__all__ = ["ERROR", "Invoice"]

#: What cannot be done, for who asks for no acknowledgement.
ERROR: Final = "subscribe:error"


class Invoice(FollowedInvoice):
    """See the module docstring."""

    __slots__ = ("_ack", "_name", "_packets", "_seat", "_with_steps")

    def __init__(
        self,
        name: str,
        seat: Seat,
        gateway: Gateway,
        payment_packets: PaymentPackets,
        ack: int | None,
        with_steps: bool,
    ) -> None:
        """`ack`: the number under which the client wants to know how it stands.
        `with_steps`: it wants to hear of steps on the way, too."""
        super().__init__(
            "socketio", gateway, payment_packets.epoch, seat.guest, seat.told
        )
        self._name = name
        self._seat = seat
        self._packets = payment_packets
        self._ack = ack
        self._with_steps = with_steps

    def nothing_yet(self) -> None:
        self._acknowledge({"invoiceId": self._name, "state": None})

    def is_connected(self) -> bool:
        return not self._seat.closed

    def has_room(self, again: Callable[[], None]) -> bool:
        return self._seat.session.has_room(again)

    def tell_state(self, payment: Payment, since: int | None) -> bool:
        if self._ack is not None:
            answer = {"invoiceId": self._name, "state": self._packets.state(payment)}
            self._acknowledge(answer)
            return True
        if since is not None:
            return True
        anew = self.take_begins_anew()
        if anew is not None:
            code, text = anew
            error = {"invoiceId": self._name, "code": code, "message": text}
            self._seat.emit(ERROR, error)
        # A page that asks for no answer would wait for ever for what has been.
        is_anew = anew is not None
        told = self._packets.of_state(payment, self._seat.namespace, is_anew=is_anew)
        return told is None or self._seat.session.send_event(told)

    def tell(self, event: CommittedEvent) -> bool:
        seat = self._seat
        encoded = self._packets.of_event(event, seat.namespace, self._with_steps)
        return encoded is None or seat.session.send_event(encoded)

    def close(self, code: int, reason: str) -> None:
        """The session ended from the other side: the client comes back."""
        if not self._ended:
            self._seat.session.close(reason)

    def _acknowledge(self, answer: dict[str, Any]) -> None:
        ack, self._ack = self._ack, None
        if ack is not None and self.is_open:
            if anew := self.take_begins_anew():
                answer["beginsAnew"] = anew[1]
            self._seat.acknowledge(ack, answer)

"""An invoice that a plain WebSocket follows: its messages, flat with a `type`."""

from collections.abc import Callable

from engine.errors.codes import StreamCode
from engine.gateway import Gateway
from engine.payment.events import CommittedEvent
from engine.payment.model import Payment
from transport.live.doors import Guest
from transport.live.encoding import Frames
from transport.live.followed_invoice import FollowedInvoice, ToldSeqs
from transport.live.payment_messages import (
    PaymentMessages,
    messages_of_state,
    state_body,
)
from transport.live.sinks import Wire
from transport.server.websocket.frames import encode_text

__all__ = ["Answer", "SalonInvoice", "TellAnew"]

#: Told how the invoice stands, for who asked: its state as JSON (None: there is no
#: payment yet), and a sentence if what was asked for begins anew.
Answer = Callable[[bytes | None, str | None], None]
#: Told, where no answer is wanted, that what was asked for begins anew, and why.
TellAnew = Callable[[StreamCode, str], None]


class SalonInvoice(FollowedInvoice):
    """See the module docstring."""

    __slots__ = (
        "_answer",
        "_frames",
        "_messages",
        "_tell_anew",
        "_wire",
        "_with_steps",
    )

    def __init__(
        self,
        wire: Wire,
        gateway: Gateway,
        frames: Frames,
        messages: PaymentMessages,
        guest: Guest,
        told: ToldSeqs,
        tell_anew: TellAnew,
        *,
        with_steps: bool = False,
        answer: Answer | None = None,
    ) -> None:
        super().__init__("salon", gateway, frames.epoch, guest, told)
        self._wire = wire
        self._frames = frames
        self._messages = messages
        self._tell_anew = tell_anew
        self._with_steps = with_steps
        self._answer = answer

    def nothing_yet(self) -> None:
        self._say_how_it_stands(None)

    def is_connected(self) -> bool:
        return not self._wire.websocket.closed

    def has_room(self, again: Callable[[], None]) -> bool:
        return self._wire.has_room(again)

    def tell_state(self, payment: Payment, since: int | None) -> bool:
        now = self._gateway.now()
        if self._answer is not None:
            self._say_how_it_stands(state_body(payment, self._frames, now))
            return True
        if since is not None:
            return True
        anew = self.take_begins_anew()
        if anew is not None:
            self._tell_anew(*anew)
        is_anew = anew is not None
        return all(
            self._wire.send(encode_text(one.flat))
            for one in messages_of_state(payment, self._frames, now, is_anew=is_anew)
        )

    def tell(self, event: CommittedEvent) -> bool:
        for one in self._messages.of(event):
            if one.is_step and not self._with_steps:
                continue
            if not self.is_open or not self._wire.send_event(one.frame):
                return False
        return True

    def close(self, code: int, reason: str) -> None:
        if not self._ended:
            self._wire.websocket.close(code, reason)

    def _say_how_it_stands(self, body: bytes | None) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and self.is_open:
            anew = self.take_begins_anew()
            answer(body, None if anew is None else anew[1])

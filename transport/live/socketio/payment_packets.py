"""What is told of an event and of a payment: made once for all who hear the same.

Thousands of browsers on one invoice get the same bytes. What is told differs by the
namespace, which a packet names, and by whether steps on the way are wanted too.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from engine.payment.events import CommittedEvent
from engine.payment.model import Payment
from transport.live.encoding import Frames
from transport.live.payment_messages import (
    PaymentMessage,
    PaymentMessages,
    messages_of_state,
    state_body,
)
from transport.live.socketio import packets
from transport.live.socketio.packets import Encoded

__all__ = ["PaymentPackets"]

#: Kept at once: what happens to one payment is told to a few namespaces.
_KEPT: Final = 512


class PaymentPackets:
    """One per node."""

    def __init__(self, frames: Frames, now: Callable[[], int]) -> None:
        self.epoch = frames.epoch
        self._frames = frames
        self._now = now
        self._messages = PaymentMessages(frames.epoch)
        self._kept: OrderedDict[tuple[int, str, bool], Encoded | None] = OrderedDict()

    def of_event(
        self, event: CommittedEvent, namespace: str, with_steps: bool
    ) -> Encoded | None:
        """None: nothing is told of it."""
        key = (event.offset, namespace, with_steps)
        try:
            return self._kept[key]
        except KeyError:
            pass
        told = (m for m in self._messages.of(event) if with_steps or not m.is_step)
        made = self._kept[key] = _encoded(told, namespace)
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return made

    def of_state(
        self, payment: Payment, namespace: str, *, is_anew: bool
    ) -> Encoded | None:
        """For who comes when all is over. None: it is not. `is_anew`: always."""
        now = self._now()
        told = messages_of_state(payment, self._frames, now, is_anew=is_anew)
        return _encoded(told, namespace)

    def state(self, payment: Payment) -> msgspec.Raw:
        """How it stands, for who asks: the object of an update."""
        return msgspec.Raw(state_body(payment, self._frames, self._now()))


def _encoded(told: Iterable[PaymentMessage], namespace: str) -> Encoded | None:
    texts = [packets.event(namespace, m.name, msgspec.Raw(m.body)) for m in told]
    return Encoded(*texts) if texts else None

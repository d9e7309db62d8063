"""One invoice that one socket follows: the `Sink` behind `subscribe:payment-events`.

An invoice is the payments that have its number: the newest one that there is, and those
that are made later. What a socket was told of one it is not told again; but when it
unsubscribes and comes back without a place (`since`), then anew that it is paid. Told
by the dispatcher's greenlet; begun and ended in the greenlet of the connection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.codes import StreamCode
from engine.gateway import Gateway, SessionHandle
from engine.payment.events import CommittedEvent
from engine.payment.model import Payment
from engine.ports import Freshness
from engine.store.epochs import START, Position
from transport.live.socketio.seat import Seat
from transport.live.socketio.story import Story

__all__ = ["Invoice"]


class Invoice:
    """See the module docstring."""

    __slots__ = (
        "_ack",
        "_begins_anew",
        "_ended",
        "_gateway",
        "_name",
        "_own",
        "_seat",
        "_session",
        "_story",
        "_with_steps",
        "stop_waiting",
    )

    def __init__(
        self,
        name: str,
        seat: Seat,
        gateway: Gateway,
        story: Story,
        ack: int | None,
        with_steps: bool,
    ) -> None:
        """`ack`: the number under which the client wants to know how it stands.
        `with_steps`: it wants to hear of steps on the way, too."""
        self._name = name
        self._seat = seat
        self._gateway = gateway
        self._story = story
        self._ack = ack
        self._with_steps = with_steps
        self._begins_anew = ""
        self._own: set[str] = set()  # payments that the guest may hear of
        self._session: SessionHandle | None = None
        self._ended = False
        #: Called when it ends, while it waits for payments that are still to come.
        self.stop_waiting: Callable[[], None] | None = None

    def follow(self, payment_id: str, since: Position | None) -> None:
        """`since` None: from now on; never what this socket was told before, but for
        how a payment stands that it unsubscribed from."""
        if self._ended:
            return
        if since is None:
            self._seat.forget_left(payment_id)
        told = self._seat.told.get(payment_id)
        if told is not None and (since is None or since.number < told):
            since = Position(self._story.epoch, told)
        if self._session is None:
            self._session = self._gateway.open_session("socketio", self)
        self._session.follow(payment_id, since)

    def created(self, payment_id: str) -> None:
        """A payment was made for it: told from its beginning."""
        self.follow(payment_id, START)

    def nothing_yet(self) -> None:
        """No payment has its number so far."""
        self._acknowledge({"invoiceId": self._name, "state": None})

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
        self._seat.leave_payments(self._own)
        self.end()

    # The `Sink`.

    @property
    def _is_open(self) -> bool:
        return not self._ended and not self._seat.closed

    def has_room(self, again: Callable[[], None]) -> bool:
        return self._seat.session.has_room(again)

    def state(self, payment: Payment, since: int | None) -> bool:
        if not self._is_open:  # noted as told, it would be lost to who comes next
            return False
        seat = self._seat
        if not seat.guest.may_hear_of(payment.terms):
            assert self._session is not None
            self._session.unfollow(payment.id)
            return self._is_open
        self._own.add(payment.id)
        seat.note_told(payment.id, payment.seq if since is None else since)
        if self._ack is not None:
            answer = {"invoiceId": self._name, "state": self._story.state(payment)}
            self._acknowledge(answer)
        elif since is None:
            # A page that asks for no answer would wait for ever for what has been.
            told = self._story.of_state(payment, seat.namespace)
            return self._is_open and (told is None or seat.session.send_event(told))
        return self._is_open

    def _acknowledge(self, answer: dict[str, Any]) -> None:
        ack, self._ack = self._ack, None
        if ack is not None and self._is_open:
            if self._begins_anew:
                answer["beginsAnew"] = self._begins_anew
            self._seat.acknowledge(ack, answer)

    def event(self, event: CommittedEvent) -> bool:
        if not self._is_open:
            return False
        seat, fact = self._seat, event.event
        if fact.payment_id not in self._own:
            return True  # it is being left, but its session's turn goes on
        seat.note_told(fact.payment_id, fact.seq)
        encoded = self._story.of_event(event, seat.namespace, self._with_steps)
        return encoded is None or seat.session.send_event(encoded)

    def freshness(self, freshness: Freshness) -> bool:
        return self._is_open

    def problem(self, code: StreamCode, message: str) -> bool:
        # What is read anew is no story that goes on: whoever asked is told so.
        if code in (StreamCode.BEGINS_ANEW, StreamCode.SINCE_IN_FUTURE):
            self._begins_anew = message
        return self._is_open

    def close(self, code: int, reason: str) -> None:
        """The session ended from the other side: the client comes back."""
        if not self._ended:
            self._seat.session.close(reason)

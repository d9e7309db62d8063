"""One invoice that one plain WebSocket follows: a `Sink`, with a session of its own.

An invoice is the payments that have its number: the newest one that there is, and those
that are made later. What a socket was told of one it is not told again; but when it
unsubscribes and comes back without a place (`since`), then anew that it is paid. Told
by the dispatcher's greenlet; begun and ended in the greenlet of the connection.
"""

from collections.abc import Callable

from engine.codes import StreamCode
from engine.gateway import Gateway, SessionHandle
from engine.payment.events import CommittedEvent
from engine.payment.model import Payment
from engine.store.epochs import START, Position
from transport.live.doors import Guest
from transport.live.encoding import Frames
from transport.live.events_only import EventsOnly
from transport.live.payment_messages import (
    PaymentMessages,
    messages_of_state,
    state_body,
)
from transport.live.sinks import Wire
from transport.server.websocket.frames import encode_text

__all__ = ["Answer", "SalonInvoice", "Told"]

#: Told how the invoice stands, for who asked: its state as JSON (None: there is no
#: payment yet), and a sentence if what was asked for begins anew.
Answer = Callable[[bytes | None, str | None], None]

#: Payments of which a socket remembers how much it was told.
_TOLD = 1_000


class Told:
    """How much one socket was told of each payment: the last seq."""

    __slots__ = ("_left", "_seqs")

    def __init__(self) -> None:
        self._seqs: dict[str, int] = {}
        self._left: set[str] = set()

    def leave(self, payment_ids: set[str]) -> None:
        """The client unsubscribed: asked for without a place they are new to it."""
        self._left |= payment_ids & self._seqs.keys()

    def forget_left(self, payment_id: str) -> None:
        if payment_id in self._left:
            self._left.discard(payment_id)
            del self._seqs[payment_id]

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


class SalonInvoice(EventsOnly):
    """See the module docstring."""

    __slots__ = (
        "_answer",
        "_begins_anew",
        "_ended",
        "_frames",
        "_gateway",
        "_guest",
        "_messages",
        "_own",
        "_session",
        "_told",
        "_wire",
        "_with_steps",
        "stop_waiting",
    )

    def __init__(
        self,
        wire: Wire,
        gateway: Gateway,
        frames: Frames,
        messages: PaymentMessages,
        guest: Guest,
        told: Told,
        *,
        with_steps: bool = False,
        answer: Answer | None = None,
    ) -> None:
        self._wire = wire
        self._gateway = gateway
        self._frames = frames
        self._messages = messages
        self._guest = guest
        self._told = told
        self._with_steps = with_steps
        self._answer = answer
        self._begins_anew: str | None = None
        self._own: set[str] = set()  # payments that the guest may hear of
        self._session: SessionHandle | None = None
        self._ended = False
        #: Called when it ends: it waits for no payment that is still to come.
        self.stop_waiting: Callable[[], None] | None = None

    def follow(self, payment_id: str, since: Position | None) -> None:
        """`since` None: from now on; never what this socket was told before, but for
        how a payment stands that it unsubscribed from."""
        if self._ended:
            return
        if since is None:
            self._told.forget_left(payment_id)
        told = self._told.seq(payment_id)
        if told is not None and (since is None or since.number < told):
            since = Position(self._frames.epoch, told)
        if self._session is None:
            self._session = self._gateway.open_session("salon", self)
        self._session.follow(payment_id, since)

    def created(self, payment_id: str) -> None:
        """A payment was made for it: told from its beginning."""
        self.follow(payment_id, START)

    def nothing_yet(self) -> None:
        """No payment has its number so far."""
        self._say_how_it_stands(None)

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

    # The `Sink`.

    @property
    def is_open(self) -> bool:
        return not self._ended and not self._wire.websocket.closed

    def has_room(self, again: Callable[[], None]) -> bool:
        return self._wire.has_room(again)

    def state(self, payment: Payment, since: int | None) -> bool:
        if not self.is_open:  # noted as told, it would be lost to who comes next
            return False
        if not self._guest.may_hear_of(payment.terms):
            assert self._session is not None, "a state without a session"
            self._session.unfollow(payment.id)
            return self.is_open
        self._own.add(payment.id)
        self._told.note(payment.id, payment.seq if since is None else since)
        now = self._gateway.now()
        if self._answer is not None:
            self._say_how_it_stands(state_body(payment, self._frames, now))
        elif since is None:
            for one in messages_of_state(payment, self._frames, now):
                if not self._send(encode_text(one.flat)):
                    return False
        return self.is_open

    def event(self, event: CommittedEvent) -> bool:
        if not self.is_open:
            return False
        fact = event.event
        if fact.payment_id not in self._own:
            return True  # it is being left, but its session's turn goes on
        self._told.note(fact.payment_id, fact.seq)
        for one in self._messages.of(event):
            if one.is_step and not self._with_steps:
                continue
            if not self.is_open or not self._wire.send_event(one.frame):
                return False
        return self.is_open

    def problem(self, code: StreamCode, message: str) -> bool:
        # What is read anew is no story that goes on: whoever asked is told so.
        if code in (StreamCode.BEGINS_ANEW, StreamCode.SINCE_IN_FUTURE):
            self._begins_anew = message
        return self.is_open

    def close(self, code: int, reason: str) -> None:
        if not self._ended:
            self._wire.websocket.close(code, reason)

    def _send(self, frame: bytes) -> bool:
        return self.is_open and self._wire.send(frame)

    def _say_how_it_stands(self, body: bytes | None) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and self.is_open:
            answer(body, self._begins_anew)

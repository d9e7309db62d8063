"""What is said on `/ws`: identify, subscribe, unsubscribe, and the answers.

    client                                    server
                                              {"type":"connected","message","timestamp"}
    {"type":"identify","externalId"}          {"type":"identified","externalId",
                                               "timestamp"}
                                              {"type":"payment","status":"paid",
                                               "paymentHash","amountSat","externalId",
                                               "message","timestamp"}
    {"type":"subscribe","payment_id",         {"type":"subscribed","payment_id","state"}
     "since"?,"token"}                        {"type":"source",...}, then events
    {"type":"unsubscribe","payment_id"}       {"type":"unsubscribed","payment_id"}
    {"type":"ping"}                           {"type":"pong","timestamp"}
    anything else                             {"type":"error","code","message"}

`identify` needs no secret, as in the document it is made for, so it tells no more than
that document's message: whether the newest payment with that external id, or one
created later, is paid. It is told once per confirmation; identifying again tells it
again. "merchant" beside "externalId" narrows it to one shop of a shared node. Should a
reorganisation take the money back, "status" is "reversed".

`subscribe` gives the whole story and wants the payment's `client_secret` as "token".

One `Conversation` per socket; `hear` runs in the connection's greenlet and may wait
for a read of the store; what is told back comes from the dispatcher's.
"""

from typing import Annotated, Final

import msgspec

from engine.events import CommittedEvent, iso
from engine.gateway import Gateway, SessionHandle
from engine.model import EventType, Payment, Status
from engine.ports import Freshness
from engine.vault import Vault
from transport.live.encoding import Frames, error_message, message, state_object
from transport.live.frames import encode_text
from transport.live.newcomers import Newcomers
from transport.live.sinks import Wire

__all__ = ["MAX_TOPICS", "Conversation"]

#: Identities and subscriptions of one socket together.
MAX_TOPICS: Final = 64

_PAID: Final = {Status.CONFIRMED, Status.FORWARDED}
_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class _Kind(msgspec.Struct):
    type: str


class _Identify(msgspec.Struct, rename="camel"):
    external_id: _Id
    merchant: _Id | None = None


class _Subscribe(msgspec.Struct):
    payment_id: _Id
    token: _Id | None = None
    since: Annotated[int, msgspec.Meta(ge=0, lt=10**18)] | None = None


class _Unsubscribe(msgspec.Struct):
    payment_id: _Id


class _Ping(msgspec.Struct):
    pass


_Message = _Identify | _Subscribe | _Unsubscribe | _Ping

_KINDS: dict[str, type[_Message]] = {
    "identify": _Identify,
    "subscribe": _Subscribe,
    "unsubscribe": _Unsubscribe,
    "ping": _Ping,
}


class Conversation:
    """One client on `/ws`."""

    def __init__(
        self,
        wire: Wire,
        gateway: Gateway,
        vault: Vault,
        newcomers: Newcomers,
        frames: Frames,
    ) -> None:
        self._wire = wire
        self._gateway = gateway
        self._vault = vault
        self._newcomers = newcomers
        self._frames = frames
        self._identities: dict[str, _Identity] = {}  # by external id
        self._subscriptions: dict[str, _Subscription] = {}  # by payment id

    def open(self) -> None:
        self._say(
            "connected", message="Connected to Paybell", timestamp=self._timestamp()
        )

    def close(self) -> None:
        """The client has gone: nothing of it stays."""
        for identity in self._identities.values():
            identity.end()
        for subscription in self._subscriptions.values():
            subscription.end()

    def hear(self, text: str | bytes) -> None:
        """Answer one message."""
        match _parse(text):
            case _Identify(external_id, merchant):
                self._identify(external_id, merchant)
            case _Subscribe() as wanted:
                self._subscribe(wanted)
            case _Unsubscribe(payment_id):
                self._unsubscribe(payment_id)
            case _Ping():
                self._say("pong", timestamp=self._timestamp())
            case (code, detail):
                self._refuse(code, detail)

    def _identify(self, external_id: str, merchant: str | None) -> None:
        known = self._identities.pop(external_id, None)
        if known is not None:
            known.end()
        if not self._has_room():
            return
        self._say("identified", externalId=external_id, timestamp=self._timestamp())
        identity = _Identity(self._wire, self._gateway, external_id)
        self._identities[external_id] = identity
        identity.begin(self._newcomers, merchant)

    def _subscribe(self, wanted: _Subscribe) -> None:
        payment_id = wanted.payment_id
        if not self._vault.is_client_secret(payment_id, wanted.token or ""):
            self._refuse(
                "not_allowed",
                "token must be the client_secret of this payment, which the answer"
                " that created it holds",
                payment_id,
            )
            return
        known = self._subscriptions.pop(payment_id, None)
        if known is not None:
            known.end()
        if not self._has_room():
            return
        subscription = _Subscription(self._wire, self._frames, payment_id)
        self._subscriptions[payment_id] = subscription
        subscription.begin(self._gateway, wanted.since)

    def _unsubscribe(self, payment_id: str) -> None:
        known = self._subscriptions.pop(payment_id, None)
        if known is not None:
            known.end()
        # Told also when there was nothing to end: that is how it stands now.
        self._say("unsubscribed", payment_id=payment_id)

    def _has_room(self) -> bool:
        if len(self._identities) + len(self._subscriptions) < MAX_TOPICS:
            return True
        self._refuse(
            "too_many", f"at most {MAX_TOPICS} identities and subscriptions per socket"
        )
        return False

    def _say(self, kind: str, **fields: object) -> None:
        self._wire.send(encode_text(message(kind, **fields)))

    def _refuse(self, code: str, text: str, payment_id: str | None = None) -> None:
        self._wire.send(encode_text(error_message(code, text, payment_id)))

    def _timestamp(self) -> str:
        return iso(self._gateway.now())


def _parse(text: str | bytes) -> _Message | tuple[str, str]:
    """The message, or the code and the text of what is wrong with it."""
    if isinstance(text, bytes):
        return "bad_message", "send text, not binary"
    raw = text.encode()
    try:
        kind = msgspec.json.decode(raw, type=_Kind).type
    except msgspec.ValidationError as error:
        return "bad_message", f'a message is an object with a "type": {error}'
    except (msgspec.DecodeError, RecursionError):
        return "bad_json", "this is not JSON"
    wanted = _KINDS.get(kind)
    if wanted is None:
        allowed = ", ".join(_KINDS)
        return "unknown_type", f'"type" must be one of: {allowed}'
    try:
        return msgspec.json.decode(raw, type=wanted)
    except msgspec.ValidationError as error:
        return "bad_message", str(error)


class _Identity:
    """The `Sink` behind one external id: tells of money, and of nothing else."""

    __slots__ = (
        "_ended",
        "_external_id",
        "_gateway",
        "_newcomers",
        "_session",
        "_told",
        "_wire",
    )

    def __init__(self, wire: Wire, gateway: Gateway, external_id: str) -> None:
        self._wire = wire
        self._gateway = gateway
        self._external_id = external_id
        self._session: SessionHandle = gateway.open_session("identity", self)
        self._newcomers: Newcomers | None = None
        self._told: set[str] = set()  # payments it was told are paid
        self._ended = False

    def begin(self, newcomers: Newcomers, merchant: str | None) -> None:
        # Listening first, looking then: a payment that is created in between is found
        # by both, and followed once.
        newcomers.add(self._external_id, merchant, self.follow)
        self._newcomers = newcomers
        found = self._gateway.payments_of(self._external_id)
        mine = (p for p in found if merchant in {None, p.terms.merchant})
        newest = next(mine, None)
        if newest is not None:
            self.follow(newest.id)

    def follow(self, payment_id: str) -> None:
        if not self._ended:
            self._session.follow(payment_id, None)

    def end(self) -> None:
        self._ended = True
        if self._newcomers is not None:
            self._newcomers.remove(self._external_id, self.follow)
        self._session.close()

    def state(self, payment: Payment, since: int | None) -> bool:
        if payment.status not in _PAID:
            return self._open
        txid = payment.receipts[-1].txid if payment.receipts else None
        return self._tell_paid(payment.id, payment.received_sat, txid)

    def event(self, event: CommittedEvent) -> bool:
        fact = event.event
        if fact.type is EventType.CONFIRMED:
            return self._tell_paid(fact.payment_id, fact.received_sat, fact.txid)
        if fact.type is EventType.REVERSED and fact.payment_id in self._told:
            self._told.discard(fact.payment_id)
            text = "The payment was taken back by a reorganisation of the chain."
            return self._tell("reversed", fact.received_sat, fact.txid, text)
        return self._open

    def freshness(self, freshness: Freshness) -> bool:
        return self._open

    def problem(self, code: str, message: str) -> bool:
        return self._open

    def close(self, code: int, reason: str) -> None:
        if not self._ended:
            self._wire.websocket.close(code, reason)

    @property
    def _open(self) -> bool:
        return not self._ended and not self._wire.websocket.closed

    def _tell_paid(self, payment_id: str, amount_sat: int, txid: str | None) -> bool:
        if payment_id in self._told:
            return self._open
        self._told.add(payment_id)
        return self._tell("paid", amount_sat, txid, "Payment received successfully!")

    def _tell(self, status: str, amount_sat: int, txid: str | None, text: str) -> bool:
        told = message(
            "payment",
            status=status,
            paymentHash=txid,
            amountSat=amount_sat,
            externalId=self._external_id,
            message=text,
            timestamp=iso(self._gateway.now()),
        )
        return self._open and self._wire.send(encode_text(told))


class _Subscription:
    """The `Sink` behind one subscribed payment."""

    __slots__ = ("_ended", "_frames", "_payment_id", "_session", "_wire")

    def __init__(self, wire: Wire, frames: Frames, payment_id: str) -> None:
        self._wire = wire
        self._frames = frames
        self._payment_id = payment_id
        self._session: SessionHandle | None = None
        self._ended = False

    def begin(self, gateway: Gateway, since: int | None) -> None:
        self._session = gateway.open_session("subscription", self)
        self._session.follow(self._payment_id, since)

    def end(self) -> None:
        self._ended = True
        if self._session is not None:
            self._session.close()

    def state(self, payment: Payment, since: int | None) -> bool:
        head = message("subscribed", payment_id=self._payment_id)
        return self._send(
            encode_text(b'%b,"state":%b}' % (head[:-1], state_object(payment)))
        )

    def event(self, event: CommittedEvent) -> bool:
        return self._send(self._frames.websocket(event))

    def freshness(self, freshness: Freshness) -> bool:
        frame = self._frames.freshness_frame(freshness)
        return not self._ended and self._wire.send_source(frame)

    def problem(self, code: str, message: str) -> bool:
        if code == "unknown":
            code = "unknown_payment"
        return self._send(encode_text(error_message(code, message, self._payment_id)))

    def close(self, code: int, reason: str) -> None:
        if not self._ended:
            self._wire.websocket.close(code, reason)

    def _send(self, frame: bytes) -> bool:
        return not self._ended and self._wire.send(frame)

"""What is said on `/ws`: identify, subscribe, unsubscribe, and the answers.

    client                                    server
                                              {"type":"connected","message","timestamp"}
    {"type":"identify","externalId",          {"type":"identified","externalId",
     "token"?,"merchant"?}                     "paymentId"?,"timestamp"}
                                              {"type":"payment","status":"paid",
                                               "paymentHash","amountSat","externalId",
                                               "message","timestamp"}
    {"type":"subscribe","payment_id",         {"type":"subscribed","payment_id","epoch",
     "since"?,"token"}                         "state"}
                                              {"type":"source",...}, then events
    {"type":"unsubscribe","payment_id"}       {"type":"unsubscribed","payment_id"}
    {"type":"ping"}                           {"type":"pong","timestamp"}
    anything else                             {"type":"error","code","message"}
                                              {"type":"broadcast","message",
                                               "timestamp"}, of an operator

`identify` tells whether a payment is paid, once per confirmation; identifying again
tells it again. Should a reorganisation take the money back, "status" is "reversed".
Order numbers can be guessed, so it wants the payment's `client_secret` as "token"; who
has it is told the payment's id too, to `subscribe` to. In the document that it is made
for it needs no secret. A merchant may have it so (`identify_without_secret`): then the
newest payment with the external id, or one that is created later, is told of, and
"identified" is the answer whether there is one or not. "merchant" narrows it to one
shop of a shared node.

`subscribe` gives the whole story and wants the same "token".

In both, and as `/ws?token=`, "token" may be one of the shop's own site (S3.7: a JWT,
`visit.py`): it opens its merchant's payments, or those of its salon, with what a
visitor may read of them, and no others; "merchant" says whose it is, if not the default
one's.

One `Conversation` per socket; `on_message` runs in the connection's greenlet and may
wait for a read of the store; what is told back comes from the dispatcher's.
"""

import math
from collections.abc import Callable
from typing import Annotated, Final

import msgspec

from engine.errors.codes import StreamCode
from engine.gateway import Gateway
from engine.merchants.name import DEFAULT
from engine.payment.events import iso
from engine.secrets.vault import Vault
from engine.store.epochs import POSITION, Position
from transport.live.creation_listeners import CreationListeners
from transport.live.doors import Guest
from transport.live.encoding import Frames, error_message, message
from transport.live.limits import LiveLimits
from transport.live.sinks import Wire
from transport.live.topics import Identity, SubscribedSink
from transport.live.visit import Visit, is_site_token
from transport.server.websocket.frames import encode_text

__all__ = ["MAX_TOPICS", "Conversation", "is_ping"]

#: Identities and subscriptions of one socket together, unless a setting says otherwise.
MAX_TOPICS: Final = LiveLimits().topics

_Seq = Annotated[int, msgspec.Meta(ge=0, lt=10**18)]
_Position = Annotated[str, msgspec.Meta(pattern=POSITION)]
_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
_Token = Annotated[str, msgspec.Meta(min_length=1, max_length=8_192)]


class _Kind(msgspec.Struct):
    type: str


class _Identify(msgspec.Struct, rename="camel"):
    external_id: _Id
    token: _Token | None = None
    merchant: _Id | None = None


class _Subscribe(msgspec.Struct):
    payment_id: _Id
    token: _Token | None = None
    since: _Seq | _Position | None = None

    @property
    def position(self) -> Position | None:
        """Where the client is; a number alone is a seq of no epoch."""
        if isinstance(self.since, str):
            return Position.parse(self.since)
        return None if self.since is None else Position(None, self.since)


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
        creation_listeners: CreationListeners,
        frames: Frames,
        identify_wait_s: Callable[[], float] = lambda: 0.0,
        visit: Visit | None = None,
        default_merchant: str = DEFAULT,
        most_topics: int = MAX_TOPICS,
    ) -> None:
        """`identify_wait_s`: how long its address has still to wait; called once for
        each `identify`. `visit`: of tokens of a shop's site; without, they open
        nothing. `default_merchant`: whose they are if nothing says otherwise."""
        self._wire = wire
        self._gateway = gateway
        self._vault = vault
        self._creation_listeners = creation_listeners
        self._frames = frames
        self._identify_wait_s = identify_wait_s
        self._visit = visit
        self._default_merchant = default_merchant
        self._most_topics = most_topics
        self._identities: dict[str, Identity] = {}  # by external id
        self._subscriptions: dict[str, SubscribedSink] = {}  # by payment id

    def open(self) -> None:
        self._say(
            "connected", message="Connected to Paybell", timestamp=self._timestamp()
        )

    def close(self) -> None:
        """The client has gone: nothing of it stays."""
        if self._visit is not None:
            self._visit.close()
        for identity in self._identities.values():
            identity.end()
        for subscription in self._subscriptions.values():
            subscription.end()

    def is_about(self, merchant: str) -> bool:
        """Whether it follows a payment of this merchant."""
        of_orders = (topic.merchant for topic in self._identities.values())
        of_payments = (topic.merchant for topic in self._subscriptions.values())
        return merchant in {*of_orders, *of_payments}

    def broadcast(self, text: str) -> bool:
        """Say what an operator has to say to everybody; whether it was sent."""
        said = message("broadcast", message=text, timestamp=self._timestamp())
        return self._wire.send(encode_text(said))

    def on_message(self, text: str | bytes) -> None:
        """Answer one message."""
        match _parse(text):
            case _Identify() as wanted:
                self._identify(wanted)
            case _Subscribe() as wanted:
                self._subscribe(wanted)
            case _Unsubscribe(payment_id):
                self._unsubscribe(payment_id)
            case _Ping():
                self._say("pong", timestamp=self._timestamp())
            case (code, detail):
                self._refuse(code, detail)

    def _identify(self, wanted: _Identify) -> None:
        wait_s = self._identify_wait_s()
        if wait_s > 0:
            self._refuse(
                StreamCode.TOO_MANY,
                "too many order numbers were asked after from this address"
                f" (identifies_per_s); come back in {math.ceil(wait_s)} s",
            )
            return
        proven, guest = self._proven(wanted)
        is_open = self._gateway.identifies_without_secret(wanted.merchant)
        if is_site_token(wanted.token):
            is_open = False  # a wrong token is refused, whatever it would not need
        if not proven and guest is None and not is_open:
            # The same for a number that there is and for one that there is not.
            self._refuse(
                StreamCode.NOT_ALLOWED,
                "token must be the client_secret of a payment with this externalId,"
                " which the answer that created it holds, or a token of the shop's"
                " site",
            )
            return
        external_id = wanted.external_id
        known = self._identities.pop(external_id, None)
        if known is not None:
            known.end()
        if not self._has_room():
            return
        payment = {"paymentId": proven} if proven else {}
        now = self._timestamp()
        self._say("identified", externalId=external_id, **payment, timestamp=now)
        identity = Identity(self._wire, self._gateway, external_id)
        self._identities[external_id] = identity
        if proven:
            identity.follow(proven)
        else:
            identity.begin(self._creation_listeners, wanted.merchant, guest)

    def _proven(self, wanted: _Identify) -> tuple[str | None, Guest | None]:
        """The id of the payment whose secret came with it; or whom the site's token
        stands for."""
        visit = self._visit
        named = wanted.merchant or (None if visit is None else visit.merchant())
        if wanted.token is None and named is None:
            return None, None
        found = self._gateway.payments_of(wanted.external_id, named)
        if visit is not None:
            whose = [named] if named else [payment.terms.merchant for payment in found]
            guest = visit.guest_of(wanted.token, (*whose, self._default_merchant))
            if guest is not None and named in {None, guest.merchant}:
                return None, guest
        ids = (payment.id for payment in found)
        return next((i for i in ids if self._is_secret_of(i, wanted.token)), None), None

    def _is_secret_of(self, payment_id: str, token: str | None) -> bool:
        return self._vault.is_client_secret(payment_id, token or "")

    def _subscribe(self, wanted: _Subscribe) -> None:
        payment_id = wanted.payment_id
        frames = self._frames_for(wanted)
        if frames is None:
            self._refuse(
                StreamCode.NOT_ALLOWED,
                "token must be the client_secret of this payment, which the answer"
                " that created it holds, or a token of the shop's site",
                payment_id,
            )
            return
        known = self._subscriptions.pop(payment_id, None)
        if known is not None:
            known.end()
        if not self._has_room():
            return
        subscription = SubscribedSink(self._wire, frames, payment_id)
        self._subscriptions[payment_id] = subscription
        subscription.begin(self._gateway, wanted.position)

    def _frames_for(self, wanted: _Subscribe) -> Frames | None:
        """What it may be told of this payment. None: nothing."""
        if self._is_secret_of(wanted.payment_id, wanted.token):
            return self._frames
        if self._visit is None:
            return None
        payment = self._gateway.payment(wanted.payment_id)
        if payment is None:
            return None
        guest = self._visit.guest_of(wanted.token, (payment.terms.merchant,))
        if guest is None or not guest.may_hear_of(payment.terms):
            return None
        return self._frames.for_visitors

    def _unsubscribe(self, payment_id: str) -> None:
        known = self._subscriptions.pop(payment_id, None)
        if known is not None:
            known.end()
        # Told also when there was nothing to end: that is how it stands now.
        self._say("unsubscribed", payment_id=payment_id)

    def _has_room(self) -> bool:
        if len(self._identities) + len(self._subscriptions) < self._most_topics:
            return True
        self._refuse(
            StreamCode.TOO_MANY,
            f"at most {self._most_topics} identities and subscriptions per socket"
            " (ws_topics)",
        )
        return False

    def _say(self, kind: str, **fields: object) -> None:
        self._wire.send(encode_text(message(kind, **fields)))

    def _refuse(
        self, code: StreamCode, text: str, payment_id: str | None = None
    ) -> None:
        self._wire.send(encode_text(error_message(code, text, payment_id)))

    def _timestamp(self) -> str:
        return iso(self._gateway.now())


def is_ping(text: str | bytes) -> bool:
    """Whether a client only asks if somebody is there."""
    return isinstance(_parse(text), _Ping)


def _parse(text: str | bytes) -> _Message | tuple[StreamCode, str]:
    """The message, or the code and the text of what is wrong with it."""
    if isinstance(text, bytes):
        return StreamCode.BAD_MESSAGE, "send text, not binary"
    raw = text.encode()
    try:
        kind = msgspec.json.decode(raw, type=_Kind).type
    except msgspec.ValidationError as error:
        return StreamCode.BAD_MESSAGE, f'a message is an object with a "type": {error}'
    except (msgspec.DecodeError, RecursionError):
        return StreamCode.BAD_JSON, "this is not JSON"
    wanted = _KINDS.get(kind)
    if wanted is None:
        allowed = ", ".join(_KINDS)
        return StreamCode.UNKNOWN_TYPE, f'"type" must be one of: {allowed}'
    try:
        return msgspec.json.decode(raw, type=wanted)
    except msgspec.ValidationError as error:
        return StreamCode.BAD_MESSAGE, str(error)

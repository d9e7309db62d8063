"""`/ws/pos`: how the Lightning accounts of a till stand, told at once when it changes;
and so the rate of its currency.

    client                          server
    {"type":"open","key":"pbk_…"}   {"type":"till","accounts":[…],"rate":…,"now"}, then
                                    the same again whenever something of it is another
                                    (`now`, the node's clock, is of the moment)
    {"type":"open"}                 ... with the session of this browser
    anything else                   {"type":"error","code","message"}, and the end

A key comes in a message, as browsers send no headers here and what is in a URL is
written into logs. Which keys are taken says `transport/http/till.py`. How accounts
stand is published in memory for whoever reads it; that is done four times a second,
once for each merchant that has a till open, and not at all while nobody has.
"""

from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

import gevent
import msgspec

from engine.errors import EngineError
from engine.errors.codes import StreamCode
from engine.gateway import Gateway
from engine.merchants.scopes import Scope
from engine.payment.events import iso
from transport.http.auth import SCOPE, Principal
from transport.http.problems import Problem, problem_of
from transport.http.till import accounts_of, cashier
from transport.http.till_offer import rate_of_till
from transport.live.encoding import error_message
from transport.live.leases import Lease, Leases
from transport.live.routes import LiveRoutes
from transport.server.refusal import Refusal
from transport.server.upgrade import Endpoint
from transport.server.websocket.connection import WebSocket
from transport.server.websocket.frames import encode_text

__all__ = ["PATH", "Require", "TillStatus"]

PATH: Final = "/ws/pos"
LOOK_S: Final = 0.25

#: What says who the client is: where it comes from, and a session of this browser.
_OF_CLIENT: Final = (
    "REMOTE_ADDR",
    "REQUEST_METHOD",
    "HTTP_HOST",
    "HTTP_ORIGIN",
    "HTTP_SEC_FETCH_SITE",
    "HTTP_COOKIE",
    "wsgi.url_scheme",
)

#: Says who has the key of an environ, as `Auth.require`.
Require = Callable[[dict[str, Any]], Principal]


class _Open(msgspec.Struct, tag_field="type", tag="open"):
    key: Annotated[str, msgspec.Meta(min_length=1, max_length=512)] | None = None


class TillStatus:
    """One per node; also the `Routes` of its path."""

    def __init__(
        self, gateway: Gateway, require: Require, live: LiveRoutes, leases: Leases
    ) -> None:
        self._gateway = gateway
        self._require = require
        self._live = live
        self.leases = leases
        self._tills: set[_Till] = set()  # those with a key
        self._looking: Any = None  # the greenlet, while there are any

    def route(self, environ: dict[str, Any]) -> Endpoint | Refusal | None:
        if environ["PATH_INFO"] != PATH:
            return None
        client = {str(n): environ[n] for n in _OF_CLIENT if n in environ}

        def watch(websocket: WebSocket) -> None:
            websocket.listen(_Till(self, websocket, client))

        return self._live.closed_to(environ) or watch

    def count(self, change: Literal[1, -1]) -> None:
        self._live.open += change

    def principal(self, client: dict[str, Any], key: str | None) -> Principal:
        """Of the key, or else of the session that the socket was opened with. Raises
        `Problem`."""
        asked = {**client, SCOPE: Scope.READ}
        if key is not None:
            asked["HTTP_AUTHORIZATION"] = f"Bearer {key}"
        return self._require(asked)

    def begin(self, till: "_Till") -> None:
        """It is told how it stands, at once and from now on."""
        self._tills.add(till)
        till.tell(self._standing(till.merchant), self._gateway.now())
        if self._looking is None:
            self._looking = gevent.spawn_later(LOOK_S, self._look)

    def end(self, till: "_Till") -> None:
        self._tills.discard(till)
        if not self._tills and self._looking is not None:
            looking, self._looking = self._looking, None
            looking.kill(block=False)

    def _look(self) -> None:
        self._looking = None
        standings: dict[str, bytes] = {}
        now = self._gateway.now()
        for till in tuple(self._tills):
            if till.merchant not in standings:
                standings[till.merchant] = self._standing(till.merchant)
            till.tell(standings[till.merchant], now)
        if self._tills and self._looking is None:
            self._looking = gevent.spawn_later(LOOK_S, self._look)

    def _standing(self, merchant: str) -> bytes:
        """What is told, but for the time."""
        told = {
            "type": "till",
            "accounts": accounts_of(merchant, self._gateway),
            "rate": rate_of_till(self._gateway.merchant(merchant), self._gateway),
        }
        return msgspec.json.encode(told)


class _Till:
    """One client: the `Listener` of its socket."""

    __slots__ = ("_client", "_lease", "_status", "_told", "_websocket", "merchant")

    def __init__(
        self, status: TillStatus, websocket: WebSocket, client: dict[str, Any]
    ) -> None:
        self._status = status
        self._websocket = websocket
        self._client = client
        self._lease: Lease | None = None  # of its key
        self._told = b""
        self.merchant = ""  # until it has said its key
        status.count(1)

    def on_message(self, text: str | bytes) -> None:
        try:
            wanted = msgspec.json.decode(text, type=_Open)
        except (msgspec.MsgspecError, RecursionError, UnicodeError):
            self._refuse(StreamCode.BAD_MESSAGE, 'send {"type":"open","key":"pbk_…"}')
            return
        if self.merchant:
            self._refuse(StreamCode.BAD_MESSAGE, "the till is open already")
            return
        try:
            principal = self._status.principal(self._client, wanted.key)
            merchant = cashier(principal)
        except (EngineError, Problem) as error:
            self._refuse(StreamCode.NOT_ALLOWED, problem_of(error).detail)
            return
        if self._websocket.closed:
            return
        self.merchant = merchant
        self._lease = self._status.leases.of_key(principal.lease, self._revoked)
        self._status.begin(self)

    def ended(self) -> None:
        self._status.count(-1)
        self._status.end(self)
        if self._lease is not None:
            self._lease.release()

    def tell(self, standing: bytes, now: int) -> None:
        """What it was told last is not told again."""
        if standing != self._told and not self._websocket.closed:
            self._told = standing
            message = standing[:-1] + f',"now":"{iso(now)}"}}'.encode()
            self._websocket.send_encoded(encode_text(message))

    def _revoked(self) -> None:
        self._websocket.close(1008, "the API key was revoked")

    def _refuse(self, code: StreamCode, text: str) -> None:
        self._websocket.send_encoded(encode_text(error_message(code, text)))
        self._websocket.refuse(1008, "not allowed")

"""Electrum's plugin `payserver`: the one thing of it that tells by itself.

Its `/api/get_status?<invoice>` is a WebSocket for one invoice of the first wallet that
was loaded: `waiting` each second, then `paid` and its end; `expired` or `unknown
invoice` and its end at once (`plugins/payserver/payserver.py` of 4.3.4). It asks for no
key, tells no sum, and nothing again. So one is held for each open invoice, up to
`MAX_SOCKETS` (the newest), and whoever hears `paid` asks the RPC. What is missed is
found by asking, as without it.

One greenlet for each socket; all of them end with `stream`.
"""

import time
from collections.abc import Callable
from typing import Final

import gevent
from gevent.event import Event

from engine.errors.lightning import LightningError, NodeGarbage
from engine.lightning.node import InvoiceSeen, InvoiceStatus, NodeListener, SignOfLife
from transport.lightning.held_socket import HeldSocket, SocketClosed

__all__ = ["MAX_SOCKETS", "PayServer"]

MAX_SOCKETS: Final = 200

LATE_S: Final = 60.0
"""So long after its expiry an invoice is still listened for: payserver never tells that
it expired to who listens already."""

_TURN_S: Final = 0.25
_NOBODY: Final = "0"  # an invoice that there is not
MAX_BYTES: Final = 4_096  # of a word of payserver, with its handshake


class PayServer:
    """Calls are of one `stream` at a time; `made` may come from any greenlet."""

    def __init__(
        self,
        name: str,
        url: str,
        open_invoices: Callable[[], dict[str, float]],
        lookup: Callable[[str], InvoiceSeen],
        ping: Callable[[float], object],
        now: Callable[[], float],
    ) -> None:
        """`open_invoices`: hash → expiry (unix s, as `now`), oldest first. `ping`: ask
        whether Electrum answers within so many s. Both raise `LightningError`."""
        self._name = name
        self._url = url
        self._open_invoices = open_invoices
        self._lookup = lookup
        self._ping = ping
        self._now = now
        self._made: dict[str, float] = {}  # since the stream looked last
        self._is_held = False

    def made(self, payment_hash: str, expires_at_s: float) -> None:
        """There is one more invoice."""
        if self._is_held:
            self._made[payment_hash] = expires_at_s

    def stream(self, listener: NodeListener, ended: Callable[[], bool]) -> None:
        """As `LightningNode.stream`."""
        self._made.clear()
        self._is_held = True
        held = _Held(self._name, self._url, listener, self._lookup, self._now)
        try:
            self._probe(listener.silence_s)
            held.listen(self._open_invoices())
            while held.connecting and not ended():
                held.wait(_TURN_S)
            listener.word(SignOfLife.OPENED)
            ping_at = time.monotonic()
            while not ended():
                new, self._made = self._made, {}
                held.listen(new)
                if time.monotonic() >= ping_at:
                    self._ping(listener.silence_s)
                    listener.word(SignOfLife.ALIVE)
                    ping_at = time.monotonic() + listener.silence_s / 3
                held.wait(_TURN_S)
        finally:
            self._is_held = False
            held.close()

    def _probe(self, silence_s: float) -> None:
        """That it is there. Raises `LightningError`."""
        where = f"{self._name}: payserver"
        url = f"{self._url}/api/get_status?{_NOBODY}"
        with HeldSocket(where, url, silence_s=silence_s) as probe:
            for word in probe.messages(bool):
                if word is None:
                    continue
                if word != "unknown invoice":
                    raise NodeGarbage(f"{where} is something else")
                return


class _Held:
    """The sockets of one stream."""

    def __init__(
        self,
        name: str,
        url: str,
        listener: NodeListener,
        lookup: Callable[[str], InvoiceSeen],
        now: Callable[[], float],
    ) -> None:
        self._name = name
        self._url = url
        self._listener = listener
        self._lookup = lookup
        self._now = now
        self._sockets: dict[str, gevent.Greenlet[..., None]] = {}
        self.connecting: set[str] = set()
        self._error: LightningError | None = None
        self._news = Event()

    def listen(self, invoices: dict[str, float]) -> None:
        """One socket for each; where there are too many, the oldest are let go."""
        for payment_hash, expires_at_s in list(invoices.items())[-MAX_SOCKETS:]:
            while len(self._sockets) >= MAX_SOCKETS:
                oldest = next(iter(self._sockets))
                self._sockets.pop(oldest).kill(block=False)
                self.connecting.discard(oldest)
            self.connecting.add(payment_hash)
            self._sockets[payment_hash] = gevent.spawn(
                self._hold, payment_hash, expires_at_s + LATE_S
            )

    def wait(self, at_most_s: float) -> None:
        """Until there is news. Raises what one of them died of."""
        self._news.wait(at_most_s)
        self._news.clear()
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        gevent.killall(list(self._sockets.values()))

    def _hold(self, payment_hash: str, until_s: float) -> None:
        where = f"{self._name}: payserver"
        url = f"{self._url}/api/get_status?{payment_hash}"
        held = HeldSocket(
            where, url, silence_s=self._listener.silence_s, max_bytes=MAX_BYTES
        )
        try:
            try:
                held.__enter__()
            finally:
                self.connecting.discard(payment_hash)
                self._news.set()
            if self._hears_paid(held, until_s):
                seen = self._lookup(payment_hash)
                if seen.status is InvoiceStatus.PAID:
                    self._listener.paid(seen)
        except LightningError as error:
            self._error = error
            self._news.set()
        finally:
            held.close()
            self._sockets.pop(payment_hash, None)

    def _hears_paid(self, held: HeldSocket, until_s: float) -> bool:
        word: str | None = ""
        try:
            for word in held.messages(lambda: self._now() >= until_s):
                if word not in (None, "waiting"):
                    break
        except SocketClosed:
            if word in (None, "", "waiting"):
                raise
        return word == "paid"

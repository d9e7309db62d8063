"""Blink's `myUpdates` over `graphql-transport-ws`: what is paid, told as it happens.

What the protocol says and does not (github.com/enisdenjo/graphql-ws, PROTOCOL.md and
`server.ts`; Blink's `ws-server.ts`, `my-updates.ts`):

- `connection_ack` proves nothing of the key: Blink acknowledges everybody. A key that
  is refused shows on the subscription, as an `error`, or (what this server really does
  with a subscription that cannot be made) as a `next` of `errors` and a `complete`.
- Nothing acknowledges a subscription. A `pong` behind it does not: messages are worked
  off side by side. Its first `next` does, and Blink sends one soon: the present price.
  We select nothing of prices, so it is `{}`. Should its price service be down, none
  comes; then `PATIENCE_S` without a refusal has to do, which comes at once.
- Nothing is told again that was told while we were away; `paid_since` reads that.
- Sends are not told. A receipt over Lightning is an `LnUpdate`, however it was settled.
"""

import time
from collections.abc import Callable
from typing import Any, Final, Literal, Protocol

import msgspec

from engine.errors.lightning import (
    LightningError,
    NodeGarbage,
    NodeRefused,
    NodeUnavailable,
)
from engine.lightning.node import NodeListener, SignOfLife
from transport.lightning.blink_graphql import GraphError, error_of
from transport.lightning.blink_wire import LINE, Line, receipt_of
from transport.lightning.held_socket import HeldSocket, SocketClosed
from transport.lightning.http import decode

__all__ = ["PATIENCE_S", "PROTOCOL", "MyUpdates", "hold"]

PROTOCOL: Final = "graphql-transport-ws"

PATIENCE_S: Final = 15.0
"""So long for `connection_ack`, and for the first `next`; see the module."""

_ID: Final = "1"
_KEY_CODES: Final = (4401, 4403)  # Unauthorized, Forbidden

_SUBSCRIPTION: Final = (
    "subscription { myUpdates { update { __typename "
    f"... on LnUpdate {{ status transaction {LINE} }} }} }} }}"
)


class _Update(msgspec.Struct):
    """Of a price, nothing is selected but its type."""

    transaction: Line | None = None


class _MyUpdates(msgspec.Struct):
    update: _Update | None = None


class _Data(msgspec.Struct, rename="camel"):
    my_updates: _MyUpdates | None = None


class _Result(msgspec.Struct):
    data: _Data | None = None
    errors: list[GraphError] | None = None


class _Message(msgspec.Struct):
    type: Literal["connection_ack", "next", "error", "complete", "ping", "pong"]
    id: str = ""
    payload: msgspec.Raw = msgspec.Raw(b"null")


class _Sends(Protocol):
    def send(self, text: str) -> None: ...


def hold(
    name: str, url: str, key: str, listener: NodeListener, ended: Callable[[], bool]
) -> None:
    """Hold the connection until it ends, or soon after `ended()`.

    Raises `LightningError`: it never ends by itself without one.
    """
    where = f"{name}: myUpdates"
    held = HeldSocket(
        where,
        url,
        silence_s=listener.silence_s,
        protocols=(PROTOCOL,),
        ping=lambda: _text(type="ping"),
    )
    try:
        with held:
            updates = MyUpdates(where, held, listener, time.monotonic)
            updates.begin(key)
            for text in held.messages(ended):
                updates.on_message(text)
    except SocketClosed as error:
        if error.close_code in _KEY_CODES:
            text = f"{where} refuses our key ({error.close_code})"
            raise NodeRefused(text, "key") from error
        raise


class MyUpdates:
    """The conversation, without a socket. `clock`: seconds."""

    def __init__(
        self,
        where: str,
        socket: _Sends,
        listener: NodeListener,
        clock: Callable[[], float],
    ) -> None:
        self._where, self._socket = where, socket
        self._listener, self._clock = listener, clock
        self._waits_since = clock()  # for the acknowledgement, then for the first next
        self._is_subscribed = False
        self._is_open = False

    def begin(self, key: str) -> None:
        self._send(type="connection_init", payload={"X-API-KEY": key})

    def on_message(self, text: str | None) -> None:
        """A message, or None: a sign of life. Raises `LightningError`."""
        if text is not None:
            self._on(decode(text.encode(), _Message, self._where))
        if self._is_open:
            self._listener.word(SignOfLife.ALIVE)
        elif self._clock() - self._waits_since > PATIENCE_S:
            if not self._is_subscribed:
                raise NodeUnavailable(f"{self._where} does not acknowledge us")
            self._open()

    def _on(self, message: _Message) -> None:
        match message.type:
            case "connection_ack":
                self._subscribe()
            case "ping":
                self._send(type="pong")
            case "next" if message.id == _ID:
                self._on_next(decode(bytes(message.payload), _Result, self._where))
            case "error" if message.id == _ID:
                raise self._error(
                    decode(bytes(message.payload), list[GraphError], self._where)
                )
            case "complete" if message.id == _ID:
                raise NodeUnavailable(f"{self._where} ended the subscription")

    def _subscribe(self) -> None:
        if self._is_subscribed:
            raise NodeGarbage(f"{self._where} acknowledged us twice")
        self._is_subscribed = True
        self._waits_since = self._clock()
        self._send(type="subscribe", id=_ID, payload={"query": _SUBSCRIPTION})

    def _on_next(self, result: _Result) -> None:
        if result.errors:
            # Maybe of something that was paid: it is read after the next connection.
            raise self._error(result.errors)
        self._open()
        told = result.data and result.data.my_updates
        line = told and told.update and told.update.transaction
        invoice = receipt_of(line, self._where) if line else None
        if invoice is not None:
            self._listener.paid(invoice)

    def _open(self) -> None:
        if not self._is_open:
            self._is_open = True
            self._listener.word(SignOfLife.OPENED)

    def _error(self, errors: list[GraphError]) -> LightningError:
        return error_of([error.code for error in errors], self._where)

    def _send(self, **message: Any) -> None:
        self._socket.send(_text(**message))


def _text(**message: Any) -> str:
    return msgspec.json.encode(message).decode()

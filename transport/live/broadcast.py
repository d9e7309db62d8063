"""`POST /v1/broadcast`: an operator tells all clients of `/ws` something, at once.

    {"type":"broadcast","message","timestamp"}      what each of them hears

With `merchant`, those who follow a payment of that merchant; others are not told. It
is a word to whoever looks on just now, kept nowhere: who comes later does not hear it.
The answer says to how many it was told. Runs in the request's greenlet, and lets others
run in between.
"""

import time
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from engine.merchants.scopes import Scope
from engine.policy.token_bucket import TokenBucket
from engine.runtime.yielding import yielding_every
from transport.http.auth import Auth
from transport.http.bottle_app import Api, answer, environ
from transport.http.input_values import NO_CONTROLS, Merchant
from transport.http.inputs import Request
from transport.http.openapi import Operation
from transport.http.problems import rate_limited
from transport.http.request_json import json_body, typed
from transport.live.routes import LiveRoutes

__all__ = ["MAX_MESSAGE", "routes"]

MAX_MESSAGE = 1_000
"""Characters: a sentence or two on a page, not a page."""


class BroadcastRequest(Request):
    """What is told, and to whose clients."""

    message: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=MAX_MESSAGE,
            pattern=NO_CONTROLS,
            description=f"1 to {MAX_MESSAGE} characters without control characters",
        ),
    ]
    merchant: Merchant | None = None


class BroadcastAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """How many clients were told."""

    clients: int


def routes(app: Api, live: LiveRoutes, auth: Auth, per_minute: int) -> None:
    """Add it. `per_minute`: the setting broadcasts_per_minute."""
    app.add_all(_Broadcast(live, auth, per_minute))


class _Broadcast:
    def __init__(self, live: LiveRoutes, auth: Auth, per_minute: int) -> None:
        self._live = live
        self._auth = auth
        self._allowance = TokenBucket.full(per_minute / 60, per_minute)

    @Operation(
        name="broadcast",
        method="POST",
        path="/v1/broadcast",
        scope=Scope.OPERATOR,
        tag="live",
        summary="Tell all clients that are connected to /ws now, or those who follow a"
        " payment of one merchant.",
        request=BroadcastRequest,
        answers={200: BroadcastAnswer},
    )
    def broadcast(self) -> Any:
        self._auth.require(environ())
        asked = typed(json_body(environ()), BroadcastRequest)
        self._allowance, wait_s = self._allowance.take(time.monotonic())
        if wait_s > 0:
            raise rate_limited(
                "Too many messages to all clients (broadcasts_per_minute).",
                wait_s,
                "broadcasts_per_minute",
            )
        told = [
            talk.broadcast(asked.message)
            for talk in yielding_every(self._live.talks_of(asked.merchant))
        ]
        return answer(BroadcastAnswer(clients=sum(told)))

"""`POST /webhook/<gateway>`: what a payment gateway tells, over HTTP.

    POST /webhook/<gateway>              the signature says whose it is
    POST /webhook/<gateway>/<merchant>   of this merchant only

Answered 2xx only after the commit, with the body that the gateway's mapping says; the
same again gets the same answer. Content-Type is not asked: the mapping knows what the
body is. Runs in the connection's greenlet.
"""

import logging
import time
from typing import Any

from engine.errors.codes import Code
from transport.http.bottle_app import Api, HttpAnswer, answer, environ
from transport.http.openapi import Operation
from transport.http.problems import Problem, rate_limited
from transport.inbound.gateway_body import BODY_BYTES
from transport.inbound.gateways import Gateways
from transport.inbound.schema import GatewayAnswer
from transport.server.client_address import address_key
from transport.server.limits import CallLimits, RateLimiter
from transport.server.request_body import read_body
from transport.server.request_id import ENVIRON as REQUEST_ID

__all__ = ["routes"]

log = logging.getLogger("paybell.webhook")


def routes(api: Api, gateways: Gateways, *, limits: CallLimits | None = None) -> None:
    """Add the routes of the node's gateways, if it has any."""
    api.add_all(_GatewayRoutes(gateways, limits or CallLimits()))


class _GatewayRoutes:
    """Who may come in, and how often."""

    def __init__(self, gateways: Gateways, limits: CallLimits) -> None:
        self._gateways = gateways
        self._calls = RateLimiter(limits.rate_per_s, limits.burst)
        self._failures = RateLimiter(limits.failure_rate_per_s, limits.failure_burst)

    @Operation(
        name="receiveGatewayWebhook",
        method="POST",
        path="/webhook/<gateway>",
        tag="webhooks",
        summary="Notification of a payment gateway, read and checked as its mapping"
        " ([gateways.<name>]) says. The answer's body is the mapping's.",
        answers={200: GatewayAnswer},
        needs_key=False,
        limited_by_itself=True,
        problems=(401, 404, 429),
    )
    def post(self, gateway: str) -> Any:
        return self._take(gateway, None)

    @Operation(
        name="receiveMerchantGatewayWebhook",
        method="POST",
        path="/webhook/<gateway>/<merchant>",
        tag="webhooks",
        summary="The same, of one merchant of the gateway.",
        answers={200: GatewayAnswer},
        needs_key=False,
        limited_by_itself=True,
        problems=(401, 404, 429),
    )
    def post_for(self, gateway: str, merchant: str) -> Any:
        return self._take(gateway, merchant)

    def _take(self, gateway: str, merchant: str | None) -> HttpAnswer:
        env = environ()
        client = address_key(env.get("REMOTE_ADDR", ""))
        wait_s = self._calls.allow(client, time.monotonic())
        if wait_s > 0:
            raise rate_limited(
                "Too many webhooks from this address (webhooks_per_s).",
                wait_s,
                "webhooks_per_s",
            )
        body = read_body(env, BODY_BYTES)
        try:
            verdict = self._gateways.take(
                gateway, body, _headers(env), merchant=merchant
            )
        except Problem as problem:
            if problem.code is Code.UNAUTHORIZED:
                raise self._unauthorized(gateway, client, problem) from None
            raise
        return answer(verdict.answer, 200, {"Content-Type": verdict.answer_type})

    def _unauthorized(self, gateway: str, client: str, problem: Problem) -> Problem:
        log.warning("webhook.refused gateway=%s client=%s request=%s",
                    gateway, client, environ().get(REQUEST_ID, ""))  # fmt: skip
        wait_s = self._failures.allow(client, time.monotonic())
        if wait_s > 0:
            return rate_limited(
                "Too many wrong signatures from this address"
                " (wrong_signatures_per_minute).",
                wait_s,
                "wrong_signatures_per_minute",
            )
        return problem


def _headers(env: dict[str, Any]) -> dict[str, str]:
    """By name, in lower case."""
    return {
        name[5:].replace("_", "-").lower(): value
        for name, value in env.items()
        if name.startswith("HTTP_") and isinstance(value, str)
    }

"""A channel's deliveries over HTTP: what was tried, and try it now with a test event.

Runs in the request's greenlet; `test_channel` waits for the endpoint there, no longer
than the channel's timeout.
"""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from engine.delivery.attempt import AttemptOutcome
from engine.delivery.bodies import BODIES, no_such_version
from engine.delivery.channel import Channel
from engine.delivery.endpoint import endpoint_of
from engine.gateway import Gateway
from engine.merchants.scopes import Scope
from engine.payment.events import iso
from engine.secrets.vault import Vault
from transport.control.channel_views import DeliveryPage, TestResult
from transport.control.payment_deliveries import attempt_entry
from transport.control.seen import seen_channel
from transport.http.auth import Auth
from transport.http.bottle_app import ApiSettings, answer, environ
from transport.http.cursors import number_cursor, read_number
from transport.http.inputs import NoFields
from transport.http.new_ids import new_id
from transport.http.openapi import Operation
from transport.http.params import CursorQuery
from transport.http.problems import rate_limited
from transport.http.request_json import json_body, query, typed
from transport.server.limits import RateLimiter

__all__ = ["Deliveries"]


class Deliveries:
    """One method for each operation."""

    def __init__(
        self, gateway: Gateway, auth: Auth, vault: Vault, settings: ApiSettings
    ) -> None:
        self._gateway = gateway
        self._auth = auth
        self._vault = vault
        self._settings = settings
        per_minute = settings.asking.channel_tests_per_minute
        self._tests = RateLimiter(per_minute / 60, per_minute)
        self._under_way: Counter[str] = Counter()  # tests, by merchant

    @Operation(
        name="list_deliveries",
        method="GET",
        path="/v1/channels/<channel_id>/deliveries",
        scope=Scope.READ,
        tag="channels",
        summary="Delivery attempts, newest first.",
        query=CursorQuery,
        answers={200: DeliveryPage},
        problems=(404,),
    )
    def list_deliveries(self, channel_id: str) -> Any:
        channel = seen_channel(self._gateway, channel_id, self._auth.require(environ()))
        asked = query(environ(), CursorQuery)
        before = read_number(asked.cursor)
        found = self._gateway.attempts(channel.id, before, asked.limit + 1)
        page = found[: asked.limit]
        more = page[-1].id if len(found) > len(page) else None
        return answer(
            DeliveryPage(
                data=[attempt_entry(attempt) for attempt in page],
                next_cursor=number_cursor(more),
            )
        )

    @Operation(
        name="test_channel",
        method="POST",
        path="/v1/channels/<channel_id>/test",
        scope=Scope.SETTINGS,
        tag="channels",
        summary='Send a signed event of type "channel.test" now and return the result.',
        request=NoFields,
        body_may_be_absent=True,
        answers={200: TestResult},
        problems=(404, 429),
    )
    def test_channel(self, channel_id: str) -> Any:
        principal = self._auth.require(environ())
        typed(json_body(environ(), may_be_empty=True), NoFields)
        channel = seen_channel(self._gateway, channel_id, principal)
        with self._one_test(channel.merchant):
            return self._test(channel)

    @contextmanager
    def _one_test(self, merchant: str) -> Iterator[None]:
        """A call of ours that somebody waits for: a merchant has few at one time."""
        limits = self._settings.asking
        wait_s = self._tests.allow(merchant, time.monotonic())
        if wait_s > 0:
            raise rate_limited(
                f"A merchant may test its channels {limits.channel_tests_per_minute}"
                " times in a minute (channel_tests_per_minute).",
                wait_s,
                "channel_tests_per_minute",
            )
        if self._under_way[merchant] >= limits.channel_tests_open:
            raise rate_limited(
                f"A merchant may test {limits.channel_tests_open} of its channels at"
                " one time (channel_tests_open).",
                1.0,
                "channel_tests_open",
            )
        self._under_way[merchant] += 1
        try:
            yield
        finally:
            self._under_way[merchant] -= 1
            if not self._under_way[merchant]:
                del self._under_way[merchant]

    def _test(self, channel: Channel) -> Any:
        now = self._gateway.now()
        told = {"channel_id": channel.id, "message": "This is a test of Paybell."}
        endpoint = endpoint_of(channel, self._vault, now)
        body_of = BODIES.get(channel.event_version)
        if body_of is None:
            result = no_such_version(channel.event_version)
        else:
            body = body_of(msgspec.json.encode(told), "channel.test", iso(now), ())
            test_id = new_id("evt_test_")
            result = self._settings.sender.send(endpoint, test_id, body, now // 1000)
        return answer(
            TestResult(
                delivered=result.outcome is AttemptOutcome.DELIVERED,
                status=result.status,
                error=result.error,
                latency_ms=round(result.latency_ms),
            )
        )

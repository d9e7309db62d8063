"""Simulated webhook endpoints: they answer by chance and remember everything.

One `SimEndpoints` serves all channels of a world (the URL says which). It knows no
rule; what is sent is shown to whoever checks it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random

from engine.delivery.attempt import SendResult, classify
from engine.delivery.endpoint import Endpoint
from engine.payment.model import Payment
from tests.simulation.broken import Broken

__all__ = ["ENDPOINT_MODES", "SimEndpoint", "SimEndpoints"]

ENDPOINT_MODES = ("error", "redirect", "hang", "half", "busy", "flaky", "picky")

Check = Callable[[str, str, int, bytes], None]
Crash = Callable[[], bool]


class SimEndpoint:
    """One shop's endpoint."""

    def __init__(self) -> None:
        self.mode = "ok"
        self.received: list[int] = []  # offsets, as they came
        self.acked: set[int] = set()  # offsets answered 2xx
        self.taken = 0  # how often it answered so
        self.gone_next = False  # answers 410 once


class SimEndpoints:
    """Implements `ChannelSender`."""

    def __init__(self, random: Random, check: Check) -> None:
        self._random = random
        self._check = check  # (channel, url, offset, body); raises if it may not be
        self.before_send: Crash = lambda: False  # whether the process dies just now
        self.after_send: Crash = lambda: False
        self.by_channel: dict[str, SimEndpoint] = {}
        self.answers: Counter[str] = Counter()

    def of(self, url: str) -> SimEndpoint:
        return self.by_channel[url.split("/")[3]]

    def hangs(self, url: str) -> bool:
        return self.of(url).mode == "hang"

    def was_acknowledged(self, channel: str, offset: int) -> bool:
        return offset in self.by_channel[channel].acked

    def send(
        self,
        to: Endpoint,
        msg_id: str,
        body: bytes,
        now_s: int,
        payment: Payment | None = None,
    ) -> SendResult:
        url = to.url
        if self.before_send():
            return self._result(None, None)  # nobody will read it
        if f'"data":{{"id":"{msg_id}",'.encode() not in body:
            raise Broken(f"the webhook {msg_id} holds another event")
        offset = int(msg_id.rpartition("_")[2])
        endpoint = self.of(url)
        status, retry_after_s, heard = self._answer(endpoint, offset)
        if heard:
            self._check(url.split("/")[3], url, offset, body)
            endpoint.received.append(offset)
            if status is not None and 200 <= status <= 299:
                endpoint.acked.add(offset)
                endpoint.taken += 1
        if self.after_send():
            return self._result(None, None)
        self.answers["none" if status is None else str(status)] += 1
        return self._result(status, retry_after_s)

    def _result(self, status: int | None, retry_after_s: float | None) -> SendResult:
        return SendResult(
            outcome=classify(status, retry_after_s),
            status=status,
            error=None if status == 200 else "it did not go well",
            retry_after_s=retry_after_s,
            latency_ms=1 + int(self._random.random() * 400),
        )

    def _answer(
        self, endpoint: SimEndpoint, offset: int
    ) -> tuple[int | None, float | None, bool]:
        """(status, Retry-After, whether the endpoint took the event in)."""
        random, mode = self._random, endpoint.mode
        chance = random.random()
        if endpoint.gone_next:
            endpoint.gone_next = False
            return 410, None, True
        if mode == "error" or (mode == "flaky" and chance < 0.5):
            return random.choice((500, 500, 502, 503, 404)), None, True
        if mode == "picky" and offset % 3 == 0:  # a handler that some events break
            return 400, None, True
        if mode == "redirect":
            return random.choice((301, 302, 307)), None, True
        if mode == "hang":  # it may have taken the event in, and never answers
            return None, None, chance < 0.5
        if mode == "half" and chance < 0.6:  # it died while it answered
            return None, None, True
        if mode == "busy" and chance < 0.6:
            return 429, random.choice((None, 3.0, 400.0)), True
        return random.choice((200, 200, 200, 201, 204)), None, True

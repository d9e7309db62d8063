"""Simulated webhook endpoints: they answer by chance and remember everything.

One `SimEndpoints` serves all channels of a world (the URL says which). What they are
sent is held against the rules at once: only committed events, byte for byte; per
payment never an earlier event after a later one; never an event whose predecessor was
neither acknowledged nor given up.
"""

from collections.abc import Callable
from random import Random

from engine.retry import SendResult, classify

__all__ = ["ENDPOINT_MODES", "SimEndpoint", "SimEndpoints"]

ENDPOINT_MODES = ("down", "flaky", "timeout", "busy", "half")

Check = Callable[[str, int, bytes], None]


class SimEndpoint:
    """One shop's endpoint."""

    def __init__(self) -> None:
        self.mode = "ok"
        self.received: list[int] = []  # offsets, as they came
        self.acked: set[int] = set()  # offsets answered 2xx
        self.sent_seq: dict[str, int] = {}  # payment -> highest seq received
        self.gone_next = False  # answers 410 once


class SimEndpoints:
    """Implements `ChannelSender`."""

    def __init__(self, random: Random, check: Check, crash: Callable[[], bool]) -> None:
        self._random = random
        self._check = check  # (channel, offset, body); raises what is against a rule
        self._crash = crash  # whether the process dies before the answer is read
        self.by_channel: dict[str, SimEndpoint] = {}
        self.faults = 0

    def send(
        self,
        url: str,
        secrets: tuple[bytes, ...],
        msg_id: str,
        body: bytes,
        now_s: int,
        timeout_s: float,
    ) -> SendResult:
        channel = url.rsplit("/", 1)[1]
        offset = int(msg_id.removeprefix("evt_"))
        endpoint = self.by_channel[channel]
        status, retry_after_s, heard = self._answer(endpoint)
        if heard:
            self._check(channel, offset, body)
            endpoint.received.append(offset)
            if status is not None and 200 <= status <= 299:
                endpoint.acked.add(offset)
        if self._crash():
            status = None
        if status is None or status > 299:
            self.faults += 1
        return SendResult(
            outcome=classify(status, retry_after_s),
            status=status,
            error=None if status == 200 else "it did not go well",
            retry_after_s=retry_after_s,
            latency_ms=self._random.randrange(1, 400),
        )

    def _answer(self, endpoint: SimEndpoint) -> tuple[int | None, float | None, bool]:
        """(status, Retry-After, whether the endpoint took the event in)."""
        chance, mode = self._random.random(), endpoint.mode
        if endpoint.gone_next:
            endpoint.gone_next = False
            return 410, None, True
        if mode == "down" or (mode == "flaky" and chance < 0.5):
            return self._random.choice((500, 500, 503, 302, 404)), None, True
        if mode == "timeout":
            return None, None, False
        if mode == "half" and chance < 0.6:
            endpoint_took_it = True  # and then died before it answered
            return None, None, endpoint_took_it
        if mode == "busy" and chance < 0.6:
            return 429, self._random.choice((None, 3.0, 400.0)), True
        return 200, None, True

"""Events on their way to a developer's machine: in order, retried, and none forgotten.

Of one payment one event is on its way at a time; of several payments, up to `LANES`.
What the receiver refuses is tried again, longer and longer, and given up after
`ATTEMPTS`: then the payment's next one comes. How far all went is known at each moment
(`done_up_to`), so that a cursor on disk never passes over what nobody took.

Everything runs in greenlets of the command; what blocks is the receiver alone.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import gevent
import requests
from gevent.event import Event as Signal
from gevent.pool import Pool

from engine.delivery.channel import payload
from transport.cli.words import Styled, say, style
from transport.outbound.webhook import parse_secret, sign

__all__ = ["ATTEMPTS", "LANES", "MAX_WAITING", "Forwarder", "WireEvent"]

LANES: Final = 8
"""Payments that are told of at one time."""

MAX_WAITING: Final = 1_000
"""Events that wait here; more are not read before there is room."""

ATTEMPTS: Final = 8
FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 30.0
"""Between two attempts the wait doubles: about a minute until one is given up."""

TIMEOUT_S: Final = 15.0


class WireEvent:
    """An event as it is on the wire, and its place."""

    __slots__ = ("event", "offset", "wire")

    def __init__(self, wire: bytes, event: dict[str, Any]) -> None:
        """Raises `KeyError`, `TypeError` for what is no event."""
        self.wire, self.event = wire, event
        self.offset = int(event["offset"])
        for name in ("id", "type", "payment_id", "seq", "at"):
            if not isinstance(event[name], str | int):
                raise TypeError(name)


class Forwarder:
    """See the module docstring."""

    def __init__(
        self, url: str, secret: str, on_progress: Callable[[], None] = lambda: None
    ) -> None:
        """`on_progress` is called after an event was taken, or given up."""
        self._url = url
        self._secret = parse_secret(secret)
        self._on_progress = on_progress
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy, no netrc
        self._queues: dict[
            str, deque[WireEvent]
        ] = {}  # by payment; the first is on its way
        self._open: dict[int, None] = {}  # offsets that are not done, in their order
        self._last = 0  # the offset that was put in last
        self._pool = Pool(LANES)
        self._room = Signal()
        self._room.set()

    def put(self, told: WireEvent) -> None:
        """Send it when its turn comes. Waits while too many wait."""
        while len(self._open) >= MAX_WAITING:
            self._room.clear()
            self._room.wait()
        self._open[told.offset] = None
        self._last = told.offset
        name = str(told.event["payment_id"])
        queue = self._queues.get(name)
        if queue is not None:
            queue.append(told)
            return
        self._queues[name] = deque((told,))
        self._pool.spawn(self._run, name)  # waits for a free one

    @property
    def done_up_to(self) -> int:
        """All events up to this offset were taken, or given up."""
        first = next(iter(self._open), None)
        return self._last if first is None else first - 1

    @property
    def is_busy(self) -> bool:
        """Whether anything is on its way."""
        return bool(self._open)

    def finish(self, timeout_s: float | None = None) -> None:
        """Wait until nothing is on its way any more."""
        self._pool.join(timeout_s)

    def stop(self) -> None:
        self._pool.kill()

    def _run(self, name: str) -> None:
        """One payment's queue, to its end."""
        queue = self._queues[name]
        while queue:
            told = queue[0]
            self._deliver(told)
            queue.popleft()
            del self._open[told.offset]
            self._room.set()
            self._on_progress()
        del self._queues[name]

    def _deliver(self, told: WireEvent) -> None:
        wait_s = FIRST_WAIT_S
        for attempts_left in reversed(range(ATTEMPTS)):
            began = time.monotonic()
            refused = self._post(told)
            took_ms = (time.monotonic() - began) * 1000
            if refused is None:
                _tell(told, style("taken", "green"), f"in {took_ms:.0f} ms")
                return
            if attempts_left:
                _tell(told, style("again", "yellow"), f"in {wait_s:g} s: {refused}")
                gevent.sleep(wait_s)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
            else:
                why = f"after {ATTEMPTS} attempts: {refused}"
                _tell(told, style("given up", "red"), why)

    def _post(self, told: WireEvent) -> str | None:
        """Why it was not taken; None: it was."""
        event, now_s = told.event, int(time.time())
        body = payload(told.wire, str(event["type"]), str(event["at"]))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Paybell-listen",
            "webhook-id": str(event["id"]),
            "webhook-timestamp": str(now_s),
            "webhook-signature": sign([self._secret], str(event["id"]), now_s, body),
        }
        try:
            answer = self._session.post(
                self._url,
                data=body,
                headers=headers,
                timeout=TIMEOUT_S,
                allow_redirects=False,
                stream=True,  # what it says is not read
            )
        except (requests.RequestException, ValueError) as error:
            return f"no answer ({type(error).__name__})"
        answer.close()
        if 200 <= answer.status_code < 300:
            return None
        return f"it answered {answer.status_code}"


def _tell(told: WireEvent, what: Styled, rest: str) -> None:
    event = told.event
    name = f"{event['type']!s:<20} {event['payment_id']} seq {event['seq']}"
    say(f"{name}  ", what, f"  {rest}")

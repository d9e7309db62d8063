"""A reader of a stream in a real Redis, and a node that takes what it reads or not."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from msgspec.structs import replace

from engine.streams.redis_url import parse_redis_url
from tests.tools.redis_server import RedisServer, entries
from tests.tools.wait import wait_until
from transport.inbound.redis_entries import Notification
from transport.inbound.redis_stream import RedisStreamReader, StreamNames
from transport.outbound.lookups import Lookups
from transport.outbound.redis_link import RedisLink

STREAM = "payment:events"
NAMES = StreamNames(STREAM, "paybell", "one")


class Journal:
    """What was taken. `answer` may raise, as the node does."""

    def __init__(self) -> None:
        self.taken: list[Notification] = []
        self.tried = 0
        self.answer: Callable[[Notification], None] = lambda _one: None
        self.alerts: dict[tuple[str, str], str] = {}
        self.counts: dict[str, int] = {}
        self.at = 1_000_000
        self.clock: Callable[[], float] = time.monotonic
        self.whole: str | None = None  # why the node takes nothing at all

    def take(self, one: Notification) -> str:
        self.tried += 1
        self.answer(one)
        one = replace(one, at=0)
        if one in self.taken:
            return "duplicate"
        self.taken.append(one)
        return "accepted"

    def bodies(self) -> list[str]:
        return [one.raw.decode() for one in self.taken]

    # as a `HeldWatch`

    def now(self) -> int:
        return self.at

    def trouble(self) -> str | None:
        return self.whole

    def count(self, name: str) -> None:
        self.counts[name] = self.counts.get(name, 0) + 1

    def alert(self, kind: str, subject: str, detail: str) -> None:
        self.alerts[kind, subject] = detail

    def clear(self, kind: str, subject: str) -> None:
        self.alerts.pop((kind, subject), None)


@contextmanager
def reading(
    redis: RedisServer, journal: Journal, names: StreamNames = NAMES, url: str = ""
) -> Iterator[RedisStreamReader]:
    link = RedisLink(parse_redis_url(url or redis.url), Lookups(), allow_private=True)
    reader = RedisStreamReader(link, names, journal.take, journal, None, journal.clock)
    reader.start()
    try:
        yield reader
    finally:
        reader.stop(5)


def add(redis: RedisServer, number: int, **more: str | bytes) -> str:
    body = json.dumps({"invoice": f"inv-{number}", "status": "paid"})
    fields = {"gateway": "payable", "body": body} | more
    flat = [part for pair in fields.items() for part in pair]
    name: str = redis.call("XADD", STREAM, "*", *flat).decode()
    return name


def until(what: str, condition: Callable[[], object]) -> None:
    wait_until(condition, 10, what)


def pending(redis: RedisServer) -> int:
    """Read by somebody of the group, and not acknowledged."""
    return int(redis.call("XPENDING", STREAM, "paybell")["pending"])


def dead(redis: RedisServer) -> list[str]:
    return [fields["deadReason"] for _, fields in entries(redis, f"{STREAM}:dead")]

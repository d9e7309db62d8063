"""S4.4: Redis and the node are killed under traffic; a consumer misses nothing.

The consumer is redis-py, as anybody would write it: it reads on from the last id it has
seen. Redis keeps nothing on its disk: each of its restarts is an empty one.
"""

from pathlib import Path
from typing import Any

import gevent
import redis as redis_py

from tests.tools.paybell import Paybell, serving
from tests.tools.redis_server import RedisServer
from tests.tools.wait import wait_until

STREAM = "paybell:events"
ROUNDS = 2
PAYMENTS = 8


class Consumer:
    """Reads the stream for ever, over every restart."""

    def __init__(self, redis: RedisServer) -> None:
        self.seen: list[str] = []
        self._redis = redis
        self._last = "0-0"
        self._greenlet = gevent.spawn(self._run)

    def _run(self) -> None:
        while True:
            try:
                with self._redis.client() as client:
                    while True:
                        self._read(client)
            except redis_py.exceptions.RedisError:
                gevent.sleep(0.02)

    def _read(self, client: Any) -> None:
        found = client.xread({STREAM: self._last}, count=50, block=50)
        for _, entries in found or ():
            for name, fields in entries:
                self._last = name
                self.seen.append(fields[b"id"].decode())

    def stop(self) -> None:
        self._greenlet.kill()


def committed(node: Paybell) -> list[str]:
    """Ids of all events, in the order of the journal."""
    found: list[str] = []
    after = "0"
    while True:
        page = node.get(f"/v1/events?after={after}").json()
        found += [event["id"] for event in page["data"]]
        if not page["data"]:
            return found
        after = page["next"]


def test_s4_4_kills_of_redis_and_of_the_node_under_traffic(tmp_path: Path) -> None:
    with RedisServer() as redis:
        env = {"PAYBELL_REDIS": redis.url}
        consumer = Consumer(redis)
        try:
            for number in range(ROUNDS):
                with serving(tmp_path, env=env) as node:
                    if number == 0:
                        made = node.post("/v1/channels", kind="redis", settings={})
                        assert made.status_code == 201, made.text
                    traffic = gevent.spawn(_traffic, node)
                    gevent.spawn_later(0.1, _restart, redis)
                    traffic.get()
            with serving(tmp_path, env=env) as node:
                expected = committed(node)
                assert len(expected) == ROUNDS * PAYMENTS
                wait_until(
                    lambda: len(consumer.seen) >= len(expected),
                    30,
                    lambda: f"{len(expected)} events; there are {len(consumer.seen)}",
                )
                assert consumer.seen == expected
                shown = node.get("/v1/channels").json()["data"][0]
                assert shown["kind"] == "redis"
                assert redis.url not in node.err
        finally:
            consumer.stop()


def _traffic(node: Paybell) -> None:
    for _ in range(PAYMENTS):
        node.create()
        gevent.sleep(0.02)


def _restart(redis: RedisServer) -> None:
    redis.kill()
    redis.start()

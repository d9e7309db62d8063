"""S4.4: Redis and the node are killed under a gateway's traffic; no page lacks a word.

Half of the invoices are told by `POST /webhook/<gateway>`, again and again until it is
answered 200, as gateways do; half by entries that a backend puts into the stream, until
it sees the payment confirmed: Redis keeps nothing on its disk, so each of its restarts
loses what nobody has read. The pages (Socket.IO by polling and by WebSocket, and plain
WebSockets) come back whenever their connection is lost. In the end each has been told
of each invoice what the journal has of it, complete, in order, once.

    PAYBELL_REDIS_RESTARTS   how often both are killed (2; `make soak` 100)
    PAYBELL_LIVE_SEED        when
"""

import json
import os
import sys
from pathlib import Path
from random import Random

import gevent
import pytest
import redis as redis_py
import requests

from tests.seeds.salon_followers import KINDS, Follower, following
from tests.seeds.salon_shop import notification, salon_serving, signed
from tests.tools.paybell import Paybell
from tests.tools.redis_server import RedisServer
from tests.tools.salon_messages import Message, messages_of
from tests.tools.wait import wait_until

ROUNDS = int(os.environ.get("PAYBELL_REDIS_RESTARTS", "2"))
INVOICES = 6  # of a round
LEAST = 2 * INVOICES  # messages of a round: each invoice has its two of SUCCESS
WORDS = ("PENDING", "FAILURE", "SUCCESS")
STREAM = "payment:events"
PAUSE_S = 0.05


class Shop:
    """The gateway and the backend, and the node that they reach at the time."""

    def __init__(self, redis: RedisServer) -> None:
        self.redis = redis
        self.node: Paybell | None = None
        self.invoices: list[str] = []
        self._calls: list[gevent.Greenlet[..., None]] = []

    @property
    def port(self) -> int:
        return 1 if self.node is None else self.node.port  # nobody listens on 1

    def open(self, number: int) -> None:
        """The invoices of a round. Pages look for new ones when they connect."""
        new = [f"r{number}-{which}" for which in range(INVOICES)]
        self.invoices += new
        for which, name in enumerate(new):
            tell = self._call if which % 2 else self._add
            self._calls.append(gevent.spawn(tell, name))

    def finish(self) -> None:
        gevent.joinall(self._calls, raise_error=True)

    def _call(self, invoice: str) -> None:
        with requests.Session() as session:
            for word in WORDS:
                while not self._is_answered(session, notification(invoice, word)):
                    gevent.sleep(PAUSE_S)

    def _is_answered(self, session: requests.Session, body: bytes) -> bool:
        url = f"http://127.0.0.1:{self.port}/webhook/payable"
        try:
            answer = session.post(url, data=body, headers=signed(body), timeout=60)
        except requests.RequestException:
            return False
        assert answer.status_code in {200, 429, 503}, answer.text
        return answer.status_code == 200

    def _add(self, invoice: str) -> None:
        while not self._is_paid(invoice):
            for word in WORDS:
                body = notification(invoice, word)
                said = {"gateway": "payable", "body": body}
                headers = json.dumps(signed(body))
                try:
                    with self.redis.client() as client:
                        client.xadd(STREAM, {**said, "headers": headers})
                except redis_py.exceptions.RedisError:
                    pass  # it tries again
            gevent.sleep(PAUSE_S)

    def _is_paid(self, invoice: str) -> bool:
        node = self.node
        if node is None:
            return False
        try:
            found = node.get(f"/v1/payments?external_id={invoice}").json()
        except requests.RequestException:
            return False
        return any(one["status"] == "confirmed" for one in found.get("data", ()))


def expected_of(node: Paybell, invoice: str) -> list[Message]:
    (payment,) = node.get(f"/v1/payments?external_id={invoice}").json()["data"]
    events = node.get(f"/v1/payments/{payment['id']}/events").json()["data"]
    assert events[-1]["type"] == "payment.confirmed", invoice
    return [m for event in events for m in messages_of(json.dumps(event).encode())]


@pytest.mark.timeout_s(120 + 30 * ROUNDS)
def test_s4_4_pages_miss_nothing_over_kills_of_redis_and_of_the_node(
    tmp_path: Path,
) -> None:
    seed = int(os.environ.get("PAYBELL_LIVE_SEED") or Random().randrange(2**32))
    again = f"PAYBELL_LIVE_SEED={seed} PAYBELL_REDIS_RESTARTS={ROUNDS}"
    sys.stdout.write(again + "\n")
    random = Random(seed)
    followers = [Follower(kind) for kind in KINDS for _ in range(2)]
    with RedisServer() as redis:
        shop = Shop(redis)
        with following(followers, lambda: shop.port, lambda: shop.invoices):
            for number in range(ROUNDS):
                one_round(tmp_path, shop, number, random, followers)
            with salon_serving(tmp_path, redis.url) as node:
                shop.node = node
                shop.finish()
                expected = {name: expected_of(node, name) for name in shop.invoices}
                goal = sum(map(len, expected.values()))
                wait_until(
                    lambda: all(len(one) >= goal for one in followers),
                    60,
                    lambda: f"{goal} messages, but {[*map(len, followers)]}",
                )
    for one in followers:
        assert one.wrong == []
        assert dict(one.told) == expected
    came = sum(one.connections for one in followers)
    assert came >= ROUNDS + len(followers), "one in each round, and all in the end"


def one_round(
    folder: Path, shop: Shop, number: int, random: Random, followers: list[Follower]
) -> None:
    """Redis is killed, and then the node, both while there is more to be told."""
    told = random.choice(followers)
    restart, end = sorted(random.sample(range(1, LEAST), 2))
    shop.open(number)  # before there is a node: its pages find all of them
    before = len(told)
    with salon_serving(folder, shop.redis.url) as node:
        shop.node = node
        wait_until(lambda: len(told) >= before + restart, 60, f"{restart} messages")
        shop.redis.kill()
        shop.redis.start()
        wait_until(lambda: len(told) >= before + end, 60, f"{end} messages")
    shop.node = None

"""A node that is killed, and a Redis that is flushed, between XADD and commit.

`test_s4_4_through_redis.py` runs it: one kill, or as many as PAYBELL_REDIS_KILLS says
(`make soak`: 1,000).

A gateway calls by HTTP and is answered 200 or not at all; a backend puts notifications
into the stream, and asks the group afterwards which were acknowledged. Meanwhile the
node is killed (-9) at any moment, and half of the time Redis is flushed just before.
Then the node starts again, and the judge asks its journal: every call that was answered
200 is in it, and so is every entry that was acknowledged; once.
"""

import hashlib
import hmac
import json
from pathlib import Path
from random import Random

import gevent
import redis as redis_py
import requests

from tests.tools.paybell import Paybell, serving
from tests.tools.redis_server import RedisServer
from tests.tools.wait import wait_until

__all__ = ["CONFIG", "SECRET", "notification", "signature", "through_kills"]

SECRET = "the-salons-secret"
STREAM = "payment:events"

CONFIG = """
seeds = "salon=salon"
redis = "{redis}"
redis_trusted = "backend=salon"

[merchants.salon.webhook_secrets]
payable = "the-salons-secret"
backend = "nobody-signs-with-it"

[gateways.payable]
merchants = ["salon"]
answer = '{{"Status":200}}'
creates_per_minute = 1000000
currency = "LKR"
fields = {{ invoice = "invoiceNo", status = "statusMessage", amount = "payableAmount" }}
signature = {{ header = "X-Signature", algorithm = "sha256" }}

[gateways.payable.words]
SUCCESS = ["SUCCESS"]
FAILED = ["FAILURE"]
PENDING = ["PENDING"]
REVERSED = ["REFUNDED"]

[gateways.backend]
merchants = ["salon"]
amount_is_not_told = true
currency = "LKR"
fields = {{ invoice = "invoiceId", status = "paymentData.status" }}
words = {{ SUCCESS = ["SUCCESS"], FAILED = ["FAILED"], PENDING = ["PENDING"] }}
signature = {{ header = "X-Signature", algorithm = "sha256" }}
"""


def notification(invoice: str, word: str = "SUCCESS") -> bytes:
    said = {"invoiceNo": invoice, "statusMessage": word, "payableAmount": "25.00"}
    return json.dumps(said).encode()


def signature(body: bytes) -> str:
    return hmac.digest(SECRET.encode(), body, hashlib.sha256).hex()


def through_kills(folder: Path, kills: int, seed: int) -> int:
    """So many; returns how many notifications were acknowledged in all."""
    random = Random(seed)
    known = 0
    with RedisServer() as redis:
        config = folder / "paybell.toml"
        config.write_text(CONFIG.format(redis=redis.url))
        for number in range(kills):
            life = f"k{number}"
            with serving(folder, "--config", config, db=f"{life}.db") as node:
                known += len(_one_life(node, redis, life, random))
            for file in folder.glob(f"{life}.db*"):
                file.unlink()
            redis.call("FLUSHALL")
    return known


def _one_life(node: Paybell, redis: RedisServer, life: str, random: Random) -> set[str]:
    """A kill, and what the node that follows has of it."""
    answered: set[str] = set()
    entries: dict[str, str] = {}  # ids of entries, and their invoices
    calls = gevent.spawn(_call, node, life, answered)
    adds = gevent.spawn(_add, redis, life, entries)
    # Else a busy machine would be killed before it did anything.
    wait_until(lambda: answered, 30, "a first answer")
    gevent.sleep(random.uniform(0.0, 0.5))
    is_flushed = random.random() < 0.5
    acked = _acknowledged(redis, entries) if is_flushed else set[str]()
    if is_flushed:
        redis.call("FLUSHALL")
    node.kill()
    if not is_flushed:
        acked = _acknowledged(redis, entries)
    calls.join(timeout=60)
    adds.join(timeout=60)
    expected = answered | acked
    _judge(node, redis, life, expected, entries)
    return expected


def _call(node: Paybell, life: str, answered: set[str]) -> None:
    """Until the node is gone."""
    with requests.Session() as session:
        for number in range(10_000):
            invoice = f"{life}-http-{number}"
            body = notification(invoice)
            try:
                answer = session.post(
                    f"{node.url}/webhook/payable",
                    data=body,
                    headers={"X-Signature": signature(body)},
                    timeout=30,
                )
            except requests.RequestException:
                return
            if answer.status_code == 200:
                answered.add(invoice)
            else:
                assert answer.status_code in {429, 503}, answer.text


def _add(redis: RedisServer, life: str, entries: dict[str, str]) -> None:
    with redis.client() as client:
        for number in range(50):
            invoice = f"{life}-redis-{number}"
            body = notification(invoice)
            headers = json.dumps({"X-Signature": signature(body)})
            said = {"gateway": "payable", "body": body, "headers": headers}
            name = client.xadd(STREAM, said)
            entries[name.decode()] = invoice
            gevent.sleep(0.005)


def _acknowledged(redis: RedisServer, entries: dict[str, str]) -> set[str]:
    """Of these entries, those that the group has read and holds no more."""
    try:
        with redis.client() as client:
            (group,) = client.xinfo_groups(STREAM)
            pending = client.xpending_range(STREAM, "paybell", "-", "+", 10_000)
    except (redis_py.exceptions.ResponseError, ValueError):
        return set()  # there is no stream, or no group yet
    last = _number(group["last-delivered-id"].decode())
    held = {entry["message_id"].decode() for entry in pending}
    return {
        invoice
        for name, invoice in [*entries.items()]
        if _number(name) <= last and name not in held
    }


def _number(name: str) -> tuple[int, ...]:
    return tuple(map(int, name.split("-")))


def _judge(
    node: Paybell,
    redis: RedisServer,
    life: str,
    expected: set[str],
    entries: dict[str, str],
) -> None:
    folder = node.folder
    config = folder / "paybell.toml"
    with serving(folder, "--config", config, db=f"{life}.db") as again:
        left = {i for n, i in entries.items() if redis.call("XRANGE", STREAM, n, n)}
        found: list[str] = []

        def all_there() -> bool:
            found[:] = _paid(again, life)
            return expected | left <= set(found)

        wait_until(all_there, 30, lambda: f"{expected | left - set(found)}")
        assert len(found) == len(set(found)), "an invoice has two payments"


def _paid(node: Paybell, life: str) -> list[str]:
    """External ids of the confirmed payments of this life."""
    found: list[str] = []
    cursor = ""
    while True:
        path = f"/v1/payments?status=confirmed&limit=200{cursor}"
        page = node.get(path).json()
        found += [one["external_id"] for one in page["data"]]
        if not page["next_cursor"]:
            return [one for one in found if one.startswith(f"{life}-")]
        cursor = f"&cursor={page['next_cursor']}"

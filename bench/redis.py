"""A gateway's notification through Redis to a page, and a webhook to a consumer.

The node is a process of its own (`run.py serve`), Redis another; the one that puts in
and the one that waits are here, one notification after the other.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from bench.measure import folder, percentile
from bench.report import Row, Section, compare
from tests.seeds.redis_kills import CONFIG, notification, signature
from tests.tools.paybell import Paybell, serving
from tests.tools.redis_server import RedisServer
from tests.tools.wsclient import WsClient, connect

__all__ = ["run"]

COUNT = 300
WARM_UP = 20
IN, OUT, RAW = "payment:events", "paybell:events", "raw"
PEER = "XADD to XREAD, nothing between"


def run() -> Section:
    with folder() as place, RedisServer() as redis:
        config = Path(place) / "paybell.toml"
        config.write_text(CONFIG.format(redis=redis.url))
        with serving(Path(place), "--config", config) as node:
            made = node.post("/v1/channels", kind="redis", settings={})
            assert made.status_code == 201, made.text
            _to_a_page(node, redis, WARM_UP, "warm")
            page = _to_a_page(node, redis, COUNT, "page")
            consumer = _to_a_consumer(node, redis, COUNT)
            raw = _raw(redis, COUNT)
    rows = []
    for what, waits in (
        ("XADD in → journal → a page's WebSocket", page),
        ("webhook in → journal → XADD → a consumer's XREAD", consumer),
    ):
        rows += [
            _row(f"{what}, {share}", waits, raw, share) for share in ("p50", "p99")
        ]
    return Section(
        "redis",
        "Through Redis Streams",
        "Signed notifications of a gateway, each about an invoice of its own, one after"
        " the other: put into the stream until the invoice's page (the salon's plain"
        " WebSocket) is told that it is completed; and posted as a webhook until a"
        " consumer of the stream out has it. Paybell commits (fsync) in between."
        f" {COUNT} of each; node and Redis (nothing on its disk) are processes of"
        " their own.",
        rows,
    )


def _row(what: str, waits: list[float], raw: list[float], share: str) -> Row:
    of = {"p50": 0.5, "p99": 0.99}[share]
    return compare(what, [percentile(waits, of)], "ms", PEER, [percentile(raw, of)], "")


def _to_a_page(node: Paybell, redis: RedisServer, count: int, name: str) -> list[float]:
    waits = []
    with redis.client() as client:
        for number in range(count):
            invoice = f"{name}-{number}"
            page = connect(
                "127.0.0.1", node.port, "/ws/payments/salon/s1", source=_visitor(number)
            )
            page.send_json({"type": "subscribe:payment-events", "invoiceId": invoice})
            page.send_json({"type": "ping"})
            _await(page, "pong")
            body = notification(invoice)
            headers = json.dumps({"X-Signature": signature(body)})
            began = time.perf_counter()
            client.xadd(IN, {"gateway": "payable", "body": body, "headers": headers})
            _await(page, "payment:completed")
            waits.append((time.perf_counter() - began) * 1_000)
            page.close()
    return waits


def _visitor(number: int) -> str:
    """Each page is another visitor's: one may ask after 300 invoices at once."""
    return f"127.0.1.{1 + number % 250}"


def _await(page: WsClient, kind: str) -> None:
    while (told := page.recv_json())["type"] != kind:
        if told["type"] == "error":
            raise RuntimeError(f"the page was told {told}")


def _to_a_consumer(node: Paybell, redis: RedisServer, count: int) -> list[float]:
    waits = []
    with redis.client() as client:
        last: Any = client.xinfo_stream(OUT)["last-generated-id"]
        for number in range(count):
            body = notification(f"consumer-{number}")
            signed = {"X-Signature": signature(body)}
            began = time.perf_counter()
            node.call("POST", "/webhook/payable", data=body, headers=signed)
            is_told = False
            while not is_told:
                for _, found in client.xread({OUT: last}, block=5_000):
                    last = found[-1][0]
                    kinds = [fields[b"eventType"] for _, fields in found]
                    is_told = is_told or b"payment:completed" in kinds
            waits.append((time.perf_counter() - began) * 1_000)
    return waits


def _raw(redis: RedisServer, count: int) -> list[float]:
    waits = []
    last: Any = "0"
    with redis.client() as client:
        for _ in range(count):
            began = time.perf_counter()
            client.xadd(RAW, {"event": "x" * 1_000})
            ((_, found),) = client.xread({RAW: last}, block=5_000)
            last = found[-1][0]
            waits.append((time.perf_counter() - began) * 1_000)
    return waits

"""A gateway's notification through Redis to a page, and a webhook to a consumer.

The node is a process of its own (`run.py serve`), Redis another; the one that puts in
and the one that waits are here, one notification after the other.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.measure import folder, percentile
from bench.report import Row, Section, compare
from tests.seeds.redis_kills import CONFIG, notification, signature
from tests.tools import engineio
from tests.tools.paybell import Paybell, serving
from tests.tools.redis_server import RedisServer
from tests.tools.wsclient import connect

__all__ = ["run"]

COUNT = 300
WARM_UP = 20
IN, OUT, RAW = "payment:events", "paybell:events", "raw"
PEER = "XADD to XREAD, nothing between"
SALON = "/payments/salon/s1"
SUBSCRIBE = "subscribe:payment-events"


def run() -> Section:
    with folder() as place, RedisServer() as redis:
        config = Path(place) / "paybell.toml"
        config.write_text(CONFIG.format(redis=redis.url))
        with serving(Path(place), "--config", config) as node:
            made = node.post("/v1/channels", kind="redis", settings={})
            assert made.status_code == 201, made.text
            for page in (PlainPage, SocketioPage):
                _to_a_page(node, redis, WARM_UP, f"warm {page.__name__}", page)
            plain = _to_a_page(node, redis, COUNT, "plain", PlainPage)
            socketio = _to_a_page(node, redis, COUNT, "socketio", SocketioPage)
            consumer = _to_a_consumer(node, redis, COUNT)
            raw = _raw(redis, COUNT)
    rows = []
    for what, waits in (
        ("XADD in → journal → a page's WebSocket", plain),
        ("XADD in → journal → a page's Socket.IO", socketio),
        ("webhook in → journal → XADD → a consumer's XREAD", consumer),
    ):
        rows += [
            _row(f"{what}, {share}", waits, raw, share) for share in ("p50", "p99")
        ]
    return Section(
        "redis",
        "Through Redis Streams",
        "Signed notifications of a gateway, each about an invoice of its own, one after"
        " the other: put into the stream, as the backend does that a gateway called,"
        " until the invoice's page (the salon's plain WebSocket, and Socket.IO in a"
        " WebSocket) is told that it is completed; and posted as a webhook until a"
        " consumer of the stream out has it. Paybell commits (fsync) in between."
        f" {COUNT} of each; node and Redis (nothing on its disk) are processes of"
        " their own.",
        rows,
    )


def _row(what: str, waits: list[float], raw: list[float], share: str) -> Row:
    of = {"p50": 0.5, "p99": 0.99}[share]
    return compare(what, [percentile(waits, of)], "ms", PEER, [percentile(raw, of)], "")


class PlainPage:
    """The salon's page on its plain WebSocket: it follows this invoice already."""

    def __init__(self, node: Paybell, number: int, invoice: str) -> None:
        source = _visitor(number)
        self._client = connect("127.0.0.1", node.port, f"/ws{SALON}", source=source)
        self._client.send_json({"type": SUBSCRIBE, "invoiceId": invoice})
        self._client.send_json({"type": "ping"})
        self._wait_for("pong")

    def wait(self) -> None:
        """Until it is told that the invoice is paid."""
        self._wait_for("payment:completed")

    def close(self) -> None:
        self._client.close()

    def _wait_for(self, kind: str) -> None:
        while (told := self._client.recv_json())["type"] != kind:
            if told["type"] == "error":
                raise RuntimeError(f"the page was told {told}")


class SocketioPage:
    """The same on Socket.IO, in a WebSocket."""

    def __init__(self, node: Paybell, number: int, invoice: str) -> None:
        self._client = engineio.websocket(node.port, source=_visitor(number))
        self._client.join(SALON)
        self._client.emit(SALON, SUBSCRIBE, {"invoiceId": invoice}, ack=1)
        answer = self._client.packet()
        if not answer.startswith(f"3{SALON},1[") or "error" in answer:
            raise RuntimeError(f"the page was told {answer}")

    def wait(self) -> None:
        while self._client.message()[0] != "payment:completed":
            pass

    def close(self) -> None:
        self._client.close()


OpenPage = Callable[[Paybell, int, str], PlainPage | SocketioPage]


def _to_a_page(
    node: Paybell, redis: RedisServer, count: int, name: str, open_page: OpenPage
) -> list[float]:
    waits = []
    with redis.client() as client:
        for number in range(count):
            invoice = f"{name}-{number}"
            page = open_page(node, number, invoice)
            body = notification(invoice)
            headers = json.dumps({"X-Signature": signature(body)})
            began = time.perf_counter()
            client.xadd(IN, {"gateway": "payable", "body": body, "headers": headers})
            page.wait()
            waits.append((time.perf_counter() - began) * 1_000)
            page.close()
    return waits


def _visitor(number: int) -> str:
    """Each page is another visitor's: one may ask after 300 invoices at once."""
    return f"127.0.1.{1 + number % 250}"


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

"""S4.4: gateway → journal → Redis → consumer, and Redis → journal → a page."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.seeds.redis_kills import CONFIG, notification, signature, through_kills
from tests.tools.paybell import Paybell, serving
from tests.tools.redis_server import RedisServer, entries
from tests.tools.wait import wait_until
from tests.tools.wsclient import WsClient, connect

STREAM = "payment:events"
OUT = "paybell:events"
KILLS = int(os.environ.get("PAYBELL_REDIS_KILLS", "1"))


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


@pytest.fixture(scope="module")
def node(
    redis: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Paybell]:
    folder = tmp_path_factory.mktemp("redis")
    config = folder / "paybell.toml"
    config.write_text(CONFIG.format(redis=redis.url))
    with serving(folder, "--config", config) as running:
        made = running.post("/v1/channels", kind="redis", settings={})
        assert made.status_code == 201, made.text
        yield running


def page(node: Paybell, invoice: str) -> WsClient:
    """The salon's page, which waits for its payment."""
    client = connect("127.0.0.1", node.port, "/ws/payments/salon/s1")
    client.send_json({"type": "subscribe:payment-events", "invoiceId": invoice})
    client.send_json({"type": "ping"})
    assert client.recv_json()["type"] == "pong"
    return client


def add(redis: RedisServer, body: bytes, **headers: str) -> None:
    said = ("gateway", "payable", "body", body, "headers", json.dumps(headers))
    redis.call("XADD", STREAM, "*", *said)


def dead(redis: RedisServer) -> list[str]:
    found = entries(redis, f"{STREAM}:dead")
    return [fields["deadReason"] for _, fields in found]


def shown(node: Paybell) -> dict[str, Any]:
    (view,) = node.get("/v1/redis").json()["data"]
    assert isinstance(view, dict)
    return view


def test_s4_4_a_gateways_webhook_reaches_a_consumer_of_the_stream(
    node: Paybell, redis: RedisServer
) -> None:
    body = notification("inv-1")
    answer = node.call(
        "POST", "/webhook/payable", data=body, headers={"X-Signature": signature(body)}
    )
    assert (answer.status_code, answer.json()) == (200, {"Status": 200})

    def completed() -> list[dict[str, str]]:
        found = [fields for _, fields in entries(redis, OUT)]
        return [f for f in found if f["eventType"] == "payment:completed"]

    (fields,) = wait_until(completed, 10, "the completion")
    assert (fields["invoiceId"], fields["status"]) == ("inv-1", "SUCCESS")
    assert fields["salonId"] == "salon"
    assert json.loads(fields["paymentData"])["invoiceId"] == "inv-1"


def test_s4_4_an_entry_reaches_a_page(node: Paybell, redis: RedisServer) -> None:
    client = page(node, "inv-2")
    body = notification("inv-2")
    for _ in range(2):  # an XADD that was retried
        add(redis, body, **{"X-Signature": signature(body)})
    update, completed = client.recv_json(), client.recv_json()
    assert (update["type"], completed["type"]) == (
        "payment:status-update",
        "payment:completed",
    )
    assert (completed["invoiceId"], completed["status"]) == ("inv-2", "SUCCESS")
    wait_until(lambda: shown(node)["duplicates"] == 1, 10, "the second one")
    client.send_json({"type": "ping"})
    assert client.recv_json()["type"] == "pong"
    client.close()
    assert shown(node)["state"] == "reading"


def test_s4_4_the_backends_own_entry_is_believed_where_the_operator_says_so(
    node: Paybell, redis: RedisServer
) -> None:
    client = page(node, "inv-3")
    said = ("eventType", "PAYMENT", "timestamp", "1760000000000", "salonId", "s1",
            "invoiceId", "inv-3", "paymentData", '{"status":"SUCCESS"}',
            "tokenData", "")  # fmt: skip
    redis.call("XADD", STREAM, "*", *said, "gateway", "backend")
    assert client.recv_json()["status"] == "SUCCESS"
    client.close()


def test_s4_4_who_may_write_to_redis_is_not_believed_for_that(
    node: Paybell, redis: RedisServer
) -> None:
    body = notification("inv-4")
    before = len(dead(redis))
    add(redis, body)
    add(redis, body, **{"X-Signature": signature(b"another body")})
    redis.call("XADD", STREAM, "*", "gateway", "nobody", "body", body)
    wait_until(lambda: len(dead(redis)) == before + 3, 10, "the dead letters")
    reasons = [reason.partition(":")[0] for reason in dead(redis)[before:]]
    assert reasons == ["unauthorized", "unauthorized", "gateway_not_found"]
    found = node.get("/v1/payments?external_id=inv-4").json()["data"]
    assert found == []
    metric = "paybell_redis_in_dead_total 3.0"
    wait_until(lambda: metric in node.get("/metrics").text, 10, metric)


@pytest.mark.timeout_s(60 + 15 * KILLS)
def test_s4_4_what_was_answered_is_in_the_journal_whatever_was_killed_or_flushed(
    tmp_path: Path,
) -> None:
    """A thousand in `make soak`."""
    assert through_kills(tmp_path, KILLS, seed=7) > 0

"""S4.4: a gateway's word, with Redis between, to the salon's page on Socket.IO."""

import json
from collections.abc import Iterator

import pytest

from tests.seeds.salon_shop import (
    gateway_says,
    heard,
    notification,
    salon_serving,
    service,
    signed,
)
from tests.seeds.socketio_clients import NodeClients, Page, node_clients
from tests.seeds.socketio_node import let_in
from tests.seeds.test_s4_1_socketio import SUBSCRIBE, TRANSPORTS
from tests.tools.paybell import Paybell
from tests.tools.redis_server import RedisServer, entries
from tests.tools.wait import wait_until

PATH = "/ws/payments/salon/s1"
IN, OUT = "payment:events", "paybell:events"


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


@pytest.fixture(scope="module")
def node(
    redis: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Paybell]:
    with salon_serving(tmp_path_factory.mktemp("redis"), redis.url) as running:
        made = running.post("/v1/channels", kind="redis", settings={})
        assert made.status_code == 201, made.text
        yield running


@pytest.fixture(scope="module")
def clients() -> Iterator[NodeClients]:
    with node_clients() as clients:
        yield clients


def following(
    node: Paybell, clients: NodeClients, transports: list[str], invoice: str
) -> Page:
    page = clients.open(node.url + PATH, auth=let_in(), transports=transports)
    page.next("connect")
    assert page.ask(SUBSCRIBE, {"invoiceId": invoice})["state"] is None
    return page


def add(redis: RedisServer, body: bytes) -> None:
    """As the backend publishes the webhook that it got."""
    headers = json.dumps(signed(body))
    redis.call("XADD", IN, "*", "gateway", "payable", "body", body, "headers", headers)


@TRANSPORTS
def test_s4_4_a_webhook_that_a_backend_puts_into_redis_reaches_a_socketio_page_once(
    node: Paybell, redis: RedisServer, clients: NodeClients, transports: list[str]
) -> None:
    invoice = f"in-{len(transports)}-{transports[0]}"
    page = following(node, clients, transports, invoice)
    for word in ("FAILURE", "SUCCESS", "SUCCESS"):  # an XADD that was retried
        add(redis, notification(invoice, word))
    done = page.event("payment:completed")
    assert (done["invoiceId"], done["status"]) == (invoice, "SUCCESS")
    seen = node.get("/v1/redis").json()["data"][0]["duplicates"]
    add(redis, notification(invoice))

    def is_read() -> bool:
        (shown,) = node.get("/v1/redis").json()["data"]
        return bool(shown["duplicates"] > seen)

    wait_until(is_read, 10, "the last of them")
    page.ask(SUBSCRIBE, {"invoiceId": "none"})  # nothing more is on its way
    told = [one["status"] for one in page.events("payment:status-update")]
    assert told == ["FAILED", "SUCCESS"]
    assert len(page.events("payment:completed")) == 1
    page.close()


@TRANSPORTS
def test_s4_4_a_webhook_reaches_a_socketio_page_and_the_stream_alike(
    node: Paybell, redis: RedisServer, clients: NodeClients, transports: list[str]
) -> None:
    invoice = f"out-{len(transports)}-{transports[0]}"
    page = following(node, clients, transports, invoice)
    gateway_says(node, invoice)
    done = page.event("payment:completed")
    assert (done["invoiceId"], done["status"]) == (invoice, "SUCCESS")

    def completed() -> list[dict[str, str]]:
        found = [fields for _, fields in entries(redis, OUT)]
        mine = [fields for fields in found if fields["invoiceId"] == invoice]
        return [one for one in mine if one["eventType"] == "payment:completed"]

    (fields,) = wait_until(completed, 10, "the completion in the stream")
    assert fields["status"] == "SUCCESS"
    assert int(fields["timestamp"]) == done["timestamp"]
    page.close()


def test_s4_4_the_documents_service_gets_its_paid_through_redis(
    node: Paybell, redis: RedisServer
) -> None:
    with service(node, "TEST123", PATH) as page:
        add(redis, notification("TEST123"))
        assert page.wait() == 0, "it disconnects"
        (status,) = heard(page, "status")
        assert (status["invoiceId"], status["status"]) == ("TEST123", "SUCCESS")

"""S3.7, S4.3: what a token opened ends when the shop's rules for tokens change."""

import time
from collections.abc import Iterator

import pytest

from tests.tools.engineio import websocket
from tests.tools.node import RunningNode, running_node
from tests.tools.site_token import SECRET, claims, token
from tests.tools.wait import wait_until
from tests.tools.wsclient import connect
from transport.live.leases import LOOKS_PER_KEYS

LOOK_S = 0.1

OTHER = {
    "jwt": {"algorithm": "HS256", "secret": "another-secret-of-the-shop-0123456789"}
}
RULES = {"jwt": {"algorithm": "HS256", "secret": SECRET}}


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningNode]:
    monkeypatch.setattr("transport.live.leases.LOOK_S", LOOK_S)
    with running_node(web={"seeds": {"salon": "salon"}}) as started:
        assert started.call("PUT", "/v1/merchants/rose", json=RULES).status_code == 200
        yield started


@pytest.mark.parametrize("path", ["/ws/payments/rose", "/ws"])
def test_s4_3_a_leaked_secret_that_was_replaced_hears_nothing_more(
    node: RunningNode, path: str
) -> None:
    query = f"?token={token(claims())}&merchant=rose"
    client = connect("127.0.0.1", node.server.port, path + query)
    assert node.call("PUT", "/v1/merchants/rose", json=OTHER).status_code == 200
    assert client.expect_close() == 1008


def test_s4_3_who_came_without_a_token_goes_when_one_is_wanted(
    node: RunningNode,
) -> None:
    client = connect("127.0.0.1", node.server.port, "/ws/payments/salon/s1")
    assert node.call("PUT", "/v1/merchants/salon", json=RULES).status_code == 200
    assert client.expect_close() == 1008


def test_s4_3_another_name_for_the_shop_ends_nobody(node: RunningNode) -> None:
    path = f"/ws/payments/rose?token={token(claims())}"
    client = connect("127.0.0.1", node.server.port, path)
    kept = {"display_name": "Rose", "jwt": {"algorithm": "HS256", "secret": True}}
    assert node.call("PUT", "/v1/merchants/rose", json=kept).status_code == 200
    until = time.monotonic() + 2 * LOOK_S * LOOKS_PER_KEYS
    wait_until(lambda: time.monotonic() > until, 60, "two looks at the rules")
    client.send_json({"type": "ping"})
    assert client.recv_json()["type"] == "pong"


def test_s4_3_a_seat_of_socket_io_ends_likewise(
    node: RunningNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transport.live.socketio.seat._LOOK_S", 0.2)
    page = websocket(node.server.port)
    page.join("/payments/rose", {"token": token(claims())})
    assert node.call("PUT", "/v1/merchants/rose", json=OTHER).status_code == 200
    assert page.packet() == "1/payments/rose,"

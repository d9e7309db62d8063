"""Answers that take long: whose they are is counted, and they end with their client."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tools.livenode import KEY, LiveNode, live_node
from tests.tools.serving import until
from tests.tools.wsclient import WsClient, connect, read_response

CONNECTIONS = 2  # connections of one address


@pytest.fixture
def node(tmp_path: Path) -> Iterator[LiveNode]:
    """Behind a trusted proxy: this machine."""
    limits = {"connections_per_address": CONNECTIONS}
    with live_node(tmp_path, limits=limits, trusted_proxies=["127.0.0.1"]) as running:
        yield running


def asked(node: LiveNode, path: str, client: str, *more: str) -> WsClient:
    """A request of `client`, by way of the proxy; its answer is not waited for."""
    sock = socket.create_connection(("127.0.0.1", node.server.port), 30)
    link = WsClient(sock, 30.0)
    lines = (f"GET {path} HTTP/1.1", "Host: localhost", f"X-Forwarded-For: {client}")
    link.send_raw("\r\n".join((*lines, *more, "", "")).encode())
    return link


def poll(node: LiveNode, client: str) -> WsClient:
    after = node.ask(
        "/v1/events?limit=1000", headers={"Authorization": f"Bearer {KEY}"}
    ).json["next"]
    path = f"/v1/events?after={after}&wait_s=60"
    return asked(node, path, client, f"Authorization: Bearer {KEY}")


def counted(node: LiveNode) -> dict[str, int]:
    return dict(node.server._listener._counts)


def status(link: WsClient) -> int:
    read_response(link, 30, head_only=True)
    return link.status


def test_behind_a_proxy_streams_and_long_polls_are_counted_as_websockets_are(
    node: LiveNode,
) -> None:
    address = node.create().address
    stream = asked(node, f"/events/balance/{address}", "5.5.5.5")
    assert status(stream) == 200
    waiting = poll(node, "5.5.5.5")
    until(lambda: counted(node) == {"5.5.5.5": CONNECTIONS})

    third = asked(node, f"/events/balance/{address}", "5.5.5.5")
    assert status(third) == 429
    assert int(third.headers["retry-after"]) >= 1
    assert status(poll(node, "5.5.5.5")) == 429
    headers = {"X-Forwarded-For": "5.5.5.5"}
    port = node.server.port
    refused = connect("127.0.0.1", port, f"/ws/balance/{address}", headers=headers)
    assert refused.status == 429

    other = asked(node, f"/events/balance/{address}", "6.6.6.6")
    assert status(other) == 200
    for link in (stream, waiting, other):
        link.sock.close()
    until(lambda: not counted(node))
    again = asked(node, f"/events/balance/{address}", "5.5.5.5")
    assert status(again) == 200
    again.sock.close()


def test_a_proxys_connection_counts_for_a_client_only_while_it_waits(
    node: LiveNode,
) -> None:
    """It serves another one next."""
    waiting = poll(node, "5.5.5.5")
    until(lambda: counted(node) == {"5.5.5.5": 1})
    node.create()
    read_response(waiting, 30)
    assert waiting.status == 200
    until(lambda: not counted(node))
    waiting.send_raw(b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert status(waiting) == 404
    waiting.sock.close()


def test_a_long_poll_that_is_abandoned_ends_with_its_socket(node: LiveNode) -> None:
    """Within a round of the hub, not after its 60 s: nothing of it is left."""
    waiting = poll(node, "5.5.5.5")
    until(lambda: len(node.sessions()) == 1)
    waiting.sock.close()
    until(lambda: not node.sessions())
    until(lambda: node.server.connections == 0)
    assert not counted(node)

"""A page of the salon of S4 over a plain WebSocket: what it says and hears."""

import time
from typing import Any

import pytest

from tests.tools.node import RunningNode
from tests.tools.wsclient import WsClient, connect

__all__ = [
    "SALON",
    "SUBSCRIBE",
    "end_of_tokens",
    "ends_soon",
    "in_order",
    "page",
    "pay",
    "subscribe",
    "subscribed",
    "told",
]

SALON = "/ws/payments/salon/s1"
SUBSCRIBE = "subscribe:payment-events"


def page(node: RunningNode, path: str = SALON, **query: str) -> WsClient:
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    return connect("127.0.0.1", node.server.port, f"{path}?{asked}".rstrip("?"))


def subscribe(client: WsClient, invoice: object, **more: object) -> None:
    client.send_json({"type": SUBSCRIBE, "invoiceId": invoice, **more})


def subscribed(client: WsClient, invoice: object, **more: object) -> dict[str, Any]:
    """With the answer, after which everything is told."""
    subscribe(client, invoice, ack=1, **more)
    answer: dict[str, Any] = client.recv_json()
    assert answer["type"] == "subscribed:payment-events", answer
    return answer


def in_order(client: WsClient) -> None:
    """All that was said before has been heard, and nothing waits."""
    client.send_json({"type": "ping"})
    assert client.recv_json()["type"] == "pong"


def pay(node: RunningNode, payment: dict[str, Any]) -> None:
    node.chain.pay(payment["address"], 1_000)
    node.chain.mine(3)
    node.wait_for_status(payment["id"], "confirmed")


def told(client: WsClient) -> tuple[dict[str, Any], dict[str, Any]]:
    """The two messages of a completion."""
    return client.recv_json(), client.recv_json()


def ends_soon() -> float:
    """The `exp` of a token that is over already, but for the leeway of half a minute:
    time enough to connect with it, on a busy machine too."""
    return time.time() - 1


def end_of_tokens(node: RunningNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of `ends_soon` are over, for streams that they have opened."""
    leases, now = node.live.salon.leases, node.gateway.now
    monkeypatch.setattr(leases, "_now", lambda: now() + 30_000)


def held(node: RunningNode) -> int:
    """What the salon's sockets hold on to."""
    live = node.live
    held: int = live.open + len(live.salon.places) + live.salon.leases.held
    return held

"""What tests of the live edges share: a payment, and the events told of it."""

from typing import Any

from tests.tools.livenode import LiveNode
from tests.tools.wsclient import WsClient

__all__ = [
    "QUICK",
    "next_event",
    "pay_and_confirm",
    "story",
]

QUICK = {"ws_close_timeout_s": 0.5, "ws_fail_timeout_s": 0.5}


def next_event(client: WsClient) -> dict[str, Any]:
    while True:
        message: dict[str, Any] = client.recv_json()
        if message["type"].startswith("payment."):
            return message


def story(client: WsClient, last: str = "payment.confirmed") -> list[dict[str, Any]]:
    """Events up to the first of a type."""
    received = [next_event(client)]
    while received[-1]["type"] != last:
        received.append(next_event(client))
    return received


def pay_and_confirm(node: LiveNode, address: str, amount_sat: int = 1_000) -> str:
    txid = node.chain.pay(address, amount_sat)
    node.chain.mine(2)
    return txid

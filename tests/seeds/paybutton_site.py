"""A website of PayButton's: what it posts, and whom it follows."""

from typing import Any
from urllib.parse import urlencode

import requests

from tests.tools.node import RunningNode
from tests.tools.paybell import Paybell
from tests.tools.wait import PATIENCE
from tests.tools.wsclient import WsClient, connect

__all__ = ["FORM", "STEP_S", "at", "made", "post", "watch"]

FORM = {
    "email": "ann.payer@example.com",
    "price": "25.00",
    "amount_sat": "50000",
    "description": "A lamp",
    "name": "Ann",
    "site": "lamps.example",
}
STEP_S = 15.0


def post(url: str, body: Any, kind: str | None = None, **more: str) -> Any:
    headers = {"Content-Type": kind, **more}
    return requests.post(url, data=body, headers=headers, timeout=STEP_S * PATIENCE)


def made(node: Paybell | RunningNode, path: str = "/payment", **more: str) -> Any:
    answer = post(node.url + path, urlencode(FORM | more))
    assert answer.status_code == 200, answer.text
    return answer.json()


def at(node: RunningNode, address: str) -> dict[str, Any]:
    (found,) = node.get(f"/v1/payments?address={address}").json()["data"]
    return dict(found)


def watch(node: RunningNode, address: str) -> WsClient:
    return connect("127.0.0.1", node.server.port, f"/ws/balance/{address}")

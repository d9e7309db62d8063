"""The seeds' own routes say in /openapi.json what they are, and are there only where a
setting names the merchant for whom they act."""

from typing import Any

import pytest
import requests

from tests.tools.node import RunningNode, running_node
from tests.tools.wait import PATIENCE

ROUTES = {
    "bitcoin": [
        ("POST", "/api/v1/bitcoin/status"),
        ("POST", "/api/v1/bitcoin/confirm/{payment_id}"),
    ],
    "blink": [("GET", "/api/blink/blinkpos-credentials")],
    "paybutton": [("POST", "/payment"), ("POST", "/payment-fast")],
    "phoenixd": [("POST", "/api/invoice"), ("POST", "/api/webhook")],
}

SOCKETS = {
    "phoenixd": ["/ws"],
    "salon": ["/ws/payments/salon/{salon_id}", "/ws/payments/{merchant}"],
}
"""There with any setting, as merchants may have rules for their site's tokens."""

EVERY = dict.fromkeys((*ROUTES, *SOCKETS), "default")


def paths(node: RunningNode) -> dict[str, Any]:
    found: dict[str, Any] = node.get("/openapi.json").json()["paths"]
    return found


def opened(node: RunningNode, path: str) -> int:
    """How a WebSocket at this path begins, or does not."""
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    with requests.get(
        node.url + path, headers=headers, stream=True, timeout=10 * PATIENCE
    ) as answer:
        return answer.status_code


def test_the_seeds_routes_say_what_they_are_compatible_with() -> None:
    with running_node(web={"seeds": EVERY}) as node:
        document = paths(node)
        for seed, routes in ROUTES.items():
            for method, path in routes:
                summary = document[path][method.lower()]["summary"]
                assert summary.startswith("Compatibility with "), path
                assert f"--seed {seed}=" in summary, path
        for seed, sockets in SOCKETS.items():
            for path in sockets:
                described = document[path]["get"]
                assert described["summary"].startswith("Compatibility with "), path
                assert f"--seed {seed}=" in described["summary"], path
                assert {"101", "426"} <= described["responses"].keys()
                at = path.format(salon_id="7", merchant="default")
                assert node.get(at).status_code == 426
                assert opened(node, at) == 101


@pytest.mark.parametrize("seed", ROUTES)
def test_without_its_setting_there_is_no_route_of_a_seed(seed: str) -> None:
    others = {name: "default" for name in EVERY if name != seed}
    with running_node(web={"seeds": others}) as node:
        document = paths(node)
        for method, path in ROUTES[seed]:
            assert path not in document
            at = path.format(payment_id="pay_1")
            assert node.call(method, at).status_code == 404


def test_without_the_salons_setting_its_sockets_do_not_open() -> None:
    with running_node() as node:
        for path in ("/ws/payments/salon/7", "/ws/payments/default"):
            assert opened(node, path) == 404

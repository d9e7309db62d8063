"""Killed at any moment, a node gives no address to two payments."""

import os
import threading
from functools import partial
from pathlib import Path
from typing import Any

import requests

from engine.wallet.descriptor import read_descriptor
from tests.tools.paybell import Paybell, serving
from tests.tools.wait import PATIENCE, wait_until
from tests.unit.engine.wallet.wallet_cases import VPUB

KILLS = int(os.environ.get("PAYBELL_WALLET_KILLS", "2"))
"""100 in `make soak`."""

CREATORS = 6


def test_an_address_that_was_shown_is_one_payments_whatever_is_killed(
    tmp_path: Path,
) -> None:
    """Two merchants with one xpub, many creators, and `kill -9` in their midst."""
    shown: list[dict[str, Any]] = []
    for life in range(KILLS + 1):
        with serving(tmp_path) as node:
            if life == 0:
                for name in ("ann", "bob"):
                    path = f"/v1/merchants/{name}"
                    node.call("PUT", path, json={"descriptor": VPUB})
            enough = len(shown) + 8 * CREATORS
            creators = [
                threading.Thread(target=create, args=(node, shown, number))
                for number in range(CREATORS)
            ]
            for one in creators:
                one.start()
            # In the midst of it: some are answered, some under way.
            wait_until(partial(reached, shown, enough), 30, "payments to be created")
            node.process.kill()
            for one in creators:
                one.join()
    with serving(tmp_path) as node:
        addresses = [one["address"] for one in shown]
        assert len(set(addresses)) == len(addresses)
        indexes = [one["derived"]["index"] for one in shown]
        assert len(set(indexes)) == len(indexes)
        expected = read_descriptor(VPUB, "regtest").addresses(0, max(indexes) + 1)
        assert [expected[index] for index in indexes] == addresses
        assert max(indexes) < len(shown) + KILLS * 2 * CREATORS + CREATORS
        for each in shown:
            found = node.get(f"/v1/payments/{each['id']}").json()
            assert found["address"] == each["address"], "durable before it was shown"


def reached(shown: list[dict[str, Any]], enough: int) -> bool:
    return len(shown) >= enough


def create(node: Paybell, shown: list[dict[str, Any]], number: int) -> None:
    merchant = ("ann", "bob")[number % 2]
    body = {"merchant": merchant, "amount_sat": 1_000}
    headers = {"Authorization": f"Bearer {node.api_key}"}
    with requests.Session() as session:
        session.trust_env = False
        while True:
            try:
                answer = session.post(
                    f"{node.url}/v1/payments",
                    json=body,
                    headers=headers,
                    timeout=30 * PATIENCE,
                )
            except requests.RequestException:
                return  # it was killed
            if answer.status_code == 201:
                shown.append(answer.json())

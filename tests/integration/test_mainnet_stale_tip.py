"""A whole node on mainnet, whose Bitcoin Core stands still for nine days.

Seen: orders expired and `live` was true, and the doctor called a newest block of
778,215 s ago well. All places that tell of it must say the same.
"""

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.integration.core_shop import CoreShop
from tests.tools.core_double import CoreDouble
from tests.tools.paybell import API_KEY, paybell, serving
from tests.tools.wait import wait_until
from tests.tools.wsclient import connect

AGE_S = 778_215
WHY = "its newest block, 10, is 9 days old by this machine's clock"


@pytest.fixture
def node() -> Iterator[CoreDouble]:
    """It was synced, and then heard of no block any more."""
    long_ago = time.time() - AGE_S
    with CoreDouble(now=lambda: long_ago) as node:
        node.network = "main"
        assert not node.methods.initial_download
        node.now = time.time
        yield node


def test_an_order_on_it_does_not_expire_and_everybody_says_behind_why_and_since_when(
    node: CoreDouble, tmp_path: Path
) -> None:
    began = time.time()
    mainnet = ("--network", "mainnet", "--source", f"bitcoind={node.url}?name=acme")
    with serving(tmp_path, *mainnet) as running:
        shop = CoreShop(node, running, "mainnet")
        order = shop.overdue()
        shop.rounds(8)
        assert order.story == ["created"]
        assert order.now["status"] == "pending"

        source = shop.source
        assert (source["standing"], source["reason"]) == ("behind", WHY)
        since = source["since_when"]
        assert began - 1 < _seconds(since) < time.time() + 1

        health = running.get("/health").json()
        assert health["status"] == "degraded"
        assert health["alerts"] == {"source.behind": 1, "sources.none_current": 1}
        told = {"live": False, "standing": "behind", "reason": WHY, "since_when": since}
        assert health["freshness"].items() >= told.items()

        page = running.get("/metrics").text.splitlines()
        assert "paybell_fresh 0.0" in page
        for worth, is_so in (("current", 0.0), ("behind", 1.0), ("failing", 0.0)):
            labels = f'{{source="acme",standing="{worth}"}}'
            assert f"paybell_source_standing{labels} {is_so}" in page
        assert 'paybell_alerts{kind="source.behind"} 1.0' in page

        alerts = {a["kind"]: a for a in running.get("/v1/alerts").json()["data"]}
        behind = alerts["source.behind"]
        assert (behind["subject"], behind["detail"]) == ("acme", WHY)
        assert behind["since"] == since

        client = connect(
            "127.0.0.1",
            running.port,
            f"/ws/balance/{order.address}",
            headers={"Authorization": f"Bearer {API_KEY}"},
        )
        assert client.recv_json()["type"] == "state"
        said = client.recv_json()
        assert (said["type"], said["name"]) == ("source", "acme")
        assert said.items() >= told.items()
        client.close()

        doctor = paybell("doctor", *mainnet, "--port", str(running.port), cwd=tmp_path)
        assert doctor.returncode == 1
        failed = [li for li in doctor.stdout.splitlines() if li.startswith("FAIL")]
        assert any(f"height 10: behind: {WHY}" in line for line in failed), (
            doctor.stdout
        )

        # The network is heard again: what was overdue expires, by a node that can tell.
        node.mine()
        order.wait_until_expired()
        wait_until(
            lambda: shop.source["standing"] == "current", 20, "the node to be current"
        )
        assert order.story == ["created", "expired"]


def _seconds(iso: str) -> float:
    return datetime.fromisoformat(iso).timestamp()

"""A merchant's record says where money goes and when it counts: who may change that,
and who hears of it, over real sockets."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.tools.node import RunningNode, running_node

OWNER = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
BANDS = {"bands": [{"below_sat": 10_000, "confirmations": 0}]}


@pytest.fixture(scope="module")
def node() -> Iterator[RunningNode]:
    with running_node() as started:
        yield started


def put(node: RunningNode, name: str, record: Any, key: str | None = None) -> Any:
    """With the merchant's own key, if it is given."""
    said = {} if key is None else {"Authorization": f"Bearer {key}"}
    return node.call("PUT", f"/v1/merchants/{name}", json=record, headers=said)


def alerts(node: RunningNode, name: str) -> list[str]:
    found = node.get("/v1/alerts").json()["data"]
    return [one["detail"] for one in found if one["subject"] == name]


def test_where_its_money_goes_is_the_operators_word_and_everybody_hears(
    node: RunningNode,
) -> None:
    own = node.add_key("shop")
    refused = put(node, "shop", {"forward_to": OWNER}, own)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert node.get("/v1/merchants/shop").json()["forward_to"] in {"", None}
    assert alerts(node, "shop") == []
    assert put(node, "shop", {"forward_to": OWNER}).status_code == 200
    (detail,) = alerts(node, "shop")
    assert "were changed by key" in detail
    kept = {"forward_to": OWNER, "display_name": "Shop"}
    assert put(node, "shop", kept, own).status_code == 200, "it stays as it was"
    refused = put(node, "shop", {"display_name": "Shop"}, own)
    assert refused.status_code == 403, "to leave it out takes it away"


def test_fewer_confirmations_are_the_merchants_word_and_everybody_hears(
    node: RunningNode,
) -> None:
    own = node.add_key("kiosk")
    assert put(node, "kiosk", {"display_name": "Kiosk"}, own).status_code == 200
    assert alerts(node, "kiosk") == []
    assert put(node, "kiosk", {"defaults": BANDS}, own).status_code == 200
    (detail,) = alerts(node, "kiosk")
    assert "confirmations" in detail
    assert (
        node.create(merchant="kiosk", amount_sat=9_999)["confirmations_required"] == 0
    )


@pytest.mark.parametrize(
    "bands",
    [
        [{"below_sat": 10_000, "confirmations": 1}, {"below_sat": 9_000}],
        [
            {"below_sat": 10_000, "confirmations": 2},
            {"below_sat": 20_000, "confirmations": 1},
        ],
        [{"below_sat": 0, "confirmations": 0}],
        [{"below_sat": 10_000, "confirmations": -1}],
    ],
)
def test_bands_in_which_more_money_counts_sooner_are_refused(
    node: RunningNode, bands: list[dict[str, int]]
) -> None:
    refused = put(node, "strange", {"defaults": {"bands": bands}})
    assert refused.status_code == 422, refused.text
    assert node.get("/v1/merchants/strange").json()["version"] == 0

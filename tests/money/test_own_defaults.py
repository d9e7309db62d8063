"""What a payment has that does not say otherwise: its merchant's record, on a node."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from tests.tools.node import RunningNode, running_node

CAFE = {
    "display_name": "Café <Lisboa>",
    "logo_url": "https://img.cafe.example/logo.svg?v=2",
    "return_urls": ["https://cafe.example/orders/"],
    "defaults": {
        "confirmations": 6,
        "bands": [
            {"below_sat": 10_000, "confirmations": 0},
            {"below_sat": 1_000_000, "confirmations": 1},
        ],
        "expires_in_s": 900,
        "tolerance_sat": 20,
    },
}
BACK = "https://cafe.example/orders/7?paid=1"


@pytest.fixture(scope="module")
def node() -> Iterator[RunningNode]:
    with running_node() as started:
        put(started, "cafe", CAFE)
        yield started


def put(node: RunningNode, name: str, record: object) -> None:
    response = node.call("PUT", f"/v1/merchants/{name}", json=record)
    assert response.status_code == 200, response.text


def seconds(payment: dict[str, Any]) -> float:
    expires_at, created_at = (
        datetime.fromisoformat(payment[key]) for key in ("expires_at", "created_at")
    )
    return (expires_at - created_at).total_seconds()


@pytest.mark.parametrize(
    ("amount_sat", "confirmations"),
    [(9_999, 0), (10_000, 1), (999_999, 1), (1_000_000, 6), (None, 6)],
)
def test_a_payment_takes_the_band_of_its_sum(
    node: RunningNode, amount_sat: int | None, confirmations: int
) -> None:
    said = {} if amount_sat is None else {"amount_sat": amount_sat}
    made = node.create(merchant="cafe", **said)
    assert made["confirmations_required"] == confirmations
    assert seconds(made) == 900
    assert made["tolerance_sat"] == (20 if amount_sat is not None else 0)
    assert (made["asset"], made["decimals"]) == ("BTC", 8)


def test_what_a_payment_says_itself_counts(node: RunningNode) -> None:
    said = {"confirmations": 2, "expires_in_s": 60, "tolerance_sat": 0}
    made = node.create(merchant="cafe", amount_sat=9_000, **said)
    assert made["confirmations_required"] == 2
    assert seconds(made) == 60
    assert made["tolerance_sat"] == 0


def test_another_merchant_has_the_nodes_defaults(node: RunningNode) -> None:
    made = node.create(amount_sat=9_000, merchant="bar")
    assert made["confirmations_required"] == 3
    assert seconds(made) == 3_600
    assert made["tolerance_sat"] == 0
    assert "return_url" not in made


def test_a_tolerance_is_never_more_than_the_nodes_share(node: RunningNode) -> None:
    assert node.create(merchant="cafe", amount_sat=500)["tolerance_sat"] == 5


def test_each_payment_of_a_batch_takes_them_by_itself(node: RunningNode) -> None:
    asked = [{"merchant": "cafe", "amount_sat": n} for n in (9_000, 2_000_000)]
    made = node.post("/v1/payments/batch", {"payments": asked}).json()["data"]
    depths = [one["payment"]["confirmations_required"] for one in made]
    assert depths == [0, 6]


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/",
        "https://cafe.example.evil.example/orders/",
        "https://cafe.example@evil.example/orders/",
        "https://cafe.example/orders/../../evil",
        "https://cafe.example\\@evil.example/orders/",
        "//evil.example/orders/",
        "javascript:alert(1)//https://cafe.example/orders/",
        "http://cafe.example/orders/7",
        "https://cafe.example/",
    ],
)
def test_a_return_url_off_the_list_is_refused(node: RunningNode, url: str) -> None:
    body = {"amount_sat": 9_000, "merchant": "cafe", "return_url": url}
    refused = node.post("/v1/payments", body)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["path"] == "/return_url"


def test_without_a_list_there_is_no_return_url(node: RunningNode) -> None:
    refused = node.post("/v1/payments", {"amount_sat": 1, "return_url": BACK})
    assert refused.status_code == 422
    assert "has no return_urls" in refused.text


def test_the_page_leads_back_when_it_is_paid_and_not_before(node: RunningNode) -> None:
    made = node.create(amount_sat=10_000, merchant="cafe", return_url=BACK)
    assert made["return_url"] == BACK
    page = f"/pay/{made['id']}"
    assert BACK not in node.get(page).text
    node.chain.pay(made["address"], 10_000)
    node.chain.mine(1)
    node.wait_for_status(made["id"], "confirmed")
    paid = node.get(page).text
    link = re.search(r'<a class="button" id="return"[^>]*>', paid)
    assert link is not None
    assert f'href="{BACK}"' in link[0]
    assert 'rel="noopener noreferrer"' in link[0]
    assert BACK in node.get(f"{page}.json").json()["parts"]["summary"]
    put(node, "cafe", {**CAFE, "return_urls": ["https://other.example/"]})
    try:
        assert BACK not in node.get(page).text  # a place that the shop has lost
    finally:
        put(node, "cafe", CAFE)


def test_the_page_shows_name_and_logo_and_loads_from_there_alone(
    node: RunningNode,
) -> None:
    made = node.create(amount_sat=10_000, merchant="cafe")
    page = node.get(f"/pay/{made['id']}")
    assert "Café &lt;Lisboa&gt;" in page.text
    assert 'src="https://img.cafe.example/logo.svg?v=2"' in page.text
    policy = page.headers["Content-Security-Policy"]
    (images,) = re.findall(r"img-src ([^;]*)", policy)
    assert images == "'self' data: https://img.cafe.example"
    # Beside that it names those who may show the page in a frame: the shop's own pages.
    loads = [d for d in policy.split("; ") if not d.startswith("frame-ancestors")]
    assert "; ".join(loads).count("cafe.example") == 1
    other = node.get(f"/pay/{node.create(amount_sat=1)['id']}")
    assert "cafe.example" not in other.headers["Content-Security-Policy"]
    assert "<img" not in other.text

"""S1: a site of PayButton's names a price in dollars, at a real rate."""

import json
from collections.abc import Iterator
from decimal import Decimal
from urllib.parse import urlencode

import pytest

from engine.money.rates import Policy
from tests.seeds.paybutton_site import FORM, at, post
from tests.tools.node import RunningNode, running_node
from tests.tools.rate_providers import RateServer
from tests.tools.wait import wait_until
from transport.rates.providers import FixedRates

WEB = {"seeds": {"paybutton": "default"}, "webhook_btc_secret": None}

PRICE_ONLY = {name: value for name, value in FORM.items() if name != "amount_sat"}


@pytest.fixture(scope="module")
def node() -> Iterator[RunningNode]:
    rates = ([FixedRates({"USD": Decimal("61234.5")})], Policy())
    with running_node(web=WEB, rates=rates) as started:
        yield started


def test_s1_1_the_price_in_usd_is_the_price_in_btc_at_the_nodes_rate(
    node: RunningNode,
) -> None:
    answer = post(node.url + "/payment", urlencode(PRICE_ONLY))
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert (shown["priceInUSD"], shown["priceInBTC"]) == (25.0, 0.00040827)
    payment = at(node, shown["address"])
    assert payment["amount_sat"] == 40_827  # 40826.658…, rounded up
    assert payment["price"]["currency"] == "USD"
    assert payment["price"]["amount"] == "25.00"
    assert payment["price"]["rate"] == "61234.5"


@pytest.mark.parametrize(
    ("price", "cents"),
    [(59.699999999999996, "59.70"), (0.005, "0.01"), (1e-2, "0.01"), (20, "20.00")],
)
def test_s1_1_the_fast_route_takes_the_price_to_the_nearest_cent(
    node: RunningNode, price: float, cents: str
) -> None:
    body = json.dumps({"email": "bob@example.com", "price": price})
    answer = post(node.url + "/payment-fast", body, "application/json")
    assert answer.status_code == 200, answer.text
    assert at(node, answer.json()["address"])["price"]["amount"] == cents


def test_s1_1_less_than_a_cent_is_no_price(node: RunningNode) -> None:
    answer = post(node.url + "/payment", urlencode(PRICE_ONLY | {"price": "0.004"}))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == "/price"


def test_s1_1_amount_sat_counts_where_it_is_said(node: RunningNode) -> None:
    answer = post(node.url + "/payment", urlencode(FORM))
    payment = at(node, answer.json()["address"])
    assert payment["amount_sat"] == 50_000
    assert "price" not in payment


def test_s1_1_while_there_is_no_rate_nothing_is_guessed() -> None:
    with RateServer() as server:
        server.quote("coinbase", {"USD": "50000"})
        server.quote("kraken", {"USD": "5"})
        providers = [server.provider(name) for name in ("coinbase", "kraken")]
        with running_node(web=WEB, rates=(providers, Policy())) as node:
            wait_until(
                lambda: len(node.gateway.rates().quotes.get("USD", ())) == 2,
                10,
                "both have answered",
            )
            answer = post(node.url + "/payment", urlencode(PRICE_ONLY))
            assert answer.status_code == 503
            assert answer.json()["code"] == "no_rate"
            assert answer.headers["Retry-After"] == "60"

"""What draws an address of a wallet, over real sockets, and what does not."""

import pytest
import requests

from engine.wallet.descriptor import read_descriptor
from engine.wallet.forward_policy import ForwardPolicy
from tests.lightning.lightning_node import lightning_node
from tests.tools.node import running_node
from tests.tools.wait import PATIENCE, wait_until
from tests.unit.engine.wallet.wallet_cases import VPUB


@pytest.mark.timeout_s(120)
def test_what_the_chain_is_not_chosen_for_draws_no_address() -> None:
    """Nor does who looks at a checkout, however often."""
    with lightning_node() as shop:
        node = shop.node
        put = node.call("PUT", "/v1/merchants/default", json={"descriptor": VPUB})
        assert put.status_code == 200, put.text
        first = node.create(amount_sat=50_000)
        by_lightning = node.create(amount_sat=50_000, method="lightning")
        assert (by_lightning["address"], "derived" in by_lightning) == (None, False)
        for payment in (first, by_lightning):
            for end in ("", ".json", "?method=onchain", "?method=lightning"):
                place = f"{node.url}/pay/{payment['id']}{end}"
                page = requests.get(place, timeout=30 * PATIENCE)
                assert page.status_code == 200, (place, page.text)
        refused = node.post("/v1/payments", {"amount_sat": 50_000, "metadata": 7})
        assert refused.status_code == 422
        both = node.create(amount_sat=50_000, methods=["onchain", "lightning"])
        drawn = [payment["derived"]["index"] for payment in (first, both)]
        assert drawn == [0, 1]


def test_as_many_unpaid_in_a_row_as_wallets_look_ahead_are_an_alert() -> None:
    with running_node() as node:
        path = "/v1/merchants/default"
        put = node.call("PUT", path, json={"descriptor": VPUB})
        assert put.status_code == 200, put.text
        batch = {"payments": [{"amount_sat": 1_000}] * 20}
        assert node.post("/v1/payments/batch", batch).status_code in {200, 201, 207}

        def warned() -> list[str]:
            alerts = node.get("/v1/alerts").json()["data"]
            return [one["detail"] for one in alerts if one["kind"] == "wallet.gap"]

        wait_until(warned, 10, "the alert")
        assert "the last 20 addresses" in warned()[0]
        assert "The money is there" in warned()[0]
        (shown,) = node.get("/v1/wallets").json()["data"]
        assert (shown["next_index"], shown["unpaid"], shown["gap"]) == (20, 20, 20)


def test_no_money_is_sent_on_to_an_address_of_an_order() -> None:
    """Neither one that was given out, nor, by whoever asks, one that would be next."""
    web = {"forwarding": ForwardPolicy(anywhere=True)}
    with running_node(web=web) as node:
        put = node.call("PUT", "/v1/merchants/shop", json={"descriptor": VPUB})
        assert put.status_code == 200, put.text
        ahead = read_descriptor(VPUB, "regtest").addresses(0, 4)
        asked = {"merchant": "shop", "amount_sat": 1_000}
        own = node.create(**asked, forward_to=ahead[0])
        other = node.create(**asked, forward_to=ahead[2])
        third = node.create(**asked)
        drawn = [payment["address"] for payment in (own, other, third)]
        assert drawn == [ahead[1], ahead[3], *drawn[2:]]
        assert drawn[2] not in ahead
        assert node.post(f"/v1/payments/{other['id']}/cancel").status_code == 200
        for place in drawn:
            answer = node.post("/v1/payments", {**asked, "forward_to": place})
            assert answer.status_code == 422, answer.text
            (error,) = answer.json()["errors"]
            assert error["path"] == "/forward_to"
            assert "money would go round in a circle" in error["message"]

"""What draws an address of a wallet, over real sockets, and what does not."""

import pytest
import requests

from tests.lightning.lightning_node import lightning_node
from tests.tools.wait import PATIENCE
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

"""S1.1: a PayButton website is paid at addresses of its merchant's own wallet."""

from collections.abc import Iterator

import pytest

from engine.wallet.descriptor import read_descriptor
from tests.seeds.paybutton_site import at, made
from tests.tools.node import RunningNode, running_node
from tests.unit.engine.wallet.wallet_cases import VPUB
from transport.seeds.admission import SeedLimits


@pytest.fixture
def node() -> Iterator[RunningNode]:
    """Without an address of its own to give, as on mainnet."""
    web = {
        "seeds": {"paybutton": "lamps"},
        "seed_limits": SeedLimits(per_minute=1_000),
        "address_source": None,
    }
    with running_node(web=web) as started:
        yield started


def test_s1_1_without_a_key_the_address_is_drawn_from_the_merchants_wallet(
    node: RunningNode,
) -> None:
    put = node.call("PUT", "/v1/merchants/lamps", json={"descriptor": VPUB})
    assert put.status_code == 200, put.text
    slow, fast = made(node), made(node, "/payment-fast")
    assert [slow["address"], fast["address"]] == read_descriptor(
        VPUB, "regtest"
    ).addresses(0, 2)
    payment = at(node, fast["address"])
    assert (payment["merchant"], payment["derived"]["index"]) == ("lamps", 1)
    node.chain.pay(fast["address"], 50_000)
    node.wait_for_status(payment["id"], "confirming")
    node.chain.mine(3)
    assert node.wait_for_status(payment["id"], "confirmed")["received_sat"] == 50_000

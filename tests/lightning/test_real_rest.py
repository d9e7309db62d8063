"""The rest of a short payment by Lightning, with a real Electrum on each side."""

import requests

from tests.lightning.electrum_rig import account
from tests.tools.node import running_node
from tests.tools.wait import PATIENCE, wait_until
from transport.devnet.network import LightningNetwork
from transport.lightning.electrum import Electrum

FEE = 300
"""What an exchange kept of it: less than any output."""


def test_a_real_node_makes_the_invoice_for_the_rest_and_takes_it(
    network: LightningNetwork,
) -> None:
    shop = account(network.shop, stream_url=network.shop.stream_url)
    lightning = [(shop, Electrum(shop, "regtest"))]
    with running_node(lightning=lightning) as node:
        made = node.create(
            methods=["onchain", "lightning"], amount_sat=5_000, confirmations=1
        )
        node.chain.pay(made["address"], 5_000 - FEE)
        wait_until(
            lambda: "underpaid" in node.payment(made["id"])["flags"], 20, "underpaid"
        )
        node.chain.mine(1)
        wait_until(
            lambda: (
                'id="pay-rest"'
                in requests.get(
                    f"{node.url}/pay/{made['id']}", timeout=30 * PATIENCE
                ).text
            ),
            20,
            "it to be offered",
        )
        asked = node.call("POST", f"/pay/{made['id']}/rest")
        assert asked.status_code == 303, asked.text
        rest = node.payment(made["id"])["lightning"]["rest"]
        network.payer.pay(rest["bolt11"])
        shown = node.wait_for_status(made["id"], "confirmed")
        assert (shown["received_sat"], shown["flags"]) == (5_000, [])
        by_lightning = [r for r in shown["receipts"] if r.get("method") == "lightning"]
        assert [r["txid"] for r in by_lightning] == [rest["payment_hash"]]
        assert [r["amount_sat"] for r in by_lightning] == [FEE]

"""A Bitcoin Core node that began anew with a snapshot, and what a shop is told.

The other bad hours: test_core_trouble.py.
"""

from pathlib import Path

from tests.integration.core_shop import PATIENCE_S, CoreShop
from tests.tools.core_double import CoreDouble
from tests.tools.paybell import serving
from tests.tools.ports import free_ports
from tests.tools.wait import wait_until

TAKEN_AWAY = {"replaced", "reorged", "reversed", "expired", "late"}


def test_a_node_that_began_anew_with_a_snapshot_has_lost_nobodys_money(
    tmp_path: Path,
) -> None:
    """assumeutxo: it knows coins and headers, and has no block below the snapshot's
    until it has read them in the background. Of orders that were open then it can prove
    nothing, and so they neither expire nor are they forgotten."""
    with CoreDouble(port=free_ports(1)[0]) as node:
        env = {"PAYBELL_SOURCES": f"bitcoind={node.url}"}
        with serving(tmp_path, env=env) as paybell:
            shop = CoreShop(node, paybell)
            mined, below, above = (shop.order(confirmations=1) for _ in range(3))
            mined.paid()
            node.mine()
            mined.wait_for("confirmed")
            before = mined.story
            node.kill()
            unpaid = shop.order(expires_in_s=1)

            network = CoreDouble(blocks=node.blocks)
            network.mine([below.payment()])
            for _ in range(30):
                network.mine()
            base = network.tip.height
            network.mine([above.payment()])
            network.mine()

            with CoreDouble(blocks=network.blocks[:3], port=node.port) as anew:
                shop.node = anew
                for block in network.blocks[3:]:
                    anew.chain.accept_header(block)
                anew.chain.load_snapshot(network.blocks[3 : base + 1])
                anew.settle()
                shop.rounds()
                assert mined.story == before
                assert below.story == above.story == unpaid.story == ["created"]

                anew.receive(*network.blocks[base + 1 :])
                above.wait_for("confirmed")
                wait_until(
                    lambda: _subjects(shop, "payment.unprovable") >= {unpaid.id},
                    PATIENCE_S,
                    lambda: f"the alert: {paybell.get('/v1/alerts').json()}",
                )
                shop.rounds()
                assert mined.story == before
                assert below.story == unpaid.story == ["created"]

                anew.receive(*network.blocks[3 : base + 1])
                paybell.stop()
                with serving(tmp_path, env=env) as paybell:
                    for order in (mined, below, above, unpaid):
                        order.shop = shop = CoreShop(anew, paybell)
                    below.wait_for("confirmed")
                    unpaid.wait_until_expired()
                    assert mined.story == before
                    for order in (below, above):
                        assert not TAKEN_AWAY & set(order.story)
                        assert order.now["flags"] == []
                    assert not _subjects(shop, "payment.unprovable")


def _subjects(shop: CoreShop, kind: str) -> set[str]:
    alerts = shop.paybell.get("/v1/alerts").json()["data"]
    return {alert["subject"] for alert in alerts if alert["kind"] == kind}

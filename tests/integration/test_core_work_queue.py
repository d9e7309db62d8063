"""A Bitcoin Core node that answers nobody for a while: what a shop on it is told.

The other bad hours: test_core_trouble.py.
"""

from pathlib import Path

from tests.integration.core_shop import PATIENCE_S, CoreShop
from tests.tools.core_double import CoreDouble
from tests.tools.paybell import serving
from tests.tools.wait import wait_until

TAKEN_AWAY = {"replaced", "reorged", "reversed", "expired", "late"}


def test_while_the_nodes_work_queue_is_full_nothing_is_told_and_then_all(
    tmp_path: Path,
) -> None:
    with CoreDouble() as node:
        env = {"PAYBELL_SOURCES": f"bitcoind={node.url}"}
        with serving(tmp_path, env=env) as paybell:
            shop = CoreShop(node, paybell)
            mined, waiting = shop.order(confirmations=1), shop.order(confirmations=1)
            mined.paid()
            node.mine()
            mined.wait_for("confirmed")
            waiting.paid()
            waiting.wait_for("detected")
            before = [order.story for order in (mined, waiting)]

            wire = node.wire
            usual = wire.threads, wire.work_queue
            wire.threads = wire.work_queue = 0
            unpaid, paid = shop.order(expires_in_s=1), shop.order(confirmations=1)
            paid.paid()
            node.mine()
            asked = node.requests
            wait_until(
                lambda: node.requests >= asked + 3,
                PATIENCE_S,
                lambda: f"three answers 503: {shop.source}",
            )
            assert "rpcworkqueue" in shop.source["last_error"]
            assert [order.story for order in (mined, waiting)] == before
            assert unpaid.story == paid.story == ["created"]

            wire.threads, wire.work_queue = usual
            for order in (paid, waiting):
                order.wait_for("confirmed")
            unpaid.wait_until_expired()
            wait_until(
                lambda: shop.source["last_error"] is None, PATIENCE_S, "an answer"
            )
            assert mined.story == before[0]
            for order in (paid, waiting):
                assert not TAKEN_AWAY & set(order.story)
                assert order.now["flags"] == []

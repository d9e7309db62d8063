"""A whole node that catches up with 120 blocks of a slow Bitcoin Core."""

import re
from pathlib import Path
from typing import Any

from tests.integration.core_shop import PATIENCE_S, CoreShop
from tests.tools.core_double import CoreDouble
from tests.tools.paybell import serving
from tests.tools.wait import wait_until

BLOCKS = 120
SLOW_S, STOPPED_S = 0.02, 2.0
"""For a block: as it is read, and while a test looks."""


def test_how_far_it_has_read_is_told_and_everybody_is_served_meanwhile(
    tmp_path: Path,
) -> None:
    with CoreDouble() as node, CoreDouble(blocks=node.blocks) as network:
        env = {"PAYBELL_SOURCES": f"bitcoind={node.url}?name=acme"}
        with serving(tmp_path, env=env) as paybell:
            shop = CoreShop(node, paybell)
            order = shop.order(confirmations=3)
            shop.rounds()
            assert shop.source["reading"] is None
            for _ in range(BLOCKS - 3):
                network.mine()
            network.mine([order.payment()])
            network.mine()
            network.mine()
            top = network.tip.height

            calls, takes_s = node.wire.calls, node.wire.takes_s
            takes_s["getblock"] = SLOW_S
            before = calls["getblock"]
            node.receive(*network.blocks[node.tip.height + 1 :])
            wait_until(
                lambda: calls["getblock"] > before + 50,
                PATIENCE_S,
                "more blocks than are read in one round",
            )
            takes_s["getblock"] = STOPPED_S
            told: dict[str, Any] = wait_until(
                lambda: shop.source["reading"],
                PATIENCE_S,
                lambda: f"how far it has read: {shop.source}",
            )
            assert told["to_height"] == top
            assert told["height"] + told["blocks_left"] == top
            assert told["height"] - told["blocks_read"] == top - BLOCKS
            assert 0 < told["blocks_left"] < BLOCKS
            assert paybell.get("/health").status_code == 200
            page = paybell.get("/metrics").text
            left = re.search(r'paybell_source_blocks_left\{source="acme"\} (\S+)', page)
            assert left is not None
            assert float(left[1]) > 0
            paybell.wait_for_log(
                f"source.reading source=acme block={told['height']} of={top}"
            )

            takes_s.clear()
            order.wait_for("confirmed")
            assert shop.source["reading"] is None
            assert order.story[-1] == "confirmed"
            assert order.now["confirmations"] == 3

"""What the network takes of "paid to told": from one node's mempool to the next one's.

Not ours to shorten, and so in none of our own figures, which begin when the shop's node
has the transaction. Two nodes of Core's lineage (Debian's litecoind) are peers; one
pays, the other is asked until it lists the payment.
"""

from __future__ import annotations

import time

from bench.measure import percentile, wait_for
from bench.report import Row, Section, compare
from tests.node.litecoin import LitecoinNode
from tests.node.shop import fresh_address

__all__ = ["run"]

PAYMENTS = 40
PATIENCE_S = 120.0


def run() -> Section:
    # As a stranger is to it, and not as tests have it: told of at a random moment.
    as_usual = "-nowhitelist"
    with LitecoinNode(as_usual) as payer, LitecoinNode(as_usual) as shop:
        payer.generate(101)
        payer.fund_wallet()
        shop.connect(payer)
        shop.wait_for_tip(payer.tip())
        waits = [_relayed(payer, shop) for _ in range(PAYMENTS)]
    rows: list[Row] = [
        compare(
            f"in the payer's node → in the shop's, {word}",
            [percentile(waits, share)],
            "s",
        )
        for word, share in (("median", 0.5), ("most", 1.0))
    ]
    return Section(
        "relay",
        "The network's share",
        "Two nodes of Core's lineage (litecoind 0.21) that are peers, on one machine:"
        " the shop's node connected to the payer's. From when one has a payment until"
        f" the other one lists it; {PAYMENTS} payments, one after the other. Nodes of"
        " Core's lineage announce transactions to each peer at random moments, some"
        " seconds apart, so that nobody can tell where one began. Paybell's own"
        " figures begin when the shop's node has it.",
        rows,
    )


def _relayed(payer: LitecoinNode, shop: LitecoinNode) -> float:
    """In s."""
    txid = payer.pay(fresh_address("p2wpkh"), 50_000)
    began = time.perf_counter()
    wait_for(lambda: txid in shop.rpc("getrawmempool"), "the payment", PATIENCE_S)
    return time.perf_counter() - began

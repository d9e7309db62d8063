"""Money goes on to its owner, once, on a node of Core's lineage: see `sweeps.py`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.money.sweeps import Till, judged
from tests.money.vault import DRAWN, KINDS
from tests.node.litecoin import LitecoinNode


@pytest.fixture(scope="module")
def node() -> Iterator[LitecoinNode]:
    with LitecoinNode("-txindex=1") as node:
        node.fund_wallet()
        yield node


def test_payments_of_all_kinds_are_swept_to_the_satoshi(
    node: LitecoinNode, tmp_path: Path
) -> None:
    till = Till(node, tmp_path)
    with till.paybell:
        for number in range(3):
            for kind in (*KINDS, *DRAWN):
                payment = till.order(kind, 50_000 + number)
                till.pay(payment, 50_000 + number)
        till.settle()
        received = sum(till.payments.values())
        swept = till.outgoing()
        fees = sum(one["fee_sat"] for one in swept if one["state"] == "confirmed")
        assert till.arrived_sat() + fees == received
        for one in swept:
            tx = judged(node, one["txid"])
            assert sum(out.amount_sat for out in tx.outputs) == one["sent_sat"]
        for name in till.payments:
            last = till.paybell.events(name)[-1]
            assert last["type"] == "payment.forwarded"
            assert last["data"]["forwarding_tx_hash"] in {o["txid"] for o in swept}
            assert last["data"]["swept_sat"] == till.payments[name]
    assert till.paybell.trouble == []

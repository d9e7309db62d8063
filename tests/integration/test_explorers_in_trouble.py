"""A whole node and explorers that are wrong once, re-index, lag, or cannot read one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.explorer_shop import Shop, explorer_shop
from tests.tools import fake_upstream as fake
from tests.tools.esplora_chain import FakeChain
from tests.tools.esplora_double import EsploraDouble


@pytest.fixture
def double() -> Iterator[EsploraDouble]:
    with EsploraDouble() as double:
        double.chain.mine(499)
        yield double


@pytest.fixture
def shop(tmp_path: Path, double: EsploraDouble) -> Iterator[Shop]:
    with explorer_shop(tmp_path, double) as shop:
        yield shop


def test_one_wrong_answer_confirms_nothing(shop: Shop, double: EsploraDouble) -> None:
    chain = double.chain
    told_wrongly, order = shop.order(), shop.order()
    chain.pay(order.script, 40_000)
    wrong = chain.pay(told_wrongly.script, 40_000)
    chain.mine()
    shop.wait_for(order, "confirming")

    # A last block 300,000 too high, with all that belongs to it.
    foreign = FakeChain(made=10_000)
    foreign.mine(3)
    double.tell_tip(foreign.tip, height=300_500)
    double.lies["/block-height/300500"] = fake.text(foreign.tip.hash)
    shop.look(order)
    double.lies.clear()

    # Of a transaction, another height than its block has, and a block nobody knows.
    for unknown in ({}, {"block_hash": "ab" * 32}):
        wrong.lie = {"block_height": 7, **unknown}
        shop.look(told_wrongly)
    wrong.lie = {}

    # More than there is.
    for outputs in ([(order.script, 21 * 10**14)], [(order.script, 21 * 10**14)] * 2):
        chain.mempool.append(chain.new_tx(*outputs))
        shop.look(order)
        chain.mempool.clear()

    shop.look(order)
    shop.look(told_wrongly)
    assert shop.told(order) == ["created", "detected", "confirming"]
    assert "confirmed" not in shop.told(told_wrongly)
    chain.mine(5)
    shop.wait_for(order, "confirmed")
    shop.wait_for(told_wrongly, "confirmed")
    for one in (order, told_wrongly):
        assert shop.node.payment(one.id)["confirmations"] == 6
        assert set(shop.told(one)) <= {"created", "detected", "confirming", "confirmed"}

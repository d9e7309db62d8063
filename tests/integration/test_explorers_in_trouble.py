"""A whole node and explorers that are wrong once, re-index, lag, or cannot read one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.explorer_shop import Shop, explorer_shop
from tests.tools import fake_upstream as fake
from tests.tools.esplora_chain import FakeChain
from tests.tools.esplora_double import EsploraDouble, Server
from tests.tools.wait import wait_until

LONG_ENOUGH_S = 3.0
"""For the deadline of a second, and for a receipt to be looked for twice."""


@pytest.fixture
def double() -> Iterator[EsploraDouble]:
    with EsploraDouble() as double:
        double.chain.mine(499)
        yield double


@pytest.fixture
def second(double: EsploraDouble) -> Iterator[EsploraDouble]:
    """Another explorer, of the same chain."""
    with EsploraDouble(chain=double.chain) as second:
        yield second


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


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (Server(height=37, has_mempool=False), "at block 37; block 501 was seen"),
        (Server(indexed=37, has_mempool=False), "its index of addresses is older"),
    ],
    ids=["a lower tip", "an old index under a new tip"],
)
def test_an_explorer_that_reindexes_takes_nothing_away_and_expires_nothing(
    shop: Shop, double: EsploraDouble, trouble: Server, reason: str
) -> None:
    chain = double.chain
    paid, unconfirmed = shop.order(confirmations=1), shop.order(confirmations=0)
    chain.pay(paid.script, 40_000)
    chain.mine(2)
    chain.pay(unconfirmed.script, 40_000)
    for order in (paid, unconfirmed):
        shop.wait_for(order, "confirmed")
    told = [shop.told(order) for order in (paid, unconfirmed)]

    # It comes back and begins anew. An order is paid meanwhile, and its time passes.
    double.serve(Server(down=fake.reset()))
    shop.poll(paid)
    wait_until(lambda: shop.sources()[0]["errors"] > 0, 20, "it to fail")
    double.serve(trouble)
    open_one = shop.order(expires_in_s=1)
    chain.pay(open_one.script, 40_000)
    shop.look(open_one)
    shop.look_for(LONG_ENOUGH_S, open_one, paid, unconfirmed)
    assert [shop.told(order) for order in (paid, unconfirmed)] == told
    assert shop.told(open_one) == ["created"]
    (source,) = shop.sources()
    assert source["standing"] == "behind"
    assert reason in source["reason"]

    double.serve(Server())
    shop.wait_for(open_one, "confirming")
    chain.mine(6)
    shop.wait_for(open_one, "confirmed")
    assert "expired" not in shop.told(open_one)
    shop.look(paid)
    assert shop.told(paid) == told[0]
    assert shop.status(unconfirmed) == "confirmed"
    assert not {"replaced", "reorged", "reversed"} & {*shop.told(unconfirmed)}


def test_a_first_source_that_lags_is_left_for_a_healthy_second_one(
    tmp_path: Path, double: EsploraDouble, second: EsploraDouble
) -> None:
    chain = double.chain
    with explorer_shop(tmp_path, double, second) as shop:
        before = shop.order()
        chain.pay(before.script, 40_000)
        chain.mine()
        shop.wait_for(before, "confirming")
        double.serve(Server(height=chain.tip.height - 20))
        order = shop.order(confirmations=2)
        chain.pay(order.script, 40_000)
        chain.mine(2)
        shop.wait_for(order, "confirmed")
        first, other = shop.sources()
        assert (first["active"], other["active"]) == (False, True)
        assert (first["standing"], other["standing"]) == ("behind", "current")


def test_an_address_that_one_source_cannot_read_is_asked_of_the_next(
    tmp_path: Path, double: EsploraDouble, second: EsploraDouble
) -> None:
    chain = double.chain
    with explorer_shop(tmp_path, double, second) as shop:
        order, usual = shop.order(confirmations=1), shop.order(confirmations=1)
        for _ in range(30):
            chain.pay(order.script, 1)
        chain.mine()
        double.too_many = 20
        chain.pay(order.script, 40_000)
        chain.pay(usual.script, 40_000)
        chain.mine()
        shop.wait_for(order, "confirmed")
        shop.wait_for(usual, "confirmed")


def test_an_address_that_the_only_source_cannot_read_is_told_of(
    shop: Shop, double: EsploraDouble
) -> None:
    chain = double.chain
    double.too_many = 20
    order = shop.order(confirmations=1)
    for _ in range(30):
        chain.pay(order.script, 1)
    chain.mine()
    chain.pay(order.script, 40_000)
    shop.wait_for(order, "confirming")  # what waits is shown
    chain.mine()
    shop.look(order)
    double.forget_asked()
    shop.look(order)
    # Each round begins with the tip: it polls of its own accord, too.
    rounds = "\n".join(double.asked).split("/blocks/tip/hash")
    most = max(asked.count(order.address) for asked in rounds)
    assert most == 1, "no more than any other address"
    state = shop.node.get(f"/v1/watchers/{order.address}").json()
    assert "refuses to list" in (state["last_error"] or "")
    for path in (f"/v1/payments/{order.id}", f"/v1/payments?address={order.address}"):
        answer = shop.node.get(path).json()
        (shown,) = answer.get("data", [answer])
        assert shown["freshness"]["live"] is False
        assert "cannot read all of this address" in shown["freshness"]["reason"]
        assert "refuses to list" not in str(shown), "a source's words are for keys"
    page = shop.node.get(f"/pay/{order.id}.json").json()["source"]
    assert (page["live"], page["own"]) == (False, True)

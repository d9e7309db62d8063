"""A whole node and explorers that are wrong once, re-index, lag, or cannot read one."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.explorer_shop import Shop, explorer_shop
from tests.tools import fake_upstream as fake
from tests.tools.esplora_chain import FakeChain
from tests.tools.esplora_double import EsploraDouble, Server
from tests.tools.paybell import ROOT
from tests.tools.wait import wait_until

LONG_ENOUGH_S = 3.0
"""For the deadline of a second, and for a receipt to be looked for twice."""

IMPATIENT = """
import sys
sys.path.insert(0, sys.argv.pop(1))
import run
from actors.watching import unknowns
from transport.chain import esplora_history
unknowns.LONG_WAIT_S = esplora_history.TOO_LONG_S = 2.0
run.main()
"""
"""A node that tells a person after two seconds, not after ten minutes, and tries as
soon again to read an address whole."""


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


def test_a_depth_that_was_told_too_great_is_reversed_and_the_true_one_confirms(
    shop: Shop, double: EsploraDouble
) -> None:
    """Answers that fit each other: nobody can tell them from the truth, until it comes.

    Seen: the height that was told first of a block was the only one that was believed,
    and what was confirmed by it stayed so.
    """
    chain = double.chain
    order = shop.order()
    chain.mine(4)
    chain.pay(order.script, 40_000).lie = {"block_height": 501}
    chain.mine(3)
    block = chain.best[504]
    double.lies["/block-height/501"] = fake.text(block.hash)
    shop.wait_for(order, "confirmed")

    block.txs[1].lie = {}
    double.lies.clear()
    shop.wait_for(order, "confirming")
    shop.look(order)
    assert shop.node.payment(order.id)["confirmations"] == 3
    assert shop.told(order)[-1] == "reversed"
    chain.mine(3)
    shop.wait_for(order, "confirmed")
    told = [name for name in shop.told(order) if name != "confirming"]
    assert told == ["created", "detected", "confirmed", "reversed", "confirmed"]
    assert shop.sources()[0]["errors"] == 0


def test_a_tip_that_was_told_too_high_confirms_early_and_takes_nothing_away_later(
    shop: Shop, double: EsploraDouble
) -> None:
    """Four blocks that nobody else has: whoever is lower from then on is behind, and
    counts no depth anew, until the true chain is as high."""
    chain = double.chain
    order = shop.order()
    chain.pay(order.script, 40_000)
    chain.mine(3)
    shop.wait_for(order, "confirming")
    chain.mine(4)
    shop.wait_for(order, "confirmed")
    told = shop.told(order)
    chain.undo(4)
    shop.look(order, times=6)
    assert shop.told(order) == told
    (source,) = shop.sources()
    assert source["standing"] == "behind"
    assert "block 506 was seen" in source["reason"]
    later = shop.order(confirmations=1)
    chain.pay(later.script, 40_000)
    chain.mine()  # below the tip that was believed when the order was made
    shop.look(later, times=6)
    assert "confirmed" not in shop.told(later)
    chain.mine(4)
    shop.wait_for(later, "confirmed")
    shop.look(order)
    assert shop.told(order) == told
    assert shop.node.payment(order.id)["status"] == "confirmed"


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


def test_that_an_address_cannot_be_read_for_long_is_an_alert_and_nothing_expires(
    tmp_path: Path, double: EsploraDouble
) -> None:
    chain = double.chain
    impatient = [sys.executable, "-c", IMPATIENT, str(ROOT)]
    with explorer_shop(tmp_path, double, in_place_of_run=impatient) as shop:
        order, usual = shop.order(expires_in_s=1), shop.order()
        for _ in range(30):
            chain.pay(order.script, 1)
        chain.mine()
        double.too_many = 20

        def alerts() -> list[str]:
            standing = shop.node.get("/v1/alerts").json()["data"]
            return [a["kind"] for a in standing if a["subject"] == order.id]

        def is_told() -> bool:
            shop.look(order, times=1)
            return "address.unreadable" in alerts()

        wait_until(is_told, 20, lambda: f"the alert; there are {alerts()}")
        shop.look_for(LONG_ENOUGH_S, order, usual)
        assert "expired" not in shop.told(order)
        standing = shop.node.get("/v1/alerts").json()["data"]
        assert {alert["subject"] for alert in standing} == {order.id}
        (alert,) = (a for a in standing if a["kind"] == "address.unreadable")
        assert "refuses to list" in alert["detail"]
        assert f"kind=address.unreadable subject={order.id}" in shop.node.err

        double.too_many = None
        chain.pay(order.script, 40_000)
        chain.mine(6)
        shop.wait_for(order, "confirmed")
        wait_until(lambda: not alerts(), 20, lambda: f"an end of {alerts()}")
        assert "expired" not in shop.told(order)

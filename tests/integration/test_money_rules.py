"""A whole node over real sockets: dust, miners' rewards, and deadlines that wait."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.bitcoin.address import script_to_address
from tests.integration.explorer_shop import Order, Shop, explorer_shop
from tests.tools.esplora_chain import FakeChain
from tests.tools.esplora_double import EsploraDouble
from tests.tools.wait import wait_until


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder: Path = tmp_path_factory.mktemp("shop")
    with EsploraDouble() as double:
        double.chain.mine(200)
        with explorer_shop(folder, double) as shop:
            yield shop


@pytest.fixture
def chain(shop: Shop) -> Iterator[FakeChain]:
    """No test leaves it lower than it was, nor does one that fails."""
    chain = shop.doubles[0].chain
    before = chain.tip.height
    yield chain
    if chain.tip.height < before:
        chain.mine(before + 1 - chain.tip.height)


def watcher(shop: Shop, order: Order) -> dict[str, Any]:
    found: dict[str, Any] = shop.node.get(f"/v1/watchers/{order.address}").json()
    return found


def wait_for_words(shop: Shop, order: Order, words: str) -> None:
    """The order's watcher says why it cannot say more."""

    def said() -> bool:
        shop.poll(order)
        return words in (watcher(shop, order)["last_error"] or "")

    wait_until(said, 20, lambda: f"{words!r}: {watcher(shop, order)}")


def test_a_thousand_outputs_of_dust_hide_no_money(shop: Shop, chain: FakeChain) -> None:
    order = shop.order(amount_sat=1_000_000, confirmations=1)
    chain.mempool.append(chain.new_tx(*[(order.script, 300)] * 1_000))
    shop.wait_for(order, "confirming")
    money = chain.pay(order.script, 1_000_000)
    chain.mine()
    shop.wait_for(order, "confirmed")
    shown = shop.node.payment(order.id)
    assert money.txid in {receipt["txid"] for receipt in shown["receipts"]}
    assert shown["confirmed_sat"] == 1_300_000


def test_no_order_expires_while_the_chain_shows_its_full_sum_in_crumbs(
    shop: Shop, chain: FakeChain
) -> None:
    order = shop.order(amount_sat=330_000, confirmations=1, expires_in_s=20)
    short = shop.order(amount_sat=330_001, confirmations=1, expires_in_s=20)
    for one in (order, short):
        chain.mempool.append(chain.new_tx(*[(one.script, 300)] * 1_100))
    chain.mine()
    wait_for_words(shop, order, "a person must see")
    shop.wait_for(short, "expired")
    assert shop.status(order) == "confirming"
    assert shop.node.post(f"/v1/payments/{order.id}/confirm").status_code == 200
    assert shop.status(order) == "confirmed"


def test_a_miners_reward_confirms_at_a_hundred_and_expires_nothing(
    shop: Shop, chain: FakeChain
) -> None:
    order = shop.order(amount_sat=40_000, confirmations=1, expires_in_s=20)
    over = time.monotonic() + 20.1
    chain.mine(1, to=order.script)
    shop.wait_for(order, "confirming")
    wait_until(lambda: time.monotonic() > over, 25, "its deadline to pass")
    chain.mine(98)
    shop.look(order)
    shown = shop.node.payment(order.id)
    assert (shown["status"], shown["confirmations"]) == ("confirming", 99)
    assert shown["receipts"][0]["is_coinbase"] is True
    chain.mine()
    shop.wait_for(order, "confirmed")
    assert "expired" not in shop.told(order)


def test_a_deadline_waits_for_a_source_that_is_current_and_says_so(
    shop: Shop, chain: FakeChain
) -> None:
    other = shop.order()
    chain.undo(5)

    def is_behind() -> bool:
        shop.poll(other)
        return bool(shop.sources()[0]["standing"] == "behind")

    wait_until(is_behind, 20, lambda: f"the source to be behind: {shop.sources()}")
    unpaid, paid = (shop.order(expires_in_s=1, confirmations=1) for _ in range(2))
    for order in (unpaid, paid):
        wait_for_words(shop, order, "proves nothing")
    chain.pay(paid.script, 40_000)
    shop.wait_for(paid, "confirming")
    assert shop.status(unpaid) == "pending", "nobody could tell"
    chain.mine(6)
    shop.wait_for(paid, "confirmed")
    shop.wait_for(unpaid, "expired")
    assert watcher(shop, unpaid)["last_error"] is None
    assert "late" not in shop.told(paid)


def wait_for_tip(shop: Shop, chain: FakeChain) -> None:
    """The node knows of the newest block."""

    def is_known() -> bool:
        (source,) = shop.sources()
        return bool(source["tip_hash"] == chain.tip.hash)

    wait_until(is_known, 20, lambda: f"block {chain.tip.height}: {shop.sources()}")


def test_what_was_in_a_block_before_the_order_does_not_pay_it(
    shop: Shop, chain: FakeChain
) -> None:
    script = "0014" + "77" * 20
    address = script_to_address(bytes.fromhex(script), "regtest")
    assert address is not None
    chain.pay(script, 40_000)
    chain.mine()
    wait_for_tip(shop, chain)
    made = shop.node.create(address=address, amount_sat=40_000, confirmations=1)
    order = Order(made["id"], address)
    shop.look(order)
    assert shop.told(order) == ["created"]
    paid = chain.pay(script, 40_000)
    chain.mine()
    shop.wait_for(order, "confirmed")
    (receipt,) = shop.node.payment(order.id)["receipts"]
    assert receipt["txid"] == paid.txid


def test_money_in_a_block_as_high_as_one_that_a_reorg_took_counts(
    shop: Shop, chain: FakeChain
) -> None:
    """It was paid after the order was made, though its block is not higher."""
    wait_for_tip(shop, chain)
    order = shop.order(confirmations=1)
    tip = chain.tip.height
    chain.pay(order.script, 40_000)
    chain.reorg(3)
    shop.wait_for(order, "confirmed")
    (receipt,) = shop.node.payment(order.id)["receipts"]
    assert receipt["block_height"] == tip - 2

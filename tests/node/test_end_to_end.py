"""From POST /v1/payments to shops and browsers that are told, on a real Bitcoin node.

One node and one Paybell for the file; every test has payments of its own. Whatever a
test shows was told four times over, word for word the same: on a WebSocket, in a
stream of Server-Sent Events, in webhooks that an independent library verifies, and in
the list of the payment's events.

A chain is never shorter than Paybell knows it when a test ends.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.node.bcoin import BcoinNode
from tests.node.counted import CountedNode
from tests.node.paybell import Paybell
from tests.node.shop import Shop, fresh_address
from tests.tools.receiver import Receiver

TOLERANCE_SAT = 100


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("paybell")
    options = [f"--tolerance-sat={TOLERANCE_SAT}"]
    with BcoinNode() as node:
        wallet = node.fund(20)
        with Receiver() as endpoint, Paybell(node.url, folder, options) as paybell:
            yield Shop(node, wallet, paybell, endpoint)
            assert paybell.trouble == []
            paybell.stop()
            paybell.replay_check()


def test_a_payment_to_every_kind_of_address_is_detected_and_confirmed_block_by_block(
    shop: Shop,
) -> None:
    kinds = ("p2pkh", "p2sh", "p2wpkh", "p2tr")
    with ExitStack() as stack:
        orders = [
            stack.enter_context(shop.order(50_000 + i, kind, confirmations=3))
            for i, kind in enumerate(kinds)
        ]
        txids = [order.pay(50_000 + i) for i, order in enumerate(orders)]
        for i, order in enumerate(orders):
            seen = order.socket.wait_for("detected")
            assert (seen["txid"], seen["confirmations"]) == (txids[i], 0)
            assert (seen["status"], seen["received_sat"]) == ("confirming", 50_000 + i)
        for depth in (1, 2, 3):
            (mined,) = shop.node.generate(1)
            for order in orders:
                order.socket.wait_for_seq(2 + depth)
                deeper = order.socket.events[1 + depth]
                assert deeper["type"] == "payment.confirming"
                assert deeper["confirmations"] == depth
            if depth == 1:
                assert {o.now["receipts"][0]["block_hash"] for o in orders} == {mined}
        for order in orders:
            order.socket.wait_for("confirmed")
            order.expect_story("detected", *["confirming"] * 3, "confirmed")
            assert order.now["status"] == "confirmed"
            assert order.now["confirmed_sat"] == order.now["amount_sat"]
            assert order.now["flags"] == []


def test_a_receipt_whose_block_is_invalidated_before_it_confirmed_confirms_anew(
    shop: Shop,
) -> None:
    with shop.order(confirmations=2) as order:
        order.pay(50_000)
        order.wait_for("detected")
        (mined,) = shop.node.generate(1)
        order.wait_for("confirming")
        shop.node.invalidateblock(mined)
        empty = shop.node.mine_block()
        lost = order.wait_for("reorged")
        assert (lost["status"], lost["confirmations"]) == ("confirming", 0)
        shop.paybell.wait_for_tip(empty)
        shop.node.generate(2)
        order.wait_for("confirmed")
        assert order.now["flags"] == ["reorged"]
        assert order.now["received_sat"] == order.now["confirmed_sat"] == 50_000
        assert order.socket.types[:4] == [
            "created", "detected", "confirming", "reorged",
        ]  # fmt: skip
        assert set(order.socket.types[4:-1]) == {"confirming"}


def test_a_confirmed_payment_whose_blocks_are_invalidated_is_reversed(
    shop: Shop,
) -> None:
    with shop.order(confirmations=2) as order:
        order.pay(50_000)
        order.wait_for("detected")
        (mined,) = shop.node.generate(1)
        order.wait_for("confirming")
        shop.node.generate(1)
        order.wait_for("confirmed")
        shop.node.invalidateblock(mined)
        shop.node.mine_block()
        shop.node.mine_block()
        taken_back = order.wait_for("reorged", "reversed")
        assert (taken_back["status"], taken_back["confirmations"]) == ("confirming", 0)
        assert order.now["confirmed_sat"] == 0
        shop.node.generate(2)
        order.wait_for("confirmed")
        assert order.now["confirmed_sat"] == 50_000
        assert order.socket.types.count("confirmed") == 2


def test_a_longer_branch_takes_a_confirmed_payment_back_and_may_confirm_it_again(
    shop: Shop,
) -> None:
    with shop.order() as order:
        order.pay(50_000)
        order.wait_for("detected")
        shop.node.generate(1)
        order.wait_for("confirming", "confirmed")
        with shop.paybell.frozen():
            # Between the branch and the transaction's return to the mempool, this
            # node really does not have it.
            shop.node.reorg(1)
        order.wait_for("reorged", "reversed")
        shop.node.generate(1)
        order.wait_for("confirming", "confirmed")
        order.expect_story(
            "detected", "confirming", "confirmed",
            "reorged", "reversed", "confirming", "confirmed",
        )  # fmt: skip


def test_a_confirmed_payment_that_a_longer_branch_spends_otherwise_is_gone(
    shop: Shop,
) -> None:
    with shop.order() as order:
        txid = order.pay(50_000)
        order.wait_for("detected")
        shop.node.generate(1)
        order.wait_for("confirming", "confirmed")
        thief = shop.wallet.conflicting(txid)
        shop.wallet.forget(txid)
        with shop.paybell.frozen():
            shop.node.reorg(1, instead=[thief])
        order.wait_for("reorged", "replaced", "reversed")
        assert (order.now["status"], order.now["received_sat"]) == ("pending", 0)


def test_a_replacement_that_still_pays_is_followed_in_place_of_the_first(
    shop: Shop,
) -> None:
    with shop.order() as order:
        first = order.pay(50_000)
        order.wait_for("detected")
        second = shop.wallet.replace(first)
        told = order.wait_for("replaced", "detected")
        assert (order.socket.events[-2]["txid"], told["txid"]) == (first, second)
        shop.node.generate(1)
        order.wait_for("confirming", "confirmed")
        assert [receipt["txid"] for receipt in order.now["receipts"]] == [second]
        assert order.now["received_sat"] == 50_000
        assert order.now["flags"] == ["replaced"]


def test_a_replacement_that_takes_the_money_back_leaves_the_payment_unpaid(
    shop: Shop,
) -> None:
    with shop.order() as order:
        first = order.pay(50_000)
        order.wait_for("detected")
        shop.wallet.replace(first, [])
        gone = order.wait_for("replaced")
        assert (gone["status"], gone["received_sat"]) == ("pending", 0)
        assert order.now["receipts"] == []


def test_too_little_is_told_and_the_rest_may_follow(shop: Shop) -> None:
    with shop.order() as order:
        order.pay(20_000)
        short = order.wait_for("detected", "underpaid")
        assert short["data"]["short_sat"] == 30_000
        shop.node.generate(1)
        order.wait_for("confirming")
        assert order.now["status"] == "confirming"
        order.pay(30_000)
        order.wait_for("detected")
        assert order.now["flags"] == []
        shop.node.generate(1)
        order.wait_for("confirmed")
        assert order.now["confirmed_sat"] == 50_000


def test_too_little_by_no_more_than_the_tolerance_is_enough(shop: Shop) -> None:
    with shop.order() as order:
        order.pay(50_000 - TOLERANCE_SAT)
        order.wait_for("detected")
        shop.node.generate(1)
        order.wait_for("confirming", "confirmed")
        order.expect_story("detected", "confirming", "confirmed")


def test_too_much_is_told_and_confirms(shop: Shop) -> None:
    with shop.order() as order:
        order.pay(70_000)
        told = order.wait_for("detected", "overpaid")
        assert told["data"]["excess_sat"] == 20_000
        shop.node.generate(1)
        order.wait_for("confirmed")
        assert order.now["flags"] == ["overpaid"]
        assert order.now["confirmed_sat"] == 70_000


def test_money_that_comes_after_the_deadline_is_told_as_late_and_confirms(
    shop: Shop,
) -> None:
    with shop.order(expires_in_s=1) as order:
        order.wait_for("expired")
        order.pay(50_000)
        late = order.wait_for("detected", "late")
        assert late["status"] == "confirming"
        shop.node.generate(1)
        order.wait_for("confirming", "confirmed")
        order.expect_story("expired", "detected", "late", "confirming", "confirmed")
        assert order.now["flags"] == ["late"]


def test_two_transactions_in_one_block_are_two_receipts(shop: Shop) -> None:
    with shop.order(amount_sat=50_000) as order:
        with shop.paybell.frozen():
            txids = [order.pay(20_000), order.pay(30_000)]
            (mined,) = shop.node.generate(1)
        order.wait_for("confirmed")
        order.expect_story("detected", "detected", "confirming", "confirmed")
        receipts = order.now["receipts"]
        assert sorted(r["txid"] for r in receipts) == sorted(txids)
        assert {r["block_hash"] for r in receipts} == {mined}
        assert order.now["confirmed_sat"] == 50_000


def test_two_outputs_of_one_transaction_are_two_receipts(shop: Shop) -> None:
    with shop.order(amount_sat=50_000) as order:
        paid = [(order.address, 20_000), (order.address, 30_000)]
        txid = shop.wallet.pay_many(paid)
        order.wait_for("detected", "detected")
        shop.node.generate(1)
        order.wait_for("confirming", "confirmed")
        receipts = order.now["receipts"]
        assert [(r["txid"], r["vout"]) for r in receipts] == [(txid, 0), (txid, 1)]
        assert order.now["confirmed_sat"] == 50_000


def test_the_node_is_asked_no_more_per_block_when_more_addresses_are_watched(
    shop: Shop, tmp_path: Path
) -> None:
    with CountedNode(shop.node) as node, Paybell(node.url, tmp_path) as paybell:

        def calls_for_blocks(blocks: int) -> Counter[str]:
            before = Counter(node.calls)
            for _ in range(blocks):
                (mined,) = shop.node.generate(1)
                paybell.wait_for_tip(mined)
            return Counter(node.calls) - before

        few = calls_for_blocks(3)
        watched = paybell.source()["watched"]
        paybell.create_many(
            [{"address": fresh_address(), "any_amount": True} for _ in range(500)]
        )
        many = calls_for_blocks(3)
        assert paybell.source()["watched"] == watched + 500
    # Tip and mempool are looked at about once a second, however long that takes; at
    # each look once, whoever is watched. A look may have begun before it was counted.
    for spent in (few, many):
        looks = spent.pop("getblockchaininfo")
        assert spent.pop("getmempoolinfo") <= looks + 1
        assert spent.pop("getrawmempool", 0) <= looks + 1
    assert many.total() <= few.total() * 2, (few, many)

"""From a real node, through a bridge that publishes, to a browser: told by ZMQ."""

from collections.abc import Iterator

import pytest

from tests.node.bcoin import BcoinNode
from tests.node.paybell import Paybell
from tests.node.shop import Shop
from tests.node.zmq_bridge import ZmqBridge
from tests.tools.receiver import Receiver
from tests.tools.wait import wait_until
from tests.tools.zmq_publisher import CorePublisher


@pytest.fixture(scope="module")
def bridge() -> Iterator[ZmqBridge]:
    with (
        BcoinNode() as node,
        CorePublisher() as publisher,
        ZmqBridge(node, publisher) as bridge,
    ):
        yield bridge


@pytest.fixture(scope="module")
def shop(bridge: ZmqBridge, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    node = bridge.node
    assert isinstance(node, BcoinNode)
    wallet = node.fund(10)
    folder = tmp_path_factory.mktemp("paybell")
    with Receiver() as endpoint, Paybell(bridge.url, folder) as paybell:
        yield Shop(node, wallet, paybell, endpoint)
        assert paybell.trouble == []
        paybell.stop()


def test_payments_and_blocks_are_told_and_the_mempool_is_not_asked_for(
    shop: Shop, bridge: ZmqBridge
) -> None:
    wait_until(lambda: bridge.calls.get("getzmqnotifications"), 10, "a look for ZMQ")
    with shop.order(confirmations=2) as first:
        first.pay(50_000)  # whatever was not heard from the start is compared by then
        first.wait_for("detected")
    compared, looked = bridge.calls["getrawmempool"], bridge.calls["getmempoolinfo"]
    for _ in range(3):
        with shop.order(confirmations=1) as order:
            order.pay(50_000)
            order.wait_for("detected")
            shop.node.generate(1)
            order.wait_for("confirmed")
            order.expect_story("detected", "confirming", "confirmed")
    # Where all is slow this takes minutes, and what comes late is compared at times.
    looks = bridge.calls["getmempoolinfo"] - looked
    assert bridge.calls["getrawmempool"] <= compared + 2 + looks // 20, bridge.calls


def test_a_replacement_is_told_as_the_node_has_it(shop: Shop) -> None:
    with shop.order(confirmations=1) as order:
        txid = order.pay(50_000)
        order.wait_for("detected")
        shop.wallet.replace(txid)
        order.wait_for("replaced", "detected")
        shop.node.generate(1)
        order.wait_for("confirmed")

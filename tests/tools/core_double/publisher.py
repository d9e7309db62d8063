"""The double's ZMQ: what happens to it, published as Core does."""

from tests.tools.core_double.blocks import CoreBlock
from tests.tools.core_double.node import CoreDouble
from tests.tools.zmq_publisher import CorePublisher

__all__ = ["publish"]


class _Bridge:
    """An `Observer` that publishes. The mempool's numbers are the double's."""

    def __init__(self, publisher: CorePublisher) -> None:
        self._publisher = publisher

    def added(self, txid: str, raw: bytes, sequence: int) -> None:
        self._publisher.number = sequence
        self._publisher.added(txid, raw)

    def removed(self, txid: str, sequence: int) -> None:
        self._publisher.number = sequence
        self._publisher.changed(txid, b"R")

    def connected(self, block: CoreBlock) -> None:
        self._publisher.connected(block.hash, block.txs, taken=0)

    def disconnected(self, block: CoreBlock) -> None:
        self._publisher.disconnected(block.hash, block.txs)


def publish(node: CoreDouble, publisher: CorePublisher) -> None:
    """From now on, and `getzmqnotifications` says where."""
    node.observers.append(_Bridge(publisher))
    node.has_zmq = True
    node.zmq = [
        {"type": f"pub{topic.decode()}", "address": address, "hwm": 1_000}
        for topic, address in publisher.endpoints
    ]

"""What happens to honest nodes: each trouble as a context manager, and who judges it.

    with rolled_back(node, healthy):
        ...                     # the node is below blocks that it showed before
    healthy.wait ...            # it was told all again, and is a peer of `healthy`

Within a trouble the node stands as long as the test looks; nothing is left to chance.
Before a trouble all nodes have the same chain and mempool, and a `base` on disk.

`Shop` is a Paybell on a node, with orders that others have as well, so that what they
tell can be compared.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from itertools import groupby
from typing import Any

from tests.node.litecoin import LitecoinNode
from tests.node.paybell import Paybell
from tests.tools.wait import wait_until

__all__ = ["TROUBLES", "Shop", "Trouble", "prune"]

PATIENCE_S = 20.0
DOUBTED = 4  # blocks: more than one that is only late may lack
SOON_S = 2
UNTOUCHED = 30  # blocks of a chain that an interrupted reading anew has read

Trouble = Callable[[LitecoinNode, LitecoinNode], AbstractContextManager[None]]


@contextmanager
def killed(node: LitecoinNode, healthy: LitecoinNode) -> Iterator[None]:
    """The power fails: blocks since the last flush, their headers and the mempool are
    lost, and there is no peer yet who has them."""
    tip = node.height()
    node.kill()
    node.start()
    assert node.height() < tip
    yield
    node.connect(healthy)


@contextmanager
def rolled_back(node: LitecoinNode, healthy: LitecoinNode) -> Iterator[None]:
    """A person doubts the last blocks: its tip is below headers that it knows."""
    tip = node.tip()
    node.disconnect()
    doubted = node.block_hash(node.height() - DOUBTED + 1)
    node.rpc("invalidateblock", doubted)
    assert node.rpc("getblockheader", tip)["confirmations"] == -1
    yield
    node.rpc("reconsiderblock", doubted)
    assert node.tip() == tip
    node.connect(healthy)


@contextmanager
def loading_its_mempool(node: LitecoinNode, healthy: LitecoinNode) -> Iterator[None]:
    """A clean restart: all blocks are there, the mempool is not yet."""
    tip = node.tip()
    assert node.mempool()
    node.stop()
    node.start(held=True)
    assert node.tip() == tip
    assert node.mempool() == frozenset()
    assert not node.rpc("getmempoolinfo")["loaded"]
    yield
    node.release()
    node.connect(healthy)


@contextmanager
def warming_up(node: LitecoinNode, healthy: LitecoinNode) -> Iterator[None]:
    """`-reindex-chainstate` begins: every call is answered with error -28."""
    node.stop()
    node.launch("-reindex-chainstate", held=True)
    wait_until(node.is_warming_up, PATIENCE_S, lambda: f"error -28\n{node.log}")
    yield
    node.release()
    node.wait_until_ready()
    node.connect(healthy)


@contextmanager
def reading_its_chain_anew(node: LitecoinNode, healthy: LitecoinNode) -> Iterator[None]:
    """`-reindex-chainstate` is half way: a low tip, and the headers of all blocks."""
    tip = node.tip()
    node.stop()
    node.launch("-reindex-chainstate", f"-stopatheight={UNTOUCHED}")
    node.wait_until_ended()
    node.start(held=True)
    assert UNTOUCHED <= node.height() < node.rpc("getblockheader", tip)["height"]
    yield
    node.release()
    node.connect(healthy)


@contextmanager
def cut_off(node: LitecoinNode, healthy: LitecoinNode) -> Iterator[None]:
    """It has no peers, and does not know of the blocks that come meanwhile."""
    node.disconnect()
    yield
    node.connect(healthy)


def prune(node: LitecoinNode, height: int) -> None:
    """Let a node forget its blocks up to about this height, of at least 1,000.

    Core deletes whole files, and begins a new one after 128 MB. So the blocks are put
    into two files here, as a longer chain's are, and the node reads them anew.
    """
    node.stop()
    first, second = (node.blocks_folder / f"blk0000{n}.dat" for n in (0, 1))
    blocks = blocks_in(first.read_bytes())
    first.write_bytes(b"".join(blocks[:height]))
    second.write_bytes(b"".join(blocks[height:]))
    node.start("-reindex", "-prune=1")
    wait_until(
        lambda: not node.rpc("getblockchaininfo")["initialblockdownload"],
        PATIENCE_S,
        lambda: f"the blocks to be read anew\n{node.log}",
    )
    node.rpc("pruneblockchain", height)
    info = node.rpc("getblockchaininfo")
    assert 0 < info["pruneheight"] <= height, info


def blocks_in(file: bytes) -> list[bytes]:
    """The blocks of a file: each behind four bytes of magic and its length."""
    blocks, at, magic = [], 0, file[:4]
    while file[at : at + 4] == magic:
        end = at + 8 + int.from_bytes(file[at + 4 : at + 8], "little")
        blocks.append(file[at:end])
        at = end
    return blocks


TROUBLES: dict[str, Trouble] = {
    "killed": killed,
    "rolled back": rolled_back,
    "loading its mempool": loading_its_mempool,
    "warming up": warming_up,
    "reading its chain anew": reading_its_chain_anew,
    "cut off": cut_off,
}


class Shop:
    """A Paybell, and its payments by the names of their orders."""

    def __init__(self, node: LitecoinNode, paybell: Paybell) -> None:
        self.node = node
        self.paybell = paybell
        self.payments: dict[str, dict[str, Any]] = {}

    def take(self, orders: dict[str, dict[str, Any]]) -> None:
        """Create payments with these terms."""
        created = self.paybell.create_many(list(orders.values()))
        self.payments |= dict(zip(orders, created, strict=True))

    def due_soon(self, order: str) -> datetime:
        """Its deadline comes in a moment: when that is."""
        path = f"/v1/payments/{self.payments[order]['id']}"
        answer = self.paybell.call("PATCH", path, json={"expires_in_s": SOON_S})
        assert answer.status_code == 200, answer.text
        return datetime.fromisoformat(answer.json()["expires_at"])

    def told(self, order: str, since: datetime | None = None) -> list[str]:
        """The types of what was told, one `confirming` for several in a row: who sees
        three blocks at once tells of them once."""
        events = self.paybell.events(self.payments[order]["id"])
        types = [
            event["type"].removeprefix("payment.")
            for event in events
            if since is None or datetime.fromisoformat(event["at"]) > since
        ]
        return [t for t, same in groupby(types) for _ in _once(t, same)]

    def state(self, order: str) -> dict[str, Any]:
        """What the payment is in the end. Ids and times are each Paybell's own, and so
        is the depth that it was told last: who sees many blocks at once tells the last.
        """
        payment = self.paybell.payment(self.payments[order]["id"])
        names = ("status", "flags", "received_sat", "confirmed_sat")
        receipts = [
            (r["txid"], r["vout"], r["amount_sat"], r["block_hash"])
            for r in payment["receipts"]
        ]
        return {name: payment[name] for name in names} | {"receipts": receipts}

    def wait_for(self, order: str, last: str) -> None:
        """Have it looked at until its story ends with this."""
        self._wait(order, lambda told: told[-1:] == [last], f"to end with {last}")

    def wait_to_be_told(self, order: str, kind: str) -> None:
        """Have it looked at until this is in its story."""
        self._wait(order, lambda told: kind in told, f"to have {kind}")

    def _wait(self, order: str, is_so: Callable[[list[str]], bool], what: str) -> None:
        def looked() -> bool:
            self.paybell.poll(self.payments[order]["address"])
            return is_so(self.told(order))

        wait_until(looked, PATIENCE_S, lambda: f"{order} {what}; {self._all()}")

    def looks(self) -> int:
        """How often its sources were asked, answered or not."""
        return sum(source["requests"] for source in self.paybell.sources())

    def wait_for_looks(self, count: int) -> None:
        """Until there were so many in all."""
        wait_until(lambda: self.looks() >= count, PATIENCE_S, self._all)

    def wait_to_be_as(self, other: "Shop", order: str) -> None:
        """Until an order is as it is at another shop."""

        def is_so() -> bool:
            if self.state(order) == other.state(order):
                return True
            self.paybell.poll(self.payments[order]["address"])
            return False

        wait_until(
            is_so,
            PATIENCE_S,
            lambda: (
                f"{order}, {self.told(order)} {self.state(order)}, to be"
                f" {other.told(order)} {other.state(order)}\n{self._all()}"
            ),
        )

    def _all(self) -> str:
        stories = {order: self.told(order) for order in self.payments}
        return f"{stories}\n{self.paybell.sources()}"


def _once(kind: str, same: Iterator[str]) -> list[str]:
    return ["confirming"] if kind == "confirming" else list(same)

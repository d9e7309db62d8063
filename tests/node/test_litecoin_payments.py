"""From an order to a shop that is told, on a node of Core's lineage and on its peer.

Each of two nodes that are peers has a Paybell. What one is told the other one must be
told as well: payments to every kind of address, from inputs with witnesses; a longer
branch; and, once one of the nodes is pruned, what it can still know.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest

from tests.node.litecoin import LitecoinNode, RpcError
from tests.node.paybell import Paybell
from tests.node.shop import fresh_address
from tests.node.troubles import Shop, prune
from tests.node.wallet import Wallet
from tests.tools.wait import wait_until

KINDS = ("p2pkh", "p2sh", "p2wpkh", "p2tr")  # of P2SH a payer cannot see what is in it
PRUNED_FROM = 1_000  # no shorter chain is pruned, on regtest
KEPT = 288  # blocks that no node prunes
SOME = 20  # blocks above a payment that are pruned with it
DEPTH = 6
LOOKS = 3  # requests of a Paybell: it has asked its node anew

Pair = tuple[Shop, Shop]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with ExitStack() as stack:
        nodes = [stack.enter_context(LitecoinNode()) for _ in range(2)]
        nodes[0].generate(PRUNED_FROM)
        nodes[0].fund_wallet()
        nodes[1].connect(nodes[0])
        nodes[1].wait_for_tip(nodes[0].tip())
        paybells = [Paybell(n.url, tmp_path_factory.mktemp("paybell")) for n in nodes]
        for paybell in paybells:
            stack.push(paybell)
            paybell.launch()
        for paybell in paybells:
            paybell.wait_until_ready()
        yield Shop(nodes[0], paybells[0]), Shop(nodes[1], paybells[1])
        assert [paybell.trouble for paybell in paybells] == [[], []]


@pytest.fixture(scope="module")
def wallet(pair: Pair) -> Wallet:
    """Coins that may be spent twice."""
    return pair[0].node.fund(3)


def order(pair: Pair, name: str, kind: str = "p2wpkh", **terms: int) -> str:
    """An order at both shops; its address."""
    address = fresh_address(kind)
    for shop in pair:
        shop.take({name: {"address": address, "amount_sat": 50_000, **terms}})
    return address


def both_tell(pair: Pair, name: str, *types: str) -> None:
    """Both have told this, and the payment is the same to both."""
    for shop in pair:
        shop.wait_for(name, types[-1])
        assert shop.told(name) == ["created", *types]
    pair[1].wait_to_be_as(pair[0], name)


@pytest.mark.parametrize("kind", KINDS)
def test_a_payment_to_every_kind_of_address_is_detected_and_confirmed(
    pair: Pair, kind: str
) -> None:
    address = order(pair, kind, kind, confirmations=2)
    txid = pair[0].node.pay(address, 50_000)
    both_tell(pair, kind, "detected")
    pair[0].node.generate(1)
    both_tell(pair, kind, "detected", "confirming")
    pair[0].node.generate(1)
    both_tell(pair, kind, "detected", "confirming", "confirmed")
    state = pair[0].state(kind)
    assert (state["status"], state["confirmed_sat"]) == ("confirmed", 50_000)
    assert [receipt[0] for receipt in state["receipts"]] == [txid]


def test_a_longer_branch_that_replaces_six_blocks_is_told_alike(
    pair: Pair, wallet: Wallet
) -> None:
    """One payment waits again and is mined anew, another one is spent otherwise."""
    node = pair[0].node
    kept, stolen = order(pair, "kept"), order(pair, "stolen")
    node.pay(kept, 50_000)
    theft = wallet.conflicting(wallet.pay(stolen, 50_000))
    node.generate(DEPTH)
    for name in ("kept", "stolen"):
        both_tell(pair, name, "detected", "confirming", "confirmed")
    node.replace_blocks(DEPTH, [theft])
    told = ["created", "detected", "confirming", "confirmed", "reorged", "reversed"]
    both_tell(pair, "kept", *told[1:])
    for shop in pair:
        shop.wait_to_be_told("stolen", "replaced")
        assert shop.told("stolen")[:5] == told[:5]
        # One that reads the branch in two rounds learns last of what is in it.
        assert set(shop.told("stolen")[5:]) == {"reversed", "replaced"}
    pair[1].wait_to_be_as(pair[0], "stolen")
    assert pair[0].state("stolen")["status"] == "pending"
    node.generate(3)
    both_tell(pair, "kept", *told[1:], "confirming", "confirmed")


def test_on_a_pruned_node_a_shop_goes_on_and_what_was_pruned_does_not_expire(
    pair: Pair,
) -> None:
    """Its Paybell is away when an order is paid, and comes back when its block is gone:
    the node has nothing to show, and cannot say that nothing came."""
    healthy, pruned = pair
    missed = order(pair, "missed", confirmations=1)
    pruned.paybell.stop()
    healthy.node.pay(missed, 50_000)
    (mined,) = healthy.node.generate(1)
    height = healthy.node.height()
    (*_, tip) = healthy.node.generate(KEPT + 2 * SOME)
    pruned.node.wait_for_tip(tip)
    prune(pruned.node, height + SOME)
    assert pruned.node.rpc("getblockheader", mined)["height"] == height
    with pytest.raises(RpcError, match="pruned data"):
        pruned.node.rpc("getblock", mined)
    pruned.node.connect(healthy.node)
    pruned.paybell.start()
    after = order(pair, "after", confirmations=1)
    healthy.node.pay(after, 50_000)
    both_tell(pair, "after", "detected")
    healthy.node.generate(1)
    both_tell(pair, "after", "detected", "confirming", "confirmed")
    healthy.wait_for("missed", "confirmed")
    due_at = pruned.due_soon("missed")
    wait_until(lambda: datetime.now(UTC) > due_at, 20, f"{due_at}")
    pruned.wait_for_looks(pruned.looks() + LOOKS)
    assert pruned.told("missed") == ["created", "updated"]

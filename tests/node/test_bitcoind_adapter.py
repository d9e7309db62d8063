"""The Bitcoin Core adapter and the script index against a real node (bcoin)."""

from collections.abc import Iterator

import pytest

from engine.chain.feed import ChainView, Output
from engine.chain.script_index import LOOKBACK, ScriptIndex
from engine.chain.sync import SyncResult, sync
from engine.errors import SourceUnavailable
from tests.node.bcoin import BcoinNode
from tests.node.rawtx import address_for, script_for
from tests.node.wallet import Wallet
from transport.chain.bitcoind import Bitcoind

PATIENT_S = 60.0


@pytest.fixture(scope="module")
def node() -> Iterator[BcoinNode]:
    with BcoinNode() as running:
        yield running


@pytest.fixture(scope="module")
def wallet(node: BcoinNode) -> Wallet:
    return node.fund(20)


@pytest.fixture
def feed(node: BcoinNode) -> Iterator[Bitcoind]:
    source = Bitcoind(node.url, deadline_s=PATIENT_S)
    yield source
    source.close()


def read(feed: Bitcoind, index: ScriptIndex) -> SyncResult:
    """Rounds until there is no more to read."""
    for _ in range(20):
        result = sync(feed, index)
        if not result.more:
            return result
    raise AssertionError("the index never came to an end")


def watching(feed: Bitcoind, *addresses: str) -> ScriptIndex:
    index = ScriptIndex()
    for address in addresses:
        index.watch(script_for(address))
    read(feed, index)
    return index


def paid(index: ScriptIndex, address: str) -> list[tuple[str, int, int | None]]:
    view = index.view(script_for(address), "node")
    assert view.complete
    return outputs_of(view)


def outputs_of(view: ChainView) -> list[tuple[str, int, int | None]]:
    return [(o.txid, o.amount_sat, o.block_height) for o in view.outputs]


@pytest.mark.parametrize("kind", ["p2pkh", "p2sh", "p2wpkh", "p2wsh", "p2tr"])
def test_a_payment_is_seen_in_the_mempool_and_in_its_block(
    node: BcoinNode, wallet: Wallet, feed: Bitcoind, kind: str
) -> None:
    address = address_for(kind, 71)
    index = watching(feed, address)
    txid = wallet.pay(address, 123_456)
    assert read(feed, index).touched == {script_for(address)}
    assert paid(index, address) == [(txid, 123_456, None)]
    [mined] = node.generate(1)
    result = read(feed, index)
    assert (result.blocks, result.requests) == (1, 5)
    assert paid(index, address) == [(txid, 123_456, node.height())]
    [output] = index.view(script_for(address), "node").outputs
    assert output.block_hash == mined


def test_a_reorg_is_followed_and_the_payment_is_unconfirmed_again(
    node: BcoinNode, wallet: Wallet, feed: Bitcoind
) -> None:
    address = address_for("p2wpkh", 72)
    txid = wallet.pay(address, 5_000)
    stale = node.generate(2)
    index = watching(feed, address)
    branch = node.reorg(2)
    result = read(feed, index)
    assert (result.undone, result.blocks, result.tip.hash) == (2, 3, branch[-1])
    assert paid(index, address) == [(txid, 5_000, None)]
    view = index.view(script_for(address), "node", [*stale, *branch])
    assert list(view.off_chain) == stale
    header = feed.header(stale[0])
    assert header is not None
    assert not header.in_best_chain
    node.generate(1)


def test_a_replacement_and_a_mined_double_spend_are_known_as_such(
    node: BcoinNode, wallet: Wallet, feed: Bitcoind
) -> None:
    address = address_for("p2pkh", 73)
    index = watching(feed, address)
    first = wallet.pay(address, 10_000)
    read(feed, index)
    second = wallet.replace(first)
    read(feed, index)
    assert [txid for txid, _, _ in paid(index, address)] == [second]
    node.mine_block([wallet.conflicting(second)])
    read(feed, index)
    assert paid(index, address) == []


def test_an_invalidated_block_that_the_node_forgets_is_off_chain_at_its_height(
    node: BcoinNode, wallet: Wallet, feed: Bitcoind
) -> None:
    address = address_for("p2sh", 74)
    txid = wallet.pay(address, 7_000)
    [mined] = node.generate(1)
    index = watching(feed, address)
    node.invalidateblock(mined)
    assert feed.header(mined) is None
    assert read(feed, index).lagging, "it may as well be a node that has yet to see it"
    lagging = index.view(script_for(address), "node")
    assert outputs_of(lagging) == [(txid, 7_000, node.height() + 1)]
    assert not lagging.complete, "who lags does not know what is gone"
    node.mine_block()
    assert read(feed, index).undone == 1
    assert paid(index, address) == [(txid, 7_000, None)]
    node.generate(1)


def test_a_restart_goes_on_from_the_last_tip_and_keeps_old_receipts(
    node: BcoinNode, wallet: Wallet, feed: Bitcoind
) -> None:
    address = address_for("p2wsh", 75)
    old = Output("ab" * 32, 0, 1, node.block_hash(5), 5, 1)
    seen = feed.status().tip
    txid = wallet.pay(address, 9_000)
    node.generate(LOOKBACK + 3)
    index = ScriptIndex()
    index.watch(script_for(address), [old])
    sync(feed, index, start_from=seen)
    assert paid(index, address) == [(old.txid, 1, 5), (txid, 9_000, seen.height + 1)]


def test_a_wrong_password_and_a_hanging_node_are_named(node: BcoinNode) -> None:
    wrong = Bitcoind(node.url.replace(node.password, "wrong"), deadline_s=PATIENT_S)
    with pytest.raises(SourceUnavailable, match="wrong RPC user or password"):
        wrong.status()
    patient = Bitcoind(node.url, deadline_s=PATIENT_S)
    height = patient.status().tip.height
    node.freeze()
    try:
        with pytest.raises(SourceUnavailable, match=r"within 0\.5 s"):
            Bitcoind(node.url, deadline_s=0.5).status()
    finally:
        node.thaw()
    assert patient.status().tip.height == height

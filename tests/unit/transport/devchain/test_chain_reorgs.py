"""The dev chain when payments move: reorganised, replaced, taken back, evicted."""

from collections.abc import Iterator

import pytest

from tests.unit.transport.devchain.chain_checks import (
    Clock,
    assert_whole,
    height_of,
    paid,
)
from transport.devchain.chain import DevChain, DevChainError, UnknownTransaction


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def chain(clock: Clock) -> Iterator[DevChain]:
    chain = DevChain(seed=7, now=clock)
    yield chain
    assert_whole(chain)


def test_a_reorg_mines_the_same_payments_into_other_blocks(chain: DevChain) -> None:
    txids = []
    for _ in range(3):
        txids.append(chain.pay(chain.new_address(), 10_000))
        chain.mine()
    old = [chain.block_hash(height) for height in (112, 113)]
    new = chain.reorg(2)
    assert len(new) == 3
    assert chain.status().tip.height == 114
    assert [height_of(chain, txid) for txid in txids] == [111, 112, 113]
    for name in old:
        assert name is not None
        header = chain.header(name)
        assert header is not None
        assert not header.in_best_chain
        assert not chain.block(name).header.in_best_chain
        assert len(chain.block(name).txs) == 2
    assert [chain.block_hash(height) for height in (112, 113, 114)] == new


def test_a_reorg_can_put_payments_back_into_the_mempool(chain: DevChain) -> None:
    mined = chain.pay(chain.new_address(), 10_000)
    chain.mine()
    waiting = chain.pay(chain.new_address(), 20_000)
    chain.reorg(1, remine=False)
    assert list(chain.contents.mempool) == [mined, waiting]
    chain.mine()
    assert height_of(chain, mined) == height_of(chain, waiting) == 113


def test_a_reorg_drops_a_payment_with_its_descendants_and_leaves_the_rest(
    chain: DevChain,
) -> None:
    dropped = chain.pay(chain.new_address(), 10_000)
    kept = chain.pay(chain.new_address(), 20_000)
    chain.mine()
    # With every other coin spent, the next payment spends the change of `dropped`.
    coins = chain._node.coins
    for outpoint, _ in list(coins.offer(0)):
        if outpoint[0] != dropped:
            coins.discard(outpoint)
    child = chain.pay(chain.new_address(), 30_000)
    assert chain.transactions([child])[child].spends == ((dropped, 1),)
    chain.mine()
    chain.reorg(2, [dropped])
    assert height_of(chain, kept) == 111
    for txid in (dropped, child):
        assert txid not in chain.contents.entries
        assert txid not in chain.mempool()
    assert chain.mine(3)


def test_a_dropped_payment_can_be_made_anew_with_its_coins(chain: DevChain) -> None:
    before = chain._node.coins.total_sat()
    txid = chain.pay(chain.new_address(), 10_000)
    chain.mine()
    chain.reorg(1, [txid])
    matured = 2 * 50 * 100_000_000  # two blocks more than before
    assert chain._node.coins.total_sat() == before + matured


def test_reorgs_of_any_depth_keep_the_chain_whole(chain: DevChain) -> None:
    for depth in (1, 5, 99):
        chain.pay(chain.new_address(), 10_000)
        chain.mine(2)
        height = chain.status().tip.height
        chain.reorg(depth)
        assert chain.status().tip.height == height + 1
        assert_whole(chain)
        chain.pay(chain.new_address(), 10_000)
        chain.mine()


@pytest.mark.parametrize("depth", [0, -1, 100, 10_000])
def test_a_reorg_below_spent_coinbases_is_refused(chain: DevChain, depth: int) -> None:
    with pytest.raises(DevChainError, match="a reorg replaces 1 to 99 blocks"):
        chain.reorg(depth)


def test_a_reorg_drops_only_what_it_reaches(chain: DevChain) -> None:
    txid = chain.pay(chain.new_address(), 10_000)
    chain.mine(2)
    tip = chain.status().tip
    with pytest.raises(DevChainError, match="in block 111, below the 1 replaced"):
        chain.reorg(1, [txid])
    with pytest.raises(UnknownTransaction):
        chain.reorg(1, ["ab" * 32])
    coinbase = chain.block(tip.hash).txs[0].txid
    with pytest.raises(DevChainError, match="coinbase"):
        chain.reorg(1, [coinbase])
    assert chain.status().tip == tip


def test_a_payment_is_replaced_by_one_that_pays_somebody_else(chain: DevChain) -> None:
    shop, thief = chain.new_address(), chain.new_address()
    old = chain.pay(shop, 10_000)
    new = chain.replace(old, to=thief)
    assert chain.mempool() == {new}
    assert paid(chain, shop) == []
    assert paid(chain, thief) == [(new, 0, 10_000)]


def test_a_payment_is_replaced_by_a_dearer_one_to_the_same_address(
    chain: DevChain,
) -> None:
    shop = chain.new_address()
    old = chain.pay(shop, 10_000)
    spends = chain.transactions([old])[old].spends
    new = chain.replace(old, to=shop, fee_rate=7)
    assert chain.transactions([new])[new].spends == spends
    assert paid(chain, shop) == [(new, 0, 10_000)]
    entry = chain.contents.entries[new]
    assert entry.fee_sat >= 7 * entry.tx.vsize


def test_a_payment_is_taken_back_to_the_wallet_and_its_coins_serve_again(
    chain: DevChain,
) -> None:
    shop = chain.new_address()
    before = chain._node.coins.total_sat()
    old = chain.pay(shop, 4_000_000)
    new = chain.replace(old)
    assert paid(chain, shop) == []
    fee = chain.contents.entries[new].fee_sat
    with pytest.raises(DevChainError, match="pays nobody"):
        chain.replace(new, to=shop)
    chain.mine()
    matured = 50 * 100_000_000
    assert chain._node.coins.total_sat() == before - fee + matured


def test_a_replacement_must_be_unconfirmed_ours_and_dearer(chain: DevChain) -> None:
    txid = chain.pay(chain.new_address(), 10_000, fee_rate=5)
    with pytest.raises(DevChainError, match="pays more than the 5"):
        chain.replace(txid, fee_rate=5)
    with pytest.raises(UnknownTransaction):
        chain.replace("ab" * 32)
    chain.mine()
    with pytest.raises(DevChainError, match="confirmed"):
        chain.replace(txid)


def test_an_evicted_payment_is_gone_and_its_coins_are_back(chain: DevChain) -> None:
    before = chain._node.coins.total_sat()
    txid = chain.pay(chain.new_address(), 10_000)
    assert chain.evict(txid) == [txid]
    assert chain.mempool() == frozenset()
    assert chain._node.coins.total_sat() == before
    with pytest.raises(UnknownTransaction):
        chain.evict(txid)

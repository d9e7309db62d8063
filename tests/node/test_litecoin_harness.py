"""The harness of the node of Core's lineage does what the tests of Paybell rely on.

What is shown here of the node is what Core does, where bcoin differs: this is what
doubles of Core have to do as well.
"""

from collections.abc import Iterator

import pytest

from tests.node.litecoin import LitecoinNode, RpcError
from tests.node.rawtx import address_for, script_for
from tests.node.shop import fresh_address
from tests.tools.wait import wait_until

KINDS = ["p2pkh", "p2sh", "p2wpkh", "p2wsh", "p2tr"]
FLUSHED = 3
LOST = 2


@pytest.fixture(scope="module")
def miner() -> Iterator[LitecoinNode]:
    with LitecoinNode() as node:
        node.fund_wallet()
        yield node


@pytest.fixture(scope="module")
def small() -> Iterator[LitecoinNode]:
    """A node of few blocks, which tests end and start as they like."""
    with LitecoinNode("-disablewallet") as node:
        yield node


def says(node: LitecoinNode, *names: str) -> list[object]:
    info = {**node.rpc("getmempoolinfo"), **node.rpc("getblockchaininfo")}
    return [info[name] for name in names]


def test_its_wallet_pays_every_kind_of_address_with_a_witness(
    miner: LitecoinNode,
) -> None:
    addresses = [address_for(kind, 901) for kind in KINDS]
    txids = [miner.pay(a, 123_456 + n) for n, a in enumerate(addresses)]
    assert miner.mempool() == set(txids)
    (mined,) = miner.generate(1)
    block = {tx["txid"]: tx for tx in miner.rpc("getblock", mined, 2)["tx"]}
    for n, (address, txid) in enumerate(zip(addresses, txids, strict=True)):
        assert all(len(i["txinwitness"]) == 2 for i in block[txid]["vin"])
        paid = {o["scriptPubKey"]["hex"]: o["value"] for o in block[txid]["vout"]}
        assert paid[script_for(address).hex()] * 100_000_000 == 123_456 + n


def test_our_own_transactions_go_in_as_they_are_and_can_be_replaced(
    miner: LitecoinNode,
) -> None:
    wallet = miner.fund(2)
    first = wallet.pay(fresh_address(), 10_000)
    second = wallet.replace(first)
    assert miner.mempool() == {second}
    thief = wallet.conflicting(second)
    mined = miner.mine_only([thief])
    assert len(miner.rpc("getblock", mined)["tx"]) == 2
    assert miner.mempool() == frozenset()


def test_it_answers_headers_of_blocks_above_its_tip(small: LitecoinNode) -> None:
    small.generate(3)
    height, tip = small.height(), small.tip()
    first = small.block_hash(height - 1)
    small.rpc("invalidateblock", first)
    assert small.height() == height - 2
    assert small.rpc("getblockheader", tip)["confirmations"] == -1
    with pytest.raises(RpcError, match="out of range") as caught:
        small.block_hash(height)
    assert caught.value.code == -8
    small.rpc("reconsiderblock", first)
    assert small.tip() == tip


def test_sigkill_loses_the_blocks_since_the_last_flush_and_their_headers(
    small: LitecoinNode,
) -> None:
    small.generate(FLUSHED)
    small.flush()
    height = small.height()
    lost = small.generate(LOST)
    small.kill()
    small.start()
    assert small.height() == height
    with pytest.raises(RpcError, match="Block not found") as caught:
        small.rpc("getblockheader", lost[0])
    assert caught.value.code == -5


def test_it_can_be_held_while_it_reads_its_files_back(small: LitecoinNode) -> None:
    small.generate(FLUSHED)
    height = small.height()
    names = ("blocks", "headers", "initialblockdownload", "loaded")
    assert says(small, *names) == [height, height, False, True]
    small.stop()
    small.start(held=True)
    assert says(small, *names) == [height, height, True, False]
    small.release()
    wait_until(
        lambda: says(small, *names) == [height, height, False, True],
        20,
        lambda: f"all to be read back: {says(small, *names)}\n{small.log}",
    )


def test_it_warms_up_and_may_stop_half_way_when_its_chain_is_read_anew(
    small: LitecoinNode,
) -> None:
    small.generate(FLUSHED)
    height, tip = small.height(), small.tip()
    small.stop()
    small.launch("-reindex-chainstate", f"-stopatheight={height - 2}", held=True)
    wait_until(small.is_warming_up, 20, "error -28")
    small.release()
    small.wait_until_ended()
    small.start(held=True)
    low = small.height()
    assert height - 2 <= low < height, "it stops a moment after the block it was told"
    assert says(small, "headers", "initialblockdownload") == [height, True]
    assert small.rpc("getblockheader", tip)["confirmations"] == -1
    small.release()
    wait_until(lambda: small.height() == height, 20, "the rest to be read")


def test_a_peer_catches_up_and_follows_a_longer_branch(
    miner: LitecoinNode, small: LitecoinNode
) -> None:
    """The longer chain wins on both."""
    assert small.height() < miner.height()
    small.connect(miner)
    small.wait_for_tip(miner.tip())
    txid = miner.pay(fresh_address(), 5_000)
    small.wait_for_mempool(txid)
    stale = miner.generate(6)
    small.wait_for_tip(stale[-1])
    branch = miner.replace_blocks(6)
    assert len(branch) == 7
    small.wait_for_tip(branch[-1])
    assert small.rpc("getblockheader", stale[0])["confirmations"] == -1
    small.wait_for_mempool(txid)
    small.disconnect()
    (ahead,) = miner.generate(1)
    assert small.tip() == branch[-1] != ahead

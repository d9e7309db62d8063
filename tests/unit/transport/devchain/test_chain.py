"""The dev chain: a real chain in small, and everything that can happen to a payment."""

from collections.abc import Iterator

import pytest
from gevent import joinall, spawn

from engine.bitcoin.address import parse_address
from engine.bitcoin.merkle import merkle_root
from engine.bitcoin.signed_tx import Digests, check_signature
from engine.bitcoin.transaction import double_sha256
from engine.chain.feed import BlockFeed
from engine.errors import InvalidAddress, SourceBusy, SourceError, SourceUnavailable
from tests.tools.steps import steps
from tests.tools.whole_block import parse_block
from tests.unit.transport.devchain.chain_checks import (
    Clock,
    assert_whole,
    paid,
)
from transport.devchain.chain import DevChain, DevChainError
from transport.devchain.wallet import InsufficientFunds

REGTEST_GENESIS = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def chain(clock: Clock) -> Iterator[DevChain]:
    chain = DevChain(seed=7, now=clock)
    yield chain
    assert_whole(chain)


def test_it_is_a_block_feed_that_starts_high_enough_and_at_once() -> None:
    assert steps(DevChain) < 200_000  # some 12 ms
    chain: BlockFeed = DevChain()
    assert chain.name == "devchain"
    assert chain.status().tip.height == 110
    assert chain.block_hash(0) == REGTEST_GENESIS
    assert chain.block_hash(111) is None
    assert chain.block_hash(-1) is None


def test_a_payment_is_in_the_mempool_and_then_in_a_block(chain: DevChain) -> None:
    address = chain.new_address()
    txid = chain.pay(address, 50_000)
    assert chain.mempool() == {txid}
    tx = chain.transactions([txid, "00" * 32])
    assert list(tx) == [txid]
    assert tx[txid].outputs[0].amount_sat == 50_000
    assert tx[txid].outputs[0].script == parse_address(address, "regtest").script
    (name,) = chain.mine()
    assert chain.mempool() == frozenset()
    assert chain.transactions([txid]) == {}
    assert (chain.status().tip.height, chain.status().tip.hash) == (111, name)
    block = chain.block(name)
    assert block == parse_block(chain.contents.blocks[name].raw, 111)
    assert block.txs[1].txid == txid
    header = chain.header(name)
    assert header is not None
    assert header.in_best_chain


def test_every_input_of_a_payment_is_signed_as_a_node_wants_it(chain: DevChain) -> None:
    txid = chain.pay(chain.new_address(), 30 * 100_000_000)
    entry = chain.contents.entries[txid]
    assert len(entry.tx.inputs) > 1
    digests = Digests(entry.tx)
    for index, spent in enumerate(entry.prevouts):
        assert check_signature(digests, entry.tx, index, spent) is None
        wrong = type(spent)(spent.script, spent.amount_sat + 1)
        assert check_signature(digests, entry.tx, index, wrong) is not None


@pytest.mark.parametrize("fee_rate", [1.0, 1.7, 25, 500])
def test_the_fee_is_at_least_the_rate_and_hardly_more(
    chain: DevChain, fee_rate: float
) -> None:
    for amount in (294, 50_000, 4_999_000, 3_000_000_000):
        entry = chain.contents.entries[chain.pay(chain.new_address(), amount, fee_rate)]
        fee, vsize = entry.fee_sat, entry.tx.vsize
        assert fee >= fee_rate * vsize
        assert fee <= fee_rate * (vsize + len(entry.tx.inputs)) + 1 + 294


def test_several_outputs_of_one_transaction_may_pay_the_same_address(
    chain: DevChain,
) -> None:
    first, second = chain.new_address("p2tr"), chain.new_address("p2sh")
    txid = chain.pay_many([(first, 1_000), (second, 2_000), (first, 3_000)])
    assert paid(chain, first) == [(txid, 0, 1_000), (txid, 2, 3_000)]
    assert paid(chain, second) == [(txid, 1, 2_000)]


@pytest.mark.parametrize("kind", ["p2pkh", "p2sh", "p2wpkh", "p2wsh", "p2tr"])
def test_addresses_of_every_kind_are_fresh_and_can_be_paid(
    chain: DevChain, kind: str
) -> None:
    first, second = (chain.new_address(kind) for _ in range(2))  # type: ignore[arg-type]
    assert first != second
    assert parse_address(first, "regtest").kind == kind
    txid = chain.pay(first, 5_000)
    assert paid(chain, first) == [(txid, 0, 5_000)]


def test_it_pays_thousands_of_times_before_and_after_blocks(chain: DevChain) -> None:
    address = chain.new_address()
    for _ in range(3):
        for _ in range(1_000):
            chain.pay(address, 1_000)
        chain.mine()
    assert len(paid(chain, address)) == 3_000
    assert chain.mempool() == frozenset()


def test_without_confirmed_coins_a_payment_is_refused_until_a_block(
    chain: DevChain,
) -> None:
    address = chain.new_address()
    everything = chain._node.coins.total_sat()
    with pytest.raises(InsufficientFunds, match="Mine a block"):
        chain.pay(address, everything)
    for _ in range(11):
        chain.pay(address, 25 * 100_000_000 - 1_000_000)
    with pytest.raises(InsufficientFunds):
        chain.pay(address, 300 * 100_000_000)
    chain.mine(2)
    assert chain.pay(address, 25 * 100_000_000)


@pytest.mark.parametrize(
    ("amount_sat", "fee_rate", "because"),
    [
        (0, 1.0, "at least 1 satoshi"),
        (-5, 1.0, "at least 1 satoshi"),
        (293, 1.0, "dust"),
        (True, 1.0, "whole number"),
        (1_000, 0.5, "fee rate"),
        (1_000, float("nan"), "fee rate"),
        (1_000, 1e9, "fee rate"),
    ],
)
def test_what_a_node_would_not_relay_is_refused(
    chain: DevChain, amount_sat: int, fee_rate: float, because: str
) -> None:
    with pytest.raises(DevChainError, match=because):
        chain.pay(chain.new_address(), amount_sat, fee_rate)
    assert chain.mempool() == frozenset()


def test_an_address_of_another_network_is_not_paid(chain: DevChain) -> None:
    with pytest.raises(InvalidAddress, match="mainnet, not regtest"):
        chain.pay("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", 5_000)


@pytest.mark.parametrize(
    ("status", "error", "retry_after_s"),
    [(429, SourceBusy, 5.0), (503, SourceBusy, 5.0), (500, SourceUnavailable, None)],
)
def test_while_it_is_down_every_question_fails_so_and_paying_goes_on(
    chain: DevChain,
    clock: Clock,
    status: int,
    error: type[SourceError],
    retry_after_s: float | None,
) -> None:
    chain.down(5, status)
    questions = (
        chain.status,
        chain.mempool,
        lambda: chain.header(REGTEST_GENESIS),
        lambda: chain.block_hash(1),
        lambda: chain.block(REGTEST_GENESIS),
        lambda: chain.transactions([]),
    )
    for question in questions:
        with pytest.raises(error) as failed:
            question()
        assert failed.value.retry_after_s == retry_after_s
    assert chain.requests == 6
    txid = chain.pay(chain.new_address(), 10_000)
    clock.now_s += 5
    assert chain.mempool() == {txid}


def test_an_outage_can_be_ended_early_and_has_limits(chain: DevChain) -> None:
    chain.down(5, 500)
    chain.down(0)
    assert chain.status().tip.height == 110
    for seconds, status in ((-1, 500), (1e9, 500), (5, 200), (5, 999)):
        with pytest.raises(DevChainError):
            chain.down(seconds, status)


def test_what_it_does_not_know_is_none_or_an_error_never_an_empty_answer(
    chain: DevChain,
) -> None:
    assert chain.header("ab" * 32) is None
    with pytest.raises(SourceError, match="does not know"):
        chain.block("ab" * 32)


def test_subscribers_are_called_after_each_complete_change(chain: DevChain) -> None:
    seen: list[tuple[int, int]] = []
    stop = chain.subscribe(
        lambda: seen.append((chain.status().tip.height, len(chain.mempool())))
    )
    txid = chain.pay(chain.new_address(), 10_000)
    new = chain.replace(txid)
    chain.evict(new)
    chain.mine()
    chain.reorg(1)
    stop()
    stop()
    chain.mine()
    assert seen == [(110, 1), (110, 1), (110, 0), (111, 0), (112, 0)]


def test_a_subscriber_that_fails_does_not_fail_the_payment(chain: DevChain) -> None:
    called = []

    def fail() -> None:
        raise RuntimeError("no")

    chain.subscribe(fail)
    chain.subscribe(lambda: called.append(1))
    assert chain.pay(chain.new_address(), 10_000)
    assert called == [1]


def test_payments_of_many_greenlets_at_once_spend_no_coin_twice(
    chain: DevChain,
) -> None:
    address = chain.new_address()
    jobs = [spawn(chain.pay, address, 1_000 + number) for number in range(200)]
    joinall(jobs, timeout=30, raise_error=True)
    assert len({job.value for job in jobs}) == len(chain.mempool()) == 200


def test_the_same_seed_and_times_give_the_same_hashes() -> None:
    def story(seed: int) -> tuple[str, ...]:
        chain = DevChain(seed=seed, now=Clock())
        address = chain.new_address()
        txid = chain.pay(address, 10_000)
        hashes = chain.mine(2) + chain.reorg(1)
        return (address, txid, *hashes, chain.replace(chain.pay(address, 5_000)))

    assert story(1) == story(1)
    assert not set(story(1)) & set(story(2))


def test_blocks_keep_a_nodes_rules_for_time_work_and_witnesses(
    chain: DevChain,
) -> None:
    chain.pay(chain.new_address(), 10_000)
    chain.mine(30)
    blocks = [chain.contents.blocks[name] for name in chain.contents.best]
    for height, block in enumerate(blocks[1:], 1):
        times = sorted(b.header.time_s for b in blocks[max(0, height - 11) : height])
        assert block.header.time_s > times[len(times) // 2]
        work = int.from_bytes(double_sha256(block.header_bytes), "little")
        assert work <= 0x7FFFFF << 8 * 29
        fees = sum(chain.contents.entries[tx.txid].fee_sat for tx in block.txs)
        created = sum(out.amount_sat for out in block.txs[0].outputs)
        assert created == 5_000_000_000 + fees
    block = blocks[111]
    assert len(block.txs) == 2
    leaves = [bytes(32), bytes.fromhex(block.txs[1].wtxid)[::-1]]
    commitment = double_sha256(merkle_root(leaves) + bytes(32))
    assert block.txs[0].outputs[-1].script.hex() == "6a24aa21a9ed" + commitment.hex()
    assert block.txs[0].inputs[0].witness == (bytes(32),)


def test_a_full_block_leaves_the_rest_of_the_mempool_for_the_next(
    chain: DevChain,
) -> None:
    address = chain.new_address("p2wsh")
    for _ in range(60):
        chain.pay_many([(address, 1_000)] * 500)
    first, second = chain.mine(2)
    assert chain.mempool() == frozenset()
    weights = [chain.contents.blocks[name].weight for name in (first, second)]
    assert weights[0] <= 4_000_000 < sum(weights)


@pytest.mark.parametrize("blocks", [0, -1, 1_001])
def test_mining_has_limits(chain: DevChain, blocks: int) -> None:
    with pytest.raises(DevChainError, match="1 to 1000 blocks"):
        chain.mine(blocks)

"""The Bitcoin Core adapter against a server that says what it likes.

What Core and bcoin answer differently is served here in both ways. The real node is in
tests/node.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

import transport.chain.bitcoind
from engine.bitcoin.transaction import (
    iter_packed_txs,
)
from engine.chain.feed import BlockFeed, Tip
from engine.chain.packed_tx import PackedTx
from engine.chain.script_index import ScriptIndex
from engine.chain.sync import sync
from engine.errors import SourceUnavailable
from tests.integration.bitcoind_node import (
    ALICE,
    SECRET,
    Node,
    connected,
    raw_tx,
    replied,
    txid,
)
from tests.tools import fake_upstream as fake
from tests.tools.fake_upstream import Answer, Request, Upstream
from tests.tools.wait import wait_until
from transport.chain.bitcoind import BATCH, Bitcoind


@pytest.fixture(params=["core", "bcoin"])
def node(request: pytest.FixtureRequest) -> Node:
    return Node(request.param)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture
def bitcoind(upstream: Upstream) -> Iterator[Bitcoind]:
    yield from connected(upstream)


@pytest.fixture
def feed(node: Node, upstream: Upstream) -> Iterator[Bitcoind]:
    upstream.answer = node.answer
    yield from connected(upstream)


def test_it_is_a_block_feed(bitcoind: Bitcoind) -> None:
    feed: BlockFeed = bitcoind
    assert feed.name == "bitcoind"


def test_the_tip_is_one_request_on_one_connection(
    node: Node, feed: Bitcoind, upstream: Upstream
) -> None:
    assert feed.status().tip == Tip(2, node.best[2])
    assert feed.status().tip == Tip(2, node.best[2])
    assert (feed.requests, upstream.connections) == (2, 1)
    head = upstream.requests[0].headers
    assert head["authorization"] == "Basic c2hvcDpodW50ZXIy"


def test_where_a_pruned_node_begins_is_known_with_its_tip(
    node: Node, feed: Bitcoind
) -> None:
    feed.status()
    assert feed.lowest == 0
    node.prune_height = 2
    feed.status()
    assert feed.lowest == 2


def test_a_tip_that_goes_back_is_reported_as_it_is(node: Node, feed: Bitcoind) -> None:
    assert feed.status().tip.height == 2
    node.best.pop()
    assert feed.status().tip == Tip(1, node.best[1])


def test_a_header_tells_whether_the_block_is_in_the_best_chain_now(
    node: Node, feed: Bitcoind
) -> None:
    """bcoin counts confirmations of stale blocks as well."""
    stale = node.best.pop()
    node.mine([raw_tx(1)])
    header = feed.header(node.best[2])
    assert header is not None
    assert (header.height, header.prev_hash) == (2, node.best[1])
    assert (header.time_s, header.in_best_chain) == (1_702, True)
    old = feed.header(stale)
    assert old is not None
    assert not old.in_best_chain
    node.best.pop()
    old = feed.header(stale)
    assert old is not None
    assert not old.in_best_chain, "also when the chain ends below it"
    assert feed.header("ee" * 32) is None
    first = feed.header(node.best[0])
    assert first is not None
    assert first.prev_hash == "00" * 32


def test_a_block_of_which_only_the_header_has_arrived_is_unknown(
    upstream: Upstream, bitcoind: Bitcoind
) -> None:
    """Else a Core that is catching up would read as a reorg."""
    node = Node("core")
    upstream.answer = node.answer
    node.headers_only.add(node.best.pop())
    assert bitcoind.header(*node.headers_only) is None


def test_block_hashes_are_told_by_height_up_to_the_tip(
    node: Node, feed: Bitcoind
) -> None:
    assert feed.block_hash(1) == node.best[1]
    assert feed.block_hash(3) is None


def test_a_block_is_read_raw_and_its_height_is_known_or_asked_for(
    node: Node, feed: Bitcoind
) -> None:
    block_hash = node.mine([raw_tx(1, (ALICE, 123_456_789_012))])
    assert feed.status().tip.hash == block_hash
    block = feed.block(block_hash)
    assert (block.header.hash, block.header.height) == (block_hash, 3)
    assert block.txs[1].txid == txid(raw_tx(1, (ALICE, 123_456_789_012)))
    assert block.txs[1].outputs[0].amount_sat == 123_456_789_012
    assert feed.requests == 2
    assert feed.block(node.best[1]).header.height == 1
    assert feed.requests == 5


@pytest.mark.parametrize("batches", [True, False])
def test_transactions_are_asked_for_in_batches_and_the_gone_are_absent(
    node: Node, feed: Bitcoind, upstream: Upstream, batches: bool
) -> None:
    node.batches = batches
    there = [node.add(raw_tx(n)) for n in range(BATCH + 20)]
    assert feed.mempool() == frozenset(there)
    gone = txid(raw_tx(999))
    found = feed.transactions([*there, gone])
    assert list(found) == there
    assert all(tx.txid == one for one, tx in found.items())
    assert feed.requests == (3 if batches else 1 + 1 + BATCH + 21)
    assert feed.transactions([]) == {}


def test_a_batch_that_is_too_large_is_asked_for_in_halves(
    node: Node, feed: Bitcoind
) -> None:
    large = [node.add(raw_tx(n, pad=400_000)) for n in range(20)]
    assert list(feed.transactions(large)) == large
    assert feed.requests == 3


def test_the_index_follows_a_node_through_payment_block_and_reorg(
    node: Node, feed: Bitcoind
) -> None:
    index = ScriptIndex()
    index.watch(ALICE)
    paid = node.add(raw_tx(7, (ALICE, 5_000)))
    sync(feed, index)

    def seen() -> int | None:
        (output,) = [o for o in index.view(ALICE, "s").outputs if o.txid == paid]
        return output.block_height

    assert seen() is None
    raw = node.pool[paid]
    node.mine([raw])
    before = feed.requests
    sync(feed, index)
    assert seen() == 3
    assert feed.requests - before == 5
    node.best.pop()
    node.add(raw)
    for _ in range(2):
        node.mine([])
    assert sync(feed, index).undone == 1
    assert seen() is None


def test_an_idle_connection_that_the_node_closed_is_opened_anew(
    upstream: Upstream, bitcoind: Bitcoind
) -> None:
    answer = Node("bcoin").answer
    upstream.answer = answer
    bitcoind.status()
    left = [1]

    def once_reset(request: Request) -> Answer:
        left[0] -= 1
        return fake.reset() if left[0] == 0 else answer(request)

    upstream.answer = once_reset
    assert bitcoind.status().tip.height == 2
    assert upstream.connections == 2


def test_a_cookie_file_is_read_anew_for_each_request(
    upstream: Upstream, tmp_path: Path
) -> None:
    cookie = tmp_path / ".cookie"
    source = Bitcoind(f"http://127.0.0.1:{upstream.port}?cookie={cookie}")
    with pytest.raises(SourceUnavailable, match="cookie file cannot be read"):
        source.status()
    upstream.answer = Node("core").answer
    for word in ("b25l", "dHdv"):
        cookie.write_text({"b25l": "one", "dHdv": "two"}[word] + "\n")
        source.status()
        assert upstream.requests[-1].headers["authorization"] == f"Basic {word}"


def test_a_node_that_takes_its_cookie_away_is_left_no_open_connection(
    upstream: Upstream, tmp_path: Path
) -> None:
    """Core does so when it ends, and waits up to 30 s for those that are open."""
    cookie = tmp_path / ".cookie"
    source = Bitcoind(f"http://127.0.0.1:{upstream.port}?cookie={cookie}")
    upstream.answer = Node("core").answer
    cookie.write_text("one")
    source.status()
    source.status()
    assert upstream.connections == 1
    cookie.unlink()
    with pytest.raises(SourceUnavailable, match="cookie file cannot be read"):
        source.status()
    wait_until(lambda: upstream.open == 0, 5, "the connection to be ended")
    cookie.write_text("two")
    source.status()
    assert upstream.connections == 2


@pytest.mark.parametrize(
    "url",
    [
        "ftp://u:hunter2@node:1",
        "node:8332",
        "http://u:hunter2@",
        "http://u:hunter2@node:hunter2",
        "http://u:hunter2@node:1/#hunter2",
        "http://u:hunter2@node:1?x=1",
        "http://u:hunter2@[::1",
    ],
)
def test_a_url_that_is_none_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(ValueError, match="its URL") as caught:
        Bitcoind(url)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_large_block_does_not_hold_the_hub(
    upstream: Upstream, bitcoind: Bitcoind, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Node("core")
    block_hash = node.mine([raw_tx(n) for n in range(3_000)])
    info = node.getblockchaininfo()
    block = {"result": node.getblock(block_hash, False), "error": None, "id": 3}
    ready = fake.text(json.dumps(block))
    upstream.answer = replied(info)
    bitcoind.status()
    upstream.answer = lambda request: ready
    at_once = most = 0  # transactions between two turns of another greenlet

    def counted(raw: bytes) -> Iterator[PackedTx]:
        nonlocal at_once, most
        for tx in iter_packed_txs(raw):
            at_once += 1
            most = max(most, at_once)
            yield tx

    def tick() -> None:
        nonlocal at_once
        while True:
            gevent.sleep(0)
            at_once = 0

    monkeypatch.setattr(transport.chain.bitcoind, "iter_packed_txs", counted)
    ticker = gevent.spawn(tick)
    try:
        assert len(bitcoind.block(block_hash).txs) == 3_001
    finally:
        ticker.kill()
    assert 0 < most <= 101, "a hundred take about a millisecond"

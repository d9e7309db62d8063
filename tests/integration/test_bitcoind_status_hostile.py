"""What a node says of itself, and of its mempool, when it may not be believed."""

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from engine.bitcoin.transaction import compact_size
from engine.chain.mempool_reader import MempoolReader
from engine.chain.script_index import ScriptIndex
from engine.chain.sync import DEFAULT_LIMITS, sync
from engine.errors import SourceGarbage, SourceUnavailable
from tests.tools import fake_upstream as fake
from tests.tools.core_double import CoreDouble, make_block, payment_tx
from tests.tools.fake_upstream import Answer, Request, Upstream
from transport.chain.bitcoind import Bitcoind
from transport.chain.phantoms import Phantoms

ALICE = b"\x00\x14" + b"a" * 20


@pytest.fixture
def node() -> Iterator[CoreDouble]:
    with CoreDouble() as double:
        yield double


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture
def feed(upstream: Upstream) -> Iterator[Bitcoind]:
    source = Bitcoind(upstream.url, network="regtest", deadline_s=60)
    yield source
    source.close()


def altered(
    node: CoreDouble, method: str, change: Callable[[Any], Any]
) -> Callable[[Request], Answer]:
    """The node's answers, with the result of one method changed."""

    def answer(request: Request) -> Answer:
        asked = request.json()
        calls = asked if isinstance(asked, list) else [asked]
        replies = [node.wire._one(call) for call in calls]
        for call, reply in zip(calls, replies, strict=True):
            assert reply is not None
            if call["method"] == method:
                reply["result"] = change(reply["result"])
        return fake.of(replies if isinstance(asked, list) else replies[0])

    return answer


def _instead(lie: object, _truth: object) -> object:
    return lie


CHAIN, POOL = "getblockchaininfo", "getmempoolinfo"


@pytest.mark.parametrize(
    ("method", "fields", "said"),
    [
        (CHAIN, {"blocks": "10"}, "`blocks`|blocks"),
        (CHAIN, {"blocks": -1}, "height that cannot be"),
        (CHAIN, {"blocks": 2**31}, "height that cannot be"),
        (CHAIN, {"blocks": 10**30}, "height that cannot be"),
        (CHAIN, {"headers": 2**40}, "height that cannot be"),
        (CHAIN, {"headers": -2}, "height that cannot be"),
        (CHAIN, {"headers": 1.5}, "wrong"),
        (CHAIN, {"bestblockhash": "AB" * 32}, "64 hex digits"),
        (CHAIN, {"time": -5}, "time that cannot be"),
        (CHAIN, {"time": 2**33}, "time that cannot be"),
        (CHAIN, {"time": "now"}, "wrong"),
        (CHAIN, {"initialblockdownload": "no"}, "wrong"),
        (CHAIN, {"initialblockdownload": None}, "wrong"),
        (CHAIN, {"chainwork": "0x16"}, "chainwork that cannot be"),
        (CHAIN, {"chainwork": 22}, "wrong"),
        (CHAIN, {"pruneheight": 12}, "below the blocks that it has"),
        (CHAIN, {"pruneheight": -7}, "height that cannot be"),
        (CHAIN, {"chain": "main"}, "another network than regtest"),
        (CHAIN, {"chain": "<script>"}, "another network than regtest"),
        (POOL, {"loaded": 1}, "wrong"),
        (POOL, {"loaded": "true"}, "wrong"),
        (POOL, {"loaded": None}, "wrong"),
    ],
)
def test_what_cannot_be_makes_the_answer_no_answer(
    upstream: Upstream,
    node: CoreDouble,
    feed: Bitcoind,
    method: str,
    fields: dict[str, object],
    said: str,
) -> None:
    upstream.answer = altered(node, method, lambda result: result | fields)
    with pytest.raises(SourceGarbage, match=f"^bitcoind: {method} sent .*({said})"):
        feed.status()
    upstream.answer = altered(node, method, lambda result: result)
    assert feed.status().tip.height == 10


def test_no_headers_yet_is_not_minus_one(
    upstream: Upstream, node: CoreDouble, feed: Bitcoind
) -> None:
    upstream.answer = altered(node, CHAIN, lambda result: result | {"headers": -1})
    assert feed.status().headers is None


def test_a_node_without_a_mempool_is_no_source(
    upstream: Upstream, node: CoreDouble, feed: Bitcoind
) -> None:
    """What it cannot show must not look as if it were not there (Core: -33)."""

    def answer(request: Request) -> Answer:
        replies: Any = [node.wire._one(call) for call in request.json()]
        error = {"code": -33, "message": "Mempool disabled or instance not found"}
        replies[1] |= {"result": None, "error": error}
        return fake.of(replies)

    upstream.answer = answer
    with pytest.raises(SourceUnavailable, match="Mempool disabled"):
        feed.status()


def test_one_that_does_not_know_of_loading_is_judged_by_its_tip(
    upstream: Upstream, node: CoreDouble, feed: Bitcoind
) -> None:
    def answer(request: Request) -> Answer:
        replies: Any = [node.wire._one(call) for call in request.json()]
        error = {"code": -32601, "message": "Method not found"}
        replies[1] |= {"result": None, "error": error}
        return fake.of(replies)

    upstream.answer = answer
    status = feed.status()
    assert status.mempool_loaded
    assert status.tip.height == 10


# -- the mempool -----------------------------------------------------------------------


def test_a_name_that_is_told_twice_is_one(
    upstream: Upstream, node: CoreDouble, feed: Bitcoind
) -> None:
    paid = node.add(payment_tx([(ALICE, 1)]))
    upstream.answer = altered(node, "getrawmempool", lambda result: result * 3)
    assert feed.mempool() == {paid}


def test_a_name_without_a_transaction_is_left_out(
    upstream: Upstream, node: CoreDouble, feed: Bitcoind
) -> None:
    paid = node.add(payment_tx([(ALICE, 1)]))
    phantoms = [f"{n:064x}" for n in range(250)]
    upstream.answer = altered(node, "getrawmempool", lambda r: [*phantoms, *r])
    assert feed.mempool() == {paid, *phantoms}
    assert feed.transactions([*phantoms, paid]).keys() == {paid}
    assert feed.mempool() == {paid, *phantoms}, "they may have come back"
    assert feed.transactions([*phantoms, paid]).keys() == {paid}
    assert feed.mempool() == {paid}, "named again, and still not there"


def test_thousands_of_phantoms_hide_no_money(
    upstream: Upstream, node: CoreDouble, feed: Bitcoind
) -> None:
    """More than one round asks for. Each round began with the same ones."""
    index = ScriptIndex()
    index.watch(ALICE)
    phantoms = [f"{n:064x}" for n in range(2 * DEFAULT_LIMITS.txs)]
    paid = [node.add(payment_tx([(ALICE, n + 1)])) for n in range(3)]
    upstream.answer = altered(node, "getrawmempool", lambda r: [*r, *phantoms])
    feed._phantoms = Phantoms(lambda: 0.0)
    seconds = itertools.count()
    reader = MempoolReader(None, lambda: next(seconds))
    for _ in range(3):
        sync(feed, index, reader=reader)
    found = {output.txid for output in index.view(ALICE, "s").outputs}
    assert found == set(paid)
    rounds = [sync(feed, index, reader=reader) for _ in range(3)]
    assert not rounds[-1].more
    assert index.view(ALICE, "s").complete, "each was asked for twice"
    asked = node.wire.calls["getrawtransaction"]
    sync(feed, index, reader=reader)
    assert node.wire.calls["getrawtransaction"] == asked


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ([5], "wrong"),
        (["ab"], "64 hex digits"),
        (["AB" * 32], "64 hex digits"),
        ({"txids": []}, "wrong"),
        (None, "wrong"),
    ],
)
def test_names_that_are_none_are_no_mempool(
    upstream: Upstream, node: CoreDouble, feed: Bitcoind, result: object, said: str
) -> None:
    upstream.answer = altered(node, "getrawmempool", lambda _: result)
    with pytest.raises(SourceGarbage, match=f"^bitcoind: getrawmempool sent .*{said}"):
        feed.mempool()


def test_200_megabytes_of_names_are_cut_off(upstream: Upstream, feed: Bitcoind) -> None:
    upstream.answer = lambda request: fake.endless(
        200_000_000, b'{"id": 1, "result": [', declared=True
    )
    with pytest.raises(SourceGarbage, match="more than 67,108,864 bytes"):
        feed.mempool()
    assert upstream.sent < 10_000_000, "as it says how much it is"


# -- blocks ----------------------------------------------------------------------------


def test_a_block_whose_transactions_are_not_its_own_is_refused(
    upstream: Upstream, node: CoreDouble, feed: Bitcoind
) -> None:
    """A wrong merkle root, one told twice (CVE-2012-2459), one too few, one more."""
    first, second = payment_tx([(ALICE, 1)]), payment_tx([(ALICE, 2)])
    block = node.mine([first, second])
    head, coinbase = block.raw[:80], block.txs[0]
    for txs in (
        (coinbase, second, first),
        (coinbase, first, second, second),
        (coinbase, first),
        (coinbase, first, second, payment_tx([(ALICE, 3)])),
        (),
    ):
        lie = (head + compact_size(len(txs)) + b"".join(txs)).hex()
        upstream.answer = altered(node, "getblock", partial(_instead, lie))
        with pytest.raises(SourceGarbage, match="getblock sent no block"):
            feed.block(block.hash)


def test_more_money_than_there_is_is_in_no_block_and_no_transaction(
    upstream: Upstream, node: CoreDouble, feed: Bitcoind
) -> None:
    most = 21_000_000 * 100_000_000
    upstream.answer = altered(node, "getblock", lambda result: result)
    for amounts in ([most + 1], [2**63], [2**64 - 1]):
        raw = payment_tx([(ALICE, amount) for amount in amounts])
        block = make_block(node.tip, [raw], time_s=node.tip.time_s + 1)
        node.receive(block)
        with pytest.raises(SourceGarbage, match="getblock sent no block"):
            feed.block(block.hash)
        txid = node.add(raw)
        with pytest.raises(SourceGarbage, match="getrawtransaction sent no trans"):
            feed.transactions([txid])

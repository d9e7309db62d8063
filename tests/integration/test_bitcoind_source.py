"""The Bitcoin Core adapter against a server that says what it likes.

What Core and bcoin answer differently is served here in both ways. The real node is in
tests/node.
"""

import json
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest

import transport.chain.bitcoind
from engine.bitcoin.transaction import (
    block_header,
    compact_size,
    double_sha256,
    header_hash,
    iter_block_txs,
    merkle_root,
)
from engine.chain.feed import BlockFeed, ChainTx, Tip
from engine.chain.script_index import ScriptIndex
from engine.chain.sync import sync
from engine.errors import SourceBusy, SourceError, SourceGarbage, SourceUnavailable
from tests.tools import fake_upstream as fake
from tests.tools.fake_upstream import Answer, Request, Upstream
from transport.chain.bitcoind import BATCH, Bitcoind

ALICE = b"\x00\x14" + b"a" * 20
SECRET = "hunter2"
DEADLINE_S = 3.0  # hanging costs so long; a busy machine answers in less


def raw_tx(number: int, pays: tuple[bytes, int] = (ALICE, 1), pad: int = 0) -> bytes:
    script, amount = pays
    outputs = [(script, amount)] + ([(b"\x6a" + b"p" * pad, 0)] if pad else [])
    return b"".join(
        [
            (2).to_bytes(4, "little"),
            b"\x01" + number.to_bytes(32, "little") + bytes(4) + b"\x00" + b"\xff" * 4,
            compact_size(len(outputs)),
            *(a.to_bytes(8, "little") + compact_size(len(s)) + s for s, a in outputs),
            bytes(4),
        ]
    )


def txid(raw: bytes) -> str:
    return double_sha256(raw)[::-1].hex()


class Node:
    """A node's RPC, in the dialect of Core or of bcoin."""

    def __init__(self, dialect: str) -> None:
        self.core = dialect == "core"
        self.batches = True
        self.blocks: dict[str, tuple[int, bytes]] = {}  # hash -> (height, raw)
        self.best: list[str] = []
        self.prune_height: int | None = None
        self.headers_only: set[str] = set()
        self.pool: dict[str, bytes] = {}
        self.calls: list[str] = []
        for _ in range(3):
            self.mine([])

    def mine(self, raws: list[bytes]) -> str:
        height = len(self.best)
        txs = [raw_tx(2**64 + len(self.blocks)), *raws]
        root = merkle_root([double_sha256(raw) for raw in txs])
        prev = self.best[-1] if self.best else "00" * 32
        head = block_header(prev, root, 1_700 + height, 0, len(self.blocks), 2)
        block_hash = header_hash(head)
        raw = head + compact_size(len(txs)) + b"".join(txs)
        self.blocks[block_hash] = height, raw
        self.best.append(block_hash)
        for mined in raws:
            self.pool.pop(txid(mined), None)
        return block_hash

    def add(self, raw: bytes) -> str:
        self.pool[txid(raw)] = raw
        return txid(raw)

    def answer(self, request: Request) -> Answer:
        body = request.json()
        if isinstance(body, list):
            if not self.batches:
                error = {"code": -32600, "message": "Invalid request."}
                return fake.of({"result": None, "error": error, "id": None})
            return fake.of([self.reply(call)[0] for call in body])
        reply, failed = self.reply(body)
        return fake.of(reply, 500 if failed and self.core else 200)

    def reply(self, call: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        self.calls.append(call["method"])
        answer = {"result": None, "error": None, "id": call["id"]}
        try:
            answer["result"] = getattr(self, call["method"])(*call["params"])
        except LookupError as error:
            code = error.args[0]
            if code == -5 and not self.core:
                code = -1
            answer["error"] = {"code": code, "message": error.args[1]}
        return answer, answer["error"] is not None

    def getblockchaininfo(self) -> dict[str, Any]:
        more = {"headers": 9, "softforks": {}, "pruneheight": self.prune_height}
        return {"blocks": len(self.best) - 1, "bestblockhash": self.best[-1]} | more

    def getblockhash(self, height: int) -> str:
        if height >= len(self.best):
            raise LookupError(-8, "Block height out of range")
        return self.best[height]

    def getblockheader(self, block_hash: str, _verbose: bool) -> dict[str, Any]:
        height, raw = self._block(block_hash)
        header: dict[str, Any] = {
            "hash": block_hash,
            "height": height,
            "time": int.from_bytes(raw[68:72], "little"),
            "confirmations": len(self.best) - height,
        }
        if height or not self.core:
            header["previousblockhash"] = raw[4:36][::-1].hex() if height else None
        if self.core:
            header["nTx"] = 0 if block_hash in self.headers_only else 1
            if block_hash not in self.best:
                header["confirmations"] = -1
        return header

    def getblock(self, block_hash: str, verbose: bool) -> str:
        assert verbose is False
        return self._block(block_hash)[1].hex()

    def getrawmempool(self) -> list[str]:
        return list(self.pool)

    def getrawtransaction(self, wanted: str) -> str:
        if wanted not in self.pool:
            raise LookupError(-5, "No such mempool transaction; Transaction not found.")
        return self.pool[wanted].hex()

    def _block(self, block_hash: str) -> tuple[int, bytes]:
        if block_hash not in self.blocks:
            raise LookupError(-5, "Block not found")
        return self.blocks[block_hash]


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


def connected(upstream: Upstream) -> Iterator[Bitcoind]:
    url = f"http://shop:{SECRET}@127.0.0.1:{upstream.port}"
    source = Bitcoind(url, deadline_s=DEADLINE_S)
    yield source
    source.close()


def test_it_is_a_block_feed(bitcoind: Bitcoind) -> None:
    feed: BlockFeed = bitcoind
    assert feed.name == "bitcoind"


def test_the_tip_is_one_request_on_one_connection(
    node: Node, feed: Bitcoind, upstream: Upstream
) -> None:
    assert feed.tip() == Tip(2, node.best[2])
    assert feed.tip() == Tip(2, node.best[2])
    assert (feed.requests, upstream.connections) == (2, 1)
    head = upstream.requests[0].headers
    assert head["authorization"] == "Basic c2hvcDpodW50ZXIy"


def test_where_a_pruned_node_begins_is_known_with_its_tip(
    node: Node, feed: Bitcoind
) -> None:
    feed.tip()
    assert feed.lowest == 0
    node.prune_height = 2
    feed.tip()
    assert feed.lowest == 2


def test_a_tip_that_goes_back_is_reported_as_it_is(node: Node, feed: Bitcoind) -> None:
    assert feed.tip().height == 2
    node.best.pop()
    assert feed.tip() == Tip(1, node.best[1])


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
    assert feed.tip().hash == block_hash
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


def replied(result: object = None, error: object = None) -> Callable[..., Answer]:
    def answer(request: Request) -> Answer:
        body = request.json()
        if isinstance(body, list):
            return fake.of(
                [{"result": result, "error": error, "id": c["id"]} for c in body]
            )
        return fake.of({"result": result, "error": error, "id": body["id"]})

    return answer


GOOD = raw_tx(1)
WRONG: list[tuple[str, object, Callable[[Bitcoind], object], str]] = [
    ("null", None, lambda b: b.tip(), "getblockchaininfo sent .* wrong"),
    ("text", "x", lambda b: b.tip(), "getblockchaininfo sent"),
    ("no fields", {}, lambda b: b.tip(), "`blocks`|`bestblockhash`"),
    (
        "height as float",
        {"blocks": 1.0, "bestblockhash": "ab" * 32},
        lambda b: b.tip(),
        "got `float`",
    ),
    (
        "negative height",
        {"blocks": -1, "bestblockhash": "ab" * 32},
        lambda b: b.tip(),
        "negative height",
    ),
    (
        "no hash",
        {"blocks": 1, "bestblockhash": "../x"},
        lambda b: b.tip(),
        "64 hex digits",
    ),
    ("hash", 5, lambda b: b.block_hash(1), "getblockhash sent"),
    ("short hash", "ab", lambda b: b.block_hash(1), "64 hex digits"),
    (
        "other header",
        {"hash": "cd" * 32, "height": 1, "time": 1},
        lambda b: b.header("ab" * 32),
        "another block",
    ),
    ("names", {"a": 1}, lambda b: b.mempool(), "getrawmempool sent"),
    ("no names", ["x"], lambda b: b.mempool(), "64 hex digits"),
    ("no hex", 5, lambda b: b.transactions(["ab" * 32]), "no hex digits"),
    ("odd hex", "abc", lambda b: b.transactions(["ab" * 32]), "broken hex"),
    ("escapes", "\u00e4b", lambda b: b.transactions(["ab" * 32]), "broken hex"),
    ("no tx", "abcd", lambda b: b.transactions(["ab" * 32]), "no transaction"),
    ("other tx", GOOD.hex(), lambda b: b.transactions(["ab" * 32]), "another trans"),
]


@pytest.mark.parametrize(
    ("result", "ask", "words"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG]
)
def test_wrong_types_and_wrong_things_are_garbage(
    upstream: Upstream,
    bitcoind: Bitcoind,
    result: object,
    ask: Callable[[Bitcoind], object],
    words: str,
) -> None:
    upstream.answer = replied(result)
    with pytest.raises(SourceGarbage, match=f"^bitcoind: .*{words}"):
        ask(bitcoind)


def test_a_node_that_lies_about_a_block_is_noticed(node: Node, feed: Bitcoind) -> None:
    feed.tip()
    block_hash = node.best[2]
    height, raw = node.blocks[block_hash]
    lies = {
        "another block than was asked for": node.blocks[node.best[1]][1],
        "no block: the merkle root does not fit": raw.replace(ALICE, b"\x00\x14" * 11),
        "no block: .* bytes follow": raw + b"\x00",
        "no block": raw[:-1],
        "no block: a block header has 80 bytes": b"",
    }
    for words, lie in lies.items():
        node.blocks[block_hash] = height, lie
        with pytest.raises(SourceGarbage, match=f"^bitcoind: getblock sent {words}"):
            feed.block(block_hash)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ({"result": None, "error": None, "id": 999}, "wrong id"),
        ({"result": None, "error": None, "id": "1"}, "wrong"),
        ({"result": None, "error": None}, "wrong"),
        ({"result": None, "error": "x", "id": 1}, "wrong"),
        ([], "wrong"),
        (5, "wrong"),
    ],
)
def test_an_answer_that_is_no_reply_to_our_question_is_garbage(
    upstream: Upstream, bitcoind: Bitcoind, reply: object, words: str
) -> None:
    upstream.answer = lambda request: fake.of(reply)
    with pytest.raises(SourceGarbage, match=f"^bitcoind: getblockchaininfo .*{words}"):
        bitcoind.tip()


@pytest.mark.parametrize(
    "change",
    [
        lambda replies: replies[:-1],
        lambda replies: [*replies, replies[0]],
        lambda replies: [replies[0]] * len(replies),
    ],
)
def test_a_batch_answered_in_part_or_twice_is_garbage(
    upstream: Upstream, bitcoind: Bitcoind, change: Callable[[list[Any]], list[Any]]
) -> None:
    def answer(request: Request) -> Answer:
        calls = request.json()
        error = {"code": -5, "message": "gone"}
        replies = [{"result": None, "error": error, "id": c["id"]} for c in calls]
        return fake.of(change(replies))

    upstream.answer = answer
    with pytest.raises(SourceGarbage, match="wrong id"):
        bitcoind.transactions(["aa" * 32, "bb" * 32, "cc" * 32])


def test_a_batch_may_be_answered_in_any_order(
    node: Node, feed: Bitcoind, upstream: Upstream
) -> None:
    txids = [node.add(raw_tx(n)) for n in range(3)]
    upstream.answer = lambda request: fake.of(
        [node.reply(call)[0] for call in request.json()][::-1]
    )
    assert list(feed.transactions(txids)) == txids


@pytest.mark.parametrize(
    ("code", "message"), [(-28, "Loading block index…\x1b[31m"), (-32601, "no method")]
)
def test_an_error_of_the_node_is_told_in_its_words_made_printable(
    upstream: Upstream, bitcoind: Bitcoind, code: int, message: str
) -> None:
    upstream.answer = replied(error={"code": code, "message": message})
    with pytest.raises(SourceUnavailable, match=rf"\({code}\)$") as caught:
        bitcoind.tip()
    assert caught.value.detail.isprintable()
    with pytest.raises(SourceUnavailable):
        bitcoind.transactions(["aa" * 32, "bb" * 32])


HOSTILE: list[tuple[str, Answer, type[SourceError], str]] = [
    ("html", fake.html(), SourceGarbage, "web page instead of JSON"),
    ("empty", fake.text(""), SourceGarbage, "empty answer"),
    ("cut json", fake.text('{"result":{"blo'), SourceGarbage, "cut off JSON"),
    (
        "deep json",
        fake.text('{"result":' + "[" * 10**5),
        SourceGarbage,
        "JSON",
    ),
    ("early end", fake.cut_off("{" + " " * 99), SourceUnavailable, "too early"),
    ("redirect", fake.text("", 301, Location="/x"), SourceGarbage, "redirects"),
    ("400 page", fake.html(400), SourceGarbage, "web page"),
    ("401", fake.text("", 401), SourceUnavailable, "wrong RPC user or password"),
    ("403", fake.text("", 403), SourceUnavailable, "refuses our credentials"),
    ("404 page", fake.html(404), SourceGarbage, "web page"),
    ("500 page", fake.html(500), SourceUnavailable, "failed \\(500\\)"),
    ("503", fake.text("Work queue", 503), SourceUnavailable, "failed \\(503\\)"),
    ("429", fake.text("", 429), SourceBusy, "slow down"),
    ("reset", fake.reset(), SourceUnavailable, "broke the connection off"),
    ("hang", fake.hang(), SourceUnavailable, "within 3 s"),
    ("drip", fake.drip(), SourceUnavailable, "within 3 s"),
]


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [case[1:] for case in HOSTILE],
    ids=[case[0] for case in HOSTILE],
)
def test_a_hostile_answer_is_a_named_error_without_credentials(
    upstream: Upstream,
    bitcoind: Bitcoind,
    answer: Answer,
    error: type[SourceError],
    words: str,
) -> None:
    upstream.answer = lambda request: answer
    with pytest.raises(error, match=f"^bitcoind: .*{words}") as caught:
        bitcoind.tip()
    assert type(caught.value) is error
    assert SECRET not in repr(caught.value) + repr(bitcoind) + repr(vars(bitcoind))
    assert "127.0.0.1" not in caught.value.detail
    upstream.answer = Node("core").answer
    assert bitcoind.tip().height == 2


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_told(
    upstream: Upstream, bitcoind: Bitcoind, status: int
) -> None:
    upstream.answer = lambda request: fake.text("", status, Retry_After="12")
    with pytest.raises(SourceBusy) as caught:
        bitcoind.tip()
    assert caught.value.retry_after_s == 12


@pytest.mark.parametrize(
    ("ask", "limit"),
    [
        (lambda b: b.tip(), "4,194,304"),
        (lambda b: b.block_hash(5), "4,194,304"),
        (lambda b: b.transactions(["ab" * 32]), "9,437,184"),
    ],
    ids=["tip", "hash", "transaction"],
)
def test_a_gigabyte_of_json_is_cut_off_and_costs_no_memory(
    upstream: Upstream, ask: Callable[[Bitcoind], object], limit: str
) -> None:
    upstream.answer = lambda request: fake.endless()
    source = Bitcoind(upstream.url, deadline_s=5)
    tracemalloc.start()
    try:
        with pytest.raises(SourceGarbage, match=f"more than {limit} bytes"):
            ask(source)
        assert tracemalloc.get_traced_memory()[1] < 25_000_000
    finally:
        tracemalloc.stop()
    assert upstream.sent < 40_000_000


def test_an_idle_connection_that_the_node_closed_is_opened_anew(
    upstream: Upstream, bitcoind: Bitcoind
) -> None:
    answer = Node("bcoin").answer
    upstream.answer = answer
    bitcoind.tip()
    left = [1]

    def once_reset(request: Request) -> Answer:
        left[0] -= 1
        return fake.reset() if left[0] == 0 else answer(request)

    upstream.answer = once_reset
    assert bitcoind.tip().height == 2
    assert upstream.connections == 2


def test_a_cookie_file_is_read_anew_for_each_request(
    upstream: Upstream, tmp_path: Path
) -> None:
    cookie = tmp_path / ".cookie"
    source = Bitcoind(f"http://127.0.0.1:{upstream.port}?cookie={cookie}")
    with pytest.raises(SourceUnavailable, match="cookie file cannot be read"):
        source.tip()
    upstream.answer = Node("core").answer
    for word in ("b25l", "dHdv"):
        cookie.write_text({"b25l": "one", "dHdv": "two"}[word] + "\n")
        source.tip()
        assert upstream.requests[-1].headers["authorization"] == f"Basic {word}"


@pytest.mark.parametrize(
    "url",
    [
        "ftp://u:hunter2@node:1",
        "node:8332",
        "http://u:hunter2@",
        "http://u:hunter2@node:hunter2",
        "http://u:hunter2@node:1/wallet",
        "http://u:hunter2@node:1?x=1",
        "http://u:hunter2@[::1",
    ],
)
def test_a_url_that_is_none_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(ValueError, match="the node's URL") as caught:
        Bitcoind(url)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_large_block_does_not_hold_the_hub(
    upstream: Upstream, bitcoind: Bitcoind, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Node("core")
    block_hash = node.mine([raw_tx(n) for n in range(3_000)])
    info = node.getblockchaininfo()
    block = {"result": node.getblock(block_hash, False), "error": None, "id": 2}
    ready = fake.text(json.dumps(block))
    upstream.answer = replied(info)
    bitcoind.tip()
    upstream.answer = lambda request: ready
    at_once = most = 0  # transactions between two turns of another greenlet

    def counted(raw: bytes) -> Iterator[ChainTx]:
        nonlocal at_once, most
        for tx in iter_block_txs(raw):
            at_once += 1
            most = max(most, at_once)
            yield tx

    def tick() -> None:
        nonlocal at_once
        while True:
            gevent.sleep(0)
            at_once = 0

    monkeypatch.setattr(transport.chain.bitcoind, "iter_block_txs", counted)
    ticker = gevent.spawn(tick)
    try:
        assert len(bitcoind.block(block_hash).txs) == 3_001
    finally:
        ticker.kill()
    assert 0 < most <= 101, "a hundred take about a millisecond"

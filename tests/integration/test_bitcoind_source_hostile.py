"""The Bitcoin Core adapter against answers that are wrong, hostile or too large."""

import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from engine.errors import SourceBusy, SourceError, SourceGarbage, SourceUnavailable
from tests.integration.bitcoind_node import (
    ALICE,
    DEADLINE_S,
    HANGING_S,
    SECRET,
    Node,
    connected,
    raw_tx,
    replied,
)
from tests.tools import fake_upstream as fake
from tests.tools.fake_upstream import Answer, Request, Upstream
from transport.chain.bitcoind import Bitcoind


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


GOOD = raw_tx(1)
WRONG: list[tuple[str, object, Callable[[Bitcoind], object], str]] = [
    ("null", None, lambda b: b.status().tip, "getblockchaininfo sent .* wrong"),
    ("text", "x", lambda b: b.status().tip, "getblockchaininfo sent"),
    ("no fields", {}, lambda b: b.status().tip, "`blocks`|`bestblockhash`"),
    (
        "height as float",
        {"blocks": 1.0, "bestblockhash": "ab" * 32},
        lambda b: b.status().tip,
        "got `float`",
    ),
    (
        "negative height",
        {"blocks": -1, "bestblockhash": "ab" * 32},
        lambda b: b.status().tip,
        "a height that cannot be",
    ),
    (
        "no hash",
        {"blocks": 1, "bestblockhash": "../x"},
        lambda b: b.status().tip,
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
    feed.status()
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
    with pytest.raises(SourceGarbage, match=f"^bitcoind: getblockhash .*{words}"):
        bitcoind.block_hash(1)


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
        bitcoind.status()
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
    ("403", fake.text("", 403), SourceUnavailable, "rpcallowip .* rpcwhitelist"),
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
    if "within" in words:
        bitcoind._http._deadline_s = HANGING_S
    with pytest.raises(error, match=f"^bitcoind: .*{words}") as caught:
        bitcoind.status()
    bitcoind._http._deadline_s = DEADLINE_S
    assert type(caught.value) is error
    assert SECRET not in repr(caught.value) + repr(bitcoind) + repr(vars(bitcoind))
    assert "127.0.0.1" not in caught.value.detail
    upstream.answer = Node("core").answer
    assert bitcoind.status().tip.height == 2


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_told(
    upstream: Upstream, bitcoind: Bitcoind, status: int
) -> None:
    upstream.answer = lambda request: fake.text("", status, Retry_After="12")
    with pytest.raises(SourceBusy) as caught:
        bitcoind.status()
    assert caught.value.retry_after_s == 12


@pytest.mark.parametrize(
    ("ask", "limit"),
    [
        (lambda b: b.status().tip, "4,194,304"),
        (lambda b: b.block_hash(5), "4,194,304"),
        (lambda b: b.transactions(["ab" * 32]), "9,437,184"),
    ],
    ids=["tip", "hash", "transaction"],
)
def test_a_gigabyte_of_json_is_cut_off_and_costs_no_memory(
    upstream: Upstream, ask: Callable[[Bitcoind], object], limit: str
) -> None:
    upstream.answer = lambda request: fake.endless()
    source = Bitcoind(upstream.url, deadline_s=DEADLINE_S)
    tracemalloc.start()
    try:
        with pytest.raises(SourceGarbage, match=f"more than {limit} bytes"):
            ask(source)
        assert tracemalloc.get_traced_memory()[1] < 25_000_000
    finally:
        tracemalloc.stop()
    assert upstream.sent < 40_000_000

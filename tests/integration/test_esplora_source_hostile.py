"""The Esplora adapter against answers that are wrong, hostile or too large."""

import tracemalloc
from collections.abc import Iterator

import pytest

from engine.errors import (
    HistoryIncomplete,
    SourceBusy,
    SourceError,
    SourceGarbage,
    SourceUnavailable,
)
from tests.integration.esplora_answers import (
    ADDRESS,
    BLOCK,
    DEADLINE_S,
    HANGING_S,
    SCRIPT,
    TIP,
    first_page,
    pays,
    routes,
    tx,
    txid,
)
from tests.tools import fake_upstream as fake
from tests.tools.fake_upstream import Answer, Request, Upstream
from transport.chain.esplora import Esplora
from transport.chain.esplora_history import MAX_PAGES


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture
def esplora(upstream: Upstream) -> Iterator[Esplora]:
    source = Esplora(upstream.url + "/api", "regtest", deadline_s=DEADLINE_S)
    yield source
    source.close()


def test_an_explorer_of_another_network_is_garbage(upstream: Upstream) -> None:
    upstream.answer = routes({"/block-height/0": BLOCK, "/blocks/tip/hash": TIP})
    source = Esplora(upstream.url + "/api", "mainnet")
    with pytest.raises(SourceGarbage, match="serves another network than mainnet"):
        source.status()


def test_an_explorer_without_end_costs_few_requests(
    upstream: Upstream, esplora: Esplora
) -> None:
    count = [0]

    def answer(request: Request) -> Answer:
        if "/txs" not in request.path:
            return fake.of(
                {"chain_stats": {"tx_count": 999}, "mempool_stats": {"tx_count": 0}}
            )
        count[0] += 10
        return fake.of([tx(count[0] + n, pays()) for n in range(10)])

    upstream.answer = answer
    with pytest.raises(HistoryIncomplete, match="fewer") as caught:
        esplora.outputs(ADDRESS, SCRIPT)
    assert len(caught.value.outputs) == 10 * (MAX_PAGES + 2)
    assert esplora.requests == MAX_PAGES + 3
    with pytest.raises(HistoryIncomplete, match="fewer"):
        esplora.outputs(ADDRESS, SCRIPT)
    assert esplora.requests == MAX_PAGES + 4, "the second time it is one"


@pytest.mark.parametrize(
    "txs",
    [
        [tx(1, pays(-1))],
        [tx(1, pays(1.0))],
        [tx(1, pays(True))],
        [tx(1, pays("1000"))],
        [tx(1, pays(None))],
        [tx(1, pays(2_100_000_000_000_001))],
        [tx(1, pays(2_100_000_000_000_000), ("0014" + "22" * 20, 1))],
        [tx(1, pays(2_100_000_000_000_000)), tx(2, pays(1))],
        [tx(1, pays(10**40))],
        [tx(1, pays()) | {"vin": [{"is_coinbase": "no"}]}],
        [tx(1, pays(), height=2**31)],
        [tx(1, pays(), confirmed=True)],
        [tx(1, pays(), confirmed="false")],
        [tx(1, pays(), height=5, block_hash=None)],
        [tx(1, pays(), height=5, block_hash="xyz")],
        [tx(1, pays(), height=5, block_time=None)],
        [tx(1, pays(), height=-5)],
        [tx(1, pays(5)), tx(1, pays(6))],
        [tx(1, pays(5), height=5), tx(1, pays(5), height=6)],
        [tx(1, pays()) | {"txid": "../../x"}],
        [tx(1, pays()) | {"txid": "AB" * 32}],
        [tx(1, pays()) | {"vout": None}],
        [tx(1, pays()) | {"vout": [{"value": 5}]}],
        [{"txid": txid(1)}],
        [None],
        {"error": "no"},
        "[]",
        None,
        5,
    ],
)
def test_amounts_ids_and_blocks_that_cannot_be_are_garbage(
    upstream: Upstream, esplora: Esplora, txs: object
) -> None:
    upstream.answer = lambda request: fake.of(txs)
    with pytest.raises(SourceGarbage, match=f"^esplora: /address/{ADDRESS}") as caught:
        esplora.outputs(ADDRESS, SCRIPT)
    assert "\n" not in caught.value.detail


HOSTILE: list[tuple[str, Answer, type[SourceError], str]] = [
    ("html", fake.html(), SourceGarbage, "web page instead of JSON"),
    ("empty", fake.text(""), SourceGarbage, "empty answer"),
    ("no json", fake.text("ok"), SourceGarbage, "no JSON"),
    ("cut json", fake.text('[{"txid":"'), SourceGarbage, "cut off JSON"),
    ("deep json", fake.text('[{"x":' + "[" * 10**5), SourceGarbage, "JSON"),
    ("bad utf-8", fake.text(b'["\xff\xfe"]'), SourceGarbage, "sent"),
    ("early end", fake.cut_off("[" + " " * 99), SourceUnavailable, "too early"),
    ("redirect", fake.text("", 302, Location="http://x/"), SourceGarbage, "redirects"),
    ("400", fake.text("Invalid Bitcoin address", 400), SourceGarbage, "status 400"),
    ("401", fake.html(401), SourceUnavailable, r"refuses us \(401\)"),
    ("404", fake.html(404), SourceGarbage, "status 404"),
    ("500", fake.html(500), SourceUnavailable, "failed \\(500\\)"),
    ("503", fake.html(503), SourceUnavailable, "failed \\(503\\)"),
    ("429", fake.text("", 429), SourceBusy, "slow down \\(429\\)"),
    ("reset", fake.reset(), SourceUnavailable, "broke the connection off"),
    (
        "no http",
        fake.drip(b"", every_s=0.5),
        SourceUnavailable,
        "did not answer in full",
    ),
    ("hang", fake.hang(), SourceUnavailable, "did not answer in full within 3 s"),
    ("drip", fake.drip(), SourceUnavailable, "did not answer in full"),
    (
        "wrong compression",
        fake.text("[]", Content_Encoding="gzip"),
        SourceGarbage,
        "broken compression",
    ),
]


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [case[1:] for case in HOSTILE],
    ids=[case[0] for case in HOSTILE],
)
def test_a_hostile_answer_is_a_named_error_in_one_clear_line(
    upstream: Upstream,
    esplora: Esplora,
    answer: Answer,
    error: type[SourceError],
    words: str,
) -> None:
    upstream.answer = lambda request: answer
    if "did not answer" in words:
        esplora._http._deadline_s = HANGING_S
    with pytest.raises(error, match=f"^esplora.*{words}") as caught:
        esplora.outputs(ADDRESS, SCRIPT)
    esplora._http._deadline_s = DEADLINE_S
    assert type(caught.value) is error
    assert "\n" not in caught.value.detail
    assert "127.0.0.1" not in caught.value.detail
    # And the next good answer is taken, on whatever connection.
    upstream.answer = first_page([tx(1, pays(8))])
    assert [o.amount_sat for o in esplora.outputs(ADDRESS, SCRIPT)] == [8]


@pytest.mark.parametrize(
    "answer",
    [
        fake.endless(),
        fake.endless(declared=True),
        fake.bomb(100 * 1024 * 1024),
    ],
    ids=["chunked", "declared", "compressed"],
)
def test_a_gigabyte_of_json_is_cut_off_and_costs_no_memory(
    upstream: Upstream, answer: Answer
) -> None:
    upstream.answer = lambda request: answer
    source = Esplora(upstream.url, "regtest", deadline_s=DEADLINE_S)
    tracemalloc.start()
    try:
        with pytest.raises(SourceGarbage, match="more than 4,194,304 bytes"):
            source.outputs(ADDRESS, SCRIPT)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
    assert upstream.sent < 40_000_000

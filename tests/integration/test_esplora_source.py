"""The Esplora adapter against a server that says what it likes."""

import time
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from engine.bitcoin.address import parse_address
from engine.chain.feed import AddressFeed, Output, Tip
from engine.errors import SourceBusy, SourceError, SourceGarbage, SourceUnavailable
from tests.tools import fake_upstream as fake
from tests.tools.fake_upstream import Answer, Request, Upstream
from transport.chain.esplora import MAX_PAGES, Esplora

ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
SCRIPT = parse_address(ADDRESS, "regtest").script
OTHER = "0014" + "22" * 20
BLOCK = "ab" * 32
TIP = "cd" * 32
DEADLINE_S = 3.0  # hanging costs so long; a busy machine answers in less


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture
def esplora(upstream: Upstream) -> Iterator[Esplora]:
    source = Esplora(upstream.url + "/api", "regtest", deadline_s=DEADLINE_S)
    yield source
    source.close()


def txid(number: int) -> str:
    return f"{number:064x}"


def tx(
    number: int, *pays: tuple[str, object], height: int | None = None, **status: Any
) -> dict[str, object]:
    where: dict[str, object] = {"confirmed": height is not None}
    if height is not None:
        where |= {"block_height": height, "block_hash": BLOCK, "block_time": 1_700}
    return {
        "txid": txid(number),
        "vin": [],
        "vout": [{"scriptpubkey": s, "value": v} for s, v in pays],
        "status": where | status,
    }


def pays(value: object = 1_000) -> tuple[str, object]:
    return SCRIPT.hex(), value


def routes(answers: dict[str, object]) -> Any:
    """Answer by path below /api; what is not listed is a 404, as Esplora has it."""

    def answer(request: Request) -> Answer:
        path = request.path.removeprefix("/api")
        if path not in answers:
            return fake.text("Not found", 404)
        value = answers[path]
        if callable(value):
            return value
        return fake.text(value) if isinstance(value, str) else fake.of(value)

    return answer


def first_page(txs: list[dict[str, object]]) -> Any:
    return routes({f"/address/{ADDRESS}/txs": txs})


def test_it_is_an_address_feed(esplora: Esplora) -> None:
    feed: AddressFeed = esplora
    assert feed.name == "esplora"


def test_height_and_hash_of_the_tip_are_of_one_block(
    upstream: Upstream, esplora: Esplora
) -> None:
    upstream.answer = routes(
        {"/blocks/tip/hash": TIP, f"/block/{TIP}": {"id": TIP, "height": 7}}
    )
    assert esplora.tip() == Tip(7, TIP)
    assert esplora.requests == 2
    assert esplora.tip() == Tip(7, TIP)
    assert esplora.requests == 3, "an unchanged tip costs one request"
    assert upstream.connections == 1, "kept alive"


def test_a_tip_that_goes_back_is_reported_as_it_is(
    upstream: Upstream, esplora: Esplora
) -> None:
    known: dict[str, object] = {f"/block/{TIP}": {"id": TIP, "height": 7}}
    known[f"/block/{BLOCK}"] = {"id": BLOCK, "height": 6}
    for block_hash, height in ((TIP, 7), (BLOCK, 6)):
        upstream.answer = routes(known | {"/blocks/tip/hash": block_hash})
        assert esplora.tip() == Tip(height, block_hash)


def test_an_explorer_of_another_network_is_garbage(upstream: Upstream) -> None:
    upstream.answer = routes({"/block-height/0": BLOCK, "/blocks/tip/hash": TIP})
    source = Esplora(upstream.url + "/api", "mainnet")
    with pytest.raises(SourceGarbage, match="serves another network than mainnet"):
        source.tip()


def test_a_usual_address_costs_one_request(
    upstream: Upstream, esplora: Esplora
) -> None:
    upstream.answer = first_page(
        [
            tx(1, (OTHER, 5), pays(700), pays(0)),
            tx(2, pays(900), height=6),
            tx(3, (OTHER, 4), height=5),
        ]
    )
    assert set(esplora.outputs(ADDRESS, SCRIPT)) == {
        Output(txid(1), 1, 700),
        Output(txid(1), 2, 0),
        Output(txid(2), 0, 900, BLOCK, 6, 1_700),
    }
    assert esplora.requests == 1
    upstream.answer = first_page([])
    assert esplora.outputs(ADDRESS, SCRIPT) == ()


def test_pages_are_followed_to_the_end_and_counted(
    upstream: Upstream, esplora: Esplora
) -> None:
    base = f"/address/{ADDRESS}"
    confirmed = [tx(n, pays(n), height=5) for n in range(1, 61)]
    answers: dict[str, object] = {
        f"{base}/txs": [tx(100, pays(100)), *confirmed[:25]],
        f"{base}/txs/chain/{txid(25)}": confirmed[25:50],
        f"{base}/txs/chain/{txid(50)}": confirmed[50:],
        f"{base}/txs/chain/{txid(60)}": [],
        base: {"chain_stats": {"tx_count": 60}, "mempool_stats": {"tx_count": 1}},
    }
    upstream.answer = routes(answers)
    outputs = esplora.outputs(ADDRESS, SCRIPT)
    assert sum(o.amount_sat for o in outputs) == 100 + sum(range(1, 61))
    assert esplora.requests == 5

    # A reorg moved the last seen one away: its page is empty, which is not the end.
    answers[f"{base}/txs/chain/{txid(25)}"] = []
    answers[f"{base}/txs/mempool"] = [tx(100, pays(100))]
    with pytest.raises(SourceUnavailable, match="lists fewer transactions"):
        esplora.outputs(ADDRESS, SCRIPT)


def test_a_first_page_full_of_unconfirmed_ones_does_not_hide_the_rest(
    upstream: Upstream, esplora: Esplora
) -> None:
    base = f"/address/{ADDRESS}"
    upstream.answer = routes(
        {
            f"{base}/txs": [tx(n, pays(1)) for n in range(50)],
            f"{base}/txs/chain": [tx(90, pays(7), height=5)],
            f"{base}/txs/mempool": [tx(n, pays(1)) for n in range(10, 55)],
            base: {"chain_stats": {"tx_count": 1}, "mempool_stats": {"tx_count": 55}},
        }
    )
    outputs = esplora.outputs(ADDRESS, SCRIPT)
    assert len(outputs) == 56
    assert Output(txid(90), 0, 7, BLOCK, 5, 1_700) in outputs


def test_an_explorer_without_end_is_garbage(
    upstream: Upstream, esplora: Esplora
) -> None:
    count = [0]

    def answer(_request: Request) -> Answer:
        count[0] += 10
        return fake.of([tx(count[0] + n, pays(), height=5) for n in range(10)])

    upstream.answer = answer
    with pytest.raises(SourceGarbage, match="too many"):
        esplora.outputs(ADDRESS, SCRIPT)
    assert esplora.requests == MAX_PAGES + 1


def test_one_that_confirms_while_pages_are_read_counts_once_as_confirmed(
    upstream: Upstream, esplora: Esplora
) -> None:
    base = f"/address/{ADDRESS}"
    upstream.answer = routes(
        {
            f"{base}/txs": [tx(n, pays(1)) for n in range(12)],
            f"{base}/txs/chain": [tx(3, pays(1), height=5)],
            base: {"chain_stats": {"tx_count": 1}, "mempool_stats": {"tx_count": 11}},
        }
    )
    outputs = {o.txid: o for o in esplora.outputs(ADDRESS, SCRIPT)}
    assert len(outputs) == 12
    assert outputs[txid(3)].block_height == 5


@pytest.mark.parametrize(
    "txs",
    [
        [tx(1, pays(-1))],
        [tx(1, pays(1.0))],
        [tx(1, pays(True))],
        [tx(1, pays("1000"))],
        [tx(1, pays(None))],
        [tx(1, pays(2_100_000_000_000_001))],
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


def test_only_the_script_decides_what_pays(
    upstream: Upstream, esplora: Esplora
) -> None:
    """The explorer's text says our address, the script is somebody else's."""
    lie = tx(1, (OTHER, 5))
    lie["vout"] = [{"scriptpubkey": OTHER, "scriptpubkey_address": ADDRESS, "value": 5}]
    upstream.answer = first_page([lie])
    assert esplora.outputs(ADDRESS, SCRIPT) == ()


@pytest.mark.parametrize(
    ("answers", "height", "expected"),
    [
        ({f"/block/{BLOCK}/status": {"in_best_chain": True, "height": 5}}, None, True),
        ({}, None, None),
        # electrs says this of blocks that it has never heard of, too.
        ({f"/block/{BLOCK}/status": {"in_best_chain": False}}, None, None),
        (
            {
                f"/block/{BLOCK}/status": {"in_best_chain": False},
                f"/block/{BLOCK}/txids": [txid(1)],
            },
            None,
            False,
        ),
        (
            {
                f"/block/{BLOCK}/status": {"in_best_chain": False},
                "/block-height/5": TIP,
            },
            5,
            False,
        ),
        ({f"/block/{BLOCK}/status": {"in_best_chain": False}}, 5, None),
    ],
)
def test_a_block_is_off_chain_on_the_positive_word_only(
    upstream: Upstream,
    esplora: Esplora,
    answers: dict[str, object],
    height: int | None,
    expected: bool | None,
) -> None:
    upstream.answer = routes(answers)
    assert esplora.in_best_chain(BLOCK, height) is expected


def test_the_height_of_a_block_is_remembered_from_what_was_paid_in_it(
    upstream: Upstream, esplora: Esplora
) -> None:
    upstream.answer = first_page([tx(1, pays(), height=5)])
    esplora.outputs(ADDRESS, SCRIPT)
    upstream.answer = routes(
        {f"/block/{BLOCK}/status": {"in_best_chain": False}, "/block-height/5": TIP}
    )
    assert esplora.in_best_chain(BLOCK) is False


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
    ("401", fake.html(401), SourceUnavailable, "credentials"),
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
    with pytest.raises(error, match=f"^esplora: /address/.*{words}") as caught:
        esplora.outputs(ADDRESS, SCRIPT)
    assert type(caught.value) is error
    assert "\n" not in caught.value.detail
    assert "127.0.0.1" not in caught.value.detail
    # And the next good answer is taken, on whatever connection.
    upstream.answer = first_page([tx(1, pays(8))])
    assert [o.amount_sat for o in esplora.outputs(ADDRESS, SCRIPT)] == [8]


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("header", "low", "high"),
    [("7", 7, 7), ("999999999", 3600, 3600), ("0", 0, 0)],
)
def test_retry_after_in_seconds_is_told_and_bounded(
    upstream: Upstream,
    esplora: Esplora,
    status: int,
    header: str,
    low: float,
    high: float,
) -> None:
    upstream.answer = lambda request: fake.text("slow", status, Retry_After=header)
    with pytest.raises(SourceBusy) as caught:
        esplora.tip()
    assert caught.value.retry_after_s is not None
    assert low <= caught.value.retry_after_s <= high


def test_retry_after_as_a_date_is_told_and_nonsense_is_not(
    upstream: Upstream, esplora: Esplora
) -> None:
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 60))
    upstream.answer = lambda request: fake.text("", 429, Retry_After=date)
    with pytest.raises(SourceBusy) as caught:
        esplora.tip()
    assert caught.value.retry_after_s == pytest.approx(60, abs=3)
    upstream.answer = lambda request: fake.text("", 429, Retry_After="soon")
    with pytest.raises(SourceBusy) as caught:
        esplora.tip()
    assert caught.value.retry_after_s is None


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
    source = Esplora(upstream.url, "regtest", deadline_s=5)
    tracemalloc.start()
    try:
        with pytest.raises(SourceGarbage, match="more than 4,194,304 bytes"):
            source.outputs(ADDRESS, SCRIPT)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
    assert upstream.sent < 40_000_000


def test_a_source_that_is_not_there_is_unavailable() -> None:
    with Upstream() as gone:
        url = gone.url
    source = Esplora(url, "regtest", deadline_s=2)
    with pytest.raises(SourceUnavailable, match="refuses connections") as caught:
        source.tip()
    assert "127.0.0.1" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://explorer/api",
        "explorer/api",
        "http://",
        "http://user:hunter2@explorer/api",
        "http://explorer/api?key=hunter2",
        "http://explorer:hunter2/api",
        "http://[::1",
    ],
)
def test_a_url_that_is_none_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(ValueError, match="the explorer's URL") as caught:
        Esplora(url, "regtest")
    assert "hunter2" not in str(caught.value)


def test_cookies_and_the_environments_proxy_are_not_for_sources(
    upstream: Upstream, esplora: Esplora, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    upstream.answer = lambda request: fake.text("[]", Set_Cookie="a=b")
    for _ in range(2):
        assert esplora.outputs(ADDRESS, SCRIPT) == ()
    assert "cookie" not in upstream.requests[-1].headers

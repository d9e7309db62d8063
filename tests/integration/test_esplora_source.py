"""The Esplora adapter against a server that says what it likes."""

import time
from collections.abc import Iterator

import pytest

from engine.chain.feed import AddressFeed, Output, Tip
from engine.errors import SourceBusy, SourceUnavailable
from tests.integration.esplora_answers import (
    ADDRESS,
    BLOCK,
    DEADLINE_S,
    SCRIPT,
    TIP,
    first_page,
    pays,
    routes,
    tx,
    txid,
)
from tests.tools import fake_upstream as fake
from tests.tools.fake_upstream import Upstream
from tests.tools.ports import free_ports
from transport.chain.esplora import Esplora

OTHER = "0014" + "22" * 20


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture
def esplora(upstream: Upstream) -> Iterator[Esplora]:
    source = Esplora(upstream.url + "/api", "regtest", deadline_s=DEADLINE_S)
    yield source
    source.close()


def test_it_is_an_address_feed(esplora: Esplora) -> None:
    feed: AddressFeed = esplora
    assert feed.name == "esplora"


def test_height_and_hash_of_the_tip_are_of_one_block(
    upstream: Upstream, esplora: Esplora
) -> None:
    upstream.answer = routes(
        {
            "/blocks/tip/hash": TIP,
            f"/block/{TIP}": {"id": TIP, "height": 7},
            "/block-height/7": TIP,
        }
    )
    assert esplora.status().tip == Tip(7, TIP)
    assert esplora.requests == 4, "the last look is at what the block holds"
    assert esplora.status().tip == Tip(7, TIP)
    assert esplora.requests == 5, "an unchanged tip costs one request"
    assert upstream.connections == 1, "kept alive"


def test_a_tip_that_goes_back_is_reported_as_it_is(
    upstream: Upstream, esplora: Esplora
) -> None:
    known: dict[str, object] = {f"/block/{TIP}": {"id": TIP, "height": 7}}
    known[f"/block/{BLOCK}"] = {"id": BLOCK, "height": 6}
    known |= {"/block-height/7": TIP, "/block-height/6": BLOCK}
    for block_hash, height in ((TIP, 7), (BLOCK, 6)):
        upstream.answer = routes(known | {"/blocks/tip/hash": block_hash})
        assert esplora.status().tip == Tip(height, block_hash)


def test_a_usual_address_costs_one_request_and_one_for_each_new_block(
    upstream: Upstream, esplora: Esplora
) -> None:
    txs = [
        tx(1, (OTHER, 5), pays(700), pays(0)),
        tx(2, pays(900), height=6),
        tx(3, (OTHER, 4), height=5, block_hash="ee" * 32),
    ]
    upstream.answer = routes({f"/address/{ADDRESS}/txs": txs, "/block-height/6": BLOCK})
    for requests in (2, 3):
        assert set(esplora.outputs(ADDRESS, SCRIPT)) == {
            Output(txid(1), 1, 700),
            Output(txid(1), 2, 0),
            Output(txid(2), 0, 900, BLOCK, 6, 1_700),
        }
        assert esplora.requests == requests
    upstream.answer = first_page([])
    assert esplora.outputs(ADDRESS, SCRIPT) == ()


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
    listed = [tx(1, pays(), height=5)]
    upstream.answer = routes(
        {f"/address/{ADDRESS}/txs": listed, "/block-height/5": BLOCK}
    )
    esplora.outputs(ADDRESS, SCRIPT)
    upstream.answer = routes(
        {f"/block/{BLOCK}/status": {"in_best_chain": False}, "/block-height/5": TIP}
    )
    assert esplora.in_best_chain(BLOCK) is False


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
        esplora.status()
    assert caught.value.retry_after_s is not None
    assert low <= caught.value.retry_after_s <= high


def test_retry_after_as_a_date_is_told_and_nonsense_is_not(
    upstream: Upstream, esplora: Esplora
) -> None:
    began = time.time()
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(began + 60))
    upstream.answer = lambda request: fake.text("", 429, Retry_After=date)
    with pytest.raises(SourceBusy) as caught:
        esplora.status()
    passed = time.time() - began
    assert caught.value.retry_after_s is not None
    assert 58 - passed <= caught.value.retry_after_s <= 61
    upstream.answer = lambda request: fake.text("", 429, Retry_After="soon")
    with pytest.raises(SourceBusy) as caught:
        esplora.status()
    assert caught.value.retry_after_s is None


def test_a_source_that_is_not_there_is_unavailable() -> None:
    source = Esplora(
        f"http://127.0.0.1:{free_ports(1)[0]}", "regtest", deadline_s=DEADLINE_S
    )
    with pytest.raises(SourceUnavailable, match="refuses connections") as caught:
        source.status()
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
    with pytest.raises(ValueError, match="its URL") as caught:
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
    assert upstream.requests[-1].headers["cache-control"] == "no-cache"

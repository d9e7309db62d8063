"""Six providers of rates, over real sockets: as they document their answers, and as
hostile as they could be. Whatever is no answer is a `SourceError`, soon."""

import ssl
import time
from decimal import Decimal
from pathlib import Path

import pytest

from engine.errors import (
    SourceBusy,
    SourceError,
    SourceGarbage,
    SourceUnavailable,
)
from engine.money.providers import PROVIDERS
from tests.tools.certificates import self_signed
from tests.tools.rate_providers import DOCUMENTED, PATHS, RateServer, json_reply
from tests.tools.receiver import Answer, drip, hang, hang_up, pour, raw, reply
from transport.rates.http_provider import MAX_BYTES

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"

READ = {
    "coinbase": {"AED": "222811.13", "EUR": "56092.5", "JPY": "9081000.123"}
    | {"USD": "60663.045"},
    "kraken": {"USD": "30303.2", "EUR": "68644.2"},
    "bitstamp": {"USD": "60192", "EUR": "60192", "GBP": "60192"},
    "coingecko": {"USD": "67187.3358936566", "EUR": "61921.44"},
    "mempool": {"USD": "43753", "EUR": "40545", "GBP": "37528", "CAD": "58123"}
    | {"CHF": "37438", "AUD": "64499", "JPY": "6218915"},
    "blockchain": {"USD": "478.68", "JPY": "51033.99"},
}
SAYS_WHEN = {"bitstamp": 1723398353, "coingecko": 1711356300, "mempool": 1703252411}


def now_ms() -> int:
    return int(time.time() * 1000)


@pytest.mark.parametrize("name", PROVIDERS)
def test_the_documented_answer_is_read_digit_by_digit(name: str) -> None:
    now = now_ms()
    with RateServer() as server:
        answer = server.provider(name).ask(now)
    assert {q.currency: q.rate for q in answer.quotes} == {
        currency: Decimal(rate) for currency, rate in READ[name].items()
    }
    at = SAYS_WHEN[name] * 1000 if name in SAYS_WHEN else now
    assert {(q.provider, q.at) for q in answer.quotes} == {(name, at)}
    if name in PATHS:
        assert server.asked == [(name, path) for path in PATHS[name]]
    else:
        (asked,) = server.asked
        assert asked[1].startswith("/api/v3/simple/price?ids=bitcoin&precision=full")


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("lie", ["0", "-1.5", "1e400", "1" * 60, "1e-30"])
def test_what_can_be_no_rate_is_refused_by_name(name: str, lie: str) -> None:
    with RateServer() as server:
        server.quote(name, {"USD": "50000", "EUR": lie})
        answer = server.provider(name).ask(now_ms())
    assert [(q.currency, q.rate) for q in answer.quotes] == [("USD", Decimal(50000))]
    assert [currency for currency, _why in answer.refused] == ["EUR"]


@pytest.mark.parametrize("name", ["coinbase", "kraken", "bitstamp"])
@pytest.mark.parametrize("lie", ["NaN", "Infinity", "-Infinity", "sNaN", "", "1,5"])
def test_text_that_is_no_number_is_refused(name: str, lie: str) -> None:
    with RateServer() as server:
        server.quote(name, {"USD": "50000", "EUR": lie})
        answer = server.provider(name).ask(now_ms())
    assert [currency for currency, _why in answer.refused] == ["EUR"]


@pytest.mark.parametrize("name", ["coingecko", "mempool", "blockchain"])
@pytest.mark.parametrize("lie", ["NaN", "Infinity", "1e99999999999999999999"])
def test_numbers_that_json_has_not_spoil_the_answer(name: str, lie: str) -> None:
    with RateServer() as server:
        server.quote(name, {"USD": "50000", "EUR": lie})
        with pytest.raises(SourceGarbage):
            server.provider(name).ask(now_ms())


def test_mempool_says_minus_one_of_what_it_does_not_know() -> None:
    with RateServer() as server:
        server.quote("mempool", {"USD": "50000", "EUR": "-1"})
        answer = server.provider("mempool").ask(now_ms())
    assert [quote.currency for quote in answer.quotes] == ["USD"]
    assert answer.refused == ()


def test_a_time_ahead_of_ours_makes_no_answer_newer() -> None:
    now = now_ms()
    with RateServer() as server:
        server.at_s = now // 1000 + 3_600
        server.quote("mempool", {"USD": "50000"})
        (quote,) = server.provider("mempool").ask(now).quotes
    assert quote.at == now


@pytest.mark.parametrize(
    ("name", "errors", "expected"),
    [
        ("kraken", ["EQuery:Unknown asset pair"], SourceGarbage),
        ("kraken", ["EAPI:Rate limit exceeded"], SourceBusy),
        ("kraken", ["EGeneral:Too many requests"], SourceBusy),
    ],
)
def test_krakens_errors_come_with_status_200(
    name: str, errors: list[str], expected: type[SourceError]
) -> None:
    with RateServer() as server:
        server.say(name, json_reply({"error": errors}))
        with pytest.raises(expected):
            server.provider(name).ask(now_ms())


GARBAGE = [
    reply(200),
    reply(200, (), b"<html>maintenance</html>"),
    reply(200, (), b"[]"),
    reply(200, (), b"{}"),
    reply(200, (), b"null"),
    reply(200, (), b'"50000"'),
    reply(200, (), b"[" * 100_000),
    reply(200, (), b'{"a":' * 50_000 + b"1" + b"}" * 50_000),
    reply(200, (), b'{"USD": 1, "USD": 2}'),
    reply(200, (), b"9" * 100_000),
    reply(200, (), b"\xff\xfe{}"),
    reply(200, (), b'{"data": {"currency": "ETH", "rates": {"EUR": "1"}}}'),
    reply(404),
    reply(302, [("Location", "http://127.0.0.1:1/elsewhere")]),
    pour(HEAD, b" " * 65_536, 2 * MAX_BYTES // 65_536),
    reply(200, [("Content-Encoding", "gzip")], b"no gzip"),
]


@pytest.mark.parametrize("number", range(len(GARBAGE)))
@pytest.mark.parametrize("name", ["coinbase", "coingecko"])
def test_no_answer_of_a_provider_is_more_than_an_error(name: str, number: int) -> None:
    with RateServer() as server:
        server.say(name, GARBAGE[number])
        with pytest.raises(SourceError) as caught:
            server.provider(name).ask(now_ms())
    assert name in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)
    assert len(server.asked) == 1  # no redirect is followed


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (reply(500), SourceUnavailable),
        (hang_up(), SourceUnavailable),
        (raw(b"hello\r\n"), SourceUnavailable),
        (reply(429, [("Retry-After", "120")]), SourceBusy),
        (reply(503, [("Retry-After", "7")]), SourceBusy),
    ],
)
def test_who_does_not_answer_now_is_told_from_who_lies(
    answer: Answer, expected: type[SourceError]
) -> None:
    with RateServer() as server:
        server.say("kraken", answer)
        with pytest.raises(expected):
            server.provider("kraken").ask(now_ms())


@pytest.mark.parametrize("slow", [hang(), drip(HEAD + b" " * 10_000, 0.05)])
def test_a_slow_one_is_left_at_the_deadline(slow: Answer) -> None:
    with RateServer() as server:
        server.say("kraken", slow)
        with pytest.raises(SourceUnavailable, match=r"within 0\.3 s"):
            server.provider("kraken", deadline_s=0.3).ask(now_ms())


def test_bitstamps_other_currencies_count_if_one_is_gone() -> None:
    with RateServer() as server:
        server.quote("bitstamp", {"EUR": "50000"})
        answer = server.provider("bitstamp").ask(now_ms())
    assert [quote.currency for quote in answer.quotes] == ["EUR"]
    assert [path for _name, path in server.asked] == list(PATHS["bitstamp"])


def test_certificates_are_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, trusted = self_signed(tmp_path, "127.0.0.1")
    with RateServer(tls=context) as server:
        with pytest.raises(SourceUnavailable, match="no valid TLS certificate"):
            server.provider("mempool").ask(now_ms())
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        assert server.provider("mempool").ask(now_ms()).quotes
    assert isinstance(context, ssl.SSLContext)


def test_each_documented_answer_is_the_form_of_its_provider() -> None:
    assert set(DOCUMENTED) == set(PROVIDERS) == set(READ)

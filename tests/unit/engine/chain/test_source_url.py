"""URLs of sources: what is sent, what is for us alone, and what nobody is shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.chain.source_url import parse_source_url

BITCOIND, ESPLORA = "bitcoind", "esplora"


def test_a_node_with_user_and_password() -> None:
    url = parse_source_url(BITCOIND, "http://sh%40p:p%2Cw%3A@[::1]:18443")
    assert (url.base, url.path) == ("http://[::1]:18443", "/")
    assert (url.user, url.password) == ("sh@p", "p,w:")
    assert (url.cookie, url.name, url.zmq) == (None, None, ())
    bare = parse_source_url(BITCOIND, "http://node")
    assert (bare.user, bare.password) == (None, None)
    assert parse_source_url(BITCOIND, "http://u@node").password == ""


@pytest.mark.parametrize(
    ("kind", "url", "base"),
    [
        (BITCOIND, "http://node", "http://node:8332"),
        (BITCOIND, "https://node/token", "https://node:443"),
        (BITCOIND, "https://node:8332", "https://node:8332"),
        (ESPLORA, "https://host/api", "https://host"),
        (ESPLORA, "http://host:3000", "http://host:3000"),
    ],
)
def test_a_port_that_is_not_given_is_the_usual_one(
    kind: str, url: str, base: str
) -> None:
    assert parse_source_url(kind, url).base == base


def test_the_reserved_keys_are_taken_out_of_what_is_sent() -> None:
    url = parse_source_url(
        BITCOIND,
        "https://host/v1/t0ken/?name=acme&cookie=/var/lib/b%20c/.cookie"
        "&zmq=tcp://127.0.0.1:28332&zmq=ipc:///run/btc.sock",
    )
    assert (url.base, url.path) == ("https://host:443", "/v1/t0ken/")
    assert url.cookie == "/var/lib/b c/.cookie"
    assert url.zmq == ("tcp://127.0.0.1:28332", "ipc:///run/btc.sock")
    assert url.name == url.operator == "acme"


def test_sources_without_a_name_are_told_apart_by_their_host() -> None:
    first = parse_source_url(ESPLORA, "https://A.example/api")
    second = parse_source_url(BITCOIND, "https://a.example/token")
    assert first.operator == second.operator == "a.example"


@pytest.mark.parametrize(
    ("kind", "url", "said"),
    [
        (ESPLORA, "https://u:hunter2@host/api", "an explorer takes none"),
        (ESPLORA, "https://host/api?cookie=/hunter2", "name= after the ?"),
        (ESPLORA, "https://host/api?name=a&name=hunter2", "more often"),
        (BITCOIND, "https://host/?name=hunter2%20", "1 to 32 letters"),
        (BITCOIND, "https://host/?name=" + "a" * 33, "1 to 32 letters"),
        (BITCOIND, "https://host/?name=", "1 to 32 letters"),
        (BITCOIND, "https://host/?zmq=hunter2", "tcp://host:port"),
        (BITCOIND, "https://host/?zmq=tcp://host", "tcp://host:port"),
        (BITCOIND, "https://host/?zmq=ipc://a%00", "tcp://host:port"),
        (BITCOIND, "https://host/?hunter2", "key=value"),
        (BITCOIND, "https://host/?x=1&" + "name=a&" * 30, "key=value"),
        (BITCOIND, "https://host/?Name=hunter2", "cookie= or name= or zmq="),
        (BITCOIND, "https://host/" + "?" + "&".join(["zmq=ipc://a"] * 9), "more often"),
        (BITCOIND, "https://host/a#hunter2", "fragment"),
        (BITCOIND, "https://:hunter2@/a", "no valid host"),
    ],
)
def test_what_is_wrong_is_said_and_not_quoted(kind: str, url: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"^(its|what follows)") as caught:
        parse_source_url(kind, url)
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_nobody_is_shown_more_than_the_name() -> None:
    text = "https://user7:hunter2@host/v1/t0ken?name=acme"
    url = parse_source_url(BITCOIND, text)
    assert repr(url) == "SourceUrl(acme)"
    assert set(url.secrets) == {"t0ken", "user7", "hunter2"}
    assert parse_source_url(BITCOIND, "http://u:p@host/v1").secrets == ()


@given(st.sampled_from([BITCOIND, ESPLORA]), st.text(max_size=80))
def test_no_text_does_more_than_a_value_error_of_one_line(kind: str, text: str) -> None:
    for url in (text, f"http://{text}", f"https://host/{text}"):
        try:
            parsed = parse_source_url(kind, url)
        except ValueError as error:
            assert "\n" not in str(error)
        else:
            assert parsed.path.startswith("/")

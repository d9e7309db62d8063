"""What an application sees of a request, and whose headers it does not."""

from typing import Any

import pytest

from transport.server.client_address import parse_networks
from transport.server.environ import add_client, add_request
from transport.server.request_head import RequestHead

PROXY = parse_networks(["10.0.0.0/8"])


def seen(
    *fields: tuple[str, str], peer: str = "10.0.0.1", **how: Any
) -> dict[str, Any]:
    """The environ of a request with these header fields, behind a trusted proxy."""
    head = RequestHead("GET", "/", "HTTP/1.1")
    head.fields += fields
    environ: dict[str, Any] = {"wsgi.url_scheme": "http"}
    add_client(environ, head, peer, PROXY, **how)
    return environ


def test_values_of_one_name_are_joined_and_cookies_as_cookies_are() -> None:
    environ = seen(("x-a", "1"), ("cookie", "a=1"), ("x-a", "2"), ("cookie", "b=2"))
    assert environ["HTTP_X_A"] == "1,2"
    assert environ["HTTP_COOKIE"] == "a=1; b=2"


def test_the_body_s_headers_have_their_cgi_names() -> None:
    environ = seen(("content-type", "text/plain"), ("content-length", "3"))
    assert environ["CONTENT_TYPE"] == "text/plain"
    assert environ["CONTENT_LENGTH"] == "3"
    assert not [name for name in environ if name.startswith("HTTP_CONTENT")]


def test_a_name_that_would_look_like_another_is_left_out() -> None:
    environ = seen(("x_real_ip", "1.2.3.4"), ("x-real-ip", "5.6.7.8"))
    assert environ["HTTP_X_REAL_IP"] == "5.6.7.8"


@pytest.mark.parametrize(
    ("said", "scheme"),
    [("https", "https"), ("HTTPS", "https"), ("http", "http"), ("gopher", "http")],
)
def test_a_proxy_may_say_http_or_https_and_nothing_else(said: str, scheme: str) -> None:
    assert seen(("x-forwarded-proto", said))["wsgi.url_scheme"] == scheme


@pytest.mark.parametrize(
    "name",
    ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-x", "forwarded", "x-real-ip"],
)
def test_what_only_a_proxy_may_say_is_not_seen_of_others(name: str) -> None:
    environ = seen((name, "https"), peer="9.9.9.9")
    assert environ == {"wsgi.url_scheme": "http", "REMOTE_ADDR": "9.9.9.9"}


def test_the_path_is_decoded_and_the_query_is_not() -> None:
    environ: dict[str, Any] = {}
    add_request(environ, RequestHead("GET", "/a%20b/%C3%BC?c=%20&d", "HTTP/1.0"))
    assert environ["PATH_INFO"] == "/a b/\u00c3\u00bc"  # latin-1, as WSGI wants it
    assert environ["QUERY_STRING"] == "c=%20&d"
    assert environ["SERVER_PROTOCOL"] == "HTTP/1.0"


def test_only_the_header_that_the_proxies_write_tells_the_client() -> None:
    """The other one a proxy passes through as its client wrote it."""
    both = ("forwarded", "for=6.6.6.6;proto=https"), ("x-forwarded-for", "5.5.5.5")
    assert seen(*both)["REMOTE_ADDR"] == "5.5.5.5"
    assert seen(*both)["wsgi.url_scheme"] == "http"
    environ = seen(*both, header="forwarded")
    assert environ["REMOTE_ADDR"] == "6.6.6.6"
    assert environ["wsgi.url_scheme"] == "https"


def test_several_lines_of_a_forwarding_header_are_one_list() -> None:
    lines = ("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "5.5.5.5")
    assert seen(*lines)["REMOTE_ADDR"] == "5.5.5.5"

"""A channel's own headers: which may be set, and what a change leaves."""

import base64
from typing import Any

import pytest
from msgspec import UNSET

from transport.control.own_headers import own_headers
from transport.http.inputs import BasicAuth, ChannelRequest
from transport.http.problems import Problem
from transport.http.request_json import check

BASIC = BasicAuth(username="shop", password="pässword:1")
ENCODED = "Basic " + base64.b64encode("shop:pässword:1".encode()).decode()


def test_credentials_are_sent_as_rfc_7617_says() -> None:
    assert own_headers({}, UNSET, BASIC) == {"Authorization": ENCODED}
    # The example of RFC 7617, 2.
    aladdin = BasicAuth(username="Aladdin", password="open sesame")
    assert own_headers({}, {"X-A": "b"}, aladdin) == {
        "X-A": "b",
        "Authorization": "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
    }


BEFORE = {"X-Key": "1", "authorization": "Bearer t"}


@pytest.mark.parametrize(
    ("headers", "basic", "after"),
    [
        (UNSET, UNSET, BEFORE),
        ({}, UNSET, {}),
        ({}, None, {}),
        ({"X-New": "2"}, UNSET, {"X-New": "2"}),
        ({"Authorization": "Bearer n"}, None, {"Authorization": "Bearer n"}),
        (UNSET, None, {"X-Key": "1"}),
        (UNSET, BASIC, {"X-Key": "1", "Authorization": ENCODED}),
        ({"X-New": "2"}, BASIC, {"X-New": "2", "Authorization": ENCODED}),
    ],
)
def test_headers_replace_all_and_credentials_only_their_own(
    headers: Any, basic: Any, after: dict[str, str]
) -> None:
    assert own_headers(BEFORE, headers, basic) == after


@pytest.mark.parametrize(
    "name",
    [
        "Host",
        "content-length",
        "Content-Type",
        "TRANSFER-ENCODING",
        "connection",
        "te",
        "upgrade",
        "user-agent",
        "webhook-id",
        "Webhook-Signature",
        "webhook-anything",
        "Proxy-Authorization",
        "expect",
        "accept-encoding",
        "trailer",
        "keep-alive",
    ],
)
def test_what_the_node_sets_is_refused(name: str) -> None:
    with pytest.raises(Problem, match="set by the node itself"):
        own_headers({}, {"X-Fine": "1", name: "SECRET"}, UNSET)


def test_a_header_is_given_once() -> None:
    with pytest.raises(Problem, match="more than once"):
        own_headers({}, {"X-Key": "1", "x-key": "2"}, UNSET)
    with pytest.raises(Problem, match="basic_auth"):
        own_headers({}, {"authorization": "Bearer SECRET"}, BASIC)


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Key": "a\r\nX-Other: b"},
        {"X-Key": "a\n"},
        {"X-Key": "é"},
        {"X-Key": ""},
        {"X-Key": " a"},
        {"X-Key": "SECRET" * 200},
        {"X Key": "a"},
        {"X-Key:": "a"},
        {"": "a"},
        {"X-Key\n": "a"},
        {f"X-{number}": "a" for number in range(11)},
        {"X-Key": 1},
        "X-Key: a",
    ],
)
def test_what_is_no_header_is_refused_without_being_repeated(headers: Any) -> None:
    found = check({"url": "https://a", "headers": headers}, ChannelRequest)
    assert isinstance(found, tuple)
    assert [error.path for error in found] == ["/headers"]
    assert "SECRET" not in str(found)


def test_credentials_are_in_no_repr() -> None:
    assert "pässword" not in repr(BASIC)

"""What is kept of an endpoint's answer: its beginning, and no credential of ours."""

import base64

import pytest

from engine.delivery.endpoint import Endpoint
from transport.outbound.answer_head import (
    BAD_CHARS,
    GOOD_CHARS,
    answer_head,
    shown_url,
)
from transport.outbound.exchange import BODY_HEAD_BYTES

SECRET = "a-token-of-the-shop"
HEADERS = Endpoint(headers=(("Authorization", f"Bearer {SECRET}"), ("X-Shop", "cafe")))
PLAIN = Endpoint()


def test_an_answer_begins_as_it_came() -> None:
    assert answer_head(b"no such table: orders", PLAIN, is_good=False) == (
        "no such table: orders"
    )
    assert answer_head("ü".encode(), PLAIN, is_good=True) == "ü"
    assert answer_head(b"", HEADERS, is_good=True) is None


def test_who_took_the_event_says_little() -> None:
    assert len(answer_head(b"x" * 4_000, PLAIN, is_good=True) or "") == GOOD_CHARS
    assert len(answer_head(b"x" * 4_000, PLAIN, is_good=False) or "") == BAD_CHARS


def test_what_is_no_text_is_shown_as_such() -> None:
    found = answer_head(b"a\x00b\xff", PLAIN, is_good=False)
    assert found == "a\ufffdb\ufffd"


@pytest.mark.parametrize(
    "said",
    [f"you sent: Bearer {SECRET} and more", f'{{"auth":"{SECRET}"}}', SECRET * 3],
)
def test_an_endpoint_that_says_back_what_it_was_sent_tells_no_credential(
    said: str,
) -> None:
    found = answer_head(said.encode(), HEADERS, is_good=False)
    assert found is not None
    assert SECRET not in found
    assert "***" in found


def test_words_are_no_credentials() -> None:
    assert answer_head(b"cafe is closed", HEADERS, is_good=False) == "cafe is closed"


def test_not_even_a_part_of_one_is_left_where_the_answer_was_cut() -> None:
    for cut in range(1, len(SECRET)):
        room = BODY_HEAD_BYTES - cut
        body = ("ü" * (room // 2) + "x" * (room % 2) + SECRET[:cut]).encode()
        assert len(body) == BODY_HEAD_BYTES
        found = answer_head(body, HEADERS, is_good=False) or ""
        assert not found.rstrip("x").endswith(SECRET[:cut])


KEY = b"a-secret-of-thirty-two-bytes-!?>"


@pytest.mark.parametrize(
    "said",
    [
        "whsec_" + base64.b64encode(KEY).decode(),
        base64.urlsafe_b64encode(KEY).decode(),
        KEY.hex(),
        "POST /hooks/T0Kx9aVq7Lm2Pz4R?key=zw%2B9kQ5h HTTP/1.1",
        "key=zw+9kQ5h",
    ],
)
def test_neither_the_secret_nor_a_token_of_the_url_is_kept(said: str) -> None:
    endpoint = Endpoint(
        url="https://shop.example/hooks/T0Kx9aVq7Lm2Pz4R?key=zw%2B9kQ5h",
        secrets=(KEY,),
    )
    found = answer_head(f"wrong: {said}!".encode(), endpoint, is_good=False)
    assert found is not None
    assert found.startswith("wrong: ")
    for part in (said, "T0Kx9aVq7Lm2Pz4R", "zw%2B9kQ5h", "zw+9kQ5h"):
        assert part not in found


def test_the_names_in_a_path_are_left() -> None:
    endpoint = Endpoint(url="https://shop.example/webhooks/paybell")
    said = "no such route: /webhooks/paybell"
    assert answer_head(said.encode(), endpoint, is_good=False) == said


def test_a_url_is_shown_without_its_tokens() -> None:
    url = "https://shop.example/hooks/T0Kx9aVq7Lm2Pz4R?key=zw9kQ5h"
    assert shown_url(url) == "https://shop.example/hooks/***?***"
    assert shown_url("https://shop.example/paybell") == "https://shop.example/paybell"

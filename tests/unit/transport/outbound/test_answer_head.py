"""What is kept of an endpoint's answer: its beginning, and no credential of ours."""

import pytest

from transport.outbound.answer_head import BAD_CHARS, GOOD_CHARS, answer_head
from transport.outbound.exchange import BODY_HEAD_BYTES

SECRET = "a-token-of-the-shop"
HEADERS = (("Authorization", f"Bearer {SECRET}"), ("X-Shop", "cafe"))


def test_an_answer_begins_as_it_came() -> None:
    assert answer_head(b"no such table: orders", (), is_good=False) == (
        "no such table: orders"
    )
    assert answer_head("ü".encode(), (), is_good=True) == "ü"
    assert answer_head(b"", HEADERS, is_good=True) is None


def test_who_took_the_event_says_little() -> None:
    assert len(answer_head(b"x" * 4_000, (), is_good=True) or "") == GOOD_CHARS
    assert len(answer_head(b"x" * 4_000, (), is_good=False) or "") == BAD_CHARS


def test_what_is_no_text_is_shown_as_such() -> None:
    found = answer_head(b"a\x00b\xff", (), is_good=False)
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

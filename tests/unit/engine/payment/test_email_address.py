"""What may be an e-mail address: nothing that could become a header or a recipient."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.payment.email_address import PATTERN


@pytest.mark.parametrize(
    "text",
    [
        "ann@example.com",
        "ann+x.y-z_1@sub.example.co.uk",
        "o'neil@x.ie",
        "jürgen@bücher.example",
        "用户@例子.广告",
        "ann@xn--bcher-kva.example",
        "a" * 64 + "@example.com",
    ],
)
def test_what_people_have_is_taken(text: str) -> None:
    assert re.search(PATTERN, text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ann",
        "ann@localhost",
        "ann@example.",
        "ann@.example.com",
        "ann@-example.com",
        "ann@example..com",
        "@example.com",
        "ann@@example.com",
        "ann bob@example.com",
        "<ann@example.com>",
        "ann@example.com,bob@example.com",
        "ann@example.com;bob@example.com",
        '"ann"@example.com',
        "ann@example.com\n",
        "ann@example.com\r\nBcc: bob@example.com",
        "ann@example.com\0",
        "ann\u202e@example.com",
        "ann\u200b@example.com",
        "ann@example.com\u2028",
        "ann\u00a0@example.com",
        "a" * 65 + "@example.com",
    ],
)
def test_what_is_none_or_could_be_two_is_not(text: str) -> None:
    assert not re.search(PATTERN, text)


@given(st.from_regex(PATTERN, fullmatch=True))
def test_what_is_taken_stays_one_recipient_on_one_line(text: str) -> None:
    assert len(text.splitlines()) == 1
    assert text.count("@") == 1
    assert not set(text) & set(" ,;<>\r\n\t\0")

"""Addresses are read strictly: what comes through can stand in a command."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.mail.address import parse_address


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("ann@example.com", "ann@example.com"),
        ("Ann.Lee+shop@Example.COM", "Ann.Lee+shop@example.com"),
        ("o'neil@sub.example", "o'neil@sub.example"),
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
        ("jürgen@bücher.example", "jürgen@xn--bcher-kva.example"),
        ("葉@例え.jp", "葉@xn--r8jz45g.jp"),
        ("root@localhost", "root@localhost"),
        ("ann@BÜCHER.example", "ann@xn--bcher-kva.example"),
        ("x" * 64 + "@example.com", "x" * 64 + "@example.com"),
    ],
)
def test_an_address_is_read_with_its_domain_as_name_servers_have_it(
    text: str, written: str
) -> None:
    assert str(parse_address(text)) == written


def test_only_a_local_part_in_other_letters_needs_utf8() -> None:
    assert parse_address("jürgen@example.com").needs_utf8
    assert not parse_address("ann@bücher.example").needs_utf8


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ann",
        "@example.com",
        "ann@",
        "a@b@c.example",
        "ann@@example.com",
        ".ann@example.com",
        "ann.@example.com",
        "an..n@example.com",
        "ann@example..com",
        "ann@-x.example",
        "ann@[127.0.0.1]",
        "ann@127.0.0.1",
        "<ann@example.com>",
        "Ann <ann@example.com>",
        '"ann lee"@example.com',
        "ann lee@example.com",
        "ann,bob@example.com",
        "ann@example.com,bob@example.com",
        "ann@example.com\n",
        "ann\r\nRCPT TO:<x@y.z>@example.com",
        "ann\x00@example.com",
        "an\u202en@example.com",
        "an\u00a0n@example.com",
        "x" * 65 + "@example.com",
        "ü" * 33 + "@example.com",
        "ann@" + "x" * 64 + ".example",
        "ann@" + "x." * 126 + "example",
        "ann@exa_mple.com",
        "ann@\ud800.example",
        "\ud800@example.com",
    ],
)
def test_what_is_no_plain_address_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"address|part|domain|bytes") as refused:
        parse_address(text)
    assert len(text) < 4 or text not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("example.com", "has the form name@domain"),
        ("a@b@c.example", "has the form name@domain"),
        ("ann@\u2665\u2665.\u0301example", "not a valid international name"),
        ("ann@10.0.0.1", "is a number"),
        ("x" * 65 + "@example.com", "longer than 64 bytes"),
        ("ann@" + "x." * 130 + "example", "at most 254 characters"),
        ("an n@example.com", "before the @ is not valid"),
    ],
)
def test_the_reason_is_said(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_address(text)


def test_the_longest_address_there_is() -> None:
    domain = ".".join(["x" * 63] * 3)
    text = "a" * (254 - len(domain) - 1) + "@" + domain
    assert len(text) == 254
    assert str(parse_address(text)) == text
    with pytest.raises(ValueError, match="at most 254"):
        parse_address("a" + text)


@given(st.text(max_size=80))
def test_what_comes_through_is_one_word_of_one_command(text: str) -> None:
    try:
        address = str(parse_address(text))
    except ValueError:
        return
    assert address.count("@") == 1
    assert address.isprintable()
    assert not set(address) & set(' <>()[],;:\\"\r\n')

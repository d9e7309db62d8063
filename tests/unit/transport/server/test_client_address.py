"""Whose address counts behind proxies, and what a client can make up about it."""

import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from transport.server.client_address import (
    address_key,
    client_address,
    forwarded_elements,
    forwarded_hops,
    parse_networks,
)

TRUSTED = parse_networks(["10.0.0.0/8", "::1"])


@pytest.mark.parametrize(
    ("peer", "chain", "client"),
    [
        ("1.2.3.4", "5.6.7.8", "1.2.3.4"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "5.6.7.8", "5.6.7.8"),
        ("10.0.0.1", "9.9.9.9, 5.6.7.8", "5.6.7.8"),
        ("10.0.0.1", "5.6.7.8, 10.0.0.2", "5.6.7.8"),
        ("10.0.0.1", "9.9.9.9, 5.6.7.8, 10.0.0.3, 10.0.0.2", "5.6.7.8"),
        ("10.0.0.1", "5.6.7.8, rubbish", "10.0.0.1"),
        ("10.0.0.1", "5.6.7.8, rubbish, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "5.6.7.8, unknown", "10.0.0.1"),
        ("::1", "[2001:db8::1]", "2001:db8::1"),
        ("::ffff:10.0.0.1", "5.6.7.8", "5.6.7.8"),
        ("10.0.0.1", "1.2.3.4:5678", "1.2.3.4"),
        ("10.0.0.1", "1.2.3.4:5678, 10.0.0.2:80", "1.2.3.4"),
        ("10.0.0.1", "[2001:db8::1]:5678", "2001:db8::1"),
        ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("10.0.0.1", "::ffff:1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", "[::ffff:1.2.3.4]:9", "1.2.3.4"),
        ("10.0.0.1", "[2001:db8::1", "10.0.0.1"),
        ("10.0.0.1", "1.2.3.4.5:6", "10.0.0.1"),
        ("10.0.0.1", ":80", "10.0.0.1"),
    ],
)
def test_x_forwarded_for_is_read_from_the_right_with_ports_and_several_proxies(
    peer: str, chain: str, client: str
) -> None:
    assert client_address(peer, forwarded_hops(chain), TRUSTED) == client


@pytest.mark.parametrize(
    ("header", "client"),
    [
        ("for=1.2.3.4", "1.2.3.4"),
        ("For=1.2.3.4;proto=https;by=10.0.0.1", "1.2.3.4"),
        ("for=192.0.2.60; proto=http; by=203.0.113.43", "192.0.2.60"),
        ('for="1.2.3.4:5678"', "1.2.3.4"),
        ('for="[2001:db8:cafe::17]:4711"', "2001:db8:cafe::17"),
        ('for=9.9.9.9, for="1.2.3.4:80", for=10.0.0.7', "1.2.3.4"),
        ("for=9.9.9.9,for=1.2.3.4, , ", "1.2.3.4"),
        # Obfuscated and unknown: it is the proxy that said so.
        ("for=1.2.3.4, for=_hidden", "10.0.0.1"),
        ("for=1.2.3.4, for=unknown", "10.0.0.1"),
        ("for=1.2.3.4, for=_SEVKISEK, for=10.0.0.7", "10.0.0.7"),
        ("for=1.2.3.4, proto=https", "10.0.0.1"),
        # What a client wrote to the left swallows nothing of what a proxy wrote.
        ('for=6.6.6.6;x=", for=1.2.3.4', "1.2.3.4"),
        ('for=6.6.6.6;x="\\, for="1.2.3.4:5"', "1.2.3.4"),
        ('for="a, for=1.2.3.4"', "10.0.0.1"),
        ('for=1.2.3.4;by="x,for=6.6.6.6"', "1.2.3.4"),
        ("for=1.2.3.4;for=6.6.6.6", "10.0.0.1"),
        ("for=[2001:db8::1]", "10.0.0.1"),  # must be quoted
        ("for = 1.2.3.4", "10.0.0.1"),
        ("", "10.0.0.1"),
    ],
)
def test_forwarded_is_read_as_rfc_7239_writes_it(header: str, client: str) -> None:
    hops = (element.get("for", "") for element in forwarded_elements(header))
    assert client_address("10.0.0.1", hops, TRUSTED) == client


def test_quotes_of_forwarded_are_taken_off() -> None:
    (element,) = forwarded_elements('for="a\\"b, c";Proto=https;host="h:1"')
    assert element == {"for": 'a"b, c', "proto": "https", "host": "h:1"}


@given(st.text(string.printable, max_size=60))
@example('for=6.6.6.6;x="')
@example('"')
@example("\\")
def test_whatever_a_client_sent_the_proxys_word_stands(sent: str) -> None:
    hops = (e.get("for", "") for e in forwarded_elements(f"{sent}, for=1.2.3.4"))
    assert client_address("10.0.0.1", hops, TRUSTED) == "1.2.3.4"


@pytest.mark.parametrize("piece", ["\t;", ',"', 'a=";', ",", 'a="\\",', ";", "a=a;"])
def test_no_header_takes_long_to_read(piece: str) -> None:
    """A pattern that tries things twice would not come back from this one."""
    assert len(list(forwarded_elements(piece * 4_000 + "("))) <= 16


def test_addresses_are_counted_one_by_one_and_ipv6_by_its_64() -> None:
    assert address_key("1.2.3.4") == "1.2.3.4"
    assert address_key("::ffff:1.2.3.4") == "1.2.3.4"
    assert address_key("2001:db8::1") == address_key("2001:db8::ffff:2")
    assert address_key("2001:db8::1") != address_key("2001:db8:0:1::1")


def test_a_wrong_trusted_proxy_is_named() -> None:
    with pytest.raises(ValueError, match=r"'10\.0\.0\.1/8'"):
        parse_networks(["10.0.0.1/8"])

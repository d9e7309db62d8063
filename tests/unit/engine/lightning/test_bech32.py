"""Bech32 of any length, by the examples of BIP 173 and back again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidInput
from engine.lightning.bech32 import from_groups, read_bech32
from tests.tools.bech32_text import bech32_text, to_groups

VALID = [
    *("A12UEL5L", "a12uel5l", "?1ezyfcl"),
    "an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1tt5tgs",
    "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw",
    "split1checkupstagehandshakeupstreamerranterredcaperred2y9e3w",
]

INVALID = [
    *("\x201nwldj5", "\x7f1axkwrx", "\x801eym55h", "pzry9x0s0muk", "1pzry9x0s0muk"),
    *("x1b4n0q5v", "li1dgmt3", "de1lg7wt\xff", "A1G7SGD8", "10a06t8", "1qzzfhee", ""),
    *("a12uel5m", "A12uEL5L", "split1cheo2y9e2w"),
]


@pytest.mark.parametrize("text", VALID)
def test_the_valid_examples_are_read_and_written(text: str) -> None:
    prefix, values = read_bech32(text)
    assert bech32_text(prefix, values) == text.lower()


def test_what_they_hold() -> None:
    assert read_bech32("a12uel5l") == ("a", b"")
    assert read_bech32(VALID[4]) == ("abcdef", bytes(range(32)))


@pytest.mark.parametrize("text", INVALID)
def test_the_invalid_examples_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        read_bech32(text)


@given(st.binary(max_size=80), st.sampled_from(["lnurl", "lnbc25m", "a1b"]))
def test_bytes_come_back_as_they_were(data: bytes, prefix: str) -> None:
    found, values = read_bech32(bech32_text(prefix, to_groups(data)).upper())
    assert (found, from_groups(values)) == (prefix, data)


@pytest.mark.parametrize("prefix", ["ln\x7f", "\x7fln", "l n", "\x01"])
def test_a_prefix_is_of_visible_letters_alone(prefix: str) -> None:
    with pytest.raises(InvalidInput):
        read_bech32(bech32_text(prefix, b""))

"""A block's bytes, from megabytes of hex digits."""

import pytest

from transport.chain import hex_digits
from transport.chain.hex_digits import CHUNK, unhex


@pytest.mark.parametrize("digits", [0, 2, CHUNK - 2, CHUNK, CHUNK + 2, 3 * CHUNK + 4])
def test_all_bytes_are_read(digits: int) -> None:
    raw = bytes(number % 251 for number in range(digits // 2))
    text = b'"' + raw.hex().encode() + b'"'
    assert unhex(text) == raw
    assert unhex(memoryview(text)) == raw


@pytest.mark.parametrize(
    "text", [b"", b'"', b"ab", b'"ab', b'ab"', b"null", b'"abc"', b'"zz"', b'"a b"']
)
def test_what_is_no_string_of_hex_digits_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match="hex digits"):
        unhex(text)


def test_broken_digits_behind_the_first_piece_are_refused() -> None:
    text = b'"' + b"0" * CHUNK + b"0g" + b'"'
    with pytest.raises(ValueError, match="broken"):
        unhex(text)


def test_others_have_their_turn_before_each_piece_and_before_the_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first as well: the answer was put together just before."""
    yields: list[None] = []
    monkeypatch.setattr(hex_digits, "yield_to_hub", lambda: yields.append(None))
    unhex(b'"' + b"0" * CHUNK + b'"')
    assert len(yields) == 0, "a transaction costs no turn"
    unhex(b'"' + b"0" * (2 * CHUNK + 2) + b'"')
    assert len(yields) == 4
    assert CHUNK == 512 * 1024

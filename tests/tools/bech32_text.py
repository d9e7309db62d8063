"""Bech32 text of any length, made: what `engine/lightning/bech32.py` reads."""

from collections.abc import Iterable

__all__ = ["bech32_text", "to_groups"]

_CHARS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def bech32_text(prefix: str, values: bytes) -> str:
    """`prefix` in small letters, then values of five bits, then their checksum."""
    spread = (*(ord(c) >> 5 for c in prefix), 0, *(ord(c) & 31 for c in prefix))
    check = _polymod((*spread, *values, 0, 0, 0, 0, 0, 0)) ^ 1
    checksum = bytes((check >> 5 * (5 - index)) & 31 for index in range(6))
    return f"{prefix}1" + "".join(_CHARS[value] for value in values + checksum)


def to_groups(data: bytes) -> bytes:
    """Bytes to values of five bits, filled up with zeros."""
    bits = len(data) * 8
    padding = -bits % 5
    number = int.from_bytes(data, "big") << padding
    return bytes(number >> shift & 31 for shift in range(bits + padding - 5, -1, -5))


def _polymod(values: Iterable[int]) -> int:
    check = 1
    for value in values:
        top, check = check >> 25, (check & 0x1FFFFFF) << 5 ^ value
        for index, generator in enumerate(_GENERATOR):
            check ^= generator * (top >> index & 1)
    return check

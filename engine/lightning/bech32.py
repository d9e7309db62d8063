"""Bech32 text of any length: a prefix, and values of five bits. Pure functions.

BIP 173 without its limit of 90 characters, as BOLT 11 (invoices) and LUD-01 (LNURL)
use it. Addresses, which have the limit and other checksums beside, are read in
`engine/bitcoin/address.py`.
"""

from collections.abc import Iterable
from typing import Final

from engine.errors import InvalidInput

__all__ = ["from_groups", "number_of", "read_bech32"]

_CHARS: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_TO_VALUE: Final = bytes(_CHARS.find(chr(code)) & 255 for code in range(256))
_TO_DIGIT: Final = b"0123456789abcdefghijklmnopqrstuv".ljust(256, b"?")
_GENERATOR: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def _generated(top: int) -> int:
    mixed = 0
    for index, generator in enumerate(_GENERATOR):
        if top >> index & 1:
            mixed ^= generator
    return mixed


_GENERATED: Final = tuple(_generated(top) for top in range(32))


def read_bech32(text: str) -> tuple[str, bytes]:
    """The prefix, in small letters, and the values (0 to 31) without the checksum.

    The caller bounds the length. Raises `InvalidInput`; its text shows nothing of it.
    """
    lower = text.lower()
    if not text.isascii() or (text != lower and text != text.upper()):
        raise InvalidInput("it is no bech32 text, all in small or all in big letters")
    prefix, one, data = lower.rpartition("1")
    values = data.encode().translate(_TO_VALUE)
    if not (prefix and one and len(values) >= 6) or 255 in values:
        raise InvalidInput("it is no bech32 text: a prefix, a 1, and letters of 32")
    if any(not "!" <= char <= "~" for char in prefix):
        raise InvalidInput("it is no bech32 text: its prefix is not of visible letters")
    if _polymod((*_expanded(prefix), *values)) != 1:
        raise InvalidInput("its checksum is wrong: a character is mistyped or missing")
    return prefix, values[:-6]


def number_of(groups: bytes) -> int:
    """The values as one number, the first one on top."""
    return int(groups.translate(_TO_DIGIT), 32) if groups else 0


def from_groups(groups: bytes) -> bytes:
    """Values of five bits to whole bytes; bits that fill no byte are left out."""
    length, padding = divmod(len(groups) * 5, 8)
    return (number_of(groups) >> padding).to_bytes(length, "big")


def _expanded(prefix: str) -> Iterable[int]:
    return (*(ord(c) >> 5 for c in prefix), 0, *(ord(c) & 31 for c in prefix))


def _polymod(values: Iterable[int]) -> int:
    check = 1
    for value in values:
        check = (check & 0x1FFFFFF) << 5 ^ value ^ _GENERATED[check >> 25]
    return check

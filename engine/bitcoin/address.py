"""Bitcoin addresses: text to scriptPubKey and back, for four networks.

Pure functions. Everything that a shop, a wallet or a URL gives us as an address is
parsed here once, at the border; inside, an `Address` is known to be good. It does not
know keys and derives nothing.

Sources: base58check as in Bitcoin Core, BIP 173 (bech32, witness v0), BIP 350
(bech32m, v1 and above), BIP 141 (programs), BIP 341 (taproot). Testnet, testnet4 and
signet cannot be told apart by their addresses; regtest shares their base58 versions
and has a bech32 prefix of its own.

Written out here because `bit`, which the wallet uses, knows no bech32m.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, reduce
from hashlib import sha256
from operator import getitem, xor
from typing import Final, Literal

from engine.bitcoin.secret_text import is_secret
from engine.errors import InvalidAddress

__all__ = [
    "MAX_ADDRESS_LENGTH",
    "NETWORKS",
    "Address",
    "AddressKind",
    "parse_address",
    "script_to_address",
]

AddressKind = Literal["p2pkh", "p2sh", "p2wpkh", "p2wsh", "p2tr"]

NETWORKS: Final = ("mainnet", "testnet", "signet", "regtest")

#: Longer text is refused unread. The longest address we know is a bcrt1p…, 64 long.
MAX_ADDRESS_LENGTH: Final = 128

_HRP: Final = {"mainnet": "bc", "testnet": "tb", "signet": "tb", "regtest": "bcrt"}
_HRP_NETWORKS: Final = {"bc": "mainnet", "tb": "testnet or signet", "bcrt": "regtest"}

_MAIN_VERSIONS: Final[dict[int, AddressKind]] = {0x00: "p2pkh", 0x05: "p2sh"}
_TEST_VERSIONS: Final[dict[int, AddressKind]] = {0x6F: "p2pkh", 0xC4: "p2sh"}

_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BASE58_VALUE: Final = {char: value for value, char in enumerate(_BASE58)}
_BECH32: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32_VALUE: Final = {char: value for value, char in enumerate(_BECH32)}
_BECH32_CONST: Final = 1
_BECH32M_CONST: Final = 0x2BC830A3
_GENERATOR: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def _generated(top: int) -> int:
    """What the five generators give for the top bits of a checksum (BIP 173)."""
    mixed = 0
    for index, generator in enumerate(_GENERATOR):
        if top >> index & 1:
            mixed ^= generator
    return mixed


#: Looked up once for each character of an address: a loop here costs 20 µs each.
_GENERATED: Final = tuple(_generated(top) for top in range(32))

#: From bech32's characters to the values 0 to 31, and to the digits of int(…, 32).
_TO_VALUE: Final = bytes(_BECH32_VALUE.get(chr(code), 255) for code in range(256))
_TO_DIGIT: Final = b"0123456789abcdefghijklmnopqrstuv".ljust(256, b"?")


@dataclass(frozen=True, slots=True)
class Address:
    """A checked address. `text` is normalised (bech32 in lower case)."""

    text: str
    network: str
    kind: AddressKind
    script: bytes

    def __str__(self) -> str:
        return self.text


def parse_address(text: str, network: str) -> Address:
    """The address in `text`, which must belong to `network`. Raises InvalidAddress,
    which quotes the text, but never one that may spend money."""
    _check_network(network)
    try:
        return _parsed(text, network)
    except InvalidAddress:
        if isinstance(text, str) and is_secret(text):
            raise InvalidAddress.secret() from None
        raise


def _parsed(text: str, network: str) -> Address:
    if not isinstance(text, str) or not text:
        raise InvalidAddress("an address is needed, and none was given")
    if len(text) > MAX_ADDRESS_LENGTH:
        raise InvalidAddress(
            f"an address has at most {MAX_ADDRESS_LENGTH} characters, not {len(text)}"
        )
    if not text.isascii() or not text.isprintable() or " " in text:
        raise InvalidAddress("an address has letters and digits only")
    prefix = text[: text.rfind("1")].lower() if "1" in text else ""
    if prefix in _HRP_NETWORKS:
        return _parse_segwit(text, network)
    if prefix and _is_bech32(prefix, text[len(prefix) + 1 :].lower()):
        raise InvalidAddress(
            f"{text!r} has the prefix {prefix!r}, which is of no Bitcoin network"
        )
    return _parse_base58(text, network)


def script_to_address(script: bytes, network: str) -> str | None:
    """The address that pays `script`, or None if no address form exists for it."""
    _check_network(network)
    match len(script):
        case 25 if script[:3] == b"\x76\xa9\x14" and script[23:] == b"\x88\xac":
            return _base58check(network, "p2pkh", script[3:23])
        case 23 if script[:2] == b"\xa9\x14" and script[22] == 0x87:
            return _base58check(network, "p2sh", script[2:22])
        case 22 if script[:2] == b"\x00\x14":
            return _segwit_text(_HRP[network], 0, script[2:])
        case 34 if script[:2] == b"\x00\x20":
            return _segwit_text(_HRP[network], 0, script[2:])
        case 34 if script[:2] == b"\x51\x20":
            return _segwit_text(_HRP[network], 1, script[2:])
    return None


def _check_network(network: str) -> None:
    if network not in NETWORKS:
        raise InvalidAddress(
            f"unknown network {network!r}: one of {', '.join(NETWORKS)}"
        )


# Base58check: P2PKH and P2SH.


def _parse_base58(text: str, network: str) -> Address:
    payload = _base58_decode(text)
    if len(payload) != 25:
        raise InvalidAddress(
            f"{text!r} is not an address: neither a known prefix "
            "(bc1, tb1, bcrt1) nor a base58 address of 25 bytes"
        )
    body, checksum = payload[:21], payload[21:]
    if _double_sha256(body)[:4] != checksum:
        raise InvalidAddress(
            f"{text!r} has a wrong checksum: a character is mistyped or missing"
        )
    version, digest = body[0], body[1:]
    own, other = _MAIN_VERSIONS, _TEST_VERSIONS
    other_name = "testnet, signet or regtest"
    if network != "mainnet":
        own, other, other_name = other, own, "mainnet"
    if version in other:
        raise InvalidAddress(f"{text!r} is an address of {other_name}, not {network}")
    if version not in own:
        raise InvalidAddress(
            f"{text!r} has version {version}, which is no Bitcoin address"
        )
    kind = own[version]
    if kind == "p2pkh":
        script = b"\x76\xa9\x14" + digest + b"\x88\xac"
    else:
        script = b"\xa9\x14" + digest + b"\x87"
    return Address(text, network, kind, script)


def _base58_decode(text: str) -> bytes:
    number = 0
    for position, char in enumerate(text, 1):
        value = _BASE58_VALUE.get(char)
        if value is None:
            raise InvalidAddress(
                f"{text!r} is not an address: character {position} "
                f"({char!r}) does not occur in base58"
            )
        number = number * 58 + value
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def _base58check(network: str, kind: AddressKind, digest: bytes) -> str:
    versions = _MAIN_VERSIONS if network == "mainnet" else _TEST_VERSIONS
    version = next(number for number, name in versions.items() if name == kind)
    body = bytes([version]) + digest
    payload = body + _double_sha256(body)[:4]
    number = int.from_bytes(payload, "big")
    chars = []
    while number:
        number, rest = divmod(number, 58)
        chars.append(_BASE58[rest])
    zeros = len(payload) - len(payload.lstrip(b"\0"))
    return "1" * zeros + "".join(reversed(chars))


# Segwit: bech32 for version 0, bech32m above.


def _parse_segwit(text: str, network: str) -> Address:
    lower = text.lower()
    if text != lower and text != text.upper():
        raise InvalidAddress(f"{text!r} mixes upper and lower case")
    if len(text) > 90:
        raise InvalidAddress(f"{text!r} is longer than BIP 173 allows (90)")
    split = lower.rfind("1")
    prefix, data = lower[:split], lower[split + 1 :]
    values = data.encode().translate(_TO_VALUE)
    if 255 in values:
        at = values.index(255)
        raise InvalidAddress(
            f"{text!r} is not an address: character {split + 2 + at} "
            f"({data[at]!r}) does not occur in bech32"
        )
    constant = _checksum(prefix, values)
    if len(values) < 7 or constant not in (_BECH32_CONST, _BECH32M_CONST):
        raise InvalidAddress(
            f"{text!r} has a wrong checksum: a character is mistyped or missing"
        )
    if prefix != _HRP[network]:
        raise InvalidAddress(
            f"{text!r} is an address of {_HRP_NETWORKS[prefix]}, not {network}"
        )
    version, program = values[0], _to_bytes(values[1:-6], text)
    kind = _segwit_kind(version, program, constant, text)
    opcode = 0x50 + version if version else 0
    script = bytes([opcode, len(program)]) + program
    return Address(lower, network, kind, script)


def _is_bech32(prefix: str, data: str) -> bool:
    """Whether some other chain's prefix makes this a well-formed bech32 string."""
    if any(char not in _BECH32_VALUE for char in data):
        return False
    check = _polymod((*_expanded(prefix), *(_BECH32_VALUE[char] for char in data)))
    return check in (_BECH32_CONST, _BECH32M_CONST)


def _segwit_kind(version: int, program: bytes, constant: int, text: str) -> AddressKind:
    """BIP 350: v0 is bech32 with 20 or 32 bytes, v1 and above bech32m."""
    if version > 16:
        raise InvalidAddress(f"{text!r}: no witness version {version} exists")
    if (version == 0) != (constant == _BECH32_CONST):
        used, wanted = ("bech32m", "bech32") if version == 0 else ("bech32", "bech32m")
        raise InvalidAddress(
            f"{text!r}: witness version {version} wants the checksum of "
            f"{wanted}, this is {used}"
        )
    if version == 0 and len(program) == 20:
        return "p2wpkh"
    if version == 0 and len(program) == 32:
        return "p2wsh"
    if version == 1 and len(program) == 32:
        return "p2tr"
    if version >= 2:
        raise InvalidAddress(
            f"{text!r} has witness version {version}, which nobody can spend "
            "safely yet: only versions 0 and 1 are accepted"
        )
    raise InvalidAddress(
        f"{text!r}: a program of witness version {version} cannot have "
        f"{len(program)} bytes"
    )


def _segwit_text(hrp: str, version: int, program: bytes) -> str:
    values = [version, *_to_groups(program)]
    constant = _BECH32M_CONST if version else _BECH32_CONST
    checksum = _polymod((*_expanded(hrp), *values, 0, 0, 0, 0, 0, 0)) ^ constant
    values += [(checksum >> 5 * (5 - index)) & 31 for index in range(6)]
    return f"{hrp}1" + "".join(_BECH32[value] for value in values)


def _expanded(hrp: str) -> Iterable[int]:
    return (*(ord(c) >> 5 for c in hrp), 0, *(ord(c) & 31 for c in hrp))


def _checksum(prefix: str, values: bytes) -> int:
    """The same as `_polymod((*_expanded(prefix), *values))`, four times as fast.

    What a value adds depends on its place, counted from the end, and on nothing else.
    """
    added = map(getitem, _ADDED, values[::-1])
    return reduce(xor, added, _of_prefix(prefix, len(values)))


@cache
def _of_prefix(prefix: str, length: int) -> int:
    """The checksum of the prefix before so many zeros; few are ever asked for."""
    return _polymod((*_expanded(prefix), *bytes(length)))


def _polymod(values: Iterable[int], check: int = 1) -> int:
    for value in values:
        check = (check & 0x1FFFFFF) << 5 ^ value ^ _GENERATED[check >> 25]
    return check


def _by_place() -> Iterable[tuple[int, ...]]:
    """What each of the 32 values adds to the checksum, by its place from the end."""
    row = tuple(range(32))
    for _ in range(90):  # BIP 173: no text is longer
        yield row
        row = tuple(_polymod((0,), added) for added in row)


_ADDED: Final = tuple(_by_place())


def _to_bytes(groups: bytes, text: str) -> bytes:
    """Groups of five bits to bytes; BIP 173: at most 4 bits of padding, all zero."""
    number = int(groups.translate(_TO_DIGIT), 32) if groups else 0
    length, padding = divmod(len(groups) * 5, 8)
    if padding > 4 or number & ((1 << padding) - 1):
        raise InvalidAddress(f"{text!r} is not an address: wrong padding")
    return (number >> padding).to_bytes(length, "big")


def _to_groups(program: bytes) -> list[int]:
    bits = len(program) * 8
    padding = -bits % 5
    number = int.from_bytes(program, "big") << padding
    return [number >> shift & 31 for shift in range(bits + padding - 5, -1, -5)]


def _double_sha256(data: bytes) -> bytes:
    return sha256(sha256(data).digest()).digest()

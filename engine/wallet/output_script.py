"""From public keys to the scripts that pay them: what a descriptor's functions mean.

BIP 381 (pkh, sh), 382 (wpkh, wsh), 383 (multi, sortedmulti), 386 (tr with a key alone,
BIP 86's key path without scripts), BIP 67 for the order of sortedmulti. Pure.
"""

from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from typing import Final

from coincurve import PublicKeyXOnly

from engine.wallet.extended_key import hash160

__all__ = ["MAX_SIGNERS", "multi_script", "output_script"]

MAX_SIGNERS: Final = {"sh": 15, "wsh": 20, "sh(wsh": 20}
"""Keys in one multi (BIP 383): a P2SH script is pushed, and has 520 bytes at most."""


def output_script(form: str, key: bytes) -> bytes:
    """The script of one compressed key in `pkh`, `sh(wpkh)`, `wpkh` or `tr`."""
    match form:
        case "wpkh":
            return b"\x00\x14" + hash160(key)
        case "tr":
            internal = PublicKeyXOnly(key[1:])
            internal.tweak_add(sha256(_tap_tweak() * 2 + key[1:]).digest())
            return b"\x51\x20" + internal.format()
        case "pkh":
            return b"\x76\xa9\x14" + hash160(key) + b"\x88\xac"
        case "sh(wpkh)":
            return _to_script_hash(b"\x00\x14" + hash160(key))
    raise AssertionError(f"no script of one key: {form}")


def multi_script(form: str, needed: int, keys: Sequence[bytes]) -> bytes:
    """So many signatures of these keys, in this order, in `sh`, `wsh` or `sh(wsh`."""
    pushed = b"".join(b"\x21" + key for key in keys)
    script = _number(needed) + pushed + _number(len(keys)) + b"\xae"
    if form == "sh":
        return _to_script_hash(script)
    witness = b"\x00\x20" + sha256(script).digest()
    return witness if form == "wsh" else _to_script_hash(witness)


def _to_script_hash(script: bytes) -> bytes:
    return b"\xa9\x14" + hash160(script) + b"\x87"


def _number(value: int) -> bytes:
    """OP_1 to OP_16, or what is pushed as a number."""
    return bytes([0x50 + value]) if value <= 16 else bytes([1, value])


@cache
def _tap_tweak() -> bytes:
    """BIP 340's tag of BIP 341's tweak."""
    return sha256(b"TapTweak").digest()

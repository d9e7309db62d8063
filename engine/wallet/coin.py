"""A coin: one output of the chain that pays an address of ours, and whose it is.

Pure values. What a coin is worth and which script guards it is a claim of whoever
found it, until `signing.py` has read the transaction that made it.
"""

from typing import Final, Literal

import msgspec

__all__ = [
    "COINBASE_DEPTH",
    "Coin",
    "Outpoint",
    "SpendKind",
    "input_weight",
    "is_mature",
    "spend_kind",
]

Outpoint = tuple[str, int]
"""A transaction's id, as people read it, and the number of its output."""

SpendKind = Literal["p2pkh", "p2sh-p2wpkh", "p2wpkh", "p2tr"]

COINBASE_DEPTH: Final = 100
"""Blocks on top of a coinbase, its own among them, before the next block may spend it
(Bitcoin Core, COINBASE_MATURITY)."""

#: Outpoint, sequence and the length of an empty script, in weight units.
_BARE: Final = 4 * 41

#: A DER signature with a low s has up to 71 bytes, its type one more; a key 33. Each
#: is pushed by one byte.
_SIGNATURE_AND_KEY: Final = 1 + 72 + 1 + 33

_WEIGHTS: Final[dict[SpendKind, int]] = {
    # The script is no witness: four units a byte. The witness of an input without one
    # is a zero, if any input has one.
    "p2pkh": _BARE + 4 * _SIGNATURE_AND_KEY + 1,
    "p2sh-p2wpkh": _BARE + 4 * 23 + 1 + _SIGNATURE_AND_KEY,
    "p2wpkh": _BARE + 1 + _SIGNATURE_AND_KEY,
    "p2tr": _BARE + 1 + 1 + 64,
}


class Coin(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One output that is ours. `height` of its block; None: it is not in a block."""

    txid: str
    vout: int
    amount_sat: int
    script: bytes
    wallet: str  # id
    index: int  # of the address in its wallet
    payment_id: str  # which it paid
    merchant: str
    height: int | None
    is_coinbase: bool = False

    @property
    def outpoint(self) -> Outpoint:
        return self.txid, self.vout


def spend_kind(script: bytes) -> SpendKind | None:
    """How we would spend it; None: it is no script of an address of ours.

    A P2SH script does not say what is in it: ours hold P2WPKH, and whether this one
    does is seen when it is signed.
    """
    match len(script):
        case 25 if script[:3] == b"\x76\xa9\x14" and script[23:] == b"\x88\xac":
            return "p2pkh"
        case 23 if script[:2] == b"\xa9\x14" and script[22] == 0x87:
            return "p2sh-p2wpkh"
        case 22 if script[:2] == b"\x00\x14":
            return "p2wpkh"
        case 34 if script[:2] == b"\x51\x20":
            return "p2tr"
    return None


def input_weight(script: bytes) -> int:
    """Weight units that spending it adds to a transaction, at most (BIP 141)."""
    kind = spend_kind(script)
    assert kind is not None, "not a coin of ours"
    return _WEIGHTS[kind]


def is_mature(coin: Coin, tip_height: int) -> bool:
    """Whether the next block may spend it. Money outside a block is not spent on."""
    if coin.height is None or coin.height > tip_height:
        return False
    return not coin.is_coinbase or tip_height + 1 - coin.height >= COINBASE_DEPTH

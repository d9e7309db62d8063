"""The keys of a wallet that the simulated node watches only: its owner signs.

They are derived by embit (BIP84: m/84h/1h/0h/0/<index>), as the judges build on them,
and those call nothing of what they judge. An index is one payment's.
"""

from functools import cache
from typing import Final

from embit import bip32, bip39, script
from embit.finalizer import finalize_psbt
from embit.psbt import PSBT

__all__ = ["COLD", "WORDS", "cold_script", "signed"]

COLD: Final = "cold "
"""Labels of its addresses begin so; the index follows."""

WORDS: Final = "abandon " * 11 + "about"


@cache
def _root() -> bip32.HDKey:
    return bip32.HDKey.from_seed(bip39.mnemonic_to_seed(WORDS))


@cache
def _account() -> bip32.HDKey:
    return _root().derive("m/84h/1h/0h/0")


@cache
def cold_script(index: int) -> bytes:
    data: bytes = script.p2wpkh(_account().derive([index])).data
    return data


def signed(psbt: bytes) -> bytes:
    """The transaction that the owner's wallet makes of it."""
    parsed = PSBT.parse(psbt)
    assert parsed.sign_with(_root()) == len(parsed.inputs)
    made = finalize_psbt(parsed)
    assert made is not None
    raw: bytes = made.serialize()
    return raw

"""How large a transaction will be, what its fee is then, and which outputs are dust.

Sizes are weight units (BIP 141) of signed transactions, at most; fee rates are whole
satoshi per 1,000 virtual bytes (as Bitcoin Core counts): no float is near money. Pure.
"""

from collections.abc import Iterable
from typing import Final

from engine.bitcoin.transaction import compact_size
from engine.wallet.coin import input_weight

__all__ = [
    "MAX_STANDARD_WEIGHT",
    "dust_sat",
    "fee_of",
    "output_weight",
    "tx_weight",
    "vsize_of",
]

MAX_STANDARD_WEIGHT: Final = 400_000
"""Nodes relay nothing heavier (Bitcoin Core, MAX_STANDARD_TX_WEIGHT)."""

_DUST_RATE: Final = 3  # sat/vB (Bitcoin Core, DUST_RELAY_TX_FEE)


def tx_weight(spent: Iterable[bytes], paid: Iterable[bytes]) -> int:
    """Of a transaction that spends and pays these scripts."""
    inputs = [input_weight(script) for script in spent]
    outputs = [output_weight(script) for script in paid]
    counts = len(compact_size(len(inputs))) + len(compact_size(len(outputs)))
    frame = 4 * (4 + counts + 4) + 2  # version, counts, lock time; marker and flag
    return frame + sum(inputs) + sum(outputs)


def output_weight(script: bytes) -> int:
    return 4 * (8 + len(compact_size(len(script))) + len(script))


def vsize_of(weight: int) -> int:
    """Virtual bytes, rounded up."""
    return -(-weight // 4)


def fee_of(weight: int, rate_sat_kvb: int) -> int:
    """Satoshi, rounded up, so that the rate is never less."""
    return -(-vsize_of(weight) * rate_sat_kvb // 1_000)


def dust_sat(script: bytes) -> int:
    """Below this amount nodes do not relay an output (Bitcoin Core, GetDustThreshold).

    Three sat/vB for the output and for the input that would spend it one day.
    """
    witness_program = len(script) in (22, 34) and script[0] in (0x00, 0x51)
    return _DUST_RATE * (output_weight(script) // 4 + (67 if witness_program else 148))

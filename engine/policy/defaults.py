"""What settings are if nobody sets them, where more than their table must know. Pure.

`OPTIONS` of `engine/settings/table.py` says what each is for, and takes it from here.
"""

from typing import Final

from engine.policy.periods import DAY_S

__all__ = [
    "CLAIMS_PER_PAYMENT",
    "CLAIMS_TOTAL_S",
    "CLAIM_WINDOWS",
    "CLAIM_WINDOW_S",
    "MAX_KEYS",
    "MAX_MERCHANTS",
    "MONITOR_S",
]

CLAIM_WINDOW_S: Final = 600
CLAIMS_PER_PAYMENT: Final = 16

CLAIM_WINDOWS: Final = 12
"""So many claims, one after the other, may hold a payment open by default."""

CLAIMS_TOTAL_S: Final = CLAIM_WINDOWS * CLAIM_WINDOW_S

MONITOR_S: Final = 7 * DAY_S
MAX_MERCHANTS: Final = 10_000
MAX_KEYS: Final = 1_000

"""The settings that a 429 may name: whoever makes one has to say which it is.

mypy holds `rate_limited` (`transport/http/problems.py`, `transport/server/refusal.py`)
to these names, and tests/unit/transport/bodies/test_limit_names.py these names to the
settings. Below all of `transport/`. Values only.
"""

from typing import Final, Literal

__all__ = ["OF_GATEWAYS", "LimitName"]

LimitName = Literal[
    "anonymous_per_s",
    "broadcasts_per_minute",
    "calls_per_s",
    "channel_tests_open",
    "channel_tests_per_minute",
    "creates_per_minute",
    "identifies_per_s",
    "merchant_calls_per_s",
    "refund_claims_per_minute",
    "reorders_per_minute",
    "rests_per_minute",
    "search_wait_s",
    "searches_waiting",
    "seed_calls_per_hour",
    "seed_calls_per_minute",
    "webhooks_per_s",
    "wrong_keys_per_minute",
    "wrong_signatures_per_minute",
]

OF_GATEWAYS: Final = frozenset({"creates_per_minute"})
"""Keys of a gateway's own table, `[gateways.<name>]`."""

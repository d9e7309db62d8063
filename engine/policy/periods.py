"""Stretches of time that have a name, in the units in which they are counted. Pure."""

from typing import Final

__all__ = ["DAY_MS", "DAY_S", "HOUR_MS"]

HOUR_MS: Final = 3_600_000
DAY_S: Final = 86_400
DAY_MS: Final = DAY_S * 1000

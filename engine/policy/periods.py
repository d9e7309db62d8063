"""Stretches of time that have a name, in the units in which they are counted. Pure."""

from typing import Final

__all__ = ["DAY_MS", "DAY_S", "HOUR_MS", "HOUR_S", "MINUTE_S"]

MINUTE_S: Final = 60
HOUR_S: Final = 3_600
DAY_S: Final = 86_400
HOUR_MS: Final = HOUR_S * 1000
DAY_MS: Final = DAY_S * 1000

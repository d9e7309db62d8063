"""How the people of a node are told that something is wrong. A value."""

import msgspec

from engine.alerts.telling import Pace
from engine.ports import Outside

__all__ = ["Alerting"]


class Alerting(msgspec.Struct, frozen=True):
    """`outside` None: nobody out there is told that all is well. `silent_orders`: when
    so many orders are missing, that is an alert; 0: never."""

    pace: Pace = Pace()
    silent_orders: int = 0
    outside: Outside | None = None
    beat_every_s: float = 60.0

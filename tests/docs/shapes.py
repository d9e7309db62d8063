"""Whether an answer has the shape that a page shows: names and kinds, not values."""

from typing import Any

__all__ = ["same_shape"]


def same_shape(told: Any, shown: Any, place: str = "") -> list[str]:
    """What differs, by its place. Null is of every kind, an empty list holds any."""
    if told is None or shown is None:
        return []
    if isinstance(told, dict) and isinstance(shown, dict):
        names = [f"{place}/{name}" for name in told.keys() ^ shown.keys()]
        both = told.keys() & shown.keys()
        inner = [same_shape(told[n], shown[n], f"{place}/{n}") for n in sorted(both)]
        return sorted(names) + [fault for found in inner for fault in found]
    if isinstance(told, list) and isinstance(shown, list):
        return same_shape(told[0], shown[0], f"{place}/0") if told and shown else []
    return [] if type(told) is type(shown) else [place]

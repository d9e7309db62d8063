"""Where a node's blocks begin, if those below a height are missing. Pure."""

from collections.abc import Callable

__all__ = ["first_present"]


def first_present(is_missing: Callable[[int], bool], height: int) -> int:
    """The first height above this missing one that is not missing, by halves.

    All below it are missing, down to `height`: few questions, however many they are.
    Above the tip nothing is missing.
    """
    low, high = height, height + 1
    while is_missing(high):
        low, high = high, high + 2 * (high - height)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if is_missing(middle) else (low, middle)
    assert low < high
    return high

"""The past in numbers, for charts: events become sums by minute, hour and day. Pure.

Every event is added to each step that it falls into, by its own time. So a coarser step
is exactly the sum of the finer ones; the order of events, how they come in pages and
what any clock says are without effect: the sums of some events and of some others are
the sums of all of them (`merged`). Whoever keeps them adds each event once; see
`engine.store.writes.AddHistory`.

How long something took is kept as a histogram whose bins grow by the square root of
two: small, exactly additive, and good for a quantile within a fifth of its value.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from engine.payment.model import EventType
from engine.policy.periods import DAY_S, HOUR_S, MINUTE_S

__all__ = [
    "CONFIRMATION",
    "CONFIRMED",
    "CREATED",
    "DETECTION",
    "EVERYONE",
    "Fact",
    "KEPT_S",
    "STEPS_S",
    "Sum",
    "VALUE",
    "errors_of",
    "measured",
    "merged",
    "quantile_ms",
    "sums_of",
]

STEPS_S: Final = (MINUTE_S, HOUR_S, DAY_S)

KEPT_S: Final[Mapping[int, int]] = {
    MINUTE_S: 2 * DAY_S,
    HOUR_S: 90 * DAY_S,
    DAY_S: 5 * 366 * DAY_S,
}
"""So long each step is kept: some 3,000 of each, however much happened in them."""

EVERYONE: Final = ""
"""In place of a merchant: the whole node. No merchant has this name."""

_OF_MERCHANT: Final = (HOUR_S, DAY_S)
"""Minutes are kept of the node only: a merchant's would be rows without end."""

CREATED, CONFIRMED, VALUE = "created", "confirmed", "value_sat"
DETECTION, CONFIRMATION = "detection", "confirmation"

_BINS: Final = tuple(round(100 * 2 ** (half / 2)) for half in range(64))
"""Their upper ends (ms): 0.1 s to some 100 years."""


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """What of an event counts. `waited_ms`: of a payment's first detection the time
    since it was created, of its first confirmation that since it was detected; None of
    all else."""

    offset: int
    type: str
    at: int  # ms
    merchant: str
    waited_ms: int | None = None
    booked_sat: int = 0


class Sum(msgspec.Struct, frozen=True, kw_only=True):
    """What a series came to in one step: how often, how much in all, and the most at
    one time. `at`: when the step began (s)."""

    step_s: int
    merchant: str
    series: str
    at: int
    n: int = 0
    total: int = 0
    most: int = 0
    bins: dict[int, int] = {}

    @property
    def key(self) -> tuple[int, str, str, int]:
        return self.step_s, self.merchant, self.series, self.at

    def plus(self, other: "Sum") -> "Sum":
        assert self.key == other.key, "sums of different things"
        bins = dict(self.bins)
        for number, count in other.bins.items():
            bins[number] = bins.get(number, 0) + count
        return Sum(
            step_s=self.step_s,
            merchant=self.merchant,
            series=self.series,
            at=self.at,
            n=self.n + other.n,
            total=self.total + other.total,
            most=max(self.most, other.most),
            bins=bins,
        )


def sums_of(facts: Iterable[Fact]) -> tuple[Sum, ...]:
    """What these events add, in every step that they fall into."""
    return merged(
        Sum(
            step_s=step_s,
            merchant=merchant,
            series=series,
            at=fact.at // 1_000 // step_s * step_s,
            n=1,
            total=amount,
            most=max(amount, 0),
            bins=bins,
        )
        for fact in facts
        for series, amount, bins in _said(fact)
        for merchant, steps in ((EVERYONE, STEPS_S), (fact.merchant, _OF_MERCHANT))
        for step_s in steps
    )


def errors_of(source: str) -> str:
    """The name of the series of a source's errors."""
    return f"errors:{source}"


def measured(values: Mapping[str, int], at: int) -> tuple[Sum, ...]:
    """What the node was found to be at a time (ms): gauges, or what a counter grew by,
    by series."""
    return tuple(
        Sum(
            step_s=step_s,
            merchant=EVERYONE,
            series=series,
            at=at // 1_000 // step_s * step_s,
            n=1,
            total=value,
            most=value,
        )
        for series, value in values.items()
        for step_s in STEPS_S
    )


def merged(sums: Iterable[Sum]) -> tuple[Sum, ...]:
    """One for each step of a series."""
    found: dict[tuple[int, str, str, int], Sum] = {}
    for one in sums:
        before = found.get(one.key)
        found[one.key] = one if before is None else before.plus(one)
    return tuple(found.values())


def _said(fact: Fact) -> Iterable[tuple[str, int, dict[int, int]]]:
    """The series that an event adds to: how much, and in which bin."""
    if fact.booked_sat:
        yield VALUE, fact.booked_sat, {}
    match fact.type:
        case EventType.CREATED:
            yield CREATED, 0, {}
        case EventType.DETECTED if fact.waited_ms is not None:
            yield _waited(DETECTION, fact.waited_ms)
        case EventType.CONFIRMED:
            yield CONFIRMED, 0, {}
            if fact.waited_ms is not None:
                yield _waited(CONFIRMATION, fact.waited_ms)


def _waited(series: str, waited_ms: int) -> tuple[str, int, dict[int, int]]:
    waited_ms = max(0, waited_ms)  # a clock was set back
    number = min(bisect_left(_BINS, waited_ms), len(_BINS) - 1)
    return series, waited_ms, {number: 1}


def quantile_ms(bins: Mapping[int, int], share: float) -> int | None:
    """Below this so large a share of what was counted lies; None: nothing was. Within
    its bin it is taken to be spread evenly."""
    assert 0 <= share <= 1
    in_all = sum(bins.values())
    if not in_all:
        return None
    left = share * in_all
    for number in sorted(bins):
        if left <= bins[number]:
            low = _BINS[number - 1] if number else 0
            return round(low + (_BINS[number] - low) * left / bins[number])
        left -= bins[number]
    return _BINS[max(bins)]


def _checked(bins: Sequence[int]) -> None:
    assert list(bins) == sorted(set(bins)), "bins rise"


_checked(_BINS)

"""How long requests took and how they ended, by route: counts, for the metrics.

A route is its template, never a path that a client made up: so there are no more labels
than routes. What streams, or waits for something to happen, has no time of its own and
is counted only. Some additions for each answer, in its own greenlet.
"""

from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

__all__ = ["BOUNDS_S", "CLASSES", "RequestTimes"]

BOUNDS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
CLASSES: Final = ("2xx", "3xx", "4xx", "5xx")

Route = tuple[str, str]


class RequestTimes:
    """Of one application."""

    def __init__(self) -> None:
        self._ended = dict.fromkeys(CLASSES, 0)
        self._counts: dict[Route, list[int]] = {}  # in each bucket, the last is above
        self._sums: dict[Route, float] = {}

    def ended(self, status: str) -> None:
        """An answer with this status line begins."""
        kind = f"{status[0]}xx"
        if kind in self._ended:
            self._ended[kind] += 1

    def took(self, route: Route, seconds: float) -> None:
        """`route`: method and template of a request that has been answered."""
        counts = self._counts.get(route)
        if counts is None:
            counts = self._counts[route] = [0] * (len(BOUNDS_S) + 1)
            self._sums[route] = 0.0
        counts[bisect_left(BOUNDS_S, seconds)] += 1
        self._sums[route] += seconds

    def families(self) -> Iterator[Metric]:
        """As they are now."""
        ended = CounterMetricFamily(
            "paybell_http_requests",
            "Answers over HTTP by class of status; 5xx by all: the API's error rate.",
            labels=["status"],
        )
        for kind, number in self._ended.items():
            ended.add_metric([kind], number)
        yield ended
        took = HistogramMetricFamily(
            "paybell_http_request_seconds",
            "Seconds until a request was answered, by method and route; what streams or"
            " waits for events is left out.",
            labels=["method", "route"],
        )
        for route, counts in sorted(self._counts.items()):
            took.add_metric([*route], _buckets(counts), self._sums[route])
        yield took


def _buckets(counts: list[int]) -> list[tuple[str, float]]:
    """Cumulative, as the format has them."""
    found: list[tuple[str, float]] = []
    total = 0
    for bound, count in zip([*map(str, BOUNDS_S), "+Inf"], counts, strict=True):
        total += count
        found.append((bound, float(total)))
    return found

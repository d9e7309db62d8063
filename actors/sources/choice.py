"""Which source is asked, which is only probed, and what a person should know. Pure.

The first source that is current is asked. One that is behind is left for the next, as
one that fails is, and is gone back to in order of preference when it is current again;
so those that are not asked are probed now and then. That also is how a first source
that stands still is found out: another shows a better tip.

A block's way through the network is no reason to leave anybody: who is a block or two
late, and did not fall back to it, has `PATIENCE_S`. When none is current, the one with
the longest chain is asked: it can show money, and nothing else.

Moments are monotonic seconds.
"""

from collections.abc import Sequence

from actors.sources.feed_state import Feed
from engine.chain.witness import Standing
from engine.policy.breaker import BreakerState
from engine.ports import Alert

__all__ = ["ALERTS", "PATIENCE_S", "PROBE_S", "alerts", "choose", "due_probes"]

PATIENCE_S = 30.0
"""How long a source may be a block or two late: most nodes have a new block within
seconds, most explorers within twenty."""

PROBE_S = 30.0
"""How often a source that is not asked is asked how it is: one or two requests."""

STAY_WITHIN = 10
"""Blocks. Of two sources that are behind, the one that is asked is not left for one
that is only so much higher: each change begins reading anew."""


BEHIND, FAILING, CONTRADICTS, NONE_CURRENT = (
    "source.behind",
    "source.failing",
    "source.contradicts",
    "sources.none_current",
)
ALERTS = frozenset({BEHIND, FAILING, CONTRADICTS, NONE_CURRENT})
"""The kinds of alerts that are raised of sources; the subject is the source's name."""


def choose(feeds: Sequence[Feed], active: Feed | None, now: float) -> Feed | None:
    """Who is asked next; None if no breaker permits anybody.

    Whether one that was down works again is found out by its probes, as long as there
    is another: a round with one that hangs would keep everybody waiting.
    """
    permitted = [feed for feed in feeds if feed.wait_s(now) <= 0]
    for feed in sorted(permitted, key=lambda feed: is_down(feed, now)):
        if is_fit(feed, now):
            return feed
    highest = max(permitted, key=_height, default=None)
    if highest is None or active not in permitted:
        return highest
    assert active is not None
    return active if _height(active) >= _height(highest) - STAY_WITHIN else highest


def is_fit(feed: Feed, now: float) -> bool:
    """Whether it is current, as far as anybody knows, or only a moment late."""
    assessment = feed.assessment
    if assessment is None or assessment.is_current:
        return True
    since = now if feed.behind_from is None else feed.behind_from
    return assessment.is_slight and now - since < PATIENCE_S


def due_probes(
    feeds: Sequence[Feed], active: Feed | None, now: float, reserve: int
) -> list[Feed]:
    """Who is to be asked now how it is."""
    return [
        feed
        for feed in feeds
        if feed is not active
        and feed.busy is None
        and now >= feed.probe_at
        and feed.wait_s(now) <= 0
        and feed.poor_s(now, reserve) == 0
    ]


def alerts(feeds: Sequence[Feed], now: float) -> tuple[Alert, ...]:
    """What is wrong with the sources, as long as it is."""
    found = []
    for feed in feeds:
        standing, reason = standing_of(feed, now)
        is_settled = standing is Standing.BEHIND or is_down(feed, now)
        if standing is not Standing.CURRENT and is_settled:
            kind = BEHIND if standing is Standing.BEHIND else FAILING
            if now < feed.distrusted_until:
                kind = CONTRADICTS
            since = feed.since_when or 0
            found.append(Alert(kind, feed.spec.name, reason or "", since))
    if feeds and len(found) == len(feeds):
        since = max(alert.since for alert in found)
        detail = (
            "no source is current: nothing is confirmed, and no deadline is judged,"
            " until one is"
        )
        found.append(Alert(NONE_CURRENT, "", detail, since))
    return tuple(found)


def standing_of(feed: Feed, now: float) -> tuple[Standing, str | None]:
    """As people are told: a moment late is still current."""
    if now < feed.distrusted_until:
        return Standing.BEHIND, feed.distrust
    if feed.error is not None:
        return Standing.FAILING, feed.error
    if feed.assessment is None or is_fit(feed, now):
        return Standing.CURRENT, None
    return feed.assessment.standing, feed.assessment.reason


def is_down(feed: Feed, now: float) -> bool:
    return feed.breaker.state(now) is not BreakerState.CLOSED


def _height(feed: Feed) -> int:
    return -1 if feed.tip is None else feed.tip.height

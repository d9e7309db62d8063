"""What the doctor finds out about the chain sources: do they answer, are they current.

A source that answers is not yet one whose word proves anything: it is held against the
others and against its network, as a running node does (`engine.chain.witness`).
"""

import time
from collections.abc import Iterator

from msgspec.structs import replace

from engine.chain.feed import (
    BLOCK_TIME_SLACK_S,
    AddressFeed,
    BlockFeed,
    SourceStatus,
)
from engine.chain.witness import assess, best_after
from engine.config import Config, SourceConfig
from engine.errors import SourceError
from transport.chain.feeds import make_feed

__all__ = ["Check", "check_sources"]

Check = tuple[bool, str]
"""Whether it is well, and a line that says what was found and how to mend it."""


def check_sources(config: Config) -> Iterator[Check]:
    """Each source: whether it answers, and whether it is a current witness."""
    asked = [(source, *_asked(source, config)) for source in config.sources]
    now_ms = round(time.time() * 1000)
    best = None
    for _, answer, _ in asked:
        if isinstance(answer, SourceStatus):
            best = best_after(best, answer, now_ms, config.network)
    for source, answer, feed in asked:
        if isinstance(answer, Exception):
            yield False, (
                f"source {source.shown_as}: {answer}; check --source, whether it is"
                " running, and whether this machine can reach it"
            )  # fmt: skip
            continue
        found = assess(answer, best, now_ms, config.network)
        text = f"source {source.shown_as}: height {answer.tip.height}"
        if found.is_current:
            yield True, text
        else:
            yield (
                False,
                (
                    f"{text}: behind: {found.reason}; until it has caught up,"
                    " nothing is confirmed or expired on its word"
                ),
            )
        push = getattr(feed, "push", None)  # of a node that can publish
        if push is not None:
            yield True, f"source {source.shown_as}: {push.findings()}"
        if answer.tip_time_s is not None:
            yield _check_clock(answer.tip_time_s - time.time())


def _asked(
    source: SourceConfig, config: Config
) -> tuple[SourceStatus | Exception, object]:
    """What the source says of itself, with the time of its newest block if it can be
    had, or why there is no answer; and its feed."""
    feed: BlockFeed | AddressFeed | None = None
    try:
        feed = make_feed(source, config)
        status = feed.status()
        header = getattr(feed, "header", None)
        if status.tip_time_s is not None or header is None:
            return status, feed
        found = header(status.tip.hash)
        if found is not None:
            status = replace(status, tip_time_s=found.time_s)
    except (SourceError, ValueError) as error:
        return error, feed
    return status, feed


def _check_clock(ahead_s: float) -> Check:
    """By the newest block, which may not be from far in the future."""
    if ahead_s < BLOCK_TIME_SLACK_S:
        return True, f"clock: the newest block is from {-ahead_s:.0f} s ago"
    return False, (
        f"clock: the newest block is {ahead_s:.0f} s ahead of this machine's clock:"
        " set it (NTP)"
    )

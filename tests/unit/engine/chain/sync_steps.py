"""What tests of `sync` share: rounds to the end, and what strikes one of its calls."""

from collections.abc import Callable

from engine.chain.feed import Tip
from engine.chain.script_index import ScriptIndex
from engine.chain.sync import SyncResult, sync
from engine.errors import SourceUnavailable
from tests.tools.fake_feed import FakeFeed

__all__ = [
    "ALICE",
    "BOB",
    "at_call",
    "fail",
    "found",
    "settle",
    "settle_from",
    "synced",
]

ALICE = b"\x00\x14" + b"a" * 20
BOB = b"\x00\x14" + b"b" * 20


def synced(feed: FakeFeed, *watched: bytes) -> ScriptIndex:
    index = ScriptIndex()
    for script in watched:
        index.watch(script)
    settle(feed, index)
    return index


def settle(feed: FakeFeed, index: ScriptIndex) -> SyncResult:
    for _ in range(200):
        result = sync(feed, index)
        if not result.more:
            return result
    raise AssertionError("never came to an end")


def found(index: ScriptIndex, script: bytes = ALICE) -> list[tuple[int, int | None]]:
    return [(o.amount_sat, o.block_height) for o in index.view(script, "s").outputs]


def at_call(
    feed: FakeFeed, name: str, act: Callable[[], object], after: int = 0
) -> None:
    """Act once, before the call of this name that follows `after` such calls."""
    left = [after]

    def hook(call: str) -> None:
        if call != name:
            return
        left[0] -= 1
        if left[0] == -1:
            act()

    feed.on_call = hook


def fail() -> None:
    raise SourceUnavailable("fake: injected")


def settle_from(feed: FakeFeed, index: ScriptIndex, start_from: Tip) -> int:
    blocks = 0
    for _ in range(200):
        result = sync(feed, index, start_from=start_from)
        blocks += result.blocks
        if not result.more:
            return blocks
    raise AssertionError("never came to an end")

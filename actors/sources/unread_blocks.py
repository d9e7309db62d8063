"""What a worker's source has not read of the chain, and reads when it can.

Written down by the source actor before the place where reading goes on, read here when
an index is begun: see `engine.chain.unread`. One worker's; only it touches it.
"""

from collections.abc import Callable

from engine.chain.feed import BlockFeed, SourceStatus, Tip
from engine.chain.script_index import LOOKBACK, ScriptIndex
from engine.chain.sync import MAX_ABSENCE, SyncResult
from engine.chain.unread import Unread
from engine.errors import StoreDamaged
from engine.payment.model import Payment
from engine.store.port import StoreReader
from engine.store.writes import UNREAD_AFTER, UNREAD_BELOW

__all__ = ["UnreadBlocks", "oldest_tip"]

_PAGE = 100  # payments that are looked at in one go


class UnreadBlocks:
    """`now`: those that there are, if any. `read`: those that this source has read."""

    __slots__ = ("_is_reading", "now", "read")

    def __init__(self) -> None:
        self.now: Unread | None = None
        self.read: Unread | None = None
        self._is_reading = False  # this source has them, and begins with them

    def start_from(
        self,
        store: StoreReader,
        feed: BlockFeed,
        status: SourceStatus,
        place: Tip | None,
    ) -> Tip | None:
        """Where an index that is empty begins: at `place`, or before what is unread."""
        self._is_reading = False
        self.now = None
        try:
            after = store.source_tip(UNREAD_AFTER)
            below = store.source_tip(UNREAD_BELOW)
        except StoreDamaged:  # nobody knows which these are: all up to now
            self.now = Unread(Tip(0, ""), status.tip)
            return place
        if after is None or below is None:
            return place
        self.now = Unread.of(
            Tip(after.height, after.hash), Tip(below.height, below.hash)
        )
        if self.now is None or not self.now.after.hash:
            return place
        start, tip = self.now.after, status.tip
        has_them = feed.lowest <= max(start.height - LOOKBACK + 1, 0)
        is_near = self.now.below.height <= tip.height <= start.height + MAX_ABSENCE
        if has_them and is_near:
            self._is_reading = True
            return start
        return place

    @property
    def _end(self) -> int:
        return 0 if self.now is None else self.now.below.height

    def after_round(
        self, index: ScriptIndex, result: SyncResult, start_from: Tip | None
    ) -> None:
        """What was read in it, and what was skipped; said in every view from now on."""
        chain = index.chain
        if result.gap and chain.lowest is not None:
            below = Tip(chain.lowest, chain.hash_at(chain.lowest) or "")
            more = Unread.of(start_from or Tip(0, ""), below)
            if more is not None:
                self.now = more if self.now is None else self.now.and_these(more)
            self._is_reading = False
        elif self._is_reading and result.tip.height >= self._end:
            self.read, self.now, self._is_reading = self.now, None, False
        index.unread_below = self._end


def oldest_tip(store: StoreReader, pause: Callable[[], None]) -> int | None:
    """How high the chain was when the oldest payment was made that is watched; None:
    that is not known of any.

    The best tip never falls, so the first that knows it knows the lowest. No clock has
    a part in it. Others, which were asked address by address, may have watched before.
    """
    after = ""
    while page := store.watched(after, _PAGE):
        for one in page:
            height = one.terms.tip_height if isinstance(one, Payment) else None
            if height is not None and height >= 0:
                return height
        after = page[-1].id
        pause()
    return None

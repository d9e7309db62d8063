"""What must have been told by now: the judges' other half, which misses what is absent.

A judge sees an event that should not be. That one is missing shows only when nothing
stands in its way: so this looks on, asks for nothing while something is wrong or was
lately, and else demands what time alone brings: that an announcement which never came
true is withdrawn, and that a payment without its money expires.

At the end of a world, when all has come to rest, it demands more: see `at_rest`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.broken import Broken
from tests.simulation.failover import Failover
from tests.simulation.judges.book import WAITING, Book
from tests.simulation.oracle import final_outputs
from tests.simulation.record import depth_in, outpoint_of

if TYPE_CHECKING:
    from tests.simulation.world import World

__all__ = ["LOOK_MS", "Demands"]

_MINUTE = 60_000

LOOK_MS = 5 * _MINUTE
"""How often it looks, at most."""

PATIENCE_MS = 20 * _MINUTE
"""So long all must have been well, and so long a deadline must have passed."""

CLOCK_PATIENCE_MS = 80 * _MINUTE
"""A clock that jumped is noticed within the hour."""


class Demands:
    """See the module docstring."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._ill_ms = 0  # true time when something was wrong last
        self._clock_ms = 0  # and the clock
        self._down_ms = 0  # and the process or its disk
        self._unsteady_ms = 0  # when no source could be relied on for an answer
        self._failures = 0  # of the disk, that were looked at
        self._boots = 0  # of the process whose watchers were shown what is waited for
        self.looks = 0  # at worlds in which all was well
        self.failover = Failover(world)

    def on_fault(self, kind: str) -> None:
        self._ill_ms = self._down_ms = self._world.true_ms()
        if kind.startswith("clock"):
            self._clock_ms = self._ill_ms

    def look(self) -> None:
        """Called every `LOOK_MS` or so."""
        now = self._world.true_ms()
        if self._world.boots != self._boots:
            self._boots = self._world.boots
            self._world.rules.judges.news.forget()
        stopped_ms = min(self._world.stopped_until_ms, now)
        self._ill_ms = max(self._ill_ms, stopped_ms)
        self._down_ms = max(self._down_ms, stopped_ms)
        if self._world.trouble.jumped_ms:
            self._clock_ms = now
        failures, self._failures = self._failures, self._world.store.failures
        if not self._world.is_up or failures != self._failures:
            self._ill_ms = self._down_ms = now
            return
        self.failover.look(max(self._down_ms, self._clock_ms))
        if not any(source.is_well for source in self._world.sources):
            self._unsteady_ms = now
        patience_ms = PATIENCE_MS + int(2_000 * self._world.shape.every_s)
        if now - self._down_ms >= patience_ms:
            self._look_at_news(now - patience_ms)
        if not self._world.is_well:
            self._ill_ms = now
        elif (
            # One that is behind is asked again after that time, deadline or not.
            now - self._ill_ms >= patience_ms
            and now - self._clock_ms >= CLOCK_PATIENCE_MS
        ):
            self.looks += 1
            self._look(self._world.clock.now() - patience_ms)

    def _look_at_news(self, until: int) -> None:
        """`until`: true ms. Also of sources that are behind.

        What could not be written is read from the next view, when that comes: of a
        source that fails on one address of two it may not come for long.
        """
        judges = self._world.rules.judges
        for payment_id in judges.books:
            is_lost = judges.news.shown_at(payment_id) <= self._down_ms
            if is_lost and self._unsteady_ms > until:
                continue
            if payment_id not in judges.released:
                key = judges.news.untold(payment_id, until)
                if key is not None:
                    raise Broken(f"{payment_id}: {key} was shown, and nobody was told")

    def _look(self, until: int) -> None:
        """`until`: ms; what was due by then must have been told."""
        judges = self._world.rules.judges
        for payment_id, book in judges.books.items():
            if payment_id in judges.released:
                continue
            for claim in book.claims:
                if claim.withdraw_at < until:
                    raise Broken(f"{payment_id}: {claim} is not withdrawn")
            due_at = max(book.terms.expires_at, book.reversed_at)
            if due_at < until and _may_expire(book):
                raise Broken(f"{payment_id} is over its time and has not expired")

    def at_rest(self, payment_id: str, label: str) -> None:
        """All money is as deep as the chain has it, up to what is asked for."""
        world = self._world
        book = world.rules.judges.books[payment_id]
        payment = world.rules.payments[payment_id]
        record, required = world.rules.record, book.terms.confirmations_required
        for output in final_outputs(world.chain, label, payment):
            asked = max(record.depth_needed(output.txid, required), 1)
            depth = min(depth_in(world.chain.now, output), asked)
            receipt = book.receipts[outpoint_of(output)]
            if receipt.confirmations < depth:
                raise Broken(
                    f"{payment_id}: {receipt} is at depth {depth}, and nobody was told"
                )


def _may_expire(book: Book) -> bool:
    is_paid = bool(book.receipts) and book.is_paid
    return book.status in WAITING and not book.claims and not is_paid

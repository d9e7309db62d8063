"""The tree of watchers as the edges see it: who watches what, and how it fares.

Watchers say it of themselves, as messages; one that does not answer soon is described
by what others know of it.
"""

from __future__ import annotations

import heapq
from functools import partial

from gevent.event import Event as Signal

from actors.edge.kept import KeptRows
from actors.messages import DescribeWatcher, WatcherReport
from engine.gateway import CoreState, WatcherState
from engine.money.currency import CURRENCIES
from engine.money.rates import RatesReport
from engine.payment.model import Payment
from engine.runtime.ref import Ref

__all__ = ["TreeViews", "shown_by"]

DESCRIBE_S = 1.0
"""How long the tree waits for watchers that have much to do just now."""


class TreeViews(KeptRows):
    """Part of `engine.gateway.Gateway`: see the module docstring."""

    def payment(self, payment_id: str) -> Payment | None:
        ref = self._node.watchers.get(payment_id)
        # While a commit is under way the store may know more than the watcher.
        watched = None if ref is None or ref.is_suspended else shown_by(ref)
        return watched or self._store.payment(payment_id)

    def watchers(self, limit: int, after: str = "") -> list[WatcherState]:
        later = (i for i in self._node.watchers if i > after)
        ids = heapq.nsmallest(limit, later)  # no sorting of a million for a page
        return self._describe([self._node.watchers[i] for i in ids])

    def core(self) -> list[CoreState]:
        node = self._node
        refs = (node.journal, node.router, node.source, node.notifiers, node.supervisor)
        return [
            CoreState(
                name=ref.name,
                state="running" if ref.is_alive else "restarting",
                incarnation=ref.incarnation,
                backlog=ref.backlog,
            )
            for ref in (*node.readers, *refs)
        ]

    def watcher(self, address: str) -> WatcherState | None:
        ref = self._node.watchers.at(address)
        return None if ref is None else self._describe([ref])[0]

    def rates(self, wanted: str | None = None) -> RatesReport:
        if wanted is not None:
            assert wanted in CURRENCIES, wanted
            self._node.priced_in.want(wanted)
        return self._node.rates.now

    def _describe(self, refs: list[Ref]) -> list[WatcherState]:
        reports = self._reports(refs)
        return [self._state_of(ref, reports.get(ref)) for ref in refs]

    def _reports(self, refs: list[Ref]) -> dict[Ref, WatcherReport]:
        """What watchers say of themselves, of those that can answer soon."""
        reports: dict[Ref, WatcherReport] = {}
        all_in = Signal()

        def take(ref: Ref, report: WatcherReport) -> None:
            reports[ref] = report
            if len(reports) == asked:
                all_in.set()

        able = [ref for ref in refs if ref.is_alive and not ref.is_suspended]
        asked = sum(ref.tell(DescribeWatcher(partial(take, ref))) for ref in able)
        if asked:
            all_in.wait(timeout=DESCRIBE_S)
        return dict(reports)

    def _state_of(self, ref: Ref, report: WatcherReport | None) -> WatcherState:
        payment_id = ref.name
        payment = self.payment(payment_id) if report is None else report.payment
        trouble = self._node.watchers.trouble_of(payment_id)
        state = "running" if ref.is_alive else "restarting"
        if trouble is not None and trouble.quarantined:
            state = "quarantined"
        said = [one.last_error for one in (report, trouble) if one is not None]
        return WatcherState(
            payment_id=payment_id,
            address=_address_of(payment),
            status=payment.status if payment is not None else "",
            state=state,
            incarnation=ref.incarnation,
            restarts=max(ref.incarnation - 1, 0),
            backlog=ref.backlog,
            last_error=next((error for error in said if error), None),
            seen_at=report.seen_at if report is not None else None,
            next_poll_at=report.next_poll_at if report is not None else None,
            next_deadline_at=self._node.watchers.deadline_of(payment_id),
        )


def shown_by(ref: Ref) -> Payment | None:
    """What a watcher shows: its payment as last committed. Spares a query."""
    return ref.shown if isinstance(ref.shown, Payment) else None


def _address_of(payment: Payment | None) -> str:
    """Empty of a payment that has none, and of one that is not known."""
    return "" if payment is None else payment.terms.shown_address or ""

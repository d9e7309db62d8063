"""A stage for `InvoiceDeliveries`: the test is its clock, its store and its journal."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from actors.lightning.deliveries import InvoiceDeliveries, TryAgain
from actors.messages import Command
from engine.lightning.node import InvoiceSeen, InvoiceStatus
from engine.payment.model import Payment, Terms
from engine.store.writes import Write
from tests.unit.payment_cases import INVOICE_HASH, alone

__all__ = ["OTHER", "OTHER_HASH", "SEEN", "PlayedWatcher", "Stage"]

SEEN = InvoiceSeen(
    payment_hash=INVOICE_HASH,
    status=InvoiceStatus.PAID,
    received_msat=50_000_000,
    fee_msat=7_000,
    credit_msat=3_000,
)
OTHER_HASH = "6f" * 32
OTHER = InvoiceSeen(
    payment_hash=OTHER_HASH, status=InvoiceStatus.PAID, received_msat=1_000
)


class PlayedWatcher:
    def __init__(self, *, full: bool = False) -> None:
        self.full = full
        self.is_stopped = False
        self.commands: list[Command] = []

    def tell(self, command: Command) -> bool:
        if not self.full:
            self.commands.append(command)
        return not self.full


class Stage:
    """See the module docstring."""

    def __init__(self, payment: Payment | None = None) -> None:
        self.payment = payment or alone().payment
        self.now = self.payment.terms.created_at + 1_000
        self.stored: dict[str, Any] = {INVOICE_HASH: self.payment}
        self.store_error: Exception | None = None
        self.reads: list[str] = []
        self.watcher: PlayedWatcher | None = PlayedWatcher()
        self.trouble: Any = None
        self.later: list[tuple[float, TryAgain]] = []
        self.appended: list[tuple[Write, Callable[[object], None]]] = []
        self.counts: dict[str, int] = {}
        self.tills: dict[str, Any] = {}
        self.rated: list[Terms] = []  # whose sums were asked for in money
        self.done = 0
        node: Any = SimpleNamespace(
            read=self._read,
            append=lambda write, reply: self.appended.append((write, reply)),
            watchers=SimpleNamespace(
                get=lambda _id: self.watcher, trouble_of=lambda _id: self.trouble
            ),
            counters=SimpleNamespace(add=self._count),
            clock=SimpleNamespace(
                now=lambda: self.now,
                call_later=lambda wait_s, _ref, message: self.later.append(
                    (wait_s, message)
                ),
            ),
            tills=self.tills,
            rate_for=self.rated.append,
        )
        invoice = self.payment.terms.lightning
        assert invoice is not None
        ref: Any = SimpleNamespace(tell_system=self._tell, incarnation=2)
        self.of = InvoiceDeliveries(node, invoice.node, ref)

    def bring(self, *seen: InvoiceSeen) -> None:
        self.of.bring(seen or (SEEN,), self.is_done)

    def again(self) -> float:
        """The shortest timer fires; how long it was."""
        wait_s, message = min(self.later, key=lambda one: one[0])
        self.later.remove((wait_s, message))
        self.of.take(message)
        return wait_s

    def is_left(self) -> bool:
        assert self.done == (self.of.pending == 0)
        return self.of.pending > 0

    def is_done(self) -> None:
        self.done += 1

    def _tell(self, message: Any) -> None:
        self.of.take(message)

    def _count(self, name: str, by: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + by

    def _read(self, ask: Callable[[Any], Any], reply: Callable[[Any], None]) -> None:
        reply(self.store_error or ask(SimpleNamespace(payment_of_invoice=self._of)))

    def _of(self, payment_hash: str) -> Payment | None:
        self.reads.append(payment_hash)
        found = self.stored.get(payment_hash)
        if isinstance(found, Exception):
            raise found
        return found

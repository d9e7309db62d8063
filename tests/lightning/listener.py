"""Who listens to a held connection in tests, and how long it may take."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import gevent

from engine.errors.lightning import LightningError
from engine.lightning.node import InvoiceSeen, InvoiceStatus, LightningNode, SignOfLife
from tests.tools.wait import PATIENCE, wait_until

__all__ = ["NEVER_S", "SILENCE_S", "STEP_S", "KeepingListener", "hearing"]

STEP_S: Final = 10.0

NEVER_S: Final = 30.0
"""A silence that no busy machine keeps by itself."""

SILENCE_S: Final = 5.0
"""For who waits for it, or for the signs of life in it, which are three. Shorter ones
are kept by a process that has no turn."""


@dataclass
class KeepingListener:
    """A listener that keeps all, and how the connection ended."""

    silence_s: float = NEVER_S
    words: list[SignOfLife] = field(default_factory=list)
    invoices: list[InvoiceSeen] = field(default_factory=list)
    error: LightningError | None = None
    has_ended: bool = False
    leaves: bool = False

    def word(self, heard: SignOfLife) -> None:
        self.words.append(heard)

    def paid(self, invoice: InvoiceSeen) -> None:
        assert invoice.status is InvoiceStatus.PAID
        self.invoices.append(invoice)

    def alive(self) -> int:
        """How many signs of life there were."""
        return self.words.count(SignOfLife.ALIVE)

    @property
    def hashes(self) -> set[str]:
        return {invoice.payment_hash for invoice in self.invoices}

    def wait_open(self) -> None:
        wait_until(
            lambda: self.words or self.has_ended, STEP_S, lambda: f"{self} to open"
        )
        assert self.words[:1] == [SignOfLife.OPENED], self

    def wait_end(self) -> LightningError | None:
        wait_until(lambda: self.has_ended, STEP_S, lambda: f"{self} to end")
        return self.error

    def wait_paid(self, *hashes: str) -> None:
        wait_until(
            lambda: self.hashes >= {*hashes}, STEP_S, lambda: f"{hashes}: {self}"
        )


@contextmanager
def hearing(
    node: LightningNode, silence_s: float = NEVER_S
) -> Iterator[KeepingListener]:
    """A held connection. It is let go at the end, and then it must return."""
    listener = KeepingListener(silence_s)

    def hold() -> None:
        try:
            node.stream(listener, lambda: listener.leaves)
        except LightningError as error:
            listener.error = error
        finally:
            listener.has_ended = True

    holding = gevent.spawn(hold)
    try:
        yield listener
    finally:
        listener.leaves = True
        holding.join(30 * PATIENCE)
        assert holding.dead, "it holds on although nobody listens"

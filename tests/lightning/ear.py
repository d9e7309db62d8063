"""Who listens to a held connection in tests, and how long it may take."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import gevent

from engine.errors.lightning import LightningError
from engine.lightning.node import Heard, InvoiceSeen, InvoiceStatus, LightningNode
from tests.tools.wait import wait_until

__all__ = ["STEP_S", "Ear", "hearing"]

STEP_S: Final = 10.0


@dataclass
class Ear:
    """A listener that keeps all, and how the connection ended."""

    silence_s: float = 5.0
    words: list[Heard] = field(default_factory=list)
    invoices: list[InvoiceSeen] = field(default_factory=list)
    error: LightningError | None = None
    has_ended: bool = False
    leaves: bool = False

    def word(self, heard: Heard) -> None:
        self.words.append(heard)

    def paid(self, invoice: InvoiceSeen) -> None:
        assert invoice.status is InvoiceStatus.PAID
        self.invoices.append(invoice)

    @property
    def hashes(self) -> set[str]:
        return {invoice.payment_hash for invoice in self.invoices}

    def wait_open(self) -> None:
        wait_until(
            lambda: self.words or self.has_ended, STEP_S, lambda: f"{self} to open"
        )
        assert self.words[:1] == [Heard.OPENED], self

    def wait_end(self) -> LightningError | None:
        wait_until(lambda: self.has_ended, STEP_S, lambda: f"{self} to end")
        return self.error

    def wait_paid(self, *hashes: str) -> None:
        wait_until(
            lambda: self.hashes >= {*hashes}, STEP_S, lambda: f"{hashes}: {self}"
        )


@contextmanager
def hearing(node: LightningNode, silence_s: float = 5.0) -> Iterator[Ear]:
    """A held connection. It is let go at the end, and then it must return."""
    ear = Ear(silence_s)

    def hold() -> None:
        try:
            node.stream(ear, lambda: ear.leaves)
        except LightningError as error:
            ear.error = error
        finally:
            ear.has_ended = True

    holding = gevent.spawn(hold)
    try:
        yield ear
    finally:
        ear.leaves = True
        holding.join(30)
        assert holding.dead, "it holds on although nobody listens"

"""An account at the double of Blink, and the adapter that is asked about it."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import gevent

from engine.errors.lightning import LightningError
from engine.lightning.account import Account
from engine.lightning.node import (
    Heard,
    InvoiceAsked,
    InvoiceMade,
    InvoiceSeen,
    LightningNode,
)
from tests.tools.blink_double import BlinkAccount, BlinkDouble
from tests.tools.wait import wait_until
from transport.lightning.blink import Blink

__all__ = ["Ear", "ask_for", "blink_node", "hearing", "new_key"]


@dataclass
class Ear:
    """A listener that keeps all, and how the connection ended."""

    silence_s: float = 2.0
    words: list[Heard] = field(default_factory=list)
    invoices: list[InvoiceSeen] = field(default_factory=list)
    error: LightningError | None = None
    has_ended: bool = False
    leaves: bool = False

    def word(self, heard: Heard) -> None:
        self.words.append(heard)

    def paid(self, invoice: InvoiceSeen) -> None:
        self.invoices.append(invoice)

    @property
    def is_open(self) -> bool:
        return Heard.OPENED in self.words

    def wait_open(self) -> None:
        wait_until(
            lambda: self.is_open or self.has_ended, 5, lambda: f"it to open {self}"
        )
        assert self.is_open, self

    def wait_end(self) -> LightningError | None:
        wait_until(lambda: self.has_ended, 10, lambda: f"it to end {self}")
        return self.error

    def wait_paid(self, *hashes: str) -> None:
        wait_until(
            lambda: set(hashes) <= {x.payment_hash for x in self.invoices},
            5,
            lambda: f"{hashes} to be told, {self}",
        )


def blink_node(double: BlinkDouble, account: BlinkAccount, **more: Any) -> Blink:
    return Blink(
        Account(
            name=account.name, kind="blink", url=double.url, secret=account.key,
            stream_url=double.stream_url, **more,
        ),
        "regtest",
    )  # fmt: skip


@contextmanager
def hearing(node: LightningNode, silence_s: float = 2.0) -> Iterator[Ear]:
    """A held connection. It is let go at the end, however it went."""
    ear = Ear(silence_s)

    def hold() -> None:
        try:
            node.stream(ear, lambda: ear.leaves)
        except LightningError as error:
            ear.error = error
        finally:
            ear.has_ended = True

    greenlet = gevent.spawn(hold)
    try:
        yield ear
    finally:
        ear.leaves = True
        greenlet.join(30)
        assert greenlet.dead, "it holds on although nobody listens"


def ask_for(node: LightningNode, sat: int | None = 1_000, **more: Any) -> InvoiceMade:
    fields: dict[str, Any] = {"payment_id": "pay_1", "expires_in_s": 600, **more}
    amount = None if sat is None else sat * 1000
    return node.create(InvoiceAsked(amount_msat=amount, **fields))


def new_key() -> str:
    return str(uuid.uuid4())

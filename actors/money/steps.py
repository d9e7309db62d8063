"""How a round of the forwarder waits: it yields what it wants, and is sent the answer.

An answer is a message to the actor, under the number of the question; one that does not
come in time is a `TimeoutError`. So nobody who died with our letter in his hands keeps
the money of all others waiting.
"""

from collections.abc import Callable, Generator
from typing import Any

import msgspec

from engine.payment.forwarding import ForwardPart
from engine.payment.observations import PaidOtherwise, RefundPaid
from engine.store.port import StoreReader
from engine.store.writes import MoveRefund, Row

__all__ = [
    "StepAnswer",
    "AskStore",
    "Commit",
    "Late",
    "Steps",
    "TellPayment",
    "TellRefund",
    "Tick",
    "Want",
]


class AskStore(msgspec.Struct, frozen=True):
    """Ask the store."""

    question: Callable[[StoreReader], Any]


class Commit(msgspec.Struct, frozen=True):
    """Write these together; the answer is True, or False for a conflict."""

    rows: tuple[Row, ...]


class TellPayment(msgspec.Struct, frozen=True):
    """Tell a payment how it stands with a part of its money."""

    payment_id: str
    part: ForwardPart


class TellRefund(msgspec.Struct, frozen=True):
    """Tell a payment that a refund of it is paid, or by what, in the commit of the
    refund's row."""

    payment_id: str
    word: RefundPaid | PaidOtherwise
    row: MoveRefund


Want = AskStore | Commit | TellPayment | TellRefund

Steps = Generator[Want, Any, Any]


class Tick(msgspec.Struct, frozen=True):
    """The forwarder's own timer. Two pending are one."""

    coalesce = True


class StepAnswer(msgspec.Struct, frozen=True):
    number: tuple[int, int]
    value: Any


class Late(msgspec.Struct, frozen=True):
    number: tuple[int, int]

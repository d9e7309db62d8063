"""What an upstream's actor and its workers say to one another."""

from collections.abc import Callable

import msgspec

from engine.errors import LightningError
from engine.lightning.node import (
    Balance,
    InvoiceSeen,
    NodeListener,
    PaidPage,
    SignOfLife,
)

__all__ = [
    "AskBalance",
    "AskDue",
    "BalanceDue",
    "BalanceTold",
    "Begin",
    "ConnectDue",
    "Hold",
    "LookUp",
    "LookedUp",
    "PageRead",
    "ReadDue",
    "ReadPage",
    "ReconnectDue",
    "StreamEnded",
    "StreamPaid",
    "StreamWord",
    "WatchDue",
    "WorkerDue",
]


# -- the worker that holds the connection ----------------------------------------


class Hold(msgspec.Struct, frozen=True):
    """Hold a connection until it ends, or soon after `ended()`."""

    number: int  # of the try
    listener: NodeListener
    ended: Callable[[], bool]


class StreamWord(msgspec.Struct, frozen=True):
    number: int
    heard: SignOfLife


class StreamPaid(msgspec.Struct, frozen=True):
    number: int
    invoice: InvoiceSeen


class StreamEnded(msgspec.Struct, frozen=True):
    number: int
    error: LightningError | None


# -- the worker that asks: one thing at a time, and each answer names its question --


class ReadPage(msgspec.Struct, frozen=True):
    """`began`: how many openings there had been."""

    cursor: str
    began: int


class PageRead(msgspec.Struct, frozen=True):
    asked: ReadPage
    answer: PaidPage | LightningError


class LookUp(msgspec.Struct, frozen=True):
    """These invoices, one after the other."""

    hashes: tuple[str, ...]


class LookedUp(msgspec.Struct, frozen=True):
    """`seen`: with when it was asked (ms). `dropped`: an answer that is none, or a no.
    The rest was not asked, as `error` came before."""

    asked: LookUp
    seen: tuple[tuple[InvoiceSeen, int], ...]
    dropped: tuple[tuple[str, LightningError], ...] = ()
    error: LightningError | None = None


class AskBalance(msgspec.Struct, frozen=True):
    """How much can be spent, and come in."""


class BalanceTold(msgspec.Struct, frozen=True):
    asked: AskBalance
    answer: Balance | LightningError


# -- timers ----------------------------------------------------------------------


class Begin(msgspec.Struct, frozen=True):
    """Are the watchers there?"""


class ReadDue(msgspec.Struct, frozen=True):
    """A page is to be read."""


class ConnectDue(msgspec.Struct, frozen=True):
    """The next try to hold a connection."""


class ReconnectDue(msgspec.Struct, frozen=True):
    """Somebody wanted it to begin anew, too soon."""


class AskDue(msgspec.Struct, frozen=True):
    """An invoice more may be asked about."""


class BalanceDue(msgspec.Struct, frozen=True):
    """Money has moved: how much is there now?"""


class WatchDue(msgspec.Struct, frozen=True):
    """Does what is held still say something?"""


class WorkerDue(msgspec.Struct, frozen=True):
    """The worker that crashed starts again."""

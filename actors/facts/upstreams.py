"""The Lightning accounts as everybody in the node may use them.

Who asks a node blocks: edges in their own greenlets, blocking actors in their turns.
How its connection stands is published by its actor (`actors/lightning/`) alone.
"""

from collections.abc import Callable, Iterable
from typing import ClassVar

import msgspec

from actors.facts.published import Readable
from engine.lightning.account import Account
from engine.lightning.node import Balance, LightningNode
from engine.lightning.upstream import UpstreamReport
from engine.runtime.ref import Ref

__all__ = [
    "InvoiceOpened",
    "LookAt",
    "MoneyCame",
    "Reconnect",
    "Upstream",
    "UpstreamNews",
    "Upstreams",
]

Listener = Callable[[UpstreamReport], None]


class InvoiceOpened(msgspec.Struct, frozen=True):
    """To an upstream: it has an invoice more that may be paid. Two are one."""

    coalesce: ClassVar[bool] = True


class MoneyCame(msgspec.Struct, frozen=True):
    """To a till: there may be something to pass on, now. Two are one."""

    coalesce: ClassVar[bool] = True


class LookAt(msgspec.Struct, frozen=True):
    """To an upstream: somebody says that this invoice was paid; ask the node soon."""

    payment_hash: str


class Reconnect(msgspec.Struct, frozen=True):
    """To an upstream: a person wants it to begin anew, now. Two are one."""

    coalesce: ClassVar[bool] = True


class Upstream(msgspec.Struct, frozen=True):
    """One account: its node, its connection's actor, and how that stands. `balance`: as
    the node said it last; None: not lately."""

    account: Account
    node: LightningNode
    ref: Ref
    report: Readable[UpstreamReport]
    balance: Readable[Balance | None]


class UpstreamNews:
    """Who wants to hear of every change. Listeners neither block nor raise."""

    __slots__ = ("_listeners",)

    def __init__(self) -> None:
        self._listeners: dict[object, Listener] = {}

    @property
    def listeners(self) -> int:
        return len(self._listeners)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Until the returned function is called."""
        place = object()
        self._listeners[place] = listener
        return lambda: self._listeners.pop(place, None) and None

    def tell(self, report: UpstreamReport) -> None:
        for listener in list(self._listeners.values()):
            listener(report)


class Upstreams(dict[str, Upstream]):
    """By the account's name, in the order of the configuration; filled when the tree is
    built. `news`: of all of them."""

    def __init__(self, of: Iterable[tuple[str, Upstream]] = ()) -> None:
        super().__init__(of)
        self.news = UpstreamNews()

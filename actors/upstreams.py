"""The Lightning accounts as everybody in the node may use them.

Who asks a node blocks: edges in their own greenlets, blocking actors in their turns.
How its connection stands is published by its actor (`actors/lightning/`) alone.
"""

from collections.abc import Mapping
from typing import ClassVar

import msgspec

from actors.published import Readable
from engine.lightning.account import Account
from engine.lightning.node import Balance, LightningNode
from engine.lightning.upstream import UpstreamReport
from engine.runtime.ref import Ref

__all__ = ["InvoiceOpened", "LookAt", "Reconnect", "Upstream", "Upstreams"]


class InvoiceOpened(msgspec.Struct, frozen=True):
    """To an upstream: it has an invoice more that may be paid. Two are one."""

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


Upstreams = Mapping[str, Upstream]
"""By the account's name, in the order of the configuration."""

"""An account at the double of Blink, and the adapter that is asked about it."""

import uuid
from collections.abc import Callable
from typing import Any

from engine.lightning.account import Account
from engine.lightning.node import (
    InvoiceAsked,
    InvoiceMade,
    LightningNode,
)
from tests.tools.blink_double import BlinkAccount, BlinkDouble
from tests.tools.receiver import Answer, raw
from transport.lightning.blink import Blink

__all__ = ["ask_for", "blink_node", "cut_at", "new_key"]


def blink_node(double: BlinkDouble, account: BlinkAccount, **more: Any) -> Blink:
    return Blink(
        Account(
            name=account.name, kind="blink", url=double.url, secret=account.key,
            stream_url=double.stream_url, **more,
        ),
        "regtest",
    )  # fmt: skip


def ask_for(node: LightningNode, sat: int | None = 1_000, **more: Any) -> InvoiceMade:
    fields: dict[str, Any] = {"payment_id": "pay_1", "expires_in_s": 600, **more}
    amount = None if sat is None else sat * 1000
    return node.create(InvoiceAsked(amount_msat=amount, **fields))


def new_key() -> str:
    return str(uuid.uuid4())


def cut_at(size: int) -> Callable[[bytes], Answer]:
    """An answer of which so many bytes come."""
    return lambda answer: raw(answer[:size])

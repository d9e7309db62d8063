"""What is set aside of a page of money's rows: people are told, and the others go on.

Of a damaged row nothing is believed: a refund of it is neither paid nor given up, a
transaction of it is not looked after, and its coins are spent by no other. No actor; in
the turns of who asked.
"""

from collections.abc import Iterable
from typing import TypeVar

from actors.node import Node
from engine.store.records import DamagedRow

__all__ = ["PAYMENT", "REFUND", "TRANSACTION", "sound", "tell_damaged"]

T = TypeVar("T")

REFUND, TRANSACTION, PAYMENT = "refund.damaged", "forward.damaged", "payment.damaged"
"""Kinds of alert, by what the row is of. They stand as long as the node runs: nothing
but a command beside it makes such a row whole."""

_WHAT = {
    REFUND: "nobody pays it, and its link opens nothing: restore a backup",
    TRANSACTION: "nobody looks after it, and its coins are not spent: restore a backup",
    PAYMENT: "its money is not sent on: stop the node and run `paybell replay`, which"
    " makes it of its events",
}


def sound(node: Node, kind: str, page: Iterable[T | DamagedRow]) -> list[T]:
    """The others of the page, in its order."""
    found: list[T] = []
    for one in page:
        if isinstance(one, DamagedRow):
            tell_damaged(node, kind, one.id)
        else:
            found.append(one)
    return found


def tell_damaged(node: Node, kind: str, name: str) -> None:
    detail = f"its row is not as it was written, and {_WHAT[kind]}"
    node.alerts.raise_(kind, name, detail, node.clock.now())

"""The judge of orders: goes by what a shop was told, word by word, and by the chain.

A shop knows its orders by the bytes of the events alone; so does this. From each
payment's last event it has its order number, status and money, and whether it was
confirmed with no reversal since. What an event says of its order must be what that
comes to when its transaction is committed: not what was so a moment before, nor what
nobody had been told by then. In the end a clerk who does as the documentation says,
and cancels an order only on a word that nothing pays it, holds for paid what the chain
pays.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.simulation.broken import Broken

__all__ = ["OrderJudge"]

SAYS_HOW_IT_STANDS = frozenset({"expired", "cancelled", "failed", "late", "reversed"})

Number = tuple[str, str]
"""An order: merchant and `external_id`."""

Told = dict[str, Any]
"""An event as its bytes say."""


@dataclass(slots=True)
class Attempt:
    """A payment, by the last word on it."""

    order: Number | None = None
    status: str = ""
    received_sat: int = 0
    paid_at: str = ""  # empty: nobody was told, or it was taken back

    def enter(self, told: Told) -> None:
        number = told["external_id"]
        self.order = None if number is None else (told["merchant"], number)
        self.status, self.received_sat = told["status"], told["received_sat"]
        if told["type"] == "payment.confirmed":
            self.paid_at = told["at"]
        elif told["type"] == "payment.reversed":
            self.paid_at = ""


class OrderJudge:
    """See the module docstring."""

    def __init__(self) -> None:
        self._attempts: dict[str, Attempt] = {}
        self._clerk: dict[Number, str] = {}  # what he holds of each: see `_reads`
        self._moved: set[Number] = set()  # a payment came to it, or left it, later on
        self.spoken = 0  # events that said how their order stood, of several payments
        self.saved = 0  # of them, that a payment was over and its order paid

    # -- each commit -----------------------------------------------------------------

    def on_commit(self, wires: Iterable[bytes]) -> None:
        """All events of one transaction, in the order of their offsets."""
        told = [json.loads(wire) for wire in wires]
        for one in told:
            attempt = self._attempts.setdefault(one["payment_id"], Attempt())
            before = attempt.order
            attempt.enter(one)
            if one["seq"] > 1 and before != attempt.order:
                self._moved |= {n for n in (before, attempt.order) if n is not None}
        for one in told:
            self._judge(one)
            self._reads(one)

    def _judge(self, told: Told) -> None:
        number = self._attempts[told["payment_id"]].order
        said, so = told["data"].get("order"), None
        if told["type"].removeprefix("payment.") in SAYS_HOW_IT_STANDS:
            so = self._standing(number)
        name = f"{told['payment_id']} #{told['seq']} {told['type']}"
        if so is None or said is None:
            if said is not so:
                raise Broken(f"order {number}: {name} says {said}, it is {so}")
            return
        status, first, received_sat = so
        self.spoken += 1
        self.saved += status == "paid" and told["status"] in {"expired", "cancelled"}
        if (said["status"], said["received_sat"]) != (status, received_sat):
            raise Broken(f"order {number}: {name} says {said}, it is {so}")
        if said["paid_by"] not in (first or (None,)):
            raise Broken(f"order {number}: {name} says {said}, first was {first}")

    def _standing(self, number: Number | None) -> tuple[str, list[str], int] | None:
        """Status, who was paid first (more than one: at the same moment), and all the
        money. None: it is an order of one payment, of which nothing is said."""
        mine = self._of(number)
        if number is None or len(mine) < 2:
            return None
        received_sat = sum(one.received_sat for one in mine.values())
        paid = {name: one.paid_at for name, one in mine.items() if one.paid_at}
        if paid:
            first = min(paid.values())
            names = [name for name, at in paid.items() if at == first]
            return "paid", names, received_sat
        for status in ("confirming", "pending"):
            if any(one.status == status for one in mine.values()):
                return status, [], received_sat
        return "unpaid", [], received_sat

    def _of(self, number: Number | None) -> dict[str, Attempt]:
        return {n: one for n, one in self._attempts.items() if one.order == number}

    # -- the clerk -------------------------------------------------------------------

    def _reads(self, told: Told) -> None:
        """He does as docs/states.md says: ships what is confirmed, cancels what is over
        and, where there are several payments, in no case paid or waited for."""
        if told["external_id"] is None:
            return
        number = told["merchant"], told["external_id"]
        what, order = told["type"].removeprefix("payment."), told["data"].get("order")
        if what == "confirmed":
            self._clerk[number] = "paid"
        elif what in SAYS_HOW_IT_STANDS and order is not None:
            is_over = order["status"] == "unpaid"
            is_paid = order["status"] == "paid"
            self._clerk[number] = (
                "paid" if is_paid else "cancelled" if is_over else "waits"
            )
        elif what in {"expired", "cancelled"}:
            self._clerk[number] = "cancelled"
        elif what == "reversed":
            self._clerk[number] = "waits"
        elif what == "created":
            held = self._clerk.get(number, "cancelled")
            self._clerk[number] = "waits" if held == "cancelled" else held

    def at_end(self, truth: Mapping[str, bool | None]) -> None:
        """All has come to rest. `truth`: of each payment whether the chain, or a
        person, pays it, None where that cannot be said; of those that are not in it
        nobody looked any more, and the last word counts."""
        for number in sorted(
            {n for one in self._attempts.values() if (n := one.order)}
        ):
            paid = [
                truth.get(name, bool(one.paid_at))
                for name, one in self._of(number).items()
            ]
            if number in self._moved or None in paid:
                continue
            holds = self._clerk[number]
            if holds != ("paid" if any(paid) else "cancelled"):
                raise Broken(f"order {number}: {paid} is paid, its clerk says {holds}")

    def several(self) -> Sequence[Number]:
        """Orders of more than one payment."""
        orders = {one.order for one in self._attempts.values()} - {None}
        return [n for n in orders if n is not None and len(self._of(n)) > 1]

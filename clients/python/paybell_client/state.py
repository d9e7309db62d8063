"""What a payment is, by its events, in whatever order they come and however often.

    state = PaymentState.load(row) if row else PaymentState()
    if state.apply(event): ...it is now what `event` says...
    save(state.dump())

An event says how its payment stands after it, so the newest one is the state. Newest
is: the greatest `seq`. Only of events of one life of the node's database, though: after
a backup was restored, `seq` goes on from the backup's, and a number that was given
before is given again to something else. Each such life is an epoch, which the event's
id names (`evt_<epoch>_<offset>`). Epochs are drawn by chance, so they have no order of
their own; of two, the one whose newest event is later (`at`) is the later one, as
whoever restores does it after what was lost. That needs clocks that differ by less than
a restore takes. Who can ask the node does, after a restore: `PaymentState.of` with
`client.payment_events(id)` is its whole story.

So the state is a function of the set of events that were applied: no order of arrival
and no repetition makes a difference. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

from paybell_client.types import Event

__all__ = ["PaymentState"]

_ID = re.compile(r"evt_(?:([0-9a-z]{8})_)?[1-9][0-9]{0,17}")
_AT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_KEPT = (
    *("id", "payment_id", "seq", "type", "at", "status", "flags", "external_id"),
    *("merchant", "amount_sat", "received_sat", "confirmations"),
    *("confirmations_required", "txid", "method", "currency", "amount_minor"),
)
_MAX_EPOCHS = 16


class PaymentState:
    """One payment. Not for two threads at once: lock the row that it is kept in."""

    __slots__ = ("_newest",)

    def __init__(self) -> None:
        self._newest: dict[str, dict[str, Any]] = {}  # by epoch

    @classmethod
    def of(cls, events: Iterable[Mapping[str, Any]]) -> PaymentState:
        """After all of these."""
        state = cls()
        for event in events:
            state.apply(event)
        return state

    def apply(self, event: Mapping[str, Any]) -> bool:
        """Whether it is news: the payment is now what this event says. False: it is
        old, or was applied before; nothing changed.

        ValueError for what is no event, or one of another payment.
        """
        epoch, kept = _checked(event)
        if self._newest and kept["payment_id"] != self.payment_id:
            raise ValueError("an event of another payment")
        known = self._newest.get(epoch)
        if known is not None and known["seq"] >= kept["seq"]:
            return False
        before = self._present
        self._newest[epoch] = kept
        while len(self._newest) > _MAX_EPOCHS:
            del self._newest[min(self._newest, key=self._rank)]
        return before is not self._present

    @property
    def event(self) -> Event | None:
        """The newest one (what of it is kept); None: none was applied."""
        return cast("Event | None", self._present)

    @property
    def payment_id(self) -> str:
        return str(self._said("payment_id", ""))

    @property
    def status(self) -> str:
        """`pending` before the first event."""
        return str(self._said("status", "pending"))

    @property
    def flags(self) -> frozenset[str]:
        return frozenset(self._said("flags", ()))

    @property
    def seq(self) -> int:
        return int(self._said("seq", 0))

    @property
    def received_sat(self) -> int:
        return int(self._said("received_sat", 0))

    @property
    def is_late(self) -> bool:
        """Money came after the deadline: a person decides, as prices have moved."""
        return "late" in self.flags

    @property
    def is_paid(self) -> bool:
        """Enough came, deep enough. `failed` with money is a payment whose money could
        not be sent on: it is paid all the same."""
        failed_after = self.status == "failed" and self.received_sat > 0
        return failed_after or self.status in {"confirmed", "forwarded"}

    @property
    def may_ship(self) -> bool:
        """Paid, and in time. Look at it after each event that is news: when it is true
        and you have not shipped, ship; when it is false and you have, the payment was
        reversed, and a person must look."""
        return self.is_paid and not self.is_late

    def dump(self) -> str:
        """As JSON, for a column of the shop's own database."""
        return json.dumps(list(self._newest.values()), separators=(",", ":"))

    @classmethod
    def load(cls, text: str) -> PaymentState:
        """What `dump` wrote. ValueError for anything else."""
        value = json.loads(text)
        if not isinstance(value, list):
            raise ValueError("not what dump() wrote")
        return cls.of(value)

    def __repr__(self) -> str:
        return f"PaymentState({self.payment_id or '-'}: {self.status}, seq {self.seq})"

    @property
    def _present(self) -> dict[str, Any] | None:
        if not self._newest:
            return None
        return self._newest[max(self._newest, key=self._rank)]

    def _rank(self, epoch: str) -> tuple[str, str]:
        return self._newest[epoch]["at"], epoch  # `at`: always in one form, and in UTC

    def _said(self, name: str, otherwise: Any) -> Any:
        present = self._present
        return otherwise if present is None else present[name]


def _checked(event: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The epoch, and what is kept."""
    found = _ID.fullmatch(str(event.get("id")))
    seq = event.get("seq")
    if found is None or not isinstance(seq, int) or isinstance(seq, bool) or seq < 1:
        raise ValueError("no event of a payment")
    if not _AT.fullmatch(str(event.get("at"))):
        raise ValueError("an event without a time")
    for name, kind in (("payment_id", str), ("status", str), ("received_sat", int)):
        if not isinstance(event.get(name), kind):
            raise ValueError(f"an event without {name}")
    if not isinstance(event.get("flags"), (list, tuple)):
        raise ValueError("an event without flags")
    return found[1] or "", {name: event[name] for name in _KEPT if name in event}

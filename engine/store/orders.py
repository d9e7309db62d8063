"""Events that say how their payment's order stands, as of the commit that tells them.

Two payments of an order may end in one transaction: one expires, the other confirms.
What the first says must not depend on which was written first. So of a batch, writes
with such events come last, after all that may have paid an order, and see each other.

Both stores call this where they write a batch: in the transaction, nobody else writes.
An order of one payment says nothing: its events are as they were without orders. Pure.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec.structs import replace

from engine.payment.events import Event
from engine.payment.model import EventType, Payment, Terms
from engine.payment.order import order_of
from engine.store.writes import Committed, Entry, Outcome, Write

__all__ = ["in_turn", "refused_speakers", "speakers", "speaks", "told"]

_SPEAKING = frozenset(
    {
        EventType.EXPIRED,
        EventType.CANCELLED,
        EventType.FAILED,
        EventType.LATE,
        EventType.REVERSED,
    }
)

Payments = Mapping[str, Payment]
"""By id."""


def speaks(write: Write) -> bool:
    """Whether it has an event that says how an order stands."""
    return any(
        event.type in _SPEAKING
        for entry in write.entries
        if entry.payment.terms.external_id is not None
        for event in entry.events
    )


def in_turn(batch: Sequence[Write]) -> list[int]:
    """The numbers of these writes, in the order in which to write them."""
    return sorted(range(len(batch)), key=lambda number: speaks(batch[number]))


def speakers(batch: Sequence[Write]) -> dict[str, Payment]:
    """The payments as those writes leave them that come last, by id."""
    return {
        entry.payment.id: entry.payment
        for write in batch
        if speaks(write)
        for entry in write.entries
    }


def refused_speakers(
    batch: Sequence[Write], outcomes: Mapping[int, Outcome]
) -> list[int]:
    """The numbers of those writes that would have said how an order stands and were
    not written: nobody may have seen what they would have made of their payments."""
    return [
        number
        for number, outcome in outcomes.items()
        if not isinstance(outcome, Committed) and speaks(batch[number])
    ]


def told(
    write: Write, ahead: Payments, stored: Callable[[Terms], Iterable[Payment]]
) -> Write:
    """The write with what its events say of their orders.

    `ahead`: payments as this transaction will leave them; `stored`: the payments of an
    order, the newest `MAX_PAYMENTS`, as they are in the store now.
    """
    return replace(
        write, entries=tuple(_entry(one, ahead, stored) for one in write.entries)
    )


def _entry(
    entry: Entry, ahead: Payments, stored: Callable[[Terms], Iterable[Payment]]
) -> Entry:
    terms = entry.payment.terms
    if terms.external_id is None:
        return entry
    if not any(event.type in _SPEAKING for event in entry.events):
        return entry
    known = {one.id: ahead.get(one.id, one) for one in stored(terms)}
    known[terms.id] = entry.payment
    if len(known) == 1:
        return entry
    order = order_of(known.values())

    def saying(event: Event) -> Event:
        if event.type not in _SPEAKING:
            return event
        return replace(event, data=replace(event.data, order=order))

    return replace(entry, events=tuple(map(saying, entry.events)))

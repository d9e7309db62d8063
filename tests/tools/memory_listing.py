"""How a store in memory lists payments: each one is looked at."""

from typing import Any

from engine.payment.model import EventType
from engine.payment.search import new_sum, new_txid
from engine.store.further import Further
from engine.store.records import Page
from tests.tools.memory_rows import Tables

__all__ = ["listed"]


def listed(
    tables: Tables,
    filters: dict[str, str],
    place: int | None,
    limit: int,
    further: Further,
) -> Page:
    """As the port says."""
    found = []
    for row in tables.payments.values():
        at = _place(tables, row, further)
        if at is not None and _fits(tables, row, filters, further):
            found.append((at, row.payment))
    found.sort(key=lambda pair: pair[0], reverse=not further.oldest_first)
    if place is not None:
        oldest = further.oldest_first
        found = [f for f in found if (f[0] > place if oldest else f[0] < place)]
    page = found[:limit]
    more = page[-1][0] if page and len(found) > limit else None
    return Page(tuple(payment for _, payment in page), more)


def _events(tables: Tables, row: Any) -> list[tuple[int, Any]]:
    pairs = ((offset, e.event) for offset, e in tables.events.items())
    return [(o, event) for o, event in pairs if event.payment_id == row.payment.id]


def _place(tables: Tables, row: Any, further: Further) -> int | None:
    if not further.by_change:
        rank: int = row.rank
        return rank
    events = _events(tables, row)
    offset, last = events[-1]
    if not further.updated.holds(last.at):
        return None
    if further.confirmed.is_bounded:
        at = row.payment.confirmed_at
        if at is None or not further.confirmed.holds(at):
            return None
        kinds = [(o, e) for o, e in events if e.type is EventType.CONFIRMED]
        return kinds[-1][0]
    return offset


def _fits(tables: Tables, row: Any, filters: dict[str, str], further: Further) -> bool:
    payment, terms = row.payment, row.payment.terms
    values = {
        "status": payment.status.value,
        "external_id": terms.external_id,
        "address": terms.address,
        "merchant": terms.merchant,
    }
    if any(values[name] != wanted for name, wanted in filters.items()):
        return False
    if further.flag is not None and further.flag not in payment.flags:
        return False
    if not further.created.holds(terms.created_at):
        return False
    wanted = further.sought
    if wanted is None:
        return True
    events = [event for _, event in _events(tables, row)]
    return (
        wanted.text in {payment.id, terms.external_id}
        or (wanted.address is not None and wanted.address == terms.address)
        or wanted.txid in {new_txid(event, terms) for event in events} - {None}
        or wanted.sum_sat in {new_sum(event, terms) for event in events} - {None}
    )

"""What a clerk's word must have changed of a payment, by the judges' own reckoning."""

from __future__ import annotations

from msgspec import UNSET

from engine.payment.changed import Amend, Changed, Field, FieldsMoved, TextMoved
from engine.payment.times import iso
from tests.simulation.judges.book import WAITING, Book

__all__ = ["as_it_must_be"]

_GONE = object()


def as_it_must_be(book: Book, wanted: Amend, at: int) -> Changed | None:
    """What is told of it at that moment (ms); None: nothing may be."""
    terms = book.terms
    external_id = description = expires_at = metadata = None
    if wanted.external_id is not UNSET and wanted.external_id != terms.external_id:
        external_id = TextMoved(terms.external_id, wanted.external_id)
    if wanted.description is not UNSET and wanted.description != terms.description:
        description = TextMoved(terms.description or None, wanted.description or None)
    if wanted.expires_at is not UNSET and wanted.expires_at != terms.expires_at:
        is_open = book.status in WAITING and at < terms.expires_at
        if not is_open or wanted.expires_at <= at:
            return None
        expires_at = TextMoved(iso(terms.expires_at), iso(wanted.expires_at))
    if wanted.metadata is not UNSET and wanted.metadata is not None:
        old: dict[str, Field] = {}
        new: dict[str, Field] = {}
        for name, value in wanted.metadata.items():
            was = terms.metadata.get(name, _GONE)
            if was == value or (was is _GONE and value is None):
                continue
            if was is not _GONE:
                old[name] = terms.metadata[name]
            if value is not None:
                new[name] = value
        if old or new:
            metadata = FieldsMoved(old, new)
    told = Changed(
        external_id=external_id,
        description=description,
        metadata=metadata,
        expires_at=expires_at,
    )
    return None if told == Changed() else told

"""A payment's terms after `payment.updated`, said once more and not by the engine."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from engine.payment.changed import Changed
from engine.payment.model import Terms

__all__ = ["after_the_change"]


def after_the_change(terms: Terms, told: Changed) -> Terms:
    """Field by field, as it is told."""
    metadata = dict(terms.metadata)
    if told.metadata is not None:
        for name in told.metadata.old:
            del metadata[name]
        metadata.update(told.metadata.new)
    moved = {
        name: getattr(told, name).new
        for name in ("external_id", "description")
        if getattr(told, name) is not None
    }
    if "description" in moved and moved["description"] is None:
        moved["description"] = ""
    if told.expires_at is not None:
        assert told.expires_at.new is not None
        at = datetime.fromisoformat(told.expires_at.new)
        moved["expires_at"] = round(at.timestamp() * 1000)
        by_ms = moved["expires_at"] - terms.expires_at
        moved["monitor_until"] = terms.monitor_until + by_ms
    return replace(terms, metadata=metadata, **moved)

"""The one form of an alert on every channel: a JSON object like an event's. Pure.

    {"id": "alt_…", "type": "alert.raised", "at": "…Z", "merchant": "shop" | null,
     "kind": "source.behind", "subject": "node", "detail": "…", "since": "…Z",
     "total": 3, "more": [{"subject", "detail", "since"}, …]}

`subject`, `detail` and `since` are of the alert that is the oldest; `more` names the
next ones of the same kind that are told with it, `total` counts all of them. It has no
`offset` and no `payment_id`: it is no event of the journal.
"""

import msgspec

from engine.alerts.telling import MAX_NAMED, AlertMessage
from engine.payment.events import iso
from engine.store.records import ToldAlert

__all__ = ["encode_alert"]


class _One(msgspec.Struct, frozen=True):
    subject: str
    detail: str
    since: str


class _Wire(msgspec.Struct, frozen=True):
    """Field order here is field order on the wire."""

    id: str
    type: str
    at: str
    merchant: str | None
    kind: str
    subject: str
    detail: str
    since: str
    total: int
    more: list[_One]


def encode_alert(
    message: AlertMessage, id_: str, at: int, merchant: str | None
) -> bytes:
    """`at`: ms. `merchant`: whose channel it is; None: of the whole node."""
    first, *others = (_one(alert) for alert in message.alerts[:MAX_NAMED])
    return msgspec.json.encode(
        _Wire(
            id=id_,
            type=message.type,
            at=iso(at),
            merchant=merchant,
            kind=message.kind,
            subject=first.subject,
            detail=first.detail,
            since=first.since,
            total=len(message.alerts),
            more=others,
        )
    )


def _one(alert: ToldAlert) -> _One:
    return _One(alert.subject, alert.detail, iso(alert.since))

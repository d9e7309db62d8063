"""What of a payment's terms may change after its creation, and how. Pure.

A client names what is to be otherwise (`Amend`); the rule says what that changes now
(`Changed`, told in `payment.updated`: each old and new value), or refuses. What changes
nothing is no event. Nothing here touches money: not what is asked, where, of whom.

Metadata is merged by RFC 7396: a field that is not named stays, one with null goes. The
deadline moves only while the payment is waited for, only into the future, and not under
an invoice: no node takes an invoice's own expiry back.
"""

from datetime import datetime

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from engine.errors import AmendmentRefused, PaymentChanged, Refused, TooManyUpdates
from engine.payment.changed import Amend, Changed, Field, FieldsMoved, TextMoved
from engine.payment.model import WAITED_FOR, Payment, Terms
from engine.payment.times import iso

__all__ = ["MAX_METADATA", "MAX_UPDATES", "amended", "changes_of"]

MAX_METADATA = 50
"""Fields of a payment's metadata."""


MAX_UPDATES = 1_000
"""Changes of one payment: each is an event, kept and told as long as any other."""


def changes_of(payment: Payment, wanted: Amend, now: int) -> Changed | None:
    """What changes, at `now` (ms); None: nothing.

    Raises `PaymentChanged`, `AmendmentRefused` (what is wanted can never be), `Refused`
    (it cannot be of a payment that stands so), `TooManyUpdates`.
    """
    if wanted.seqs is not None and payment.seq not in wanted.seqs:
        raise PaymentChanged(payment.id, payment.seq)
    terms = payment.terms
    changed = Changed(
        external_id=_external_id(terms, wanted.external_id),
        description=_text(terms.description or None, _none(wanted.description)),
        metadata=_fields(terms.metadata, wanted.metadata),
        expires_at=_expires_at(payment, wanted.expires_at, now),
    )
    if changed == Changed():
        return None
    if payment.updates >= MAX_UPDATES:
        raise TooManyUpdates(payment.id, payment.updates)
    return changed


def amended(terms: Terms, changed: Changed) -> Terms:
    """The terms after the event. What was told is done; nothing is refused here."""
    if changed.external_id is not None:
        terms = replace(terms, external_id=changed.external_id.new)
    if changed.description is not None:
        terms = replace(terms, description=changed.description.new or "")
    if changed.metadata is not None:
        gone = changed.metadata.old
        kept = {name: v for name, v in terms.metadata.items() if name not in gone}
        terms = replace(terms, metadata=kept | changed.metadata.new)
    if changed.expires_at is not None and changed.expires_at.new is not None:
        at = round(datetime.fromisoformat(changed.expires_at.new).timestamp() * 1000)
        watched_ms = terms.monitor_until - terms.expires_at
        terms = replace(terms, expires_at=at, monitor_until=at + watched_ms)
    if changed.lightning_rest is not None:
        terms = replace(terms, rests=(*terms.rests, changed.lightning_rest.new))
    return terms


def _none(text: str | UnsetType) -> str | UnsetType | None:
    return text if text is UNSET else text or None


def _text(old: str | None, new: str | UnsetType | None) -> TextMoved | None:
    return None if new is UNSET or new == old else TextMoved(old, new)


def _external_id(terms: Terms, wanted: str | UnsetType | None) -> TextMoved | None:
    moved = _text(terms.external_id, wanted)
    if moved is not None and terms.is_external:
        raise AmendmentRefused(
            "/external_id",
            "cannot change: it is the invoice that the payment's gateway speaks of",
        )
    return moved


def _fields(
    old: dict[str, Field], patch: dict[str, Field] | UnsetType | None
) -> FieldsMoved | None:
    if patch is UNSET:
        return None
    if patch is None:
        patch = dict.fromkeys(old)
    new = {name: value for name, value in old.items() if name not in patch}
    new |= {name: value for name, value in patch.items() if value is not None}
    if len(new) > MAX_METADATA:
        raise AmendmentRefused(
            "/metadata",
            f"would have {len(new)} fields with this; {MAX_METADATA} are allowed",
        )
    names = {name for name in old | new if not _is_same(name, old, new)}
    if not names:
        return None
    return FieldsMoved(
        {name: value for name, value in old.items() if name in names},
        {name: value for name, value in new.items() if name in names},
    )


def _is_same(name: str, old: dict[str, Field], new: dict[str, Field]) -> bool:
    """Also of the same kind: 1 is not true, though Python says so."""
    if name not in old or name not in new:
        return False
    return old[name] == new[name] and type(old[name]) is type(new[name])


def _expires_at(
    payment: Payment, wanted: int | UnsetType, now: int
) -> TextMoved | None:
    terms = payment.terms
    if wanted is UNSET or wanted == terms.expires_at:
        return None
    if payment.status not in WAITED_FOR or now >= terms.expires_at:
        raise Refused(
            f"the deadline of a payment that is {payment.status} and was due at"
            f" {iso(terms.expires_at)} does not move; metadata, external_id and"
            " description may still change"
        )
    if wanted <= now:
        raise AmendmentRefused(
            "/expires_at", f"must be in the future; it is {iso(now)} here"
        )
    invoice = terms.lightning
    if invoice is not None and not terms.has_chain:
        raise AmendmentRefused(
            "/expires_at",
            "cannot change: its Lightning invoice, which alone pays it,"
            f" is over at {iso(invoice.expires_at)}",
        )
    until = max((one.expires_at for one in terms.invoices), default=wanted)
    if wanted < until:
        raise AmendmentRefused(
            "/expires_at",
            f"must not be before its Lightning invoice is, {iso(until)}",
        )
    return TextMoved(iso(terms.expires_at), iso(wanted))

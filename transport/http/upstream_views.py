"""How Lightning connections are shown, by the control API and on live streams.

Who has a key of a merchant, or a token of its site, sees the accounts of its payments,
without what may hold details of the node: reasons, and whose else an account is.
"""

from collections.abc import Iterable

import msgspec

from engine.lightning.upstream import UpstreamReport, UpstreamState, seen_by
from engine.payment.events import iso
from transport.http.views import iso_or_none

__all__ = ["CanView", "UpstreamPage", "UpstreamView", "upstream_page"]


class CanView(msgspec.Struct, frozen=True, kw_only=True):
    """What this kind of node offers."""

    push: bool
    description_hash: bool
    amountless: bool
    pay: bool


class UpstreamView(msgspec.Struct, frozen=True, kw_only=True):
    """One account's connection. Only while it is `live` is all known that was paid.
    `forward_to`: the account that its money goes on to. `requests`: how often it was
    asked since the node's start, `errors`: how often that came to nothing. These,
    `reason` and `merchants` (an empty list: everybody) are null for who has no key of
    the whole node."""

    name: str
    kind: str
    state: UpstreamState
    since: str
    answered_at: str | None
    attempts: int
    next_attempt_at: str | None
    reason: str | None
    can: CanView
    forward_to: str | None
    merchants: list[str] | None
    requests: int | None
    errors: int | None


class UpstreamPage(msgspec.Struct, frozen=True, kw_only=True):
    """`ready`: every one of them is live."""

    ready: bool
    data: list[UpstreamView]


def upstream_page(
    reports: Iterable[UpstreamReport], merchant: str | None, *, details: bool
) -> UpstreamPage:
    """`merchant`: whose; None: all."""
    seen = list(reports) if merchant is None else seen_by(reports, merchant)
    return UpstreamPage(
        ready=all(one.state is UpstreamState.LIVE for one in seen),
        data=[_view(one, details=details) for one in seen],
    )


def _view(one: UpstreamReport, *, details: bool) -> UpstreamView:
    return UpstreamView(
        name=one.name,
        kind=one.kind,
        state=one.state,
        since=iso(one.since),
        answered_at=iso_or_none(one.answered_at),
        attempts=one.attempts,
        next_attempt_at=iso_or_none(one.next_attempt_at),
        reason=(one.reason or None) if details else None,
        can=CanView(**msgspec.structs.asdict(one.can)),
        forward_to=one.forward_to or None,
        merchants=list(one.merchants) if details else None,
        requests=one.requests if details else None,
        errors=one.errors if details else None,
    )

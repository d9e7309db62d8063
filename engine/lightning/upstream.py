"""How a held connection to a Lightning node stands, as everybody is told. Values."""

from collections.abc import Iterable, Mapping
from enum import StrEnum

import msgspec

from engine.lightning.node import Can

__all__ = ["UpstreamReport", "UpstreamState", "is_of_one_alone", "seen_by"]


class UpstreamState(StrEnum):
    """A node can be asked while it is `live` or `behind`; `live` alone says that what
    was paid is known."""

    CONNECTING = "connecting"  # it never answered, or not since somebody reconnected
    LIVE = "live"  # it answered lately, and nothing of before is left to be read
    BEHIND = "behind"  # it answers; what was paid meanwhile is being read
    FAILING = "failing"  # it does not answer, or refuses our key


class UpstreamReport(msgspec.Struct, frozen=True, kw_only=True):
    """One account's connection. Times in ms. `reason`: one line for people, without a
    secret; for those with a key only."""

    name: str
    kind: str
    state: UpstreamState
    since: int  # since when it is in that state
    can: Can
    answered_at: int | None = None  # the last sign of life
    reason: str = ""
    attempts: int = 0  # without success, in a row
    next_attempt_at: int | None = None
    merchants: tuple[str, ...] = ()  # who may use it; empty: everybody
    forward_to: str = ""  # the account that its money goes on to
    requests: int = 0  # since the process began; so are `errors`, which were no answer
    errors: int = 0


def seen_by(reports: Iterable[UpstreamReport], merchant: str) -> list[UpstreamReport]:
    """Those of its payments: accounts that may make its invoices, and those that their
    money goes on to."""
    known = {one.name: one for one in reports}
    seen: dict[str, UpstreamReport] = {}
    for one in known.values():
        at: UpstreamReport | None = one
        if one.merchants and merchant not in one.merchants:
            continue
        while at is not None and at.name not in seen:
            seen[at.name] = at
            at = known.get(at.forward_to)
    return [one for one in known.values() if one.name in seen]


def is_of_one_alone(
    name: str,
    reports: Mapping[str, UpstreamReport],
    merchant: str,
    *,
    is_only_one: bool,
) -> bool:
    """Whether nobody else's money comes to the account `name`: its sums would tell what
    others take. `reports`: by account; `is_only_one`: there is no other merchant."""
    own = {merchant, ""} if is_only_one else {merchant}  # "": whoever is here
    payers = [one for one in reports.values() if name in {one.name, one.forward_to}]
    return all(
        {*(one.merchants or ("",))} <= own
        for one in payers
        if _takes(one, name, payers)
    )


def _takes(one: UpstreamReport, name: str, payers: list[UpstreamReport]) -> bool:
    """An account for nobody in particular takes no invoices if it is a target."""
    return one.name != name or bool(one.merchants) or len(payers) == 1

"""How a held connection to a Lightning node stands, as everybody is told. Values."""

from enum import StrEnum

import msgspec

from engine.lightning.node import Can

__all__ = ["UpstreamReport", "UpstreamState"]


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

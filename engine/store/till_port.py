"""What may be asked of a store about forwards of tills: part of `StoreReader`."""

from typing import Protocol

from engine.lightning.till import TillForward
from engine.store.outgoing_port import Queued

__all__ = ["TillReader"]


class TillReader(Protocol):
    """See `StoreReader`. Of what a till is to look after, a damaged row is left out
    while there are others, and raises `StoreDamaged` when there are none."""

    def till_forward(self, forward_id: str) -> TillForward | None: ...

    def till_forward_of(self, payment_id: str) -> TillForward | None:
        """A payment has one at most."""

    def till_due(
        self, source: str, at: int, within: int, limit: int = 100
    ) -> list[TillForward]:
        """Those of this till that are looked after and whose time has come (ms), the
        longest due first. None waits for longer than `within` (ms), but for a person
        (`NEVER`): whose time is beyond that waits since before the wall clock was put
        back, and is due."""

    def till_troubled(self, source: str, limit: int = 100) -> list[TillForward]:
        """Those of this till that wait, are stuck, or were delayed; by id."""

    def till_sources(self) -> list[str]:
        """Accounts of which some forward is looked after, or some payment is queued."""

    def till_forwards_of_merchant(
        self, merchant: str, before: str = "", limit: int = 50
    ) -> list[TillForward]:
        """The newest first; `before`: the next after this id."""

    def till_queue(self, source: str, limit: int = 100) -> list[Queued]:
        """Payments that brought the till something that may be to be sent on, by id."""

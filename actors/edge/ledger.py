"""The ledger as the edges see it: read from the store, written through the journal."""

from __future__ import annotations

from typing import Any

from gevent.event import AsyncResult

from actors.edge.answers import good
from actors.edge.kept import ASK_S, KeptRows, too_late
from engine.store.ledger_port import LedgerBalance, PostingRecord
from engine.store.writes import Conflict, LedgerEntry, Write

__all__ = ["LedgerDesk"]


class LedgerDesk(KeptRows):
    """Part of the gateway: implements `engine.gateways.ledger.LedgerGateway`."""

    def balance(self, merchant: str, unit: str, account: str) -> int:
        return self._store.balance(merchant, unit, account) or 0

    def balances(
        self, merchant: str, after: tuple[str, str], limit: int
    ) -> list[LedgerBalance]:
        return self._store.balances(merchant, after, limit)

    def postings(
        self, merchant: str, user: str | None, after: int, limit: int
    ) -> list[PostingRecord]:
        return self._store.postings(merchant, user, after, limit)

    def postings_before(
        self, merchant: str, user: str, before: int | None, limit: int
    ) -> list[PostingRecord]:
        return self._store.postings_before(merchant, user, before, limit)

    def posted_for(self, cause: str) -> list[PostingRecord]:
        return self._store.postings_of("", cause)

    def post(self, entry: LedgerEntry) -> Conflict | None:
        reply: AsyncResult[Any] = AsyncResult()
        self._node.append(Write(rows=(entry,)), reply.set)
        reply.wait(timeout=ASK_S)
        if not reply.ready():
            raise too_late()
        answer = reply.get()
        if isinstance(answer, Conflict) and answer.what in {"cause", "balance"}:
            return answer
        good(answer)
        return None

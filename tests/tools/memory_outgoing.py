"""Money on its way out, of the store in memory: the port's rules, said without SQL."""

from msgspec.structs import replace

from engine.payment.forward_rules import concerns_forwarder
from engine.store.outgoing_port import Paused, Queued
from engine.store.outgoing_writes import (
    MoveOutgoing,
    NewOutgoing,
    PauseForwarding,
    QueueForward,
    Unqueue,
)
from engine.store.writes import Entry
from engine.wallet.outgoing import Outgoing, OutgoingState, moved
from tests.tools.memory_rows import Refused, Tables

__all__ = ["MemoryOutgoing", "OutgoingRow", "queue_events", "write_outgoing"]

OutgoingRow = NewOutgoing | MoveOutgoing | QueueForward | Unqueue | PauseForwarding


class MemoryOutgoing:
    """Implements `OutgoingReader`."""

    _tables: Tables

    def outgoing(self, outgoing_id: str) -> Outgoing | None:
        return self._tables.outgoing.get(outgoing_id)

    def outgoing_open(self, after: str = "", limit: int = 100) -> list[Outgoing]:
        return [o for o in self._outgoing_by_id() if o.is_open and o.id > after][:limit]

    def outgoing_family(self, family: str) -> list[Outgoing]:
        return [o for o in self._outgoing_by_id() if o.family == family]

    def outgoing_of_txid(self, txid: str) -> Outgoing | None:
        return next((o for o in self._outgoing_by_id() if o.txid == txid), None)

    def outgoing_of_payment(self, payment_id: str) -> list[Outgoing]:
        return [
            o
            for o in self._outgoing_by_id()
            if any(coin.payment_id == payment_id for coin in o.plan.coins)
        ]

    def outgoing_of_merchant(
        self, merchant: str, before: str = "", limit: int = 50
    ) -> list[Outgoing]:
        found = [o for o in self._outgoing_by_id() if o.merchant == merchant]
        return [o for o in found[::-1] if not before or o.id < before][:limit]

    def sent_since(self, merchant: str, at: int) -> int:
        return sum(
            o.sent_sat
            for o in self._outgoing_by_id()
            if (o.merchant, o.kind) == (merchant, "sweep") and o.is_living
            if o.at >= at
        )

    def forward_due(self, at: int, within: int, limit: int = 100) -> list[str]:
        rows = sorted(self._tables.forward_queue.values(), key=lambda row: row.at)
        due = [row.merchant for row in rows if not at < row.at <= at + within]
        return list(dict.fromkeys(due[:limit]))

    def forward_queue(self, merchant: str, limit: int = 1_000) -> list[Queued]:
        rows = [
            r for r in self._tables.forward_queue.values() if r.merchant == merchant
        ]
        rows.sort(key=lambda row: (row.at, row.payment_id))
        payments = self._tables.payments
        return [Queued(payments[r.payment_id].payment, r.seq) for r in rows[:limit]]

    def forward_paused(self) -> Paused | None:
        return self._tables.forward_pause.get("")

    def _outgoing_by_id(self) -> list[Outgoing]:
        kept = self._tables.outgoing
        return [kept[name] for name in sorted(kept)]


def queue_events(tables: Tables, entry: Entry) -> None:
    """As a store does in the transaction of the events."""
    terms = entry.payment.terms
    for event in entry.events:
        if terms.forward_to and concerns_forwarder(event):
            _queue(tables, QueueForward(terms.id, terms.merchant, event.seq))


def write_outgoing(tables: Tables, row: OutgoingRow) -> int:
    """How much it changed. Raises `Refused`."""
    match row:
        case NewOutgoing(outgoing):
            _new(tables, outgoing)
        case MoveOutgoing(outgoing, before):
            _move(tables, outgoing, before)
        case QueueForward():
            _queue(tables, row)
        case Unqueue(payment_id, seq):
            queued = tables.forward_queue.get(payment_id)
            if queued is None or queued.seq > seq:
                return 0
            tables.drop(tables.forward_queue, payment_id)
        case PauseForwarding(at, by):
            return _pause(tables, Paused(at, by))
    return 1


def _pause(tables: Tables, paused: Paused) -> int:
    is_paused = "" in tables.forward_pause
    if is_paused is bool(paused.at):
        return 0
    if paused.at:
        tables.put(tables.forward_pause, "", paused)
    else:
        tables.drop(tables.forward_pause, "")
    return 1


def _queue(tables: Tables, row: QueueForward) -> None:
    known = tables.forward_queue.get(row.payment_id)
    seq = row.seq if known is None else max(known.seq, row.seq)
    tables.put(tables.forward_queue, row.payment_id, replace(row, seq=seq))


def _new(tables: Tables, outgoing: Outgoing) -> None:
    if outgoing.replaces:
        old = tables.outgoing.get(outgoing.replaces)
        if old is None or not old.is_living or old.state is OutgoingState.CONFIRMED:
            raise Refused("outgoing", "what it replaces is not under way")
        reason = f"bumped by {outgoing.id}"
        gone = moved(old, OutgoingState.REPLACED, outgoing.at, reason=reason)
        tables.put(tables.outgoing, old.id, gone)
    if outgoing.id in tables.outgoing:
        raise Refused("outgoing", f"{outgoing.id} is there already")
    _must_be_free(tables, outgoing)
    tables.put(tables.outgoing, outgoing.id, outgoing)


def _move(tables: Tables, outgoing: Outgoing, before: OutgoingState) -> None:
    known = tables.outgoing.get(outgoing.id)
    if known is None or known.state is not before:
        raise Refused("outgoing", f"{outgoing.id} is not {before} any more")
    if outgoing.is_living:
        _must_be_free(tables, outgoing)
    tables.put(tables.outgoing, outgoing.id, outgoing)


def _must_be_free(tables: Tables, outgoing: Outgoing) -> None:
    taken = {
        coin.outpoint
        for other in tables.outgoing.values()
        if other.is_living and other.id != outgoing.id
        for coin in other.plan.coins
    }
    if taken & {coin.outpoint for coin in outgoing.plan.coins}:
        raise Refused("outgoing", "a coin is in another")

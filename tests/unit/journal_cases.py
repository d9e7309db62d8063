"""What tests of the journal share: writes made of payments, and readings of them."""

from engine.payment.events import Event, opening
from engine.payment.model import EventType, Payment
from engine.payment.observations import Observation
from engine.payment.rules import decide, evolve
from engine.store.sqlite import queries
from engine.store.sqlite.journal import Journal
from engine.store.writes import (
    ChannelRow,
    Committed,
    Entry,
    WalletRecord,
    Write,
)
from tests.unit.payment_cases import T0, terms

__all__ = ["channel", "creation", "events_of", "owed", "decided", "stored", "wallet"]


def creation(name: str, merchant: str = "default", address: str = "") -> Write:
    event, payment = opening(
        terms(id=name, merchant=merchant, address=address or f"address of {name}")
    )
    return Write(entries=(Entry(payment, (event,)),))


def decided(payment: Payment, observation: Observation, now: int = T0) -> Write:
    events = decide(payment, observation, now)
    for event in events:
        payment = evolve(payment, event)
    return Write(entries=(Entry(payment, tuple(events)),))


def stored(journal: Journal, name: str) -> Payment:
    payment = queries.payment(journal.connection, name)
    assert payment is not None
    return payment


def events_of(outcome: object) -> list[Event]:
    assert isinstance(outcome, Committed), outcome
    return [committed.event for committed in outcome.events]


def channel(
    name: str, merchant: str = "*", *types: EventType, enabled: bool = True
) -> Write:
    kinds = tuple(str(t) for t in types)
    return Write(rows=(ChannelRow(name, merchant, enabled, kinds, T0, b"{}"),))


def wallet(name: str = "wal_1", merchant: str = "ann", at: int = T0) -> WalletRecord:
    return WalletRecord(name, merchant, "descriptor", "wpkh(…)", "identity", 0, at)


def owed(journal: Journal, name: str) -> list[tuple[str, int]]:
    rows = journal.connection.execute(
        "SELECT payment_id, seq FROM outbox WHERE channel_id = ?"
        " AND state = 'pending' ORDER BY payment_id, \"offset\"",
        (name,),
    )
    return list(rows)

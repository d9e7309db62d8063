"""What is asked of a store and written to it, an example of each kind."""

import itertools
from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from engine.money.ledger import CREDIT, ISSUED, Posting
from engine.payment.history import Fact, sums_of
from engine.payment.model import Flag
from engine.payment.refund import LIVING, RefundState
from engine.payment.search import sought
from engine.store.further import Further, Stretch
from engine.store.history_writes import AddHistory, ForgetHistory
from engine.store.writes import (
    AddressRow,
    ApiKey,
    ChannelRow,
    CustomerRow,
    DeliveryResult,
    FillSearch,
    Forget,
    ForgetDeliveries,
    ForgetIdempotency,
    InboundWebhook,
    KeptAnswer,
    LedgerEntry,
    MerchantRow,
    MoveRefund,
    OpenRefund,
    OrdersRow,
    Prune,
    PurgeDeliveries,
    ReadAgain,
    Release,
    RemoveChannel,
    Requeue,
    RevokeKey,
    ShrinkFile,
    SourceTip,
    ToldRow,
    WalletKeyRow,
    WalletRecord,
    WalletSecretRow,
    Whole,
)
from tests.unit.engine.store.lightning_cases import (
    LIGHTNING_READS,
    LIGHTNING_ROWS,
)
from tests.unit.engine.store.outgoing_cases import (
    OUTGOING_READS,
    OUTGOING_ROWS,
)
from tests.unit.engine.store.refund_cases import refund
from tests.unit.engine.store.till_cases import TILL_READS, TILL_ROWS
from tests.unit.journal_cases import wallet
from tests.unit.payment_cases import T0

A_FACT = Fact(offset=5, type="payment.detected", at=T0, merchant="ann", waited_ms=900)

NEW_REFUND = refund(999_999, "p1", merchant="zoe")  # she has no other

FILTERS = {
    "status": "pending",
    "external_id": "order-1",
    "address": "address of p1",
    "merchant": "ann",
}


def _listings() -> Iterator[tuple[Any, ...]]:
    for size in range(len(FILTERS) + 1):
        for names in itertools.combinations(FILTERS, size):
            chosen = {name: FILTERS[name] for name in names}
            yield chosen, None, 50
            yield chosen, 300, 50


ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"


def _further() -> Iterator[tuple[Any, ...]]:
    times = Stretch(T0, T0 + 5_000)
    for further in (
        Further(sought=sought("order-1", "regtest")),
        Further(sought=sought("ab" * 32, "regtest")),
        Further(sought=sought("50000", "regtest"), oldest_first=True),
        Further(sought=sought(ADDRESS, "regtest")),
        Further(flag=Flag.LATE),
        Further(created=times),
        Further(created=times, oldest_first=True),
        Further(updated=times),
        Further(confirmed=times, oldest_first=True),
    ):
        for filters in ({}, {"merchant": "ann"}, {"status": "pending"}):
            yield filters, None, 50, further
            yield filters, 300, 50, further


READS: dict[str, list[tuple[Any, ...]]] = {
    "payment": [("p1",)],
    "customer_email": [("p1",), ("nobody",)],
    "payment_at": [("address of p1",), ("address of p2",), ("nowhere",)],
    "list_payments": [*_listings(), *_further()],
    "search_left": [()],
    "counted_outpoints": [(["address of p1", "address of p2"],)],
    "watched": [("", 10), ("p3", 10)],
    "oldest_watched": [()],
    "history": [("p1",), ("p1", 1, 10)],
    "payment_history": [("p1", None, 10), ("p1", 0, 10)],
    "events_after": [(0, 10), (0, 10, "ann"), (700, 10, "nobody")],
    "journal_page": [(0, 10), (0, 10, "ann")],
    "last_offset": [()],
    "api_keys": [()],
    "merchants": [()],
    "epochs": [()],
    "idempotent_answer": [("scope", "key", 0)],
    "source_tip": [("node",), ("other",)],
    "channels": [(), ("ann",)],
    "channels_page": [(None, (0, ""), 10), ("ann", (T0, "all"), 10)],
    "channel": [("all",), ("none",)],
    "owed": [("all", 10)],
    "pending_payments": [("all", "", 10), ("all", "p3", 10)],
    "next_pending": [("all", "p1")],
    "deliveries_after": [("all", 0, 10), ("all", 500, 10), ("none", 0, 10)],
    "pending_up_to": [("all", 500, 10), ("none", 500, 10)],
    "last_deliveries_after": [("all", 10), ("none", 10)],
    "attempts": [("all", None, 10), ("all", 5, 10)],
    "deliveries_of": [
        ("p1", None, ("", 0), 10),
        ("p1", "ann", ("all", 2), 10),
        ("nobody", None, ("", 0), 10),
    ],
    "backlog": [
        ("all", "pending", ("", 0), 10, 100),
        ("all", "dead", ("p3", 5), 10, 100),
    ],
    "outbox_counts": [()],
    "history_position": [()],
    "history_facts": [(0, 50), (700, 50)],
    "history_sums": [(3_600, "ann", ("created", "detection"), 0, 10**9)],
    "prunable": [(T0 + 1, 0, 50), (T0 + 1, 700, 50), (T0, 0, 50)],
    "pruned": [(), ("ann",)],
    "offset_before": [(T0,), (T0 + 1,)],
    "deliveries_up_to": [("all", 0, 500, 50), ("none", 0, 500, 50)],
    "file_use": [()],
    "told_alerts": [("all",)],
    "order_hours": [("ann",)],
    "refund": [("ref_1",)],
    "refunds_of": [("p1",)],
    "refunds_page": [(None, None, 5), ("ann", None, 5), ("ann", "ref_1", 5)],
    "refunds_in": [(state,) for state in LIVING],
    "refunds_due": [(T0,)],
    "sealed_wallets": [()],
    "sealed_key": [("wal_1", b"script 5"), ("wal_2", b"none")],
    "wallets": [(), ("ann",)],
    "last_drawn": [("identity",), ("none",)],
    "known_addresses": [(["address of p1", "nowhere"],)],
    "drawn_of": [(["address of p1", "nowhere"],)],
    "unpaid_run": [("identity", 20)],
    "over_unpaid": [("identity", 20)],
    **OUTGOING_READS,
    **TILL_READS,
    **LIGHTNING_READS,
    "balance": [("ann", "credit", "user:u1"), ("nobody", "sat", "own")],
    "balances": [("ann", ("", ""), 10), ("ann", ("credit", "user:u1"), 10)],
    "postings": [("ann", None, 0, 10), ("ann", "u1", 0, 10), ("ann", "u1", 5, 10)],
    "postings_before": [("ann", "u1", None, 10), ("ann", "u1", 5, 10)],
    "postings_of": [("p1",), ("", "debit 1")],
}
"""Arguments for each method of the port, for each of its ways."""


def told_row(payment_id: str, offset: int, channel_id: str = "all") -> DeliveryResult:
    return DeliveryResult(
        channel_id, payment_id, offset, 1, 1, T0, 5, 200, "ok", None, "delivered", 0
    )


ROWS: dict[type, list[Any]] = {
    KeptAnswer: [KeptAnswer("scope", "new", b"h", 201, b"{}", T0)],
    ForgetIdempotency: [
        ForgetIdempotency(T0),
        ForgetIdempotency(T0, "scope", "key"),
    ],
    InboundWebhook: [InboundWebhook("provider", "new", T0, None, "heard", b"{}")],
    CustomerRow: [CustomerRow("new", "sealed")],
    Release: [Release("p4")],
    SourceTip: [SourceTip("node", 7, "aa")],
    ReadAgain: [ReadAgain(5, "aa")],
    ApiKey: [ApiKey("key_1", "name", "ann", b"hash", T0, ("read",))],
    RevokeKey: [RevokeKey("key_0", T0)],
    LedgerEntry: [
        LedgerEntry(
            "ann",
            "debit new",
            "debit",
            T0,
            (Posting(CREDIT, ISSUED, "user:u9", 5), Posting(CREDIT, "user:u9", "x", 2)),
            ((CREDIT, "user:u9"),),
        )
    ],
    MerchantRow: [MerchantRow("ann", 1, T0, b"{}")],
    ChannelRow: [ChannelRow("more", "ann", True, (), T0, b"{}")],
    RemoveChannel: [RemoveChannel("gone", limit=10)],
    PurgeDeliveries: [PurgeDeliveries(limit=10), PurgeDeliveries(limit=10)],
    DeliveryResult: [told_row("p1", 2)],
    Requeue: [
        Requeue(at=T0, limit=50),
        Requeue(merchant="ann", since=T0, until=T0 + 9, at=T0, limit=50),
        Requeue(channel_id="all", payment_id="p1", offset=1, dead_only=True, at=T0),
        Requeue(payment_id="p1", at=T0),
        Requeue(offset=1, at=T0),
        Requeue(merchant="nobody", since=T0, at=T0),
    ],
    Whole: [Whole("p1")],
    Prune: [Prune("p3", 1), Prune("p2", 2)],
    Forget: [Forget("attempts", T0 + 1, 50), Forget("inbound", T0 + 1, 50)],
    ForgetDeliveries: [ForgetDeliveries("all", 0, 50)],
    ShrinkFile: [ShrinkFile(10)],
    FillSearch: [FillSearch(50)],
    ToldRow: [
        ToldRow("all", "source.behind", "node", "slow", T0),
        ToldRow("all", "source.behind", "node", "slow", T0, is_over=True),
    ],
    AddHistory: [
        AddHistory(sums_of([A_FACT]), 0, 5),
        AddHistory(sums_of([A_FACT]), 5, 6),
    ],
    ForgetHistory: [ForgetHistory(3_600, 10**9, 50)],
    OrdersRow: [OrdersRow("ann", 9, 2, keep_from=3)],
    OpenRefund: [OpenRefund(NEW_REFUND, 1, 99_999, 9, 9_999)],
    MoveRefund: [
        MoveRefund(replace(refund(3), state=RefundState.PENDING), RefundState.OPEN)
    ],
    WalletRecord: [wallet(), wallet()],
    WalletSecretRow: [WalletSecretRow("wal_2", b"sealed")],
    WalletKeyRow: [WalletKeyRow("wal_1", b"new script", b"sealed")],
    AddressRow: [
        AddressRow("identity", 10**6, "new address", "wal_1", "p1", "e"),
        AddressRow("identity", 3, "address of p3", "wal_1", "new", "e", former="p3"),
    ],
    **OUTGOING_ROWS,
    **TILL_ROWS,
    **LIGHTNING_ROWS,
}
"""Each kind of row that can be written beside events."""

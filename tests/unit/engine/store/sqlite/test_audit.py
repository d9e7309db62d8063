"""The audit: a row that changed on the disk is named, in whatever table it is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.payment.events import opening
from engine.payment.observations import AgreeRest
from engine.payment.rules import follow
from engine.store.sqlite import queries
from engine.store.sqlite.audit import damaged_rows
from engine.store.sqlite.checksum import Damaged
from engine.store.sqlite.journal import Journal
from engine.store.writes import (
    ApiKey,
    Entry,
    InboundWebhook,
    KeptAnswer,
    MerchantRow,
    RevokeKey,
    SourceTip,
    UpstreamCursor,
    Write,
)
from tests.unit.engine.store.lightning_cases import hash_of, invoiced
from tests.unit.journal_cases import channel, creation
from tests.unit.payment_cases import T0, both_terms, invoice, mined, view


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "paybell.db")
    rows = (
        ApiKey("key_1", "till", None, b"hash", T0, ("read",)),
        ApiKey("key_2", "old", "ann", b"hush", T0, ("read",)),
        RevokeKey("key_2", T0 + 1),
        KeptAnswer("key_1", "k", b"hash", 201, b"body", T0),
        InboundWebhook("blockonomics", "t1", T0, None, "heard", b"{}"),
        MerchantRow("ann", 1, T0, b"{}"),
        SourceTip("node", 7, "00"),
        UpstreamCursor("shop", "c7", T0),
    )
    opened.commit([channel("c"), creation("pay_1"), invoiced(1)])
    opened.commit([Write(rows=(row,)) for row in rows])
    yield opened
    opened.close()


def test_a_sound_database_has_nothing_to_tell(journal: Journal) -> None:
    assert list(damaged_rows(journal.connection)) == []
    journal.commit([Write(rows=(SourceTip("node", 8, "01"),)), channel("c", "ann")])
    assert list(damaged_rows(journal.connection)) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            "events SET at = at + 1 WHERE payment_id = 'pay_1'",
            "event 1 is not as it was written",
        ),
        (
            "payments SET state = x'7b7d' WHERE id = 'pay_1'",
            "payment pay_1 is not as it was written",
        ),
        ("api_keys SET merchant = NULL WHERE id = 'key_2'", "api_keys: key_2 is not"),
        ("api_keys SET revoked_at = NULL WHERE id = 'key_2'", "api_keys: key_2 is not"),
        ("api_keys SET scopes = 'read operator' WHERE id = 'key_2'", "api_keys: key_2"),
        ("epochs SET crc = NULL", "row 1 of epochs is not as it was written"),
        ("upstreams SET cursor = 'c8'", "upstreams: shop is not as it was written"),
        (
            "invoices SET node = 'other'",
            f"invoices: {hash_of(1)} is not as its payment",
        ),
        (
            "invoices SET expires_at = 9",
            f"invoices: {hash_of(1)} is not as its payment",
        ),
        ("invoices SET payment_id = 'pay_1'", f"invoices: {hash_of(1)} is not as its"),
        ("invoices SET payment_id = 'none'", f"invoices: {hash_of(1)} is not as its"),
        ("payments SET state = x'00' WHERE id = 'ln1'", "payment ln1 is not as it was"),
        ("merchants SET version = 2", "merchants: ann is not as it was written"),
        ("channels SET state = x'7b7d20'", "channels: c is not as"),
        ("idempotency SET status = 200", "idempotency: key_1 is not as"),
        ("inbound SET verdict = 'false'", "inbound: blockonomics is not as"),
        ("source_tips SET height = 70", "source_tips: node is not as"),
        ('outbox SET payment_id = 1 WHERE "offset" = 1', "event 1 to c fits no event"),
        ('outbox SET seq = 2 WHERE "offset" = 1', "event 1 to c fits no event"),
        ('outbox SET state = 1 WHERE "offset" = 1', "event 1 to c fits no event"),
        (
            "outbox SET channel_id = 'd' WHERE seq = 1 AND payment_id = 'pay_1'",
            "event 1 to d fits no event",
        ),
    ],
)
def test_a_row_that_changed_is_named(journal: Journal, change: str, said: str) -> None:
    assert journal.connection.execute(f"UPDATE {change}").rowcount == 1
    (line,) = damaged_rows(journal.connection)
    assert said in line


def test_a_tip_that_changed_is_not_believed(journal: Journal) -> None:
    journal.connection.execute("UPDATE source_tips SET height = 70")
    with pytest.raises(Damaged, match="the tip of node is not as it was written"):
        queries.source_tip(journal.connection, "node")


def test_an_invoice_that_nobody_would_find_is_missed(journal: Journal) -> None:
    journal.connection.execute("DELETE FROM invoices")
    assert list(damaged_rows(journal.connection)) == [
        "invoices: the one of ln1 is missing"
    ]


def test_the_invoice_for_what_is_missing_is_looked_at_as_well(
    journal: Journal,
) -> None:
    agreed = both_terms(id="pay_2", address="bcrt1qother", lightning=invoice())
    created, payment = opening(agreed)
    told = follow(payment, view(mined("t1", 998, 49_700)), T0)
    rest = invoice(payment_hash=hash_of(2), amount_msat=300_000)
    more = follow(told.payment, AgreeRest(invoice=rest, by="payer"), T0)
    events = (created, *told.events, *more.events)
    journal.commit([Write((Entry(more.payment, events),))])
    assert list(damaged_rows(journal.connection)) == []
    update = "UPDATE invoices SET expires_at = 9 WHERE payment_hash = ?"
    journal.connection.execute(update, (hash_of(2),))
    assert list(damaged_rows(journal.connection)) == [
        f"invoices: {hash_of(2)} is not as its payment has it"
    ]
    delete = "DELETE FROM invoices WHERE payment_hash = ?"
    journal.connection.execute(delete, (hash_of(2),))
    assert list(damaged_rows(journal.connection)) == [
        "invoices: the one of pay_2 is missing"
    ]

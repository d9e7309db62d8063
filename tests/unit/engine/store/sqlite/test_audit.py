"""The audit: a row that changed on the disk is named, in whatever table it is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.store.sqlite import queries
from engine.store.sqlite.audit import damaged_rows
from engine.store.sqlite.checksum import Damaged
from engine.store.sqlite.journal import Journal
from engine.store.writes import (
    IdempotencyRow,
    InboundRow,
    KeyRow,
    MerchantRow,
    RevokeKey,
    SourceTip,
    Write,
)
from tests.unit.journal_cases import channel, creation
from tests.unit.payment_cases import T0


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "paybell.db")
    rows = (
        KeyRow("key_1", "till", None, b"hash", T0, ("read",)),
        KeyRow("key_2", "old", "ann", b"hush", T0, ("read",)),
        RevokeKey("key_2", T0 + 1),
        IdempotencyRow("key_1", "k", b"hash", 201, b"body", T0),
        InboundRow("blockonomics", "t1", T0, None, "heard", b"{}"),
        MerchantRow("ann", 1, T0, b"{}"),
        SourceTip("node", 7, "00"),
    )
    opened.commit([channel("c"), creation("pay_1")])
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
        ("events SET at = at + 1", "event 1 is not as it was written"),
        ("payments SET state = x'7b7d'", "payment pay_1 is not as it was written"),
        ("api_keys SET merchant = NULL WHERE id = 'key_2'", "api_keys: key_2 is not"),
        ("api_keys SET revoked_at = NULL WHERE id = 'key_2'", "api_keys: key_2 is not"),
        ("api_keys SET scopes = 'read operator' WHERE id = 'key_2'", "api_keys: key_2"),
        ("epochs SET crc = NULL", "row 1 of epochs is not as it was written"),
        ("merchants SET version = 2", "merchants: ann is not as it was written"),
        ("channels SET state = x'7b7d20'", "channels: c is not as"),
        ("idempotency SET status = 200", "idempotency: key_1 is not as"),
        ("inbound SET verdict = 'false'", "inbound: blockonomics is not as"),
        ("source_tips SET height = 70", "source_tips: node is not as"),
        ("outbox SET payment_id = 'pay_2'", "event 1 to c fits no event"),
        ("outbox SET seq = 2", "event 1 to c fits no event"),
        ("outbox SET state = 'done'", "event 1 to c fits no event"),
        ("outbox SET channel_id = 'd'", "event 1 to d fits no event"),
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

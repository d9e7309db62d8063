"""What the journal writes beside events: outboxes, deliveries, keys, channels."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.delivery.channel import Channel
from engine.payment.model import EventType
from engine.store.records import PendingPayment
from engine.store.sqlite import outbox, queries
from engine.store.sqlite.journal import Journal
from engine.store.writes import (
    MAX_BLOCKS_READ_AGAIN,
    ApiKey,
    ChannelRow,
    Committed,
    DeliveryResult,
    Entry,
    ReadAgain,
    RemoveChannel,
    Requeue,
    RevokeKey,
    SourceTip,
    Write,
)
from tests.unit.journal_cases import channel, creation, decided, owed, stored
from tests.unit.payment_cases import T0, mined, view


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "paybell.db")
    yield opened
    opened.close()


def test_only_what_is_further_is_read_again_and_not_what_would_leave_a_gap(
    journal: Journal,
) -> None:
    far = 500 + MAX_BLOCKS_READ_AGAIN
    before = {"below": 499, "above": 600, "far": far + 1, "devchain": 600, "probe": 0}
    rows = tuple(SourceTip(name, height, "aa") for name, height in before.items())
    (outcome,) = journal.commit([Write(rows=(*rows, ReadAgain(500, "bb")))])
    assert isinstance(outcome, Committed)
    sql = journal.connection
    marks = {name: queries.source_tip(sql, name) for name in before}
    assert marks.pop("above") == SourceTip("above", 500, "bb")
    assert marks == {
        n: SourceTip(n, h, "aa") for n, h in before.items() if n != "above"
    }


def test_the_outbox_is_filled_by_merchant_and_kind(journal: Journal) -> None:
    journal.commit(
        [
            channel("all"),
            channel("ann", "ann"),
            channel("deep", "*", EventType.CONFIRMED),
            channel("off", "*", enabled=False),
        ]
    )
    journal.commit([creation("pay_a", "ann"), creation("pay_b", "bob")])
    journal.commit([decided(stored(journal, "pay_b"), view(mined("t1", 998)))])
    assert owed(journal, "all") == [
        ("pay_a", 1),
        *(("pay_b", seq) for seq in (1, 2, 3, 4)),
    ]
    assert owed(journal, "ann") == [("pay_a", 1)]
    assert owed(journal, "deep") == [("pay_b", 4)]
    assert owed(journal, "off") == []


def test_a_kind_whose_name_begins_another_does_not_match_it(journal: Journal) -> None:
    journal.commit([channel("c", "*", EventType.FORWARDED)])
    (entry,) = creation("pay_1").entries
    (event,) = entry.events
    kinds = {1: EventType.FORWARDING, 2: EventType.FORWARDED}
    events = tuple(replace(event, seq=seq, type=kind) for seq, kind in kinds.items())
    journal.commit([Write(entries=(Entry(replace(entry.payment, seq=2), events),))])
    assert owed(journal, "c") == [("pay_1", 2)]


def delivery(offset: int, seq: int, state: str, *, attempt: int = 1) -> Write:
    row = DeliveryResult(
        channel_id="c",
        payment_id="pay_1",
        offset=offset,
        seq=seq,
        attempt=attempt,
        at=T0,
        latency_ms=12,
        status=500,
        outcome="failed",
        error="500 Internal Server Error",
        state=state,
        next_at=T0 + 5_000 if state == "pending" else 0,
    )
    return Write(rows=(row,))


@pytest.fixture
def delivered(journal: Journal) -> Journal:
    """pay_1 with four events: 1, 2 delivered, 3 dead, 4 waiting to be tried again."""
    journal.commit([channel("c"), channel("other")])
    journal.commit([creation("pay_1")])
    journal.commit([decided(stored(journal, "pay_1"), view(mined("t1", 998)), T0 + 9)])
    states = ("delivered", "delivered", "dead", "pending")
    journal.commit([delivery(n, n, state) for n, state in enumerate(states, 1)])
    return journal


@pytest.mark.parametrize(
    ("requeue", "seqs"),
    [
        (Requeue(channel_id="c"), [1, 2, 3, 4]),
        (Requeue(channel_id="c", dead_only=True), [3, 4]),
        (Requeue(channel_id="c", offset=2), [2, 4]),
        (Requeue(channel_id="c", payment_id="pay_1"), [1, 2, 3, 4]),
        (Requeue(channel_id="c", payment_id="pay_2"), [4]),
        (Requeue(channel_id="c", since=T0 + 1), [2, 3, 4]),
        (Requeue(channel_id="c", until=T0 + 1), [1, 4]),
        (Requeue(channel_id="other", dead_only=True), [4]),
        (Requeue(merchant="*"), [1, 2, 3, 4]),
        (Requeue(merchant="bob"), [4]),
    ],
)
def test_deliveries_are_put_back_in_the_queue_by_what_is_asked(
    delivered: Journal, requeue: Requeue, seqs: list[int]
) -> None:
    assert isinstance(delivered.commit([Write(rows=(requeue,))])[0], Committed)
    assert [seq for _, seq in owed(delivered, "c")] == seqs


def test_the_next_to_tell_is_the_oldest_that_is_pending(delivered: Journal) -> None:
    sql = delivered.connection
    head = outbox.next_pending(sql, "c", "pay_1")
    assert head is not None
    assert (head.seq, head.attempts, head.next_at) == (4, 1, T0 + 5_000)
    delivered.commit([Write(rows=(Requeue(offset=3, channel_id="c", at=T0),))])
    head = outbox.next_pending(sql, "c", "pay_1")
    assert head is not None
    assert (head.seq, head.attempts) == (3, 0)
    assert outbox.pending_payments(sql, "c") == [PendingPayment("pay_1", T0)]
    assert [a.seq for a in outbox.attempts(sql, "c", None, 3)] == [4, 3, 2]


def test_a_removed_channel_is_owed_nothing(delivered: Journal) -> None:
    delivered.commit([Write(rows=(RemoveChannel("c"),))])
    assert owed(delivered, "c") == []
    assert [c.id for c in outbox.channels(delivered.connection)] == ["other"]


def test_keys_are_kept_and_revoked_once(journal: Journal) -> None:
    journal.commit(
        [Write(rows=(ApiKey("key_1", "till", None, b"hash", T0, ("read",)),))]
    )
    journal.commit([Write(rows=(RevokeKey("key_1", T0 + 5),))])
    journal.commit([Write(rows=(RevokeKey("key_1", T0 + 9),))])
    (key,) = queries.api_keys(journal.connection)
    assert (key.name, key.revoked_at) == ("till", T0 + 5)


def test_what_a_channel_says_of_itself_survives_its_change(journal: Journal) -> None:
    first = Channel(id="c", url="https://a.example", secret="s", created_at=T0)
    for state in (b"1", b"2"):
        row = ChannelRow(first.id, "*", True, (), T0, state)
        journal.commit([Write(rows=(row,))])
    (record,) = outbox.channels(journal.connection)
    assert record.state == b"2"

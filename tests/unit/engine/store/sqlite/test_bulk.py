"""Batches: many writes in few statements leave what one after the other would."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
import sqlite_utils

from engine.merchants.scopes import default_scopes
from engine.payment.model import Payment
from engine.store.records import MerchantRecord
from engine.store.sqlite import outbox, queries
from engine.store.sqlite.audit import damaged_beside
from engine.store.sqlite.checksum import Damaged, row_crc
from engine.store.sqlite.journal import Journal
from engine.store.sqlite.migrations import migrations
from engine.store.sqlite.multi_insert import MAX_ROWS, Many
from engine.store.sqlite.replay import differences
from engine.store.writes import (
    Committed,
    Conflict,
    DeliveryResult,
    Entry,
    ForgetIdempotency,
    InboundWebhook,
    KeptAnswer,
    MerchantRow,
    Outcome,
    Release,
    RemoveChannel,
    Requeue,
    SourceTip,
    Write,
)
from tests.tools.settled_epoch import settle_epoch
from tests.unit.journal_cases import channel, creation, decided, owed, stored
from tests.unit.payment_cases import T0, mempool, mined, view

TABLES = (
    "events",
    "payments",
    "outbox",
    "attempts",
    "channels",
    "inbound",
    "idempotency",
    "source_tips",
)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "paybell.db")
    yield opened
    opened.close()


@pytest.mark.parametrize("count", [0, 1, 2, 3, 127, 128, 129, 511, 512])
def test_any_number_of_rows_is_written_in_order(count: int) -> None:
    with closing(sqlite3.connect(":memory:")) as sql:
        sql.execute("CREATE TABLE t (a, b)")
        values = [value for n in range(count) for value in (n, -n)]
        Many("INSERT INTO t VALUES", 2).run(sql, values)
        rows = sql.execute("SELECT a, b FROM t ORDER BY rowid").fetchall()
    assert rows == [(n, -n) for n in range(count)]


def some_write(random: Random, payments: dict[str, Payment], events: int) -> Write:
    """Anything that can be written, of few names, so that much of it conflicts."""
    names = [f"pay_{n}" for n in range(12)]
    name = random.choice(names)
    delivery = DeliveryResult(
        channel_id="all",
        payment_id=name,
        offset=random.randint(0, events),  # what is delivered was committed before
        seq=1,
        attempt=random.randint(1, 3),
        at=T0,
        latency_ms=1,
        status=200,
        outcome="ok",
        error=None,
        state=random.choice(("delivered", "pending", "dead")),
        next_at=random.randint(0, 9),
    )
    rows = (
        (),
        (InboundWebhook("p", f"t{random.randint(0, 20)}", T0, name, "heard", b"{}"),),
        (KeptAnswer("k", f"{random.randint(0, 20)}", b"h", 201, b"{}", T0),),
        (ForgetIdempotency(T0 + random.choice((0, 1))),),
        (Release(name),),
        (SourceTip("node", random.choice((1, 2, 1 << 70)), "00"),),
        (delivery,),
        (Requeue(payment_id=name, at=T0),),
        channel(random.choice(("all", "new")), enabled=random.random() < 0.8).rows,
        (RemoveChannel("new"),),
    )
    row = random.choice(rows)
    if random.random() < 0.4:
        made = creation(name, address=f"address {random.randint(0, 20)}")
        return Write(made.entries, row)
    if name in payments and random.random() < 0.7:
        seen = random.choice((mempool("t1"), mined("t1", 998), mined("t2", 999)))
        return Write(decided(payments[name], view(seen)).entries, row)
    if name in payments and random.random() < 0.2:
        return Write((Entry(payments[name], ()),), row)  # which nobody can mean
    return Write(rows=row)


def content(journal: Journal) -> list[object]:
    return [
        journal.connection.execute(f"SELECT * FROM {t} ORDER BY 1, 2, 3").fetchall()  # noqa: S608
        for t in TABLES
    ]


def kinds(outcomes: Sequence[Outcome]) -> list[object]:
    return [
        o.what
        if isinstance(o, Conflict)
        else [(e.offset, e.wire) for e in getattr(o, "events", ())]
        for o in outcomes
    ]


@pytest.mark.parametrize("seed", range(40))
def test_a_batch_leaves_what_one_write_after_the_other_would(
    tmp_path: Path, seed: int
) -> None:
    random = Random(seed)
    together, apart = (Journal(tmp_path / f"{n}.db") for n in ("together", "apart"))
    payments: dict[str, Payment] = {}
    for journal in (together, apart):
        settle_epoch(journal)
        journal.commit([channel("all")])
    for _ in range(20):
        size = random.choice((1, 2, 3, 8))  # small ones often have no conflict
        batch = [some_write(random, payments, apart.last_offset) for _ in range(size)]
        at_once = together.commit(batch)
        by_one = [apart.commit([write])[0] for write in batch]
        assert kinds(at_once) == kinds(by_one)
        assert content(together) == content(apart)
        for write, outcome in zip(batch, by_one, strict=True):
            if isinstance(outcome, Committed):
                payments |= {e.payment.id: e.payment for e in write.entries}
    together.close()
    apart.close()


def test_a_batch_of_hundreds_is_numbered_and_owed_in_order(journal: Journal) -> None:
    journal.commit([channel("c")])
    count = 3 * MAX_ROWS + 5
    journal.commit([creation(f"pay_{n:03}") for n in range(count)])
    moves = [
        decided(stored(journal, f"pay_{n:03}"), view(mempool(f"t{n}")))
        for n in range(count)
    ]
    outcomes = journal.commit(moves)
    assert [e.offset for o in outcomes for e in getattr(o, "events", ())] == list(
        range(count + 1, 2 * count + 1)
    )
    assert len(owed(journal, "c")) == 2 * count
    assert [d for _, d in differences(journal.connection) if d is not None] == []


def rows_in(journal: Journal, table: str) -> int:
    (count,) = journal.connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
    return int(count)


def test_a_batch_writes_rows_for_its_merchants_channels_and_few_bytes_for_each(
    journal: Journal, tmp_path: Path
) -> None:
    """200 payments and 20 channels: the most that a merchant may have by default."""
    batch = [creation(f"pay_0123456789012345{n:03d}", "ann") for n in range(200)]
    wal = Path(f"{journal.path}-wal")
    sizes = []
    for channels in (0, 20):
        for number in range(channels):
            name = f"ch_01234567890123456789{number:02d}"
            journal.commit([channel(name, "ann")])
        journal.commit([channel("another's", "bob")])
        journal.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        entries = tuple(entry for write in batch for entry in write.entries)
        (outcome,) = journal.commit([Write(entries=entries)])
        assert isinstance(outcome, Committed)
        sizes.append(wal.stat().st_size)
        assert rows_in(journal, "outbox") == 200 * channels
        batch = [creation(f"pay_1123456789012345{n:03d}", "ann") for n in range(200)]
    without, with_channels = sizes
    assert (with_channels - without) / (200 * 20) < 300, "bytes for each row"


def test_channels_of_other_merchants_cost_a_commit_nothing(journal: Journal) -> None:
    """SQLite's own steps are counted."""
    steps = []
    for others in (10, 1_000):
        rows = tuple(
            row for n in range(others) for row in channel(f"{n}", f"m{n}").rows
        )
        journal.commit([Write(rows=rows)])
        ticks: list[None] = []
        journal.connection.set_progress_handler(lambda: ticks.append(None), 1)  # noqa: B023
        journal.commit([creation(f"p{others}", "ann")])
        journal.connection.set_progress_handler(None, 0)
        steps.append(len(ticks))
    assert steps[1] <= steps[0] * 1.2
    assert rows_in(journal, "outbox") == 0


def test_a_conflict_in_hundreds_undoes_only_itself(journal: Journal) -> None:
    batch = [creation(f"pay_{n}") for n in range(300)]
    batch[150] = creation("pay_149")
    ran: list[str] = []
    journal.connection.set_trace_callback(ran.append)
    outcomes = journal.commit(batch)
    assert [type(o) for o in outcomes].count(Committed) == 299
    assert isinstance(outcomes[150], Conflict)
    assert journal.last_offset == 299
    assert ran.count("COMMIT") == 1


def test_a_damaged_row_beside_the_events_is_noticed(journal: Journal) -> None:
    sql = journal.connection
    answer = KeptAnswer("key_1", "k", b"hash", 201, b"body", T0)
    journal.commit([channel("c"), Write(rows=(answer,))])
    sql.execute("UPDATE idempotency SET status = 200")
    with pytest.raises(Damaged, match="an idempotent answer is not as"):
        queries.idempotent_answer(sql, "key_1", "k", T0)
    sql.execute("UPDATE channels SET merchant = 'another'")
    with pytest.raises(Damaged, match="channel c is not as it was written"):
        outbox.channel(sql, "c")
    assert outbox.channels(sql) == []  # set aside: it costs the others nothing
    assert outbox.damaged_channels(sql) == ["c"]


def test_one_damaged_merchant_costs_the_others_nothing(journal: Journal) -> None:
    rows = (MerchantRow("ann", 3, 5, b"{}"), MerchantRow("bob", 1, 5, b"{}"))
    journal.commit([Write(rows=rows)])
    sql = journal.connection
    sql.execute("UPDATE merchants SET state = x'7b' WHERE name = 'ann'")
    ann, bob = queries.merchants(sql)
    assert (ann.name, ann.state) == ("ann", None)
    assert bob == MerchantRecord("bob", 1, 5, b"{}")


# -- the schema of earlier versions --------------------------------------------------


def test_keys_of_an_earlier_version_may_what_they_could_and_damage_stays_seen(
    tmp_path: Path,
) -> None:
    path = tmp_path / "paybell.db"
    old = sqlite3.connect(path)
    migrations.apply(sqlite_utils.Database(old), stop_before="m010_merchants")
    keys = [("k1", "till", "ann", b"1", 1, None), ("k2", "all", None, b"2", 1, 9)]
    with old:
        for key in keys:
            values = (*key, row_crc(key))
            old.execute("INSERT INTO api_keys VALUES (?, ?, ?, ?, ?, ?, ?)", values)
        old.execute("INSERT INTO api_keys VALUES ('k3', 'x', NULL, x'03', 1, NULL, 7)")
    old.close()
    journal = Journal(path)
    (damaged,) = (k for k in queries.api_keys(journal.connection) if k.id == "k3")
    assert damaged.name.startswith("API key k3 is not as it was written")
    assert damaged.scopes == (), "nothing of it is believed"
    journal.connection.execute("DELETE FROM api_keys WHERE id = 'k3'")
    found = queries.api_keys(journal.connection)
    assert [(key.merchant, key.revoked_at, key.scopes) for key in found] == [
        ("ann", None, default_scopes("ann")),
        (None, 9, default_scopes(None)),
    ]
    assert list(damaged_beside(journal.connection)) == []
    journal.close()


def test_a_database_of_an_earlier_version_is_taken_over_as_it_was(
    tmp_path: Path,
) -> None:
    path = tmp_path / "paybell.db"
    old = sqlite3.connect(path)
    migrations.apply(sqlite_utils.Database(old), stop_before="m006_locality")
    with old:
        old.execute("INSERT INTO channels VALUES ('c', '*', 1, '', 1, x'7b7d')")
        for n, watched in enumerate((1, 0, 1), 1):
            old.execute(
                "INSERT INTO payments VALUES (?, ?, 'm', 'a', ?, 'pending', 1, ?, 5,"
                " x'7b7d', 7)",
                (f"pay_{9 - n}", n, f"order {n}" if n > 1 else None, watched * (n > 1)),
            )
            old.execute(
                "INSERT INTO outbox VALUES ('c', ?, ?, 1, 'pending', 0, ?)",
                (n, f"pay_{9 - n}", n),
            )
    old.close()
    journal = Journal(path)
    rows = journal.connection.execute(
        "SELECT rank, id, external_id, watched, crc FROM payments ORDER BY rank"
    )
    assert rows.fetchall() == [
        (1, "pay_8", None, 0, 7),
        (2, "pay_7", "order 2", 0, 7),
        (3, "pay_6", "order 3", 1, 7),
    ]
    assert owed(journal, "c") == [("pay_6", 1), ("pay_7", 1), ("pay_8", 1)]
    assert [c.id for c in outbox.channels(journal.connection)] == ["c"]
    (check,) = journal.connection.execute("PRAGMA integrity_check").fetchone()
    assert check == "ok"
    journal.close()

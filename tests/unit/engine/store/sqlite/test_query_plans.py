"""No statement of the store walks through a table that grows, whoever asks for what.

The statements are those that the methods of the port execute, heard through SQLite's
trace: each method of `StoreReader` and each kind of row that can be written has to be
in `plan_cases.py`, so that a new one cannot be forgotten.
"""

import itertools
import re
import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, get_args

import pytest

from engine.money.ledger import CREDIT, ISSUED, Posting
from engine.payment.rules import follow
from engine.store import writes
from engine.store.port import StoreReader
from engine.store.sqlite import listing
from engine.store.sqlite.journal import Journal
from engine.store.writes import (
    AddressRow,
    ApiKey,
    Committed,
    CustomerRow,
    Entry,
    InboundWebhook,
    KeptAnswer,
    LedgerEntry,
    NewTill,
    OpenRefund,
    Release,
    SourceTip,
    UpstreamCursor,
    WalletKeyRow,
    Write,
)
from tests.tools.direct_store import DirectStore
from tests.unit.engine.store.lightning_cases import hash_of, invoiced
from tests.unit.engine.store.outgoing_cases import (
    outgoing_beside,
)
from tests.unit.engine.store.refund_cases import refund
from tests.unit.engine.store.sqlite.plan_cases import READS, ROWS, told_row
from tests.unit.engine.store.till_cases import forward
from tests.unit.journal_cases import channel, creation, decided, stored
from tests.unit.payment_cases import T0, mempool, settled, view

MERCHANTS = ("ann", "bob", "cy")
PAYMENTS = 600
STEPS_PER_TICK = 10

SMALL = {
    "api_keys",
    "merchants",
    "epochs",
    "channels",
    "c",  # channels, in the statement that fills the outbox
    "source_tips",
    "outbox_totals",
    "pruned",  # a row for each merchant
    "wallets",  # one or a few for each merchant
    "wallet_secrets",  # no more than wallets
    "removed_channels",
    "search_left",  # one row
    "new",  # the rows of a statement of many
}
"""What may be walked through: as long as what an operator or a shop configures."""


def test_every_question_and_every_row_is_tried() -> None:
    questions = {
        name
        for base in StoreReader.__mro__
        for name in vars(base)
        if not name.startswith("_") and base.__module__.startswith("engine.")
    }
    assert READS.keys() == questions, "give it arguments in READS"
    assert ROWS.keys() == set(get_args(writes.Row)), "give it an example in ROWS"


def filled(path: Path, payments: int) -> Journal:
    """Of each table as many rows as make it worth an index."""
    journal = Journal(path, synchronous="OFF")
    names = [f"p{n}" for n in range(payments)]
    journal.commit([channel("all"), channel("gone"), channel("ann", "ann")])
    owners = itertools.cycle(MERCHANTS)
    journal.commit([creation(n, next(owners)) for n in names])
    moved = [decided(stored(journal, n), view(mempool(f"t {n}"))) for n in names[::2]]
    journal.commit(moved)
    journal.commit([Write(rows=(Release(n),)) for n in names[::3]])
    journal.commit([Write(rows=_beside(n)) for n in range(payments)])
    journal.commit([invoiced(n) for n in range(payments // 10)])
    cursor = UpstreamCursor("shop", "c0", T0)
    journal.commit(
        [Write(rows=(cursor,)), *(_paid(n) for n in range(0, payments // 10, 9))]
    )
    rows = (ApiKey("key_0", "n", None, b"h0", T0, ()), SourceTip("node", 5, "aa"))
    journal.commit([Write(rows=rows)])
    return journal


def _paid(number: int) -> Write:
    (entry,) = invoiced(number).entries
    said = settled(payment_hash=hash_of(number))
    decided = follow(entry.payment, said, T0)
    return Write((Entry(decided.payment, tuple(decided.events)),))


def _beside(n: int) -> tuple[Any, ...]:
    seq = 2 - n % 2  # every other one was detected
    return (
        OpenRefund(refund(n), seq, 99_999, 9, 9_999),
        KeptAnswer("scope", f"k{n}", b"h", 201, b"{}", T0 + n),
        InboundWebhook("provider", f"d{n}", T0, None, "heard", b"{}"),
        CustomerRow(f"p{n}", "sealed"),
        AddressRow("identity", n, f"address of p{n}", "wal_1", f"p{n}", "epoch"),
        WalletKeyRow("wal_1", b"script %d" % n, b"sealed"),
        told_row(f"p{n}", n + 1),
        *outgoing_beside(n),
        NewTill(forward(n, n % 50 == 0)),
        _debit(n),
    )


def _debit(n: int) -> LedgerEntry:
    user = f"user:u{n % 7}"
    given = Posting(CREDIT, ISSUED, user, 5)
    return LedgerEntry(MERCHANTS[n % 3], f"debit {n}", "debit", T0, (given,))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journal]:
    journal = filled(tmp_path_factory.mktemp("plans") / "large.db", PAYMENTS)
    yield journal
    journal.close()


@pytest.fixture(scope="module")
def larger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journal]:
    journal = filled(tmp_path_factory.mktemp("plans") / "larger.db", 5 * PAYMENTS)
    yield journal
    journal.close()


def none(_sql: sqlite3.Connection) -> None:
    """As a database is that nobody analysed."""


def real(sql: sqlite3.Connection) -> None:
    sql.execute("ANALYZE")


def large_ones(sql: sqlite3.Connection) -> None:
    """As if there were five thousand times as many rows, of as many merchants."""
    sql.execute("ANALYZE")
    for rowid, stat in sql.execute("SELECT rowid, stat FROM sqlite_stat1").fetchall():
        rows, *per_key = (int(word) for word in stat.split() if word.isdigit())
        first = [per_key[0] * 5_000] if per_key and per_key[0] > 1 else per_key[:1]
        text = " ".join(map(str, (rows * 5_000, *first, *per_key[1:])))
        sql.execute("UPDATE sqlite_stat1 SET stat = ? WHERE rowid = ?", (text, rowid))
    sql.execute("ANALYZE sqlite_schema")  # read them anew


def everything(journal: Journal) -> Iterator[tuple[str, Callable[[], object]]]:
    """Each question, and each row, one after the other, with its name."""
    store = DirectStore(journal)
    for name, calls in READS.items():
        for arguments in calls:
            yield name, partial(getattr(store, name), *arguments)
    for kind, rows in ROWS.items():
        for row in rows:
            write = Write(rows=(row,))
            yield kind.__name__, partial(_committed, journal, write)
    told = [Write(rows=(told_row(f"p{n}", n + 1),)) for n in (1, 2, 3)]
    yield "an invoice", lambda: _committed(journal, invoiced(10**6))
    yield "a paid invoice", lambda: _committed(journal, _paid(4))
    yield "three deliveries", lambda: _committed(journal, *told)
    for count in (1, 2):
        names = [f"made with {count}, {n}" for n in range(count)]
        yield "creations", partial(_committed, journal, *map(creation, names))
        yield "moves", partial(_move, journal, names)


def _move(journal: Journal, names: list[str]) -> None:
    seen = (decided(stored(journal, n), view(mempool(f"t {n}"))) for n in names)
    _committed(journal, *seen)


def _committed(journal: Journal, *batch: Write) -> None:
    for outcome in journal.commit(batch):
        assert isinstance(outcome, Committed), outcome


@pytest.mark.parametrize("statistics", [none, real, large_ones])
def test_no_statement_walks_through_a_table_that_grows(
    large: Journal, statistics: Callable[[sqlite3.Connection], None], tmp_path: Path
) -> None:
    sql = sqlite3.connect(tmp_path / "copy.db", isolation_level=None)
    large.connection.backup(sql)
    statistics(sql)
    journal = Journal("copy", connection=sql)
    heard: list[str] = []
    sql.set_trace_callback(heard.append)
    for _, ask in everything(journal):
        ask()
    sql.set_trace_callback(None)
    texts = {t for t in heard if re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE)", t)}
    assert len(texts) > 80, "the trace heard nothing"
    walks = {}
    for text in texts:
        plan = [row[3] for row in sql.execute(f"EXPLAIN QUERY PLAN {text}")]
        if _walks(plan):
            walks[text] = plan
    sql.close()
    assert not walks


def _walks(plan: list[str]) -> bool:
    """A SCAN of what is not small; or a sort, which has to see all of its rows."""
    looked_through = [step for step in plan if re.match("SCAN|SEARCH", step)]
    grows = [step for step in looked_through if not _is_small(step)]
    return any(step.startswith("SCAN") for step in grows) or (
        bool(grows) and any("USE TEMP B-TREE" in step for step in plan)
    )


def _is_small(step: str) -> bool:
    name = step.split()[1]
    return name in SMALL or re.match(r"\d+|CONSTANT|\(subquery", name) is not None


def test_what_walks_is_found(large: Journal) -> None:
    """The judge of the test above, on statements as they must not be."""
    sql = large.connection
    for text in (
        "SELECT count(*) FROM outbox",
        "SELECT * FROM events WHERE at > 5",
        "SELECT * FROM payments WHERE merchant = 'ann' ORDER BY rank",
        "SELECT count(*) FROM payments WHERE status = 'failed'",
    ):
        plan = [row[3] for row in sql.execute(f"EXPLAIN QUERY PLAN {text}")]
        assert _walks(plan), plan


# -- how much is looked at -------------------------------------------------------------

OF_THE_NODE = {
    "oldest_watched": "asked by a source when it begins",
    "pending_up_to": "asked at a start and after a redelivery, of one channel's debts",
}
"""What grows with what is asked for, and why it may."""


def test_nothing_costs_more_in_a_database_with_more_in_it(
    large: Journal, larger: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's own steps are counted: a search that goes through half a table is no
    SCAN in a plan. What a page looks through at most, both databases have here."""
    monkeypatch.setattr(listing, "VISITED", 150)
    costs = zip(steps_of(large), steps_of(larger), strict=True)
    grown = [
        (name, one, five)
        for (name, one), (_, five) in costs
        if five > 1.5 * one + 300 and name not in OF_THE_NODE
    ]
    assert grown == []


def steps_of(journal: Journal) -> list[tuple[str, int]]:
    sql = sqlite3.connect(":memory:", isolation_level=None)
    journal.connection.backup(sql)
    found = []
    ticks: list[None] = []
    copy = Journal("copy", connection=sql)
    for name, ask in everything(copy):
        ticks.clear()
        sql.set_progress_handler(lambda: ticks.append(None), STEPS_PER_TICK)
        ask()
        sql.set_progress_handler(None, 0)
        found.append((name, len(ticks) * STEPS_PER_TICK))
    sql.close()
    return found

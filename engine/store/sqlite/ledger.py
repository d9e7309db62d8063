"""The ledger's tables: how postings are written and read. Append-only.

`ledger` has one row for each posting, `ledger_balances` what they come to: kept by the
database itself, in the statement that adds the posting, so that no code can forget it.
The postings of an event are written by the statement after the one that writes events
(`bulk.py`), a debit and the like as a row of its own (`write`). Nothing changes and
nothing goes: triggers refuse both.

A posting carries a checksum. A balance, which SQLite alone adds up, is kept twice, once
with the other sign: a flipped bit in either is noticed by whoever reads it.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from engine.money.ledger import Posting
from engine.money.worth import Worth
from engine.store.ledger_port import LedgerBalance, PostingRecord
from engine.store.ledger_writes import LedgerEntry
from engine.store.sqlite.checksum import Damaged, checked, row_crc
from engine.store.sqlite.multi_insert import Many

__all__ = [
    "COLUMNS",
    "balance",
    "balances",
    "create",
    "insert",
    "postings",
    "postings_before",
    "postings_of",
    "record_of",
    "write",
]

COLUMNS = (
    "id, at, merchant, payment_id, seq, cause, leg, kind, user, unit, source, target,"
    " amount, currency, minor, decimals, rate, rate_at, note"
)

_SCHEMA = (
    """CREATE TABLE ledger (
        id INTEGER PRIMARY KEY, at INTEGER NOT NULL, merchant TEXT NOT NULL,
        payment_id TEXT NOT NULL, seq INTEGER NOT NULL, cause TEXT NOT NULL,
        leg INTEGER NOT NULL, kind TEXT NOT NULL, user TEXT, unit TEXT NOT NULL,
        source TEXT NOT NULL, target TEXT NOT NULL CHECK (target != source),
        amount INTEGER NOT NULL CHECK (typeof(amount) = 'integer' AND amount > 0),
        currency TEXT, minor INTEGER, decimals INTEGER, rate TEXT, rate_at INTEGER,
        note TEXT NOT NULL, crc INTEGER NOT NULL
    )""",
    "CREATE UNIQUE INDEX ledger_by_cause ON ledger (payment_id, seq, cause, leg)",
    "CREATE INDEX ledger_of_merchant ON ledger (merchant)",
    "CREATE INDEX ledger_of_user ON ledger (merchant, user) WHERE user IS NOT NULL",
    # A sum beyond 64 bits would become a float: it is refused.
    """CREATE TABLE ledger_balances (
        merchant TEXT NOT NULL, unit TEXT NOT NULL, account TEXT NOT NULL,
        balance INTEGER NOT NULL CHECK (typeof(balance) = 'integer'),
        mirror INTEGER NOT NULL CHECK (typeof(mirror) = 'integer'),
        PRIMARY KEY (merchant, unit, account)
    ) WITHOUT ROWID""",
    """CREATE TRIGGER ledger_adds_up AFTER INSERT ON ledger BEGIN
        INSERT INTO ledger_balances VALUES
          (NEW.merchant, NEW.unit, NEW.target, NEW.amount, -NEW.amount),
          (NEW.merchant, NEW.unit, NEW.source, -NEW.amount, NEW.amount)
        ON CONFLICT DO UPDATE SET balance = balance + excluded.balance,
          mirror = mirror + excluded.mirror;
       END""",
    """CREATE TRIGGER ledger_never_changes BEFORE UPDATE ON ledger BEGIN
        SELECT RAISE(ABORT, 'ledger: a posting never changes');
       END""",
    """CREATE TRIGGER ledger_never_shrinks BEFORE DELETE ON ledger BEGIN
        SELECT RAISE(ABORT, 'ledger: no posting goes');
       END""",
)

_INSERT = Many(f"INSERT INTO ledger ({COLUMNS}, crc) VALUES", 20)

_SELECT = f"SELECT {COLUMNS}, crc FROM ledger"  # noqa: S608 - constants


def create(sql: sqlite3.Connection) -> None:
    """Make the tables, and what keeps them."""
    for statement in _SCHEMA:
        sql.execute(statement)


# -- writing ---------------------------------------------------------------------------


def insert(sql: sqlite3.Connection, found: Iterable[PostingRecord]) -> None:
    """Add postings in this order; their `id`s are given here.

    Raises `sqlite3.IntegrityError` if something was posted for a cause before.
    """
    (last,) = sql.execute("SELECT coalesce(max(id), 0) FROM ledger").fetchone()
    values: list[object] = []
    for number, record in enumerate(found, int(last) + 1):
        fields = _fields(number, record)
        values += (*fields, row_crc(fields))
    _INSERT.run(sql, values)


def write(sql: sqlite3.Connection, row: LedgerEntry) -> int:
    """Post what no event causes. Raises `sqlite3.IntegrityError`."""
    insert(
        sql,
        [
            PostingRecord(
                id=0,
                at=row.at,
                merchant=row.merchant,
                payment_id="",
                seq=0,
                cause=row.cause,
                leg=leg,
                kind=row.kind,
                posting=posting,
                note=row.note,
            )
            for leg, posting in enumerate(row.postings)
        ],
    )
    for unit, account in row.at_least_zero:
        if (balance(sql, row.merchant, unit, account) or 0) < 0:
            raise sqlite3.IntegrityError("ledger_balances.balance: below zero")
    return len(row.postings)


def _fields(number: int, record: PostingRecord) -> tuple[object, ...]:
    posting, worth = record.posting, record.posting.worth
    return (
        number,
        record.at,
        record.merchant,
        record.payment_id,
        record.seq,
        record.cause,
        record.leg,
        record.kind,
        posting.user,
        posting.unit,
        posting.source,
        posting.target,
        posting.amount,
        worth and worth.currency,
        worth and worth.minor,
        worth and worth.decimals,
        worth and worth.rate,
        worth and worth.rate_at,
        record.note,
    )


# -- reading ---------------------------------------------------------------------------


def record_of(row: Sequence[Any]) -> PostingRecord:
    """From `COLUMNS` and the checksum behind them. Raises `Damaged`."""
    number, at, merchant, payment_id, seq, cause, leg, kind, _, *rest = checked(
        f"posting {row[0]}", row
    )
    unit, source, target, amount, currency, minor, decimals, rate, rate_at, note = rest
    worth = None
    if currency is not None:
        worth = Worth(
            currency=currency,
            minor=minor,
            decimals=decimals,
            rate=rate,
            rate_at=rate_at,
        )
    posting = Posting(unit, source, target, amount, worth)
    return PostingRecord(
        number, at, merchant, payment_id, seq, cause, leg, kind, posting, note
    )


def balance(
    sql: sqlite3.Connection, merchant: str, unit: str, account: str
) -> int | None:
    row = sql.execute(
        "SELECT balance, mirror FROM ledger_balances"
        " WHERE merchant = ? AND unit = ? AND account = ?",
        (merchant, unit, account),
    ).fetchone()
    return None if row is None else _balance(account, *row)


def _balance(account: str, amount: int, mirror: int) -> int:
    if amount + mirror != 0:
        raise Damaged(f"the balance of {account}")
    return amount


def balances(
    sql: sqlite3.Connection, merchant: str, after: tuple[str, str], limit: int
) -> list[LedgerBalance]:
    rows = sql.execute(
        "SELECT unit, account, balance, mirror FROM ledger_balances"
        " WHERE merchant = ? AND (unit, account) > (?, ?)"
        " ORDER BY unit, account LIMIT ?",
        (merchant, *after, limit),
    )
    return [
        LedgerBalance(unit, name, _balance(name, *both)) for unit, name, *both in rows
    ]


def postings(
    sql: sqlite3.Connection, merchant: str, user: str | None, after: int, limit: int
) -> list[PostingRecord]:
    whose = (merchant,) if user is None else (merchant, user)
    where = "merchant = ?" if user is None else "merchant = ? AND user = ?"
    rows = sql.execute(
        f"{_SELECT} WHERE {where} AND id > ? ORDER BY id LIMIT ?",
        (*whose, after, limit),
    )
    return [record_of(row) for row in rows]


def postings_before(
    sql: sqlite3.Connection, merchant: str, user: str, before: int | None, limit: int
) -> list[PostingRecord]:
    rows = sql.execute(
        f"{_SELECT} WHERE merchant = ? AND user = ? AND id < ?"
        " ORDER BY id DESC LIMIT ?",
        (merchant, user, 1 << 62 if before is None else before, limit),
    )
    return [record_of(row) for row in rows]


def postings_of(
    sql: sqlite3.Connection, payment_id: str, cause: str
) -> list[PostingRecord]:
    where, bound = "payment_id = ?", payment_id
    if not payment_id:
        where, bound = "payment_id = '' AND seq = 0 AND cause = ?", cause
    rows = sql.execute(f"{_SELECT} WHERE {where} ORDER BY seq, cause, leg", (bound,))
    return [record_of(row) for row in rows]

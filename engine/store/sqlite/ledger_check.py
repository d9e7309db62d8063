"""Is the ledger right? Everything that can be known of it, held against each other.

Of one moment (a read transaction), so that it may be asked beside a running node. Walks
through whole tables: for `paybell ledger check`. Finds and changes nothing; memory does
not grow with the ledger.
"""

import sqlite3
from collections.abc import Iterator
from itertools import groupby

import msgspec

from engine.money.ledger import CREDIT, HELD, SALES, SAT, balances, user_account
from engine.payment.booked import Booked, booked_of
from engine.payment.booking import lightning_account, postings_of, unit_of
from engine.payment.events import decode
from engine.payment.model import EventType, Payment, Terms
from engine.store.ledger_port import PostingRecord
from engine.store.sqlite import ledger
from engine.store.sqlite.checksum import Damaged, is_event, stored_state

__all__ = ["findings", "sizes"]

_UNREADABLE = (Damaged, msgspec.MsgspecError, ValueError, TypeError, AssertionError)

_INCOME = {SALES, HELD}

_payments = msgspec.json.Decoder(Payment)

# What the postings come to, beside what is kept of it.
_BALANCES = """
    WITH came AS (
        SELECT merchant, unit, account, sum(amount) AS balance FROM (
            SELECT merchant, unit, target AS account, amount FROM ledger
            UNION ALL SELECT merchant, unit, source, -amount FROM ledger)
        GROUP BY merchant, unit, account)
    SELECT c.merchant, c.unit, c.account, c.balance, b.balance, b.mirror FROM came c
    LEFT JOIN ledger_balances b USING (merchant, unit, account)
    WHERE b.balance IS NOT c.balance OR b.mirror IS NOT -c.balance
    UNION ALL
    SELECT merchant, unit, account, NULL, balance, mirror FROM ledger_balances
    WHERE (merchant, unit, account) NOT IN (SELECT merchant, unit, account FROM came)
"""

_NOT_ZERO = """
    SELECT merchant, unit, sum(balance) FROM ledger_balances
    GROUP BY merchant, unit HAVING sum(balance) != 0"""

_STRAYS = """
    SELECT DISTINCT payment_id FROM ledger
    WHERE payment_id != '' AND payment_id NOT IN (SELECT id FROM payments)"""

_OF_USERS = f"""
    SELECT {ledger.COLUMNS}, crc FROM ledger WHERE user IS NOT NULL
    ORDER BY merchant, user, id"""  # noqa: S608 - constants


def sizes(sql: sqlite3.Connection) -> tuple[int, int]:
    """How many postings there are, and how many accounts."""
    (postings,) = sql.execute("SELECT count(*) FROM ledger").fetchone()
    (accounts,) = sql.execute("SELECT count(*) FROM ledger_balances").fetchone()
    return int(postings), int(accounts)


def findings(sql: sqlite3.Connection) -> Iterator[str]:
    """A line for each thing that is not as it must be."""
    yield from _rows(sql)
    for merchant, unit, account, came, kept, mirror in sql.execute(_BALANCES):
        yield (
            f"{merchant}: {account} has {kept} {unit} (and {mirror} in its mirror),"
            f" but its postings come to {came}"
        )
    for merchant, unit, total in sql.execute(_NOT_ZERO):
        yield f"{merchant}: the balances in {unit} are {total} in sum, not zero"
    for (payment_id,) in sql.execute(_STRAYS):
        yield f"{payment_id}: it is in the ledger, and there is no such payment"
    yield from _payments_and_events(sql)
    yield from _users(sql)


def _rows(sql: sqlite3.Connection) -> Iterator[str]:
    """Each posting is as it was written, and no id was left out."""
    last = 0
    for row in sql.execute(f"SELECT {ledger.COLUMNS}, crc FROM ledger ORDER BY id"):  # noqa: S608
        try:
            number = ledger.record_of(row).id
        except _UNREADABLE as error:
            yield str(error) or f"posting {row[0]} is not a posting"
            number = row[0]
        if number != last + 1:
            yield f"postings {last + 1} to {number - 1} are missing"
        last = number


# -- payments --------------------------------------------------------------------------


def _payments_and_events(sql: sqlite3.Connection) -> Iterator[str]:
    rows = sql.execute("SELECT id, state, crc, pruned_seq FROM payments ORDER BY id")
    for name, state, crc, pruned_seq in rows:
        try:
            payment = _payments.decode(stored_state(state, crc))
            posted = ledger.postings_of(sql, name, "")
        except _UNREADABLE as error:
            yield f"{name}: {error}"
            continue
        yield from _events(sql, payment, posted, pruned_seq)
        yield from _present(payment, posted)


def _events(
    sql: sqlite3.Connection,
    payment: Payment,
    posted: list[PostingRecord],
    pruned_seq: int,
) -> Iterator[str]:
    """Each event has the postings that it causes, and each posting its event."""
    by_seq: dict[int, list[PostingRecord]] = {}
    for record in posted:
        by_seq.setdefault(record.seq, []).append(record)
    by_seq.pop(0, None)  # its opening
    rows = sql.execute(
        'SELECT "offset", payment_id, seq, type, at, merchant, body, crc FROM events'
        " WHERE payment_id = ? ORDER BY seq",
        (payment.id,),
    )
    for *columns, crc in rows:
        if not is_event(crc, *columns):
            yield f"{payment.id}: event {columns[2]} is not as it was written"
            continue
        event = decode(columns[-1])
        found = by_seq.pop(event.seq, [])
        expected = [*postings_of(event, payment.terms)]
        if [record.posting for record in found] != expected:
            yield (
                f"{payment.id}: {event.type} (seq {event.seq}) causes"
                f" {len(expected)} postings, and {len(found)} others are there"
            )
        elif any(r.merchant != payment.terms.merchant for r in found):
            yield f"{payment.id}: seq {event.seq} is in another merchant's ledger"
    for seq in by_seq:
        if seq > pruned_seq:
            yield f"{payment.id}: postings of seq {seq}, which is no event"


def _present(payment: Payment, posted: list[PostingRecord]) -> Iterator[str]:
    """What is booked of it is what its present state says."""
    sums = balances(record.posting for record in posted)
    terms, booked = payment.terms, booked_of(payment)
    found = Booked(
        sold_sat=-sums.get((SAT, SALES), 0),
        held_sat=-sums.get((SAT, HELD), 0),
        sold_minor=-sums.get((unit_of(terms), SALES), 0) if terms.is_external else 0,
        lightning_sat=_by_lightning(terms, posted),
        lightning_fee_sat=booked.lightning_fee_sat,  # with fees of what was sent on
    )
    if found != booked:
        yield f"{payment.id}: it stands at {booked}, and {found} is in the ledger"
    credit = terms.credit
    if credit is None:
        return
    user = user_account(credit.account)
    has, wanted = sums.get((CREDIT, user), 0), 0
    if payment.counts_as_paid:
        wanted = credit.credits
    if has != wanted:
        text = f"{payment.id}: {payment.status}, and {has} credits are given"
        yield f"{text} of {wanted}"


def _by_lightning(terms: Terms, posted: list[PostingRecord]) -> int:
    """What came to the account of its node, whatever became of it there."""
    if terms.lightning is None:
        return 0
    node, total = lightning_account(terms), 0
    for record in posted:
        posting = record.posting
        if posting.target == node and posting.source in _INCOME:
            total += posting.amount
        elif posting.source == node and posting.target in _INCOME:
            total -= posting.amount
    return total


# -- users -----------------------------------------------------------------------------


def _users(sql: sqlite3.Connection) -> Iterator[str]:
    """No balance was below zero but by a reversal."""
    rows = (row for row in sql.execute(_OF_USERS) if _is_readable(row))
    records = map(ledger.record_of, rows)
    for (merchant, user), group in groupby(
        records, key=lambda record: (record.merchant, record.posting.user)
    ):
        balance, account = 0, user_account(user or "")
        for record in group:
            is_in = record.posting.target == account
            balance += record.posting.amount if is_in else -record.posting.amount
            reverses = record.kind == EventType.REVERSED
            if balance < 0 and not is_in and not reverses:
                yield (
                    f"{merchant}: {user} was at {balance} credits after posting"
                    f" {record.id} ({record.kind})"
                )


def _is_readable(row: tuple[object, ...]) -> bool:
    """What is not was named already."""
    try:
        ledger.record_of(row)
    except _UNREADABLE:
        return False
    return True

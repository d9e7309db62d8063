"""What is exported sums to the ledger to the cent: a few payments here, 100,000 in the
soak (PAYBELL_EXPORT_PAYMENTS)."""

import csv
import os
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from engine.payment.events import opening
from engine.payment.money_terms import Credit, Price
from engine.payment.rules import follow
from engine.store.sqlite.journal import Journal
from engine.store.sqlite.ledger_file import open_ledger
from engine.store.writes import Entry, Write
from tests.unit.payment_cases import T0, block, mined, terms, view
from transport.cli.ledger import export
from transport.http.export_lines import WRITERS, exported

PAYMENTS = int(os.environ.get("PAYBELL_EXPORT_PAYMENTS", "1000"))
BATCH = 1_000


def price_of(number: int) -> int:
    """In cents: from 1.00 to 100.99, odd ones too."""
    return 100 + number * 7 % 9_999


def is_reversed(number: int) -> bool:
    return number % 5 == 3


def story(number: int) -> Iterator[Write]:
    """Paid to the satoshi, or half of it too much; some are lost again."""
    cents, name = price_of(number), f"pay_{number:08d}"
    amount = cents * 17 + 3
    agreed = terms(
        id=name,
        merchant="shop",
        address=f"address of {name}",
        amount_sat=amount,
        credit=Credit(account=f"user-{number % 50}", credits=cents),
        price=Price(
            currency="EUR", minor=cents, decimals=2, rate="58823.5", rate_at=T0
        ),
    )
    event, payment = opening(agreed)
    yield Write(entries=(Entry(payment, (event,)),))
    sent = amount + amount // 2 * (number % 3 == 1)
    views = [view(mined("t", 998, sent), tip=1_000)]
    if is_reversed(number):
        views.append(view(tip=1_001, off_chain=(block(998),)))
    for seen in views:
        told = follow(payment, seen, T0)
        payment = told.payment
        yield Write(entries=(Entry(payment, tuple(told.events)),))


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sums") / "shop.db"
    journal = Journal(path, synchronous="OFF")
    for start in range(0, PAYMENTS, BATCH):
        numbers = range(start, min(start + BATCH, PAYMENTS))
        journal.commit([write for number in numbers for write in story(number)])
    journal.close()
    return path


def test_an_export_sums_to_the_ledger_and_to_the_prices_to_the_cent(
    database: Path, tmp_path: Path
) -> None:
    file = tmp_path / "shop.csv"
    options = ["--db", str(database), "--merchant", "shop", "--output", str(file)]
    done = CliRunner().invoke(export, options)
    assert done.exit_code == 0, done.output
    sums: Counter[tuple[str, str]] = Counter()
    euro: Counter[tuple[str, str]] = Counter()
    with file.open(encoding="utf-8", newline="") as text:
        for row in csv.DictReader(text):
            to = row["unit"], row["to_account"]
            away = row["unit"], row["from_account"]
            sums[to] += int(row["amount"])
            sums[away] -= int(row["amount"])
            cents = int(Decimal(row["worth"]) * 100)
            euro[to] += cents
            euro[away] -= cents
    journal = Journal(database)
    kept = journal.connection.execute(
        "SELECT unit, account, balance FROM ledger_balances"
    ).fetchall()
    journal.close()
    assert {(unit, name): balance for unit, name, balance in kept} == sums
    sold = [n for n in range(PAYMENTS) if not is_reversed(n)]
    prices = sum(price_of(n) for n in sold)
    above = sum(_half_of(n) for n in sold if n % 3 == 1)
    assert euro["sat", "onchain"] == -euro["sat", "sales"] == prices + above
    assert -sums["credit", "issued"] == prices


def _half_of(number: int) -> int:
    """What half as much again is worth, in cents: the nearest whole one, of all."""
    cents = price_of(number)
    amount = cents * 17 + 3
    sent = amount + amount // 2
    exact = Decimal(cents * sent) / amount
    return int((exact + Decimal("0.5")).to_integral_value("ROUND_FLOOR")) - cents


def test_the_whole_ledger_is_right(database: Path) -> None:
    with open_ledger(database) as book:
        assert list(book.findings()) == []


def test_a_file_takes_no_memory_for_what_was_sent_already(database: Path) -> None:
    _, head, line = WRITERS["csv"]
    with open_ledger(database) as book:
        tracemalloc.start()
        try:
            rows = 0
            for part in exported(
                lambda after, limit: book.postings("shop", None, after, limit),
                line,
                head,
            ):
                rows += part.count(b"\r\n")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert rows - 1 == sum(4 if is_reversed(n) else 2 for n in range(PAYMENTS))
    assert peak < 4_000_000

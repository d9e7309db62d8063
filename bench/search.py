"""How long a search of a million payments takes, and what its keys cost a commit.

    .venv/bin/python -m bench.search [payments]

Makes a database of so many payments, half of them paid, and asks for one by each thing
that a person has of it, as one merchant of ten and as the whole node.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from msgspec.structs import replace

from engine.bitcoin.address import script_to_address
from engine.payment.events import opening
from engine.payment.model import Flag, Terms
from engine.payment.rules import follow
from engine.payment.search import sought
from engine.store.further import Further, Stretch
from engine.store.sqlite.journal import Journal
from engine.store.sqlite.queries import list_payments
from engine.store.writes import Entry, Write
from tests.unit.payment_cases import T0, mempool, terms, view

BATCH = 1_000
MERCHANTS = 10


def agreed(number: int, random: Random) -> Terms:
    script = b"\x00\x14" + number.to_bytes(20)
    return replace(
        terms(amount_sat=random.randrange(1_000, 10**7)),
        id=f"pay_{number:022d}",
        address=script_to_address(script, "regtest") or "",
        external_id=f"order-{number}",
        merchant=f"shop{number % MERCHANTS}",
        created_at=T0 + number * 50,
    )


def fill(journal: Journal, payments: int) -> None:
    random = Random(1)
    for first in range(0, payments, BATCH):
        made = [
            opening(agreed(n, random))
            for n in range(first, min(first + BATCH, payments))
        ]
        journal.commit([Write((Entry(p, (e,)),)) for e, p in made])
        moves = []
        for number, (_, payment) in enumerate(made[::2]):
            seen = view(
                mempool(txid(first + 2 * number), payment.terms.amount_sat or 0)
            )
            told = follow(payment, seen, payment.terms.created_at + 9)
            moves.append(Write((Entry(told.payment, tuple(told.events)),)))
        journal.commit(moves)


def txid(number: int) -> str:
    return f"{number * 0x9E3779B97F4A7C15 % 2**256:064x}"


def main(payments: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "bench.db", synchronous="OFF")
        started = time.perf_counter()
        fill(journal, payments)
        sys.stdout.write(
            f"{payments} payments in {time.perf_counter() - started:.0f} s\n"
        )
        middle = payments // 2 // 20 * 20
        (found,) = list_payments(
            journal.connection, {"external_id": f"order-{middle}"}, None, 1
        ).payments
        merchant = {"merchant": found.terms.merchant}
        span = Stretch(found.terms.created_at, found.terms.created_at + 60_000)
        for name, further in {
            "id": Further(sought=sought(found.id, "regtest")),
            "order number": Further(sought=sought(f"order-{middle}", "regtest")),
            "address": Further(sought=sought(found.terms.address, "regtest")),
            "transaction": Further(sought=sought(txid(middle), "regtest")),
            "sum": Further(sought=sought(str(found.terms.amount_sat), "regtest")),
            "nothing": Further(sought=sought("12345678.00000001", "regtest")),
            "flag": Further(flag=Flag.LATE),
            "a minute of creation": Further(created=span),
            "a minute of updates": Further(updated=span, oldest_first=True),
        }.items():
            for whose, filters in (("one shop", merchant), ("the node", {})):
                took = []
                for _ in range(5):
                    at = time.perf_counter()
                    page = list_payments(journal.connection, filters, None, 50, further)
                    took.append((time.perf_counter() - at) * 1000)
                sys.stdout.write(
                    f"{name:22} {whose:9} {statistics.median(took):7.2f} ms"
                    f"  {len(page.payments)} found\n"
                )
        journal.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)

"""What a payment takes on the disk: bytes, which no other load changes.

`run.py serve` on the dev chain: payments are made through the API, each is paid, mined
twice and confirmed, and a webhook channel is told of each event. What the database
grows by is divided by their number, the first hundred left out; the WAL is looked at
meanwhile. What retention leaves is counted in the tests (`docs/retention.md`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import requests

from bench.measure import folder, wait_for
from bench.report import Row, Section, compare
from bench.servers import KEY, paybell_process
from engine.store.sqlite.opening import reading
from tests.tools.receiver import Receiver

__all__ = ["run"]

PAYMENTS = 2_000
AT_A_TIME = 100
EVENTS = 5
"""Of each: created, detected, confirming in one block and in two, confirmed."""

PATIENCE_S = 600.0
BIGGEST = 6
"""Tables and indexes that are named in the notes."""

Use = dict[str, int]


def run() -> Section:
    with folder() as path:
        db = path / "node.db"
        with (
            paybell_process("--allow-private-webhooks", db=db) as served,
            Receiver() as shop,
        ):
            life = _Life(served.port, shop, Path(f"{db}-wal"))
            life.go_on(AT_A_TIME)
            before = _use(db, AT_A_TIME)
            life.go_on(PAYMENTS)
            after = _use(db, AT_A_TIME + PAYMENTS)
    return Section(
        "disk",
        "What a payment takes on the disk",
        f"{PAYMENTS:,} payments through the API of `run.py serve`, {AT_A_TIME} in a"
        f" batch, each paid and confirmed on the dev chain: {EVENTS} events, each told"
        " to one webhook channel. The growth of the pages that are used: bytes,"
        " on which nothing that runs beside it has an influence.",
        _rows(before, after, life.wal),
        [f"Most of it: {_biggest(before, after)}."],
    )


def _rows(before: Use, after: Use, wal: int) -> list[Row]:
    each = (sum(after.values()) - sum(before.values())) / PAYMENTS
    return [
        compare("a payment, with its events and deliveries", [each], "B"),
        compare("a million of them", [each / 1e3], "GB"),
        Row("the WAL, at most", f"{wal / 1e6:.1f} MB", aim="32 MB and one commit"),
    ]


def _biggest(before: Use, after: Use) -> str:
    grown = {
        name: (used - before.get(name, 0)) / PAYMENTS for name, used in after.items()
    }
    names = sorted(grown, key=grown.__getitem__, reverse=True)[:BIGGEST]
    return ", ".join(f"{name} {grown[name]:,.0f} B" for name in names)


class _Life:
    """Payments from their beginning to their end. `wal`: how large it was at most."""

    def __init__(self, port: int, shop: Receiver, wal: Path) -> None:
        self.wal = 0
        self._file = wal
        self._node = _Client(port)
        self._shop = shop
        self._told = 0
        self._node.post("/v1/channels", {"url": shop.url("/hook")})

    def go_on(self, payments: int) -> None:
        for _ in range(0, payments, AT_A_TIME):
            order = {"amount_sat": 50_000, "confirmations": 2, "external_id": "order-7"}
            wanted = {"payments": [order] * AT_A_TIME}
            made = self._node.post("/v1/payments/batch", wanted)["data"]
            for one in made:
                paid = {"address": one["payment"]["address"], "amount_sat": 50_000}
                self._node.post("/dev/pay", paid)
            self._wait(2)
            self._node.post("/dev/mine", {"blocks": 1})
            self._wait(1)
            self._node.post("/dev/mine", {"blocks": 1})
            self._wait(2)
            self.wal = max(self.wal, self._file.stat().st_size)

    def _wait(self, events: int) -> None:
        """Until the shop was told so many more of each."""
        self._told += events * AT_A_TIME
        wait_for(lambda: len(self._shop.requests) >= self._told, "the shop", PATIENCE_S)


def _use(db: Path, payments: int) -> Use:
    """Bytes of used pages, by table and index."""
    with reading(db) as sql:
        (events,) = sql.execute("SELECT count(*) FROM events").fetchone()
        if events != payments * EVENTS:
            raise RuntimeError(f"{payments} payments have {events} events")
        found: Sequence[tuple[str, int]] = sql.execute(
            "SELECT name, sum(pgsize) FROM dbstat GROUP BY name"
        ).fetchall()
    return dict(found)


class _Client:
    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {KEY}"

    def post(self, path: str, body: Any) -> Any:
        answer = self._session.post(
            self._url + path,
            data=json.dumps(body),
            headers={"Content-Type": "application/json"},
            timeout=120,
        )
        if not answer.ok:
            raise RuntimeError(f"{path}: {answer.text}")
        return answer.json()

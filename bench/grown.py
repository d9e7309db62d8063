"""A node on a database of 2,000,000 events, and bob, who orders there and is told.

The database is made once (two minutes), nearly all of it of a merchant "ann", and kept
in bench/.tenants, which git ignores: `TENANTS_PAYMENTS` says how many payments it holds
(a trial with 4,000 takes a minute). What bob waits alone is the measure for what he
waits beside others.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import requests

from bench.clients import at_rate
from bench.measure import ROOT, folder, percentile, wait_for
from bench.report import Row, compare
from engine.secrets.key_file import node_key
from engine.secrets.vault import Vault
from tests.tenants.calls import ANN, CHANNEL, HOOK_SECRET
from tests.tools.many_events import EVENTS_EACH, fill
from tests.tools.receiver import Receiver
from tests.tools.wait import Process

__all__ = [
    "EVENTS",
    "KEY",
    "FOR_S",
    "PAYMENTS",
    "PER_S",
    "Figures",
    "Remote",
    "beside",
    "node_on",
    "orders",
    "serving",
    "waits_of",
]

PAYMENTS = int(os.environ.get("TENANTS_PAYMENTS", str(2_000_000 // EVENTS_EACH)))
EVENTS = PAYMENTS * EVENTS_EACH
KEPT = Path(__file__).parent / ".tenants"
KEY = "k" * 40

PER_S = 20
FOR_S = 20.0
GIVE_UP_S = 120.0

Figures = dict[str, float]


def _made(payments: int) -> Path:
    """The database, with its key; made when it is wanted for the first time."""
    db = KEPT / f"{payments}.db"
    if not db.exists():
        KEPT.mkdir(exist_ok=True)
        making = KEPT / "making.db"
        making.unlink(missing_ok=True)
        vault = Vault(node_key(str(making), may_make=True))
        fill(
            making,
            payments=payments,
            owner=lambda n: ANN if n % 1_000 else "bob",
            channels={CHANNEL: ANN},
            seal=lambda name: vault.seal(b"s" * 32, name),
        )
        making.with_name("making.db.key").rename(f"{db}.key")
        making.rename(db)
    return db


@contextmanager
def serving(*options: str, payments: int = PAYMENTS) -> Iterator[Remote]:
    """A node on a copy of the database of so many, with these options more."""
    kept = _made(payments)
    with folder() as path:
        for suffix in ("", ".key"):
            shutil.copy(f"{kept}{suffix}", path / f"node.db{suffix}")
        os.sync()  # else the first commits wait until gigabytes are on the disk
        with node_on(path / "node.db", *options) as node:
            yield node


@contextmanager
def node_on(db: Path, *options: str) -> Iterator[Remote]:
    """A node that is ready, as a process."""
    command: list[str | Path] = [
        ROOT / ".venv/bin/python", ROOT / "run.py", "serve", "--port", "0",
        "--network", "regtest", "--source", "devchain", "--db", db,
        "--allow-private-webhooks", "--log-level", "error",
        *options,
    ]  # fmt: skip
    environ = {"PAYBELL_API_KEY": KEY, "PAYBELL_WEBHOOK_BTC_SECRET": HOOK_SECRET}
    ready = r"paybell ready on (http://127\.0\.0\.1:\d+)"
    with Process(command, ready=ready, env=environ, cwd=db.parent) as server:
        assert server.match is not None
        node = Remote(server.match[1], server.pid)
        wait_for(lambda: node.call("GET", "/ready").ok, "it", 120)
        yield node
        server.stop()


class Remote:
    """A node in another process, as `Caller` wants one."""

    def __init__(self, url: str, pid: int = 0) -> None:
        """`pid`: of its process; 0 where nobody asks for it."""
        self.url = url
        self.pid = pid
        self.api_key = KEY
        self.session = requests.Session()
        pool = requests.adapters.HTTPAdapter(pool_maxsize=64, pool_block=True)
        self.session.mount("http://", pool)

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        return self.session.request(method, self.url + path, timeout=120, **options)

    def create(self, **fields: Any) -> dict[str, Any]:
        head = {"Authorization": f"Bearer {KEY}"}
        answer = self.call("POST", "/v1/payments", json=fields, headers=head)
        made: dict[str, Any] = answer.json()
        return made

    def add_till_key(self, merchant: str) -> str:
        return self.key_of(merchant, "read", "create")

    def key_of(self, merchant: str, *scopes: str) -> str:
        """`scopes`: none are those that a key has without words."""
        head = {"Authorization": f"Bearer {KEY}"}
        wanted: dict[str, Any] = {"name": merchant, "merchant": merchant}
        if scopes:
            wanted["scopes"] = scopes
        made = self.call("POST", "/v1/keys", json=wanted, headers=head).json()
        return str(made["key"])


def orders(node: Remote, key: str, shop: Receiver) -> Figures:
    """What bob waits at a steady rate until his orders are answered, and told: p50 and
    p99, in ms."""
    head = {"Authorization": f"Bearer {key}"}
    hook = {"url": shop.url("/bob"), "types": ["payment.created"]}
    made = node.call("POST", "/v1/channels", json=hook, headers=head)
    if not made.ok:
        raise RuntimeError(made.text)
    answered: dict[int, tuple[str, float]] = {}
    first = len(shop.requests)

    def order(number: int) -> None:
        answer = node.call(
            "POST", "/v1/payments", json={"amount_sat": 1_000}, headers=head
        )
        if answer.status_code != 201:
            raise RuntimeError(answer.text)
        answered[number] = answer.json()["id"], time.perf_counter()

    count = round(PER_S * FOR_S)
    to_wall = time.time() - time.perf_counter()
    calls = [lambda number=number: order(number) for number in range(count)]
    planned = at_rate(PER_S, calls, GIVE_UP_S)
    wait_for(lambda: len(shop.requests) - first >= count, "bob to be told", GIVE_UP_S)
    told = {_payment_of(r.body): r.at_s - to_wall for r in shop.requests[first:]}
    node.call("DELETE", f"/v1/channels/{made.json()['id']}", headers=head)
    waits = {
        "order": [answered[n][1] - planned[n] for n in range(count)],
        "told": [told[answered[n][0]] - planned[n] for n in range(count)],
    }
    return waits_of(waits)


def waits_of(waits_s: dict[str, list[float]]) -> Figures:
    """p50 and p99 of each, in ms."""
    return {
        f"{name} {word}": percentile(values, share) * 1000
        for name, values in waits_s.items()
        for word, share in (("p50", 0.5), ("p99", 0.99))
    }


def _payment_of(body: bytes) -> str:
    return str(msgspec.json.decode(body)["data"]["payment_id"])


def beside(alone: Figures, disturbed: Figures) -> list[Row]:
    """Bob's waits, each with what it is undisturbed."""
    return [
        compare(
            f"{what}: {share}",
            [disturbed[f"{name} {share}"]],
            "ms",
            "alone",
            [alone[f"{name} {share}"]],
            "under 10 ×" if (name, share) == ("order", "p99") else "",
        )
        for name, what in (("order", "an order is answered"), ("told", "and told"))
        for share in ("p50", "p99")
    ]

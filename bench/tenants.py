"""One tenant's worst day: how long another waits, on 2,000,000 events.

A merchant "ann" has nearly all of the database. She makes every call that the API has,
in a process of its own, as fast as she is let; "bob" orders at a steady rate and is
told by webhook. What bob waits is measured before, and meanwhile.

The database is made once (two minutes), and kept in bench/.tenants, which git ignores:
`TENANTS_PAYMENTS` says how many payments it holds.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import gevent
import msgspec
import requests

from bench.clients import at_rate
from bench.measure import ROOT, folder, fresh, percentile, wait_for
from bench.report import Row, Section, compare
from engine.secrets.key_file import node_key
from engine.secrets.vault import Vault
from tests.tenants.calls import ANN, CALLS, CHANNEL, HOOK_SECRET, Caller
from tests.tools.many_events import EVENTS_EACH, fill
from tests.tools.receiver import Receiver
from tests.tools.wait import Process

__all__ = ["ann_calls", "run"]

PAYMENTS = int(os.environ.get("TENANTS_PAYMENTS", str(2_000_000 // EVENTS_EACH)))
KEPT = Path(__file__).parent / ".tenants"
KEY = "k" * 40

PER_S = 20
FOR_S = 20.0
ANNS = 8
"""Calls of ann's that are under way at any time."""

Figures = dict[str, float]


def run() -> Section:
    with _serving() as url:
        node = _Remote(url)
        keys = {name: node.key_of(name) for name in (ANN, "bob", "cy")}
        with Receiver() as shop:
            alone = _bob(node, keys["bob"], shop)
            gevent.sleep(1)
            ann = gevent.spawn(
                fresh, "tenants:ann_calls", url, keys[ANN], FOR_S + 4, ANNS
            )
            gevent.sleep(2)
            beside = _bob(node, keys["bob"], shop)
            calls = ann.get(timeout=FOR_S * 10)
        single = _single(node, keys)
    rows = [*_beside(alone, beside), *_rows_of(single)]
    return Section(
        "tenants",
        "A neighbour's worst day",
        f"A database of {PAYMENTS * EVENTS_EACH:,} events, nearly all of one merchant."
        f" Another orders {PER_S} times a second for {FOR_S:g} s and is told by"
        " webhook: alone, and while the first makes every call of the API in a loop,"
        f" {ANNS} at a time, from a process of its own on the same cores."
        " One run; the peer is the same without the neighbour.",
        rows,
        [
            f"The neighbour made {calls['calls'] / calls['took_s']:,.0f} calls a"
            f" second, of which {calls['refused']:,.0f} in all were refused (429).",
        ],
    )


def _beside(alone: Figures, beside: Figures) -> Iterator[Row]:
    for name, what in (("order", "an order is answered"), ("told", "and told")):
        for share in ("p50", "p99"):
            figure, peer = beside[f"{name} {share}"], alone[f"{name} {share}"]
            yield compare(
                f"{what}: {share}", [figure], "ms", "alone", [peer], _aim(name, share)
            )


def _aim(name: str, share: str) -> str:
    return "under 10 ×" if (name, share) == ("order", "p99") else ""


def _rows_of(single: Figures) -> Iterator[Row]:
    for what, aim in (
        ("GET /metrics", "20 ms"),
        ("GET /v1/events?after=0 of a merchant without events", ""),
        ("GET /v1/events?limit=1000 of the one with nearly all", ""),
        ("GET /v1/payments?status=failed of it: there are none", ""),
        ("POST /v1/redeliver of a merchant without channels", ""),
        ("POST /v1/redeliver of everything, step by step", ""),
    ):
        yield compare(what, [single[what]], "ms", aim=aim)


# -- the node --------------------------------------------------------------------------


def _made() -> Path:
    """The database, with its key; made when it is wanted for the first time."""
    db = KEPT / f"{PAYMENTS}.db"
    if not db.exists():
        KEPT.mkdir(exist_ok=True)
        making = KEPT / "making.db"
        making.unlink(missing_ok=True)
        vault = Vault(node_key(str(making), may_make=True))
        fill(
            making,
            payments=PAYMENTS,
            owner=lambda n: ANN if n % 1_000 else "bob",
            channels={CHANNEL: ANN},
            seal=lambda name: vault.seal(b"s" * 32, name),
        )
        making.with_name("making.db.key").rename(f"{db}.key")
        making.rename(db)
    return db


@contextmanager
def _serving() -> Iterator[str]:
    """The address of a node on a copy of the database."""
    kept = _made()
    with folder() as path:
        for suffix in ("", ".key"):
            shutil.copy(f"{kept}{suffix}", path / f"node.db{suffix}")
        command: list[str | Path] = [
            ROOT / ".venv/bin/python", ROOT / "run.py", "serve", "--port", "0",
            "--network", "regtest", "--source", "devchain", "--db", path / "node.db",
            "--allow-private-webhooks", "--log-level", "error",
            "--anonymous-per-s", "100000",
        ]  # fmt: skip
        environ = {"PAYBELL_API_KEY": KEY, "PAYBELL_WEBHOOK_BTC_SECRET": HOOK_SECRET}
        ready = r"paybell ready on (http://127\.0\.0\.1:\d+)"
        with Process(command, ready=ready, env=environ, cwd=path) as server:
            assert server.match is not None
            url = server.match[1]
            wait_for(lambda: requests.get(f"{url}/ready", timeout=10).ok, "it", 120)
            yield url
            server.stop()


class _Remote:
    """A node in another process, as `Caller` wants one."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.api_key = KEY
        self.session = requests.Session()
        pool = requests.adapters.HTTPAdapter(pool_maxsize=64)
        self.session.mount("http://", pool)

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        return self.session.request(method, self.url + path, timeout=120, **options)

    def create(self, **fields: Any) -> dict[str, Any]:
        head = {"Authorization": f"Bearer {KEY}"}
        answer = self.call("POST", "/v1/payments", json=fields, headers=head)
        made: dict[str, Any] = answer.json()
        return made

    def key_of(self, merchant: str) -> str:
        head = {"Authorization": f"Bearer {KEY}"}
        wanted = {"name": merchant, "merchant": merchant}
        made = self.call("POST", "/v1/keys", json=wanted, headers=head).json()
        return str(made["key"])


# -- bob, who orders -------------------------------------------------------------------


def _bob(node: _Remote, key: str, shop: Receiver) -> Figures:
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
    calls = [lambda number=number: order(number) for number in range(count)]  # type: ignore[misc]
    planned = at_rate(PER_S, calls)
    wait_for(lambda: len(shop.requests) - first >= count, "bob to be told", 120)
    told = {_payment_of(r.body): r.at_s - to_wall for r in shop.requests[first:]}
    node.call("DELETE", f"/v1/channels/{made.json()['id']}", headers=head)
    waits = {
        "order": [answered[n][1] - planned[n] for n in range(count)],
        "told": [told[answered[n][0]] - planned[n] for n in range(count)],
    }
    return {
        f"{name} {word}": percentile(values, share) * 1000
        for name, values in waits.items()
        for word, share in (("p50", 0.5), ("p99", 0.99))
    }


def _payment_of(body: bytes) -> str:
    return str(msgspec.json.decode(body)["data"]["payment_id"])


# -- ann, who does all she can ---------------------------------------------------------


def ann_calls(url: str, key: str, for_s: float, at_a_time: int) -> Figures:
    """In a process of its own: every call, again and again."""
    node: Any = _Remote(url)
    ann = Caller(node, key)
    until, statuses = time.perf_counter() + for_s, list[int]()

    def loop(seed: int) -> None:
        random = Random(seed)
        calls = [call for calls in CALLS.values() for call in calls]
        while time.perf_counter() < until:
            random.shuffle(calls)
            for call in calls:
                if time.perf_counter() >= until:
                    break
                statuses.append(_status(call(ann)))

    began = time.perf_counter()
    gevent.joinall([gevent.spawn(loop, n) for n in range(at_a_time)], raise_error=True)
    return {
        "calls": len(statuses),
        "took_s": time.perf_counter() - began,
        "refused": statuses.count(429),
    }


def _status(answer: requests.Response) -> int:
    return int(answer.status_code)


# -- single calls ----------------------------------------------------------------------


def _single(node: _Remote, keys: dict[str, str]) -> Figures:
    early = json.dumps({"since": "2020-01-01T00:00:00Z"})
    asked = {
        "GET /metrics": ("GET", "/metrics", KEY, ""),
        "GET /v1/events?after=0 of a merchant without events": (
            "GET", "/v1/events?after=0", keys["cy"], ""),
        "GET /v1/events?limit=1000 of the one with nearly all": (
            "GET", "/v1/events?limit=1000", keys[ANN], ""),
        "GET /v1/payments?status=failed of it: there are none": (
            "GET", "/v1/payments?status=failed", keys[ANN], ""),
        "POST /v1/redeliver of a merchant without channels": (
            "POST", "/v1/redeliver", keys["cy"], early),
        "POST /v1/redeliver of everything, step by step": (
            "POST", "/v1/redeliver", keys[ANN], early),
    }  # fmt: skip
    found = {}
    for name, (method, path, key, body) in asked.items():
        head = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        began = time.perf_counter()
        answer = node.call(method, path, data=body or None, headers=head)
        found[name] = (time.perf_counter() - began) * 1000
        if not answer.ok:
            raise RuntimeError(f"{name}: {answer.text}")
    return found

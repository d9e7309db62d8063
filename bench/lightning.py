"""Lightning: from what a node was paid to the browser, and what open invoices cost.

The node is a phoenixd, played by tests/tools/phoenixd_double.py in the process that
measures; Paybell (`run.py serve`) is a process of its own. The peer is LNbits with its
own FakeWallet, if a Python that has it is named:

    BENCH_LNBITS    that Python (`pip install lnbits 'bitstring<5'` in an environment of
                    its own)
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gevent
import requests
import websocket

from actors.facts.upstreams import InvoiceOpened
from bench.measure import RUNS, folder, fresh, median, percentile, rss_bytes, wait_for
from bench.node import BenchNode, bench_node, terms
from bench.peers import lnbits
from bench.report import Section, compare
from bench.servers import KEY, Served, paybell_process
from engine.lightning.account import Account
from engine.payment.lightning_terms import Invoice, lightning_key
from engine.payment.model import Terms
from tests.tools.phoenixd_double import PhoenixdDouble
from transport.lightning.phoenixd import Phoenixd

__all__ = ["run"]

PAID = 200
PER_S = 20
OPEN = 20_000
WATCHED_S = 90
POLL_S = 30

CONFIG = """
[lightning.till]
kind = "phoenixd"
url = "{url}"
secret = "{secret}"
"""


def run() -> Section:
    ours = [fresh("lightning:paybell") for _ in range(RUNS)]
    theirs = [fresh("lightning:peer") for _ in range(RUNS)] if lnbits.PYTHON else []
    few, many = fresh("lightning:opened", 10), fresh("lightning:opened", OPEN)
    peer = "LNbits, FakeWallet" if theirs else ""

    def row(key: str, what: str, aim: str = "") -> Any:
        of_peer = [one[key] for one in theirs]
        return compare(what, [one[key] for one in ours], "ms", peer, of_peer, aim)

    notes = [
        "Of Paybell's time all is in it: phoenixd's message, the look for the payment,"
        " the decision, the commit (fsync), and the frame to the browser.",
    ]
    if theirs:
        notes.append(
            "LNbits pays with its own FakeWallet, in the same process and the same"
            " request: its time is from asking it to pay until its WebSocket tells, and"
            f" most of it is that payment; {lnbits.PAID} of them, one after another."
        )
    else:
        notes.append("LNbits was not there to compare with (BENCH_LNBITS).")
    return Section(
        "lightning",
        f"Lightning: paid at the node, told in the browser; {OPEN:,} open invoices",
        f"{PAID} invoices, each with a client of its own at /ws, are paid at phoenixd,"
        f" {PER_S} a second; from the moment that it pushes one until that client has"
        f" `payment.confirmed`. {RUNS} runs of fresh processes, in turn. Open invoices:"
        f" the growth of a node's memory for each, and the requests that phoenixd gets"
        f" in {WATCHED_S} s, with `poll_s` {POLL_S}.",
        [
            row("p50", "paid at the node → WebSocket, p50", "< 1 s"),
            row("p99", "paid at the node → WebSocket, p99"),
            compare(f"memory of an open invoice, {OPEN:,}", [many["bytes"]], "B"),
            compare("requests to the node a minute, 10 open", [few["per_minute"]], ""),
            compare(
                f"requests to the node a minute, {OPEN:,} open",
                [many["per_minute"]],
                "",
                aim="as with 10",
            ),
        ],
        notes,
    )


# -- from the node to the browser ------------------------------------------------------


def paybell() -> dict[str, float]:
    with (
        PhoenixdDouble() as phoenixd,
        _configured(phoenixd) as config,
        paybell_process("--config", str(config)) as served,
    ):
        calls = requests.Session()
        calls.headers["Authorization"] = f"Bearer {KEY}"
        url = f"http://127.0.0.1:{served.port}"
        wait_for(
            lambda: '"live"' in calls.get(f"{url}/v1/upstreams").text,
            "the account to be live",
        )
        payers = [_Payer(calls, url, served) for _ in range(PAID)]
        return _measured(payers, phoenixd)


@contextmanager
def _configured(phoenixd: PhoenixdDouble) -> Iterator[Path]:
    with folder() as path:
        text = CONFIG.format(url=phoenixd.url, secret=phoenixd.password)
        (path / "paybell.toml").write_text(text)
        yield path / "paybell.toml"


class _Payer:
    """A payment, and the browser that waits for it."""

    def __init__(self, calls: requests.Session, url: str, served: Served) -> None:
        wanted = {"method": "lightning", "amount_sat": 1_000}
        made = calls.post(f"{url}/v1/payments", json=wanted).json()
        self.payment_hash: str = made["lightning"]["payment_hash"]
        self.told_s = 0.0
        self._socket = websocket.create_connection(f"ws://127.0.0.1:{served.port}/ws")
        token = made["client_secret"]
        wish = {"type": "subscribe", "payment_id": made["id"], "token": token}
        self._socket.send(json.dumps(wish))
        self.listens = gevent.spawn(self._listen)

    def _listen(self) -> None:
        while "payment.confirmed" not in str(self._socket.recv()):
            pass
        self.told_s = time.perf_counter()


def _measured(payers: list[_Payer], phoenixd: PhoenixdDouble) -> dict[str, float]:
    waits_ms = []
    for payer in payers:
        gevent.sleep(1 / PER_S)
        paid_s = time.perf_counter()
        phoenixd.receive(payer.payment_hash)
        payer.listens.join(30)
        if not payer.told_s:
            raise RuntimeError("a payment was not told within 30 s")
        waits_ms.append(1_000 * (payer.told_s - paid_s))
    return {"p50": percentile(waits_ms, 0.5), "p99": percentile(waits_ms, 0.99)}


def peer() -> dict[str, float]:
    waits_ms = lnbits.waits_ms()
    return {"p50": median(waits_ms), "p99": percentile(waits_ms, 0.99)}


# -- open invoices ---------------------------------------------------------------------


def opened(count: int) -> dict[str, float]:
    """A node in this process, with so many invoices that may be paid."""
    with PhoenixdDouble() as phoenixd, folder() as path:
        account = Account(
            name="till",
            kind="phoenixd",
            url=phoenixd.url,
            secret=phoenixd.password,
            poll_s=POLL_S,
        )
        speaks = Phoenixd(account, "regtest")
        with bench_node(path, lightning=[(account, speaks)]) as node:
            before = rss_bytes()
            _open(node, count)
            grew = (rss_bytes() - before) / count
            node.node.upstreams["till"].ref.tell(InvoiceOpened())
            gevent.sleep(POLL_S)
            asked = len(phoenixd.server.requests)
            gevent.sleep(WATCHED_S)
            asked = len(phoenixd.server.requests) - asked
        return {"bytes": grew, "per_minute": asked * 60 / WATCHED_S}


def _open(node: BenchNode, count: int) -> None:
    now = node.node.clock.now()
    node.create([_invoice(number, now) for number in range(count)])
    wait_for(lambda: len(node.node.watchers) == count, "the watchers", 300)


def _invoice(number: int, now: int) -> Terms:
    """An ordinary one, with the text that one of phoenixd's has."""
    chain = terms(number, now)
    payment_hash = f"{number:064x}"
    invoice = Invoice(
        node="till",
        payment_hash=payment_hash,
        bolt11=f"lnbcrt10u1{number:0380d}",
        amount_msat=1_000_000,
        expires_at=chain.expires_at,
    )
    fields = {name: getattr(chain, name) for name in chain.__struct_fields__}
    changed = {
        "method": "lightning",
        "address": lightning_key(payment_hash),
        "confirmations_required": 0,
        "lightning": invoice,
    }
    return Terms(**(fields | changed))

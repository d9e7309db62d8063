"""LNbits with its FakeWallet, as it comes: an invoice is made, paid by another wallet
of the same LNbits, and told on its WebSocket.

It is not installed with us (it pins versions that we do not): `PYTHON` is one that has
it, by BENCH_LNBITS. It starts from its own package's folder, keeps its data in a folder
of the run, and asks nobody for rates.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import gevent
import requests
import websocket

from bench.measure import folder, wait_for
from tests.tools import children
from tests.tools.fake_upstream import Upstream, of
from tests.tools.ports import free_ports

__all__ = ["PAID", "PYTHON", "waits_ms"]

PYTHON: Final = os.environ.get("BENCH_LNBITS", "")
PAID: Final = 100
_WHERE = "import lnbits, pathlib; print(pathlib.Path(lnbits.__file__).parent.parent)"


def waits_ms() -> list[float]:
    """From asking it to pay until its WebSocket tells."""
    rates = Upstream(lambda _request: of({"rates": {"median": "50000"}}))
    (port,) = free_ports(1)
    with folder() as path, rates:
        find = [PYTHON, "-c", _WHERE]  # it makes a folder `data` where it is imported
        found = children.run(find, stdout=subprocess.PIPE, check=True, cwd=path)
        where = found.stdout.decode().strip()
        environ = os.environ | {
            "LNBITS_BACKEND_WALLET_CLASS": "FakeWallet",
            "LNBITS_ADMIN_UI": "false",
            "LNBITS_RATE_LIMIT_NO": "1000000",
            "LNBITS_DATA_FOLDER": str(path),
            "LNBITS_PRICE_AGGREGATOR_URL": rates.url,
        }
        process = children.start(
            [PYTHON, "-m", "uvicorn", "lnbits.__main__:app", "--port", str(port)],
            cwd=where,
            env=environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            return _paid(f"http://127.0.0.1:{port}", path / "database.sqlite3")
        finally:
            process.terminate()
            process.wait()


def _paid(url: str, database: Path) -> list[float]:
    wait_for(lambda: _answers(url), "LNbits to answer", 120)
    receives, pays = _wallet(url), _wallet(url)
    wealth = {"out": False, "amount": 1_000_000, "memo": "to begin with"}
    _call(url, pays, "payments", wealth)
    with closing(sqlite3.connect(database)) as sql, sql:  # its bills, as if paid
        sql.execute("UPDATE apipayments SET status = 'success'")
    ws = url.replace("http", "ws") + f"/api/v1/ws/{receives['inkey']}"
    socket = websocket.create_connection(ws)
    waits: list[float] = []
    for _ in range(PAID):
        wanted = {"out": False, "amount": 1_000, "memo": "bench"}
        bill = _call(url, receives, "payments", wanted)
        told = gevent.spawn(_until_told, socket, bill["payment_hash"])
        began_s = time.perf_counter()
        pay = {"out": True, "bolt11": bill.get("bolt11") or bill["payment_request"]}
        gevent.spawn(_call, url, pays, "payments", pay)
        told.get(timeout=30)
        waits.append(1_000 * (time.perf_counter() - began_s))
    return waits


def _until_told(socket: Any, payment_hash: str) -> None:
    while payment_hash not in str(socket.recv()):
        pass


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/api/v1/health", timeout=5).ok
    except requests.RequestException:
        return False


def _wallet(url: str) -> dict[str, str]:
    made = requests.post(f"{url}/api/v1/account", json={"name": "bench"}, timeout=30)
    made.raise_for_status()
    found: dict[str, str] = made.json()
    return found


def _call(url: str, wallet: dict[str, str], what: str, body: Any) -> dict[str, Any]:
    key = {"X-Api-Key": wallet["adminkey"]}
    answer = requests.post(f"{url}/api/v1/{what}", json=body, headers=key, timeout=30)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found

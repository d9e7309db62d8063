"""What tests of inbound webhooks share: a callback, and what was kept and told."""

import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.tools.livenode import SECRET, Answer, LiveNode

__all__ = [
    "TXID",
    "callback",
    "detected",
    "kept",
]

TXID = "ab" * 32


def callback(node: LiveNode, **payload: Any) -> Answer:
    """Blockonomics' GET; a parameter that is None is left out."""
    query = {"secret": SECRET, "status": 0, "value": 1_000, "txid": TXID, **payload}
    pairs = {name: value for name, value in query.items() if value is not None}
    return node.ask("/webhook/btc?" + urlencode(pairs))


def kept(folder: Path) -> list[tuple[str, str | None, str, bytes]]:
    with sqlite3.connect(f"file:{folder / 'node.db'}?mode=ro", uri=True) as database:
        return database.execute(
            "SELECT provider, payment_id, verdict, body FROM inbound"
        ).fetchall()


def detected(node: LiveNode, payment_id: str) -> int:
    return sum(kind == "payment.detected" for _, kind in node.seqs(payment_id))

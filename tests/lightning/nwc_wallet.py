"""A wallet behind Nostr Wallet Connect (NIP-47), as its document has it: what is asked
and answered as JSON text, without the relay and the encryption around it.

It lists by the moment of creation, newest first, and by seconds; an unpaid invoice has
no `settled_at`; an error is one of the document's words. Nothing about paying is
idempotent but that a wallet refuses what it has paid.
"""

import json
import os
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from tests.tools.invoices import make_invoice

__all__ = ["Wallet"]

Json = dict[str, Any]


class Wallet:
    """See the module. `subscribed` hear of what is paid; the keyword is its time."""

    def __init__(self, balance_msat: int = 100_000_000) -> None:
        self.balance_msat = balance_msat
        self.rows: list[Json] = []  # oldest first
        self.subscribed: list[Callable[[str], object]] = []
        self.others: dict[str, tuple[str, int]] = {}  # invoices of others: preimage
        self.sent: list[str] = []

    def ask(self, request: str) -> str:
        """One request, and its answer."""
        asked = json.loads(request)
        method = str(asked["method"])
        told: Json = {"result_type": method, "error": None, "result": None}
        try:
            told["result"] = getattr(self, f"_{method}")(**asked["params"])
        except KeyError as code:
            told["error"] = {"code": code.args[0], "message": "words of theirs"}
        return json.dumps(told)

    # -- the document's methods --------------------------------------------------------

    def _make_invoice(
        self, amount: int, expiry: int, description: str = "", **hashed: str
    ) -> Json:
        preimage = os.urandom(32)
        payment_hash, now = sha256(preimage).hexdigest(), int(time.time())
        row: Json = {
            "type": "incoming",
            "invoice": make_invoice(
                payment_hash,
                amount_msat=amount,
                at_s=now,
                expires_in_s=expiry,
                description=description,
                description_hash=hashed.get("description_hash"),
            ),
            "payment_hash": payment_hash,
            "preimage": preimage.hex(),
            "amount": amount,
            "fees_paid": 0,
            "created_at": now,
            "expires_at": now + expiry,
        }
        self.rows.append(row)
        return row

    def _lookup_invoice(self, payment_hash: str) -> Json:
        for row in self.rows:
            if row["payment_hash"] == payment_hash:
                return row
        raise KeyError("NOT_FOUND")

    def _list_transactions(
        self,
        limit: int,
        offset: int,
        until: int,
        type: str,  # noqa: A002 - the document's name
        **since: int,
    ) -> Json:
        fit = [
            row
            for row in reversed(self.rows)
            if since["from"] <= row["created_at"] <= until
            and row["type"] == type
            and "settled_at" in row
        ]
        return {"transactions": fit[offset : offset + limit]}

    def _pay_invoice(self, invoice: str) -> Json:
        if invoice not in self.others:
            raise KeyError("PAYMENT_FAILED")
        preimage, amount = self.others[invoice]
        if amount + 1_000 > self.balance_msat:
            raise KeyError("INSUFFICIENT_BALANCE")
        payment_hash = sha256(bytes.fromhex(preimage)).hexdigest()
        if payment_hash in self.sent:
            raise KeyError("OTHER")
        self.balance_msat -= amount + 1_000
        self.sent.append(payment_hash)
        now = int(time.time())
        self.rows.append(
            {
                "type": "outgoing",
                "payment_hash": payment_hash,
                "preimage": preimage,
                "amount": amount,
                "fees_paid": 1_000,
                "created_at": now,
                "settled_at": now,
            }
        )
        return {"preimage": preimage, "fees_paid": 1_000}

    def _get_balance(self) -> Json:
        return {"balance": self.balance_msat}

    def _get_info(self) -> Json:
        return {"alias": "a wallet", "notifications": ["payment_received"]}

    # -- the world behind it -----------------------------------------------------------

    def receive(self, payment_hash: str) -> None:
        """Somebody pays this invoice; who is subscribed is told."""
        row = self._lookup_invoice(payment_hash)
        row["settled_at"] = int(time.time())
        self.balance_msat += row["amount"]
        told = {"notification_type": "payment_received", "notification": row}
        for hear in self.subscribed:
            hear(json.dumps(told))

    def bill(self, amount_msat: int) -> tuple[str, str]:
        """An invoice of somebody else, and its payment hash."""
        preimage = os.urandom(32)
        payment_hash = sha256(preimage).hexdigest()
        invoice = make_invoice(
            payment_hash, amount_msat=amount_msat, at_s=int(time.time())
        )
        self.others[invoice] = preimage.hex(), amount_msat
        return invoice, payment_hash

"""The port of a Lightning node can be met by Nostr Wallet Connect (NIP-47), which comes
later: an adapter of its words, in a few lines, passes what every adapter passes.

What it needs and the port has: a cursor that is its own (a wallet lists by creation, so
what was paid late stands among the old), `Can` (it makes no invoice without an amount),
a payment that is looked up by its hash. What NIP-47 has not: a limit for the fee of a
payment; an adapter that is to pay needs the wallet's own.
"""

import json
import time
from collections.abc import Callable
from typing import Any, Final

import pytest
from gevent.queue import Empty, SimpleQueue

from engine.errors.lightning import (
    LightningError,
    NodeBusy,
    NodeRefused,
    NodeUnavailable,
)
from engine.lightning.node import (
    Balance,
    Can,
    InvoiceAsked,
    InvoiceMade,
    InvoiceSeen,
    InvoiceStatus,
    LightningNode,
    NodeListener,
    PaidPage,
    Payout,
    PayoutStatus,
    SignOfLife,
)
from tests.lightning.conformance import Conformance, Rig
from tests.lightning.nwc_wallet import Wallet

PAGE: Final = 3
LONGEST_S: Final = 86_400
"""Of an invoice: so long before the cursor one may have been made that is paid now."""

Json = dict[str, Any]


class _Said(Exception):
    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class NwcNode:
    """`ask`: a request of NIP-47 to its answer; `subscribed`: who hears what comes."""

    can = Can(push=True, description_hash=True, amountless=False, pay=True)

    def __init__(
        self,
        ask: Callable[[str], str],
        subscribed: list[Callable[[str], object]],
    ) -> None:
        self._ask = ask
        self._subscribed = subscribed

    def create(self, asked: InvoiceAsked) -> InvoiceMade:
        if asked.amount_msat is None:
            raise NodeRefused("NWC makes no invoice without an amount", "amount")
        wanted: Json = {"amount": asked.amount_msat, "expiry": asked.expires_in_s}
        if asked.description_hash:
            wanted["description_hash"] = asked.description_hash
        else:
            wanted["description"] = asked.description
        made = self._say("make_invoice", wanted)
        return InvoiceMade(bolt11=made["invoice"], payment_hash=made["payment_hash"])

    def lookup(self, payment_hash: str) -> InvoiceSeen:
        row = self._row(payment_hash, "incoming")
        if row is None:
            unknown = InvoiceStatus.UNKNOWN
            return InvoiceSeen(payment_hash=payment_hash, status=unknown)
        return _seen(row)

    def paid_since(self, cursor: str) -> PaidPage:
        now = int(time.time())
        if not cursor:
            return PaidPage(paid=(), cursor=json.dumps([now, None, 0]))
        try:
            mark, end, offset = json.loads(cursor)
            wanted = {"from": max(0, mark - LONGEST_S), "until": end or now}
        except (ValueError, TypeError):  # not one of ours: from the beginning
            mark, end, offset = 0, None, 0
            wanted = {"from": 0, "until": now}
        wanted |= {"limit": PAGE, "offset": offset, "type": "incoming"}
        rows = self._say("list_transactions", wanted)["transactions"]
        paid = tuple(_seen(row) for row in rows if row["settled_at"] >= mark)
        more = len(rows) == PAGE
        end = end or now
        after = [mark, end, offset + PAGE] if more else [end, None, 0]
        return PaidPage(paid=paid, cursor=json.dumps(after), more=more)

    def stream(self, listener: NodeListener, ended: Callable[[], bool]) -> None:
        told: SimpleQueue[str] = SimpleQueue()
        self._subscribed.append(told.put)
        try:
            self._say("get_info", {})
            listener.word(SignOfLife.OPENED)
            while not ended():
                try:
                    said = json.loads(told.get(timeout=listener.silence_s / 4))
                except Empty:
                    self._say("get_info", {})  # it answers: the line is alive
                    listener.word(SignOfLife.ALIVE)
                    continue
                if said["notification_type"] == "payment_received":
                    listener.paid(_seen(said["notification"]))
        finally:
            self._subscribed.remove(told.put)

    def pay(self, bolt11: str, *, max_fee_msat: int, key: str) -> Payout:
        try:
            done = self._say("pay_invoice", {"invoice": bolt11})
        except _Said as error:
            if error.code == "PAYMENT_FAILED":
                return Payout(status=PayoutStatus.FAILED, reason="it failed")
            raise
        fee = done.get("fees_paid", 0)
        paid = PayoutStatus.PAID
        return Payout(status=paid, fee_msat=fee, preimage=done["preimage"])

    def payout(self, payment_hash: str) -> Payout:
        row = self._row(payment_hash, "outgoing")
        if row is None:
            return Payout(status=PayoutStatus.UNKNOWN)
        if "settled_at" not in row:
            return Payout(status=PayoutStatus.PENDING)
        return Payout(
            status=PayoutStatus.PAID,
            fee_msat=row["fees_paid"],
            preimage=row["preimage"],
        )

    def balance(self) -> Balance:
        return Balance(spendable_msat=self._say("get_balance", {})["balance"])

    def _row(self, payment_hash: str, kind: str) -> Json | None:
        try:
            row = self._say("lookup_invoice", {"payment_hash": payment_hash})
        except _Said as error:
            if error.code == "NOT_FOUND":
                return None
            raise
        return row if row["type"] == kind else None

    def _say(self, method: str, params: Json) -> Json:
        told = json.loads(self._ask(json.dumps({"method": method, "params": params})))
        if told["error"] is not None:
            code = told["error"]["code"]
            raise ERRORS.get(code, lambda: _Said(code))()
        result: Json = told["result"]
        return result


ERRORS: Final[dict[str, Callable[[], LightningError]]] = {
    "RATE_LIMITED": lambda: NodeBusy("NWC: RATE_LIMITED"),
    "INSUFFICIENT_BALANCE": lambda: NodeRefused("NWC: INSUFFICIENT_BALANCE", "funds"),
    "QUOTA_EXCEEDED": lambda: NodeRefused("NWC: QUOTA_EXCEEDED", "funds"),
    "RESTRICTED": lambda: NodeRefused("NWC: RESTRICTED", "key"),
    "UNAUTHORIZED": lambda: NodeRefused("NWC: UNAUTHORIZED", "key"),
    "INTERNAL": lambda: NodeUnavailable("NWC: INTERNAL"),
    "OTHER": lambda: NodeUnavailable("NWC: OTHER"),
}
"""The document's errors, as the port has them."""


def _seen(row: Json) -> InvoiceSeen:
    payment_hash = row["payment_hash"]
    if "settled_at" in row:
        return InvoiceSeen(
            payment_hash=payment_hash,
            status=InvoiceStatus.PAID,
            received_msat=row["amount"],
            settled_at=row["settled_at"] * 1000,
        )
    is_over = row["expires_at"] <= time.time()
    status = InvoiceStatus.EXPIRED if is_over else InvoiceStatus.OPEN
    return InvoiceSeen(payment_hash=payment_hash, status=status)


class NwcRig:
    network = "regtest"

    def __init__(self) -> None:
        self.wallet = Wallet()
        self.node: LightningNode = NwcNode(self.wallet.ask, self.wallet.subscribed)

    def pay_in(self, payment_hash: str, amount_msat: int | None = None) -> None:
        self.wallet.receive(payment_hash)

    def expire(self, payment_hash: str) -> None:
        for row in self.wallet.rows:
            if row["payment_hash"] == payment_hash:
                row["expires_at"] = int(time.time()) - 1

    def bill(self, amount_msat: int) -> tuple[str, str]:
        return self.wallet.bill(amount_msat)

    def paid_out(self, payment_hash: str) -> int:
        return self.wallet.sent.count(payment_hash)


class TestNwc(Conformance):
    CAN = Can(push=True, description_hash=True, amountless=False, pay=True)

    @pytest.fixture
    def rig(self) -> Rig:
        return NwcRig()

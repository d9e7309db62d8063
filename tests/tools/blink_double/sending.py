"""How Blink pays an invoice: `send-lightning.ts`, step by step, and who is told of it.

Of one of its own invoices it moves the money in its ledger ("intraledger"); of any
other what becomes of it is what the test says in `outside`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import bolt11
from bolt11.exceptions import Bolt11Exception

from tests.tools.blink_double.accounts import Bank, LedgerTx, StoredInvoice, Wallet

__all__ = ["Outside", "Sender", "failed"]

MAX_FEE_SHARE: Final = 200  # `LnFees`: at most 0.5 % (FEECAP_BASIS_POINTS)
MIN_FEE_CAP: Final = 10  # FEECAP_MIN


@dataclass
class Outside:
    """What becomes of an invoice of somebody else. `result`: "success", "pending",
    "failure" or "already" (their node says that it was paid before)."""

    result: str = "success"
    fee_sat: int = 0
    preimage: str = "11" * 32


def failed(message: str, code: str) -> dict[str, Any]:
    """A payload that says no."""
    error = {
        "__typename": "GraphQLApplicationError", "message": message, "code": code,
        "path": None,
    }  # fmt: skip
    return {"errors": [error], "status": "FAILURE", "transaction": None}


@dataclass
class Sender:
    bank: Bank
    received: Callable[[LedgerTx], None]
    """Told of each receipt over Lightning (and of no send: `getPubSub…EventType`)."""

    outside: dict[str, Outside] = field(default_factory=dict)  # by payment hash
    after_the_books: list[tuple[str, str]] = field(default_factory=list)
    """Errors (message, code) of what comes after the books: the money has moved."""

    def pay(self, wallet: Wallet, request: str, memo: str | None) -> dict[str, Any]:
        try:
            invoice = bolt11.decode(request)
        except (Bolt11Exception, ValueError):
            return failed("Unable to decode invoice", "INVOICE_DECODE_ERROR")
        if not invoice.amount_msat:
            return failed(
                "Invoice does not have a valid amount to pay", "INVALID_INPUT"
            )
        amount = int(invoice.amount_msat) // 1000
        ours = self.bank.invoices.get(invoice.payment_hash)
        if ours is not None:
            return self._within(wallet, ours, amount, memo)
        return self._out(wallet, request, invoice.payment_hash, amount)

    def probe(self, request: str) -> dict[str, Any]:
        """`lnInvoiceFeeProbe`: within Blink nothing, outside what the route costs."""
        payment_hash = bolt11.decode(request).payment_hash
        if payment_hash in self.bank.invoices:
            return {"errors": [], "amount": 0}
        outside = self.outside.get(payment_hash, Outside())
        if outside.result == "failure":
            text = "Unable to find a route for payment."
            return failed(text, "ROUTE_FINDING_ERROR")
        return {"errors": [], "amount": outside.fee_sat}

    def _within(
        self, wallet: Wallet, invoice: StoredInvoice, amount: int, memo: str | None
    ) -> dict[str, Any]:
        payment_hash = invoice.payment_hash
        if invoice.wallet is wallet:
            return failed("User tried to pay themselves", "CANT_PAY_SELF")
        if any(tx.payment_hash == payment_hash for tx in self.bank.ledger):
            return self._result("ALREADY_PAID", wallet, payment_hash)
        if wallet.balance < amount:
            return failed("balance is too low", "INSUFFICIENT_BALANCE")
        common: dict[str, Any] = {
            "settled": "intraledger", "memo": memo, "bolt11": invoice.bolt11,
            "preimage": invoice.preimage,
        }  # fmt: skip
        self.bank.book(wallet, -amount, payment_hash, **common)
        receipt = self.bank.book(invoice.wallet, amount, payment_hash, **common)
        if self.after_the_books:
            return failed(*self.after_the_books.pop(0))
        invoice.paid = True
        self.received(receipt)
        return self._result("SUCCESS", wallet, payment_hash)

    def _out(
        self, wallet: Wallet, request: str, payment_hash: str, amount: int
    ) -> dict[str, Any]:
        lines = [tx for tx in self.bank.ledger if tx.payment_hash == payment_hash]
        if any(tx.status == "PENDING" for tx in lines):
            return failed(
                "There is a pending payment for this invoice", "INVALID_INPUT"
            )
        max_fee = max(MIN_FEE_CAP, amount // MAX_FEE_SHARE)
        if wallet.balance < amount + max_fee:
            return failed("balance is too low", "INSUFFICIENT_BALANCE")
        outside = self.outside.get(payment_hash, Outside())
        common: dict[str, Any] = {"bolt11": request, "fee": max_fee}
        sent = self.bank.book(
            wallet, -(amount + max_fee), payment_hash, status="PENDING", **common
        )
        if outside.result == "pending":
            return self._result("PENDING", wallet, payment_hash)
        if outside.result in ("failure", "already"):
            self._revert(sent)
            if outside.result == "already":
                return self._result("ALREADY_PAID", wallet, payment_hash)
            return failed("Unable to find a route for payment.", "ROUTE_FINDING_ERROR")
        self._settle(sent, outside)
        return self._result("SUCCESS", wallet, payment_hash)

    def finish(self, payment_hash: str, outside: Outside) -> None:
        """What was pending comes to its end; nobody is told (`update-pending-…`)."""
        sent = next(
            tx
            for tx in self.bank.ledger
            if tx.payment_hash == payment_hash and tx.status == "PENDING"
        )
        if outside.result == "success":
            self._settle(sent, outside)
        else:
            self._revert(sent)

    def _settle(self, sent: LedgerTx, outside: Outside) -> None:
        """The fee that was not needed comes back as a line of its own
        (`reimburse-fee.ts`), which `tx-history.ts` shows as intraledger."""
        sent.status = "SUCCESS"
        sent.preimage = outside.preimage
        if sent.fee > outside.fee_sat:
            self.bank.book(
                sent.wallet, sent.fee - outside.fee_sat, sent.payment_hash,
                via="intraledger", settled="intraledger",
            )  # fmt: skip

    def _revert(self, sent: LedgerTx) -> None:
        sent.status = "FAILURE"
        self.bank.book(
            sent.wallet, -sent.amount, sent.payment_hash, status="FAILURE",
            bolt11=sent.bolt11, fee=sent.fee,
        )  # fmt: skip

    def _result(self, status: str, wallet: Wallet, payment_hash: str) -> dict[str, Any]:
        """`getPaymentSendResponse`: a transaction of this wallet, if it has one."""
        lines = self.bank.lines(wallet, payment_hash)
        sends = [tx for tx in lines if tx.amount < 0]
        chosen = next(iter(sends or lines), None)
        return {"errors": [], "status": status, "transaction": chosen}

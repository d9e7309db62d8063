"""How an account at Blink pays an invoice, and how that stands. Part of `blink.py`.

Blink tells of an idempotency key only that it was used (409), not what came of it. And
a payment may fail in Blink after the money has moved: the books come first, then what
belongs to them (`send-lightning.ts`). So an error of a payment proves nothing, but for
a few that come before the books. Whatever is in doubt the ledger is asked, where each
payment of ours stands by its hash.
"""

from collections import OrderedDict
from typing import Final
from uuid import UUID, uuid5

from engine.errors import InvalidInput
from engine.errors.lightning import (
    LightningError,
    NodeGarbage,
    NodeRefused,
    NodeUnavailable,
)
from engine.lightning.invoice import ReadInvoice, read_invoice
from engine.lightning.node import Payout, PayoutStatus
from transport.lightning import blink_questions as questions
from transport.lightning.blink_graphql import BlinkApi, KeyIsUsed, error_of
from transport.lightning.blink_wire import payout_of

__all__ = ["BlinkPayments"]

MAX_FEE_BASIS_POINTS: Final = 50  # FEECAP_BASIS_POINTS: 0.5 %
MIN_FEE_CAP_SAT: Final = 10  # FEECAP_MIN

PROBE_S: Final = 20.0
"""Before a payment is sent, of the time in which it must have begun or never will
(`engine/lightning/till_steps.py`, `SETTLE_MS`)."""

_KEYS: Final = 1_000  # idempotency keys whose refusal is remembered

_SEND: Final = "lnInvoicePaymentSend"
_PROBE: Final = "lnInvoiceFeeProbe"


class BlinkPayments:
    """Of one account; `wallet_id` is its BTC wallet's."""

    def __init__(self, api: BlinkApi, network: str) -> None:
        self._api, self._network = api, network
        self._refused: OrderedDict[str, int] = OrderedDict()

    def pay(
        self, wallet_id: str, bolt11: str, *, max_fee_msat: int, key: str
    ) -> Payout:
        """See `LightningNode.pay`."""
        invoice = self._read(bolt11)
        fields = {"walletId": wallet_id, "paymentRequest": invoice.bolt11}
        self._check_fee(invoice, fields, max_fee_msat)
        try:
            answer = self._api.act(
                _SEND, questions.SEND, questions.SendAnswer, {"input": fields},
                self._key(key),
            )  # fmt: skip
        except KeyIsUsed as error:
            before = NodeUnavailable(f"{self._where(_SEND)} had it before (409)")
            before.__cause__ = error
            return self._after(wallet_id, invoice, before)
        except NodeRefused:
            self._forget(key)
            raise
        sent = answer.ln_invoice_payment_send
        try:
            paid = self._certain(wallet_id, invoice, sent)
            if paid is None:
                paid = self._after(wallet_id, invoice, self._failure(sent))
        except NodeRefused:
            self._forget(key)
            raise
        if paid.status is PayoutStatus.FAILED:
            self._forget(key)
        return paid

    def payout(self, wallet_id: str, payment_hash: str) -> Payout:
        """See `LightningNode.payout`."""
        field = "transactionsByPaymentHash"
        answer = self._api.read(
            field, questions.PAYOUT, questions.WalletAnswer[questions.PaidOut],
            wallet=wallet_id, hash=payment_hash,
        )  # fmt: skip
        where = self._where(field)
        return payout_of(answer.wallet(where).transactions_by_payment_hash, where)

    def _read(self, bolt11: str) -> ReadInvoice:
        where = self._where(_SEND)
        try:
            invoice = read_invoice(bolt11, self._network)
        except InvalidInput as error:
            raise NodeRefused(f"{where}: {error}") from error
        if not invoice.amount_msat:
            raise NodeRefused(f"{where}: the invoice has no amount", "amount")
        return invoice

    def _check_fee(
        self, invoice: ReadInvoice, fields: dict[str, str], max_fee_msat: int
    ) -> None:
        """Blink is told no limit, and has its own. Where that is above ours, it says
        first what this payment would cost (within Blink: nothing)."""
        assert invoice.amount_msat is not None
        sat = -(-invoice.amount_msat // 1000)
        cap_sat = max(MIN_FEE_CAP_SAT, -(-sat * MAX_FEE_BASIS_POINTS // 10_000))
        if cap_sat * 1000 <= max_fee_msat:
            return
        answer = self._api.act(
            _PROBE, questions.PROBE, questions.ProbeAnswer, {"input": fields},
            within_s=PROBE_S,
        )  # fmt: skip
        probe, where = answer.ln_invoice_fee_probe, self._where(_PROBE)
        if probe.errors:
            codes = [error.code or "" for error in probe.errors]
            if "ROUTE_FINDING_ERROR" in codes:
                raise NodeRefused(f"{where} finds no route", "route")
            raise error_of(codes, where)
        if probe.amount is None or probe.amount < 0:
            raise NodeGarbage(f"{where} names no fee")
        if probe.amount * 1000 > max_fee_msat:
            raise NodeRefused(f"{where}: the fee would be {probe.amount} sat", "route")

    def _certain(
        self, wallet_id: str, invoice: ReadInvoice, sent: questions.Sent
    ) -> Payout | None:
        """What a payload says; None: that it failed, and no more."""
        if sent.errors or sent.status == "FAILURE":
            return None
        if sent.status == "PENDING":
            return Payout(status=PayoutStatus.PENDING)
        if sent.status == "ALREADY_PAID":
            # By us, or by somebody else who also has the invoice; then a try of ours
            # may have been taken back.
            refused = NodeRefused(f"{self._where(_SEND)}: it is paid already", "paid")
            payout = self._after(wallet_id, invoice, refused)
            if payout.status is PayoutStatus.FAILED:
                raise refused
            return payout
        if sent.status != "SUCCESS":
            raise NodeGarbage(f"{self._where(_SEND)} does not say how it went")
        line = sent.transaction
        if line is not None and line.settlement_fee == 0:
            preimage = line.settlement_via.pre_image or ""
            return Payout(status=PayoutStatus.PAID, preimage=preimage)
        try:  # what of the fee came back is another line
            paid = self.payout(wallet_id, invoice.payment_hash)
        except LightningError:
            paid = Payout(status=PayoutStatus.UNKNOWN)
        if paid.status is PayoutStatus.PAID:
            return paid
        fee_sat = max(0, line.settlement_fee) if line else 0
        return Payout(status=PayoutStatus.PAID, fee_msat=fee_sat * 1000)

    def _failure(self, sent: questions.Sent) -> LightningError:
        """What its errors say, if the ledger knows nothing of the payment."""
        where = self._where(_SEND)
        codes = [error.code or "" for error in sent.errors]
        if "INVALID_INPUT" in codes:
            return NodeRefused(f"{where} refuses it (INVALID_INPUT)")
        if "ROUTE_FINDING_ERROR" in codes:
            return NodeRefused(f"{where} finds no route", "route")
        return error_of(codes, where)

    def _after(
        self, wallet_id: str, invoice: ReadInvoice, error: LightningError
    ) -> Payout:
        """What the ledger says; where it knows nothing of it, the error."""
        payout = self.payout(wallet_id, invoice.payment_hash)
        if payout.status is PayoutStatus.UNKNOWN:
            raise error
        return payout

    def _key(self, key: str) -> str:
        """Blink locks a key for an hour, also where it refused the payment. After a
        refusal for certain the next attempt has a key of its own, or a balance that was
        too small would hold the payment up for that hour."""
        refused = self._refused.get(key, 0)
        return str(uuid5(UUID(key), str(refused))) if refused else key

    def _forget(self, key: str) -> None:
        self._refused[key] = self._refused.pop(key, 0) + 1
        if len(self._refused) > _KEYS:
            self._refused.popitem(last=False)

    def _where(self, field: str) -> str:
        return f"{self._api.name}: {field}"

"""The invoice of a new payment that Lightning can pay: asked for, held against what was
asked, and put into the payment's terms.

`Invoices` is of all payments of one request: a batch has a bound, and an account that
gave no answer is not asked again for its rest. Whoever creates a payment waits here for
the node, in the request's greenlet. Nothing is written: an invoice that nobody saw,
because the request failed later, harms nobody.
"""

import logging
from collections.abc import Sequence

import msgspec

from engine.errors import LightningError, NodeRefused
from engine.errors.codes import Code
from engine.errors.lightning import InvoiceMismatch
from engine.gateway import Gateway
from engine.lightning.account import Account
from engine.lightning.invoice import check_invoice
from engine.lightning.node import InvoiceAsked
from engine.lightning.upstream import is_of_one_alone
from engine.lightning.warnings import Warned, WarningCode, warnings_of
from engine.merchants.record import Merchant
from engine.payment.model import LIGHTNING, Invoice, Terms, lightning_key
from transport.bodies.problem_body import FieldError
from transport.control.payment_methods import said_as
from transport.http.inputs import PaymentRequest
from transport.http.problems import Problem, invalid, retry_later
from transport.http.till import is_only_one

__all__ = ["MAX_INVOICES", "Invoices"]

log = logging.getLogger("paybell.lightning")

MAX_INVOICES = 20
"""In one batch: each is a request to a node, for which the batch waits."""

RETRY_S = 5.0
"""After which a client may ask again, where the node names no time itself."""


class Invoices:
    """See the module docstring."""

    def __init__(self, gateway: Gateway, most: int = MAX_INVOICES) -> None:
        self._gateway = gateway
        self._left = most
        self._most = most
        self._silent: dict[str, LightningError] = {}  # accounts, by name
        self._warned: dict[str, tuple[Warned, ...]] = {}  # by payment

    def warnings_of(self, payment_id: str) -> tuple[Warned, ...]:
        """What the answer that creates this payment says beside it."""
        return self._warned.get(payment_id, ())

    def account_for(
        self,
        request: PaymentRequest,
        record: Merchant,
        errors: list[FieldError],
    ) -> Account | None:
        """The account that makes this merchant's invoices; None: see `errors`."""
        account = self._gateway.lightning_account(record.name)
        if account is None:
            message = (
                f"has Lightning, and merchant {record.name} has no Lightning account:"
                " this node's operator configures one ([lightning.<name>] in"
                " paybell.toml, docs/lightning.md)"
            )
            errors.append(FieldError(_method_as(request), message))
            return None
        can = self._gateway.lightning_can(account.name)
        if request.any_amount and not can.amountless:
            message = (
                f"is not offered: {account.kind} makes no invoices without an amount"
            )
            errors.append(FieldError("/any_amount", message))
        if request.description_hash is not None and not can.description_hash:
            message = (
                f"is not offered: {account.kind} makes no invoices with the hash of a"
                " description"
            )
            errors.append(FieldError("/description_hash", message))
        if self._left <= 0:
            message = (
                f"has Lightning, and a batch may have {self._most} invoices: create"
                " this payment by itself"
            )
            errors.append(FieldError(_method_as(request), message))
        return account

    def with_invoice(
        self,
        terms: Terms,
        account: Account,
        request: PaymentRequest,
        record: Merchant,
    ) -> Terms:
        """The terms with an invoice. Without an address (it is empty, and so is
        `derived`) the payment is Lightning's alone. Of one that has an address the
        chain alone is left where no invoice could be made.

        Raises `Problem` 422 or 503; `EngineBusy`.
        """
        assert self._left > 0, "account_for says no first"
        self._left -= 1
        amount_msat = None if terms.amount_sat is None else terms.amount_sat * 1000
        warned = self._before(account, terms.merchant, amount_msat)
        strict = (request.on_warning or record.on_warning) == "refuse"
        if warned and strict:
            raise _refused(account, warned)
        hashed = request.description_hash or ""
        told = request.description or record.display_name
        asked = InvoiceAsked(
            payment_id=terms.id,
            amount_msat=amount_msat,
            description="" if hashed else told,
            description_hash=hashed,
            expires_in_s=(terms.expires_at - terms.created_at) // 1000,
        )
        try:
            invoice = self._make(account, terms, asked)
        except LightningError as error:
            if not _has_chain(terms) or strict:
                raise _no_invoice(account, error, request) from error
            message = f"{_sentence(account, error)} The payment has an address alone."
            code = WarningCode.LIGHTNING_UNAVAILABLE
            self._warn(terms.id, (*warned, Warned(code=code, message=message)))
            return terms
        self._warn(terms.id, warned)
        if account.forward_to:
            invoice = msgspec.structs.replace(invoice, is_till=True)
        return _with(terms, invoice, is_unified=record.bip321 == "unified")

    def _before(
        self, account: Account, merchant: str, amount_msat: int | None
    ) -> tuple[Warned, ...]:
        gateway = self._gateway
        upstreams = {report.name: report for report in gateway.upstreams()}
        balance = gateway.lightning_balance(account.name)
        only = is_only_one(merchant, gateway)
        is_own = is_of_one_alone(account.name, upstreams, merchant, is_only_one=only)
        return warnings_of(
            account, upstreams, balance, amount_msat, is_shared=not is_own
        )

    def _make(self, account: Account, terms: Terms, asked: InvoiceAsked) -> Invoice:
        if (before := self._silent.get(account.name)) is not None:
            raise before
        gateway = self._gateway
        try:
            made = gateway.make_invoice(account.name, terms.merchant, asked)
            now = gateway.now()
            return check_invoice(made, asked, terms.network, now, account.name)
        except NodeRefused:
            raise
        except LightningError as error:
            if isinstance(error, InvoiceMismatch):
                log.error(
                    "lightning.mismatch account=%s payment=%s reason=%s",
                    account.name,
                    terms.id,
                    error.detail,
                )
            self._silent[account.name] = error
            raise

    def _warn(self, payment_id: str, warned: tuple[Warned, ...]) -> None:
        if warned:
            self._warned[payment_id] = warned


def _with(terms: Terms, invoice: Invoice, *, is_unified: bool) -> Terms:
    """The invoice's own expiry is the payment's: a node takes nothing afterwards."""
    later = invoice.expires_at - terms.expires_at
    with_expiry = msgspec.structs.replace(
        terms,
        expires_at=invoice.expires_at,
        monitor_until=terms.monitor_until + later,
    )
    if _has_chain(terms):
        invoice = msgspec.structs.replace(invoice, is_unified=is_unified)
        return msgspec.structs.replace(with_expiry, lightning=invoice)
    return msgspec.structs.replace(
        with_expiry,
        method=LIGHTNING,
        address=lightning_key(invoice.payment_hash),
        confirmations_required=0,
        quorum_above_sat=None,
        lightning=invoice,
    )


def _has_chain(terms: Terms) -> bool:
    return bool(terms.address) or terms.derived is not None


def _method_as(request: PaymentRequest) -> str:
    return "/methods" if request.method is msgspec.UNSET else "/method"


def _sentence(account: Account, error: LightningError) -> str:
    return f"The Lightning account {account.name} made no invoice: {error.detail}."


def _no_invoice(
    account: Account, error: LightningError, request: PaymentRequest
) -> Problem:
    """A clear no to this invoice is the caller's affair; all else may pass, or is the
    operator's."""
    if isinstance(error, NodeRefused) and error.why != "key":
        path = f"/{said_as(request)}" if error.why == "amount" else _method_as(request)
        message = f"is refused by the Lightning account: {error.detail}"
        return invalid(FieldError(path, message))
    wait_s = RETRY_S if error.retry_after_s is None else error.retry_after_s
    return retry_later(Code.LIGHTNING_UNAVAILABLE, _sentence(account, error), wait_s)


def _refused(account: Account, warned: Sequence[Warned]) -> Problem:
    """What `on_warning` asks for."""
    told = ". ".join(one.message for one in warned)
    problem = retry_later(
        Code.LIGHTNING_UNAVAILABLE,
        f"No invoice is made while there is a warning (on_warning): {told}.",
        RETRY_S,
    )
    problem.errors = tuple(
        FieldError("/on_warning", f"refuses: {one.code}: {one.message}")
        for one in warned
    )
    return problem

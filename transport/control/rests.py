"""A payer whose payment is short asks for an invoice for exactly what is missing.

What is due says `engine/payment/rest_rules.py`. The node is asked here, its invoice is
held against what was asked, and the payment agrees on it before anybody is shown it: so
an invoice that somebody pays always finds its payment. Whoever has the link of a
payment may ask, so there are bounds: the same invoice while the same is missing, a few
of a payment in all, and so many an address of the web. Those that were made in vain,
as the payment did not agree on them, are few of a payment, too.

Runs in the request's greenlet, and waits for the Lightning node there.
"""

import logging
import time
from collections import OrderedDict
from typing import Final

import msgspec

from engine.errors import EngineError, LightningError, NodeRefused
from engine.errors.codes import Code
from engine.gateway import Gateway
from engine.lightning.account import Account
from engine.lightning.invoice import check_invoice
from engine.lightning.node import InvoiceAsked, InvoiceMade
from engine.lightning.upstream import UpstreamState
from engine.payment.model import Invoice, Payment
from engine.payment.observations import AgreeRest
from engine.payment.rest_rules import RestDue, rest_due, rest_shown, short_sat
from transport.control.one_at_a_time import OneAtATime
from transport.http.problems import Problem, rate_limited, retry_later
from transport.server.limits import RateLimiter

__all__ = ["MOST_IN_VAIN", "Rests"]

log = logging.getLogger("paybell.lightning")

PAYER: Final = "payer"
"""Whose hand it was, in `data.by`."""

MOST_IN_VAIN: Final = 5
"""Invoices of one payment that its node made, and that could not be used: another than
was asked for, or money came meanwhile, or its watcher cannot write. As long as this
process lives: something is wrong then, and whoever has the link may ask for ever."""

_REMEMBERED: Final = 10_000
"""Payments of which any was made in vain; the oldest are forgotten first."""

RETRY_S: Final = 5.0
"""After which a payer may ask again, where the node names no time itself."""

_ANSWERS: Final = frozenset((UpstreamState.LIVE, UpstreamState.BEHIND))


class Rests:
    """See the module docstring."""

    def __init__(self, gateway: Gateway, per_minute: int) -> None:
        """`per_minute`: the setting rests_per_minute."""
        self._gateway = gateway
        self._clients = RateLimiter(per_minute / 60, per_minute)
        self._alone = OneAtATime()
        self._in_vain: OrderedDict[str, int] = OrderedDict()  # by payment

    def is_offered(self, payment: Payment) -> bool:
        """Whether one can be asked for now. Of memory alone."""
        if self._due(payment, self._gateway.now()) is None:
            return False
        account = self._account(payment)
        return account is not None and any(
            report.name == account.name and report.state in _ANSWERS
            for report in self._gateway.upstreams()
        )

    def make(self, payment: Payment, client: str) -> Payment:
        """The payment with an invoice for what is missing: the one that there is, else
        a new one. `client`: who asks.

        Raises `Problem` 409 (none is due, or the node makes none for so little), 429
        and 503; `EngineError`.
        """
        with self._alone(payment.id):
            # Who had to wait looks anew: money may have come meanwhile.
            payment = self._gateway.payment(payment.id) or payment
            now = self._gateway.now()
            if rest_shown(payment, now) is not None:
                return payment
            due, account = self._due(payment, now), self._account(payment)
            if due is None or account is None:
                text = "What is missing of this payment cannot be paid by Lightning."
                raise Problem(Code.WRONG_PAYMENT_STATE, text)
            wait_s = self._clients.allow(client, time.monotonic())
            if wait_s > 0:
                raise rate_limited(
                    "Too many invoices were asked for from this address"
                    " (rests_per_minute).",
                    wait_s,
                    "rests_per_minute",
                )
            made, asked = self._made(payment, due, account)
            try:
                invoice = self._checked(payment, made, asked, account)
                agreed = AgreeRest(invoice=invoice, by=PAYER)
                return self._gateway.command(payment, agreed)
            except (EngineError, Problem) as error:
                log.warning("lightning.rest_in_vain payment=%s detail=%s", payment.id,
                            error)  # fmt: skip
                self._note_in_vain(payment.id)
                raise

    def _due(self, payment: Payment, now: int) -> RestDue | None:
        """As the rules have it, unless too many were made in vain."""
        if self._in_vain.get(payment.id, 0) >= MOST_IN_VAIN:
            return None
        return rest_due(payment, now)

    def _note_in_vain(self, payment_id: str) -> None:
        self._in_vain[payment_id] = self._in_vain.pop(payment_id, 0) + 1
        if len(self._in_vain) > _REMEMBERED:
            self._in_vain.popitem(last=False)

    def _account(self, payment: Payment) -> Account | None:
        """The one that made its first invoice, if it still makes this merchant's: the
        books know one account of a payment."""
        first = payment.terms.lightning
        account = self._gateway.lightning_account(payment.terms.merchant)
        if first is None or account is None or account.name != first.node:
            return None
        return account

    def _made(
        self, payment: Payment, due: RestDue, account: Account
    ) -> tuple[InvoiceMade, InvoiceAsked]:
        """Raises `Problem`: the node made none."""
        terms, gateway = payment.terms, self._gateway
        assert due.amount_sat == short_sat(payment), payment.id
        asked = InvoiceAsked(
            payment_id=terms.id,
            amount_msat=due.amount_sat * 1000,
            description=terms.description
            or gateway.merchant(terms.merchant).display_name,
            expires_in_s=due.expires_in_s,
        )
        try:
            return gateway.make_invoice(account.name, terms.merchant, asked), asked
        except LightningError as error:
            raise _no_invoice(error, payment, account) from error

    def _checked(
        self, payment: Payment, made: InvoiceMade, asked: InvoiceAsked, account: Account
    ) -> Invoice:
        """Raises `Problem`: it is not what was asked for."""
        network, now = payment.terms.network, self._gateway.now()
        try:
            invoice = check_invoice(made, asked, network, now, account.name)
        except LightningError as error:
            raise _no_invoice(error, payment, account) from error
        return msgspec.structs.replace(invoice, is_till=bool(account.forward_to))


def _no_invoice(error: LightningError, payment: Payment, account: Account) -> Problem:
    """A payer is told nothing of the node: what it said is in the log."""
    log.warning(
        "lightning.no_rest account=%s payment=%s sat=%d reason=%s",
        account.name,
        payment.id,
        short_sat(payment),
        error.detail,
    )
    if isinstance(error, NodeRefused) and error.why != "key":
        text = "The shop's Lightning node makes no invoice for what is missing."
        return Problem(Code.WRONG_PAYMENT_STATE, text)
    wait_s = RETRY_S if error.retry_after_s is None else error.retry_after_s
    text = "The shop's Lightning node makes no invoice at the moment."
    return retry_later(Code.LIGHTNING_UNAVAILABLE, text, wait_s)

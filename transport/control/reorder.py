"""A payer whose payment expired unpaid asks for a new address: its successor.

The successor has the terms of the first, a fresh address or invoice, and the price of
now where the price is in a currency. Its id follows from the first one's and the node's
key, so that asking again, at once or after a restart, finds the same one, and nobody
else can guess it. `metadata.replaces` of the successor names the first. Whoever has the
link of a payment may ask, so there are bounds: the shop must have said that it may
(`reorder` of its record), a day, a chain of a few, and so many an address of the web.

Runs in the request's greenlet, and waits for the engine there.
"""

import time
from typing import Any, Final

import msgspec

from engine.errors.codes import Code
from engine.gateway import Gateway
from engine.merchants.payment_defaults import MAX_EXPIRES_IN_S
from engine.merchants.payment_methods import LIGHTNING, ONCHAIN
from engine.merchants.record import Merchant
from engine.merchants.web_places import is_allowed_return
from engine.payment.model import Payment, Status, Terms
from engine.payment.order import OrderStatus, order_of
from engine.policy.periods import DAY_MS
from engine.secrets.vault import Vault
from transport.control.new_payment import terms_of, without_old_outputs
from transport.control.one_at_a_time import OneAtATime
from transport.http.auth import Principal
from transport.http.bottle_app import ApiSettings
from transport.http.inputs import PaymentRequest
from transport.http.new_ids import successor_id
from transport.http.problems import Problem, rate_limited
from transport.server.limits import RateLimiter

__all__ = ["MAX_CHAIN", "OFFERED_MS", "REPLACES", "Reorders", "time_of"]

REPLACES: Final = "replaces"
"""In the metadata of a successor: the id of the payment before it."""

MAX_CHAIN: Final = 5
"""Successors of one payment, one after the other: then the shop is to be asked."""

OFFERED_MS: Final = DAY_MS
"""So long after its expiry a payment can have a successor: a day. Then a shop has
forgotten the order, and a visitor who finds an old link should not pay for it."""

_WITH_MONEY: Final = frozenset((OrderStatus.PAID, OrderStatus.CONFIRMING))


class Reorders:
    """See the module docstring."""

    def __init__(self, gateway: Gateway, vault: Vault, settings: ApiSettings) -> None:
        self._gateway = gateway
        self._vault = vault
        self._settings = settings
        per_minute = settings.asking.reorders_per_minute
        self._clients = RateLimiter(per_minute / 60, per_minute)
        self._alone = OneAtATime()

    def successor(self, payment: Payment) -> Payment | None:
        """The one that was made, if any was."""
        if payment.status is not Status.EXPIRED:
            return None
        return self._gateway.payment(self._successor_id(payment))

    def is_offered(self, payment: Payment) -> bool:
        """Whether one can be made now. Reads the store for a payment that is a
        successor itself, or of an order; of others nothing."""
        record = self._gateway.merchant(payment.terms.merchant)
        return (
            _is_over(payment, self._gateway.now())
            and record.reorder
            and not record.is_damaged
            and bool(self._methods(payment.terms))
            and self._place_in_chain(payment) < MAX_CHAIN
            and not self._has_money(payment.terms)
        )

    def _has_money(self, terms: Terms) -> bool:
        """Whether another payment of the same order was paid, or is being paid: then
        nobody is asked to pay the order again."""
        if terms.external_id is None:
            return False
        others = self._gateway.payments_of(terms.external_id, terms.merchant)
        return order_of(others).status in _WITH_MONEY

    def make(self, payment: Payment, client: str) -> Payment:
        """The successor: the one that there is, else a new one. `client`: who asks.

        Raises `Problem` 409 (it is not offered), 429 and what creating a payment does.
        """
        with self._alone(payment.id):
            # Who had to wait looks anew: money may have come meanwhile.
            payment = self._gateway.payment(payment.id) or payment
            if (made := self.successor(payment)) is not None:
                return made
            if not self.is_offered(payment):
                text = "No new payment can be made in the place of this one."
                raise Problem(Code.WRONG_PAYMENT_STATE, text)
            wait_s = self._clients.allow(client, time.monotonic())
            if wait_s > 0:
                raise rate_limited(
                    "Too many new payments were asked for from this address"
                    " (reorders_per_minute).",
                    wait_s,
                    "reorders_per_minute",
                )
            return self._create(payment)

    def _create(self, before: Payment) -> Payment:
        old = before.terms
        record = self._gateway.merchant(old.merchant)
        request = self._request(old, record)
        principal = Principal("", "reorder", old.merchant)
        agreed = terms_of(request, principal, self._gateway, self._settings)
        agreed = msgspec.structs.replace(
            agreed, id=self._successor_id(before), credit=old.credit
        )
        (terms,) = without_old_outputs([agreed], self._gateway)
        email = self._gateway.customer_email(old.id)
        emails = {} if email is None else {terms.id: email}
        (created,) = self._gateway.create([terms], emails=emails)
        if not isinstance(created, Payment):
            raise Problem(Code.ADDRESS_TAKEN, f"The {created.detail}.")
        return created

    def _request(self, old: Terms, record: Merchant) -> PaymentRequest:
        """For a payment with the same terms. What was allowed then may not be any more
        (a return URL), and is left out."""
        methods = self._methods(old)
        asked: dict[str, Any] = {
            "methods": methods,
            "expires_in_s": time_of(old),
            "poll_interval_s": old.poll_interval_s,
            "external_id": old.external_id,
            "description": old.description or None,
            "metadata": {**old.metadata, REPLACES: old.id},
        }
        if old.return_url and is_allowed_return(old.return_url, record.return_urls):
            asked["return_url"] = old.return_url
        if old.price is not None:
            asked["amount_minor"] = old.price.minor
            asked["currency"] = old.price.currency
        elif old.amount_sat is not None:
            asked["amount_sat"] = old.amount_sat
        else:
            asked["any_amount"] = True
        if old.amount_sat is not None and old.price is None:
            asked["tolerance_sat"] = old.tolerance_sat
        if ONCHAIN in methods:
            asked["confirmations"] = old.confirmations_required
            if self._settings.independent_sources >= 2:
                asked["quorum_above_sat"] = old.quorum_above_sat
            if LIGHTNING not in methods:
                asked["forward_to"] = old.forward_to or None
        return PaymentRequest(**asked)

    def _methods(self, old: Terms) -> tuple[str, ...]:
        """Those of the first for which there is something fresh; none: none is."""
        if old.is_external:
            return ()
        merchant, found = old.merchant, []
        has_source = self._settings.address_source is not None
        if old.has_chain and (has_source or self._gateway.wallet(merchant) is not None):
            found.append(ONCHAIN)
        has_account = self._gateway.lightning_account(merchant) is not None
        if old.lightning is not None and has_account:
            found.append(LIGHTNING)
        return tuple(found)

    def _place_in_chain(self, payment: Payment) -> int:
        """How many came before it. What a shop wrote into its metadata is not believed:
        only the id that follows from the other one is."""
        for place in range(MAX_CHAIN):
            named = payment.terms.metadata.get(REPLACES)
            before = self._gateway.payment(named) if isinstance(named, str) else None
            if before is None or self._successor_id(before) != payment.id:
                return place
            payment = before
        return MAX_CHAIN

    def _successor_id(self, payment: Payment) -> str:
        number = self._vault.successor(payment.id)
        return successor_id(payment.terms.expires_at, number)


def time_of(old: Terms) -> int:
    """As long as the first had. Its deadline may have been put off since, again and
    again: for longer than a price is promised no payment is made."""
    given_s = (old.expires_at - old.created_at) // 1000
    return min(max(given_s, 1), MAX_EXPIRES_IN_S)


def _is_over(payment: Payment, now: int) -> bool:
    """Expired, and no money and no word of money has come: whoever has paid is not
    asked to pay again."""
    return (
        payment.status is Status.EXPIRED
        and not payment.receipts
        and not payment.claims
        and now < payment.terms.expires_at + OFFERED_MS
    )

"""Payments over HTTP: create, look up, list, and act by hand. See api.md.

It turns requests into calls of the gateway and payments into JSON; it knows no payment
rule. Runs in the request's greenlet and waits for the engine there.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from engine.bitcoin.address import parse_address
from engine.errors import Code, InvalidAddress
from engine.gateway import Gateway
from engine.payment.model import Payment, Terms
from engine.payment.observations import Cancel, ConfirmByHand
from engine.secrets.vault import Vault
from engine.store.records import IdempotentAnswer
from engine.store.writes import Conflict, Requeue, Row
from transport.control.batches import Batches
from transport.control.idempotency import Claim, Idempotency
from transport.control.new_payment import terms_of, without_old_outputs
from transport.control.operations import BATCH
from transport.control.operations import PAYMENTS as TABLE
from transport.http.auth import Auth, Principal
from transport.http.bottle_app import Api, ApiSettings, answer, environ
from transport.http.cursors import number_cursor, read_number
from transport.http.inputs import (
    NoFields,
    PaymentRequest,
    RedeliverPaymentRequest,
    RedeliverRequest,
)
from transport.http.params import AfterQuery, PaymentsQuery
from transport.http.problems import Problem
from transport.http.request_json import canonical, json_body, query, typed
from transport.http.views import PaymentPage, PaymentView, Requeued, view
from transport.server.refusal import FieldError

__all__ = ["routes"]

_REPLAYED = {"Idempotent-Replayed": "true"}


def routes(
    app: Api, gateway: Gateway, auth: Auth, vault: Vault, settings: ApiSettings
) -> None:
    """Put the payment routes into `app`."""
    idempotency = Idempotency(gateway)
    payments = _Payments(gateway, auth, vault, settings, idempotency)
    batches = Batches(gateway, auth, vault, settings, idempotency)
    for operation in TABLE:
        app.add(operation, getattr(payments, operation.name))
    app.add(BATCH, batches.create_payments)


class _Payments:
    """One method for each operation of the table, by its name."""

    def __init__(
        self,
        gateway: Gateway,
        auth: Auth,
        vault: Vault,
        settings: ApiSettings,
        idempotency: Idempotency,
    ) -> None:
        self._gateway = gateway
        self._auth = auth
        self._vault = vault
        self._settings = settings
        self._idempotency = idempotency

    # -- create ----------------------------------------------------------------------

    def create_payment(self) -> Any:
        principal = self._auth.require(environ())
        value = json_body(environ())
        return self._idempotency.run(
            environ(),
            principal,
            canonical(value),
            lambda claim: self._create(value, principal, claim),
            self._replay,
        )

    def _create(self, value: Any, principal: Principal, claim: Claim | None) -> Any:
        request = typed(value, PaymentRequest)
        agreed = terms_of(request, principal, self._gateway, self._settings)
        (terms,) = without_old_outputs([agreed], self._gateway)

        def rows(answers: list[Payment | Conflict]) -> tuple[Row, ...]:
            created = answers[0]
            if claim is None or isinstance(created, Conflict):
                return ()
            body = msgspec.json.encode(view(created))
            return claim.rows(201, body, terms.created_at)

        (created,) = self._gateway.create([terms], rows)
        if isinstance(created, Conflict):
            raise self._address_taken(terms, principal)
        return _created(self._with_secret(view(created)))

    def _replay(self, known: IdempotentAnswer) -> Any:
        first = msgspec.json.decode(known.body, type=PaymentView)
        return _created(self._with_secret(first), _REPLAYED)

    def _with_secret(self, shown: PaymentView) -> PaymentView:
        secret = self._vault.client_secret(shown.id)
        return msgspec.structs.replace(shown, client_secret=secret)

    def _address_taken(self, terms: Terms, principal: Principal) -> Problem:
        """409; whose payment it is only its own merchant learns."""
        text = f"address {terms.address} is watched by another payment"
        holder = self._gateway.payment_at(terms.address)
        if (
            holder is not None
            and holder.terms.merchant == terms.merchant
            and principal.may_see(holder.terms.merchant)
        ):
            text = f"address {terms.address} is watched by payment {holder.id}"
        return Problem(
            Code.ADDRESS_TAKEN,
            f"The {text}.",
            errors=(FieldError("/address", f"is taken: {text}"),),
        )

    # -- look ------------------------------------------------------------------------

    def get_payment(self, payment_id: str) -> Any:
        payment = self._seen(payment_id, self._auth.require(environ()))
        return answer(view(payment))

    def list_payments(self) -> Any:
        principal = self._auth.require(environ())
        asked = query(environ(), PaymentsQuery)
        filters = self._filters(asked, principal)
        page = self._gateway.list_payments(
            filters, read_number(asked.cursor), asked.limit
        )
        return answer(
            PaymentPage(
                data=[view(payment) for payment in page.payments],
                next_cursor=number_cursor(page.next_rank),
            )
        )

    def _filters(self, asked: PaymentsQuery, principal: Principal) -> dict[str, str]:
        merchant = asked.merchant or principal.merchant
        if merchant is not None and not principal.may_see(merchant):
            raise Problem(
                Code.FORBIDDEN, "This key sees the payments of its own merchant only."
            )
        address = asked.address
        if address is not None:
            try:
                address = parse_address(address, self._settings.network).text
            except InvalidAddress as error:
                wrong = FieldError("?address", f"is refused: {error}")
                raise Problem(
                    Code.INVALID_REQUEST, f"?address {error}", errors=(wrong,)
                ) from error
        wanted = {
            "status": asked.status,
            "external_id": asked.external_id,
            "address": address,
            "merchant": merchant,
        }
        return {name: value for name, value in wanted.items() if value is not None}

    def list_payment_events(self, payment_id: str) -> Any:
        payment = self._seen(payment_id, self._auth.require(environ()))
        asked = query(environ(), AfterQuery)
        found = self._gateway.history(payment.id, asked.after, asked.limit + 1)
        page = found[: asked.limit]
        more = page[-1].seq if len(found) > len(page) else None
        wires = [msgspec.Raw(stored.wire) for stored in page]
        return answer({"data": wires, "next_after": more})

    def _seen(self, payment_id: str, principal: Principal) -> Payment:
        """The payment, if it is there for this caller: others' are not (404)."""
        payment = self._gateway.payment(payment_id)
        if payment is None or not principal.may_see(payment.terms.merchant):
            raise Problem(Code.PAYMENT_NOT_FOUND, "There is no such payment.")
        return payment

    # -- by hand ---------------------------------------------------------------------

    def cancel_payment(self, payment_id: str) -> Any:
        return self._by_hand(payment_id, lambda by: Cancel(by=by))

    def confirm_payment(self, payment_id: str) -> Any:
        return self._by_hand(payment_id, lambda by: ConfirmByHand(by=by))

    def _by_hand(
        self, payment_id: str, command: Callable[[str], Cancel | ConfirmByHand]
    ) -> Any:
        principal = self._auth.require(environ())
        typed(json_body(environ(), may_be_empty=True), NoFields)
        payment = self._seen(payment_id, principal)
        # Not which key: whoever follows the payment reads this.
        told = command("api")
        return answer(view(self._gateway.command(payment.id, told)))

    # -- deliver again -----------------------------------------------------------------

    def redeliver_payment(self, payment_id: str) -> Any:
        principal = self._auth.require(environ())
        value = json_body(environ(), may_be_empty=True)
        asked = typed(value, RedeliverPaymentRequest)
        payment = self._seen(payment_id, principal)
        event_id = asked.event_id
        offset = int(event_id.removeprefix("evt_")) if event_id is not None else None
        return self._requeue(
            Requeue(
                merchant=principal.merchant,
                channel_id=asked.channel_id,
                payment_id=payment.id,
                offset=offset,
                at=self._gateway.now(),
            )
        )

    def redeliver_range(self) -> Any:
        principal = self._auth.require(environ())
        asked = typed(json_body(environ()), RedeliverRequest)
        since = _milliseconds(asked.since)
        until = None if asked.until is None else _milliseconds(asked.until)
        if until is not None and until <= since:
            wrong = FieldError("/until", "must be later than since")
            raise Problem(
                Code.INVALID_REQUEST, f"{wrong.path} {wrong.message}", errors=(wrong,)
            )
        return self._requeue(
            Requeue(
                merchant=principal.merchant,
                channel_id=asked.channel_id,
                since=since,
                until=until,
                dead_only=asked.dead_only,
                at=self._gateway.now(),
            )
        )

    def _requeue(self, request: Requeue) -> Any:
        """Of a channel that is not the caller's, or not there, nothing is found."""
        return answer(Requeued(requeued=self._gateway.requeue(request)))


def _created(shown: PaymentView, headers: dict[str, str] | None = None) -> Any:
    location = {"Location": f"/v1/payments/{shown.id}"}
    return answer(shown, 201, {**location, **(headers or {})})


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)

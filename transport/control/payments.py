"""Payments over HTTP: create, look up, list, and act by hand.

It turns requests into calls of the gateway and payments into JSON; it knows no payment
rule. Runs in the request's greenlet and waits for the engine there.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from engine.bitcoin.address import parse_address
from engine.errors import InvalidAddress
from engine.errors.codes import Code
from engine.gateway import Gateway
from engine.merchants.scopes import Scope
from engine.payment.model import LIGHTNING, Payment, Terms
from engine.payment.observations import Cancel, ConfirmByHand
from engine.payment.order import Order, order_of
from engine.secrets.vault import Vault
from engine.store.epochs import START, Position
from engine.store.records import IdempotentAnswer, StoredEvent
from engine.store.writes import Conflict, KeptAnswer
from transport.bodies.problem_body import FieldError
from transport.control.batches import Batches
from transport.control.changing import Changing, etag
from transport.control.creating import CreatingRoutes, invoice_taken
from transport.control.idempotency import IDEMPOTENCY_KEY, Idempotency, KeyReservation
from transport.control.lightning_payment import Invoices
from transport.control.new_payment import emails_of, terms_of, without_old_outputs
from transport.control.redelivery import Redelivery
from transport.control.refund_listing import RefundListing
from transport.control.refunds import Refunds
from transport.control.searching import Searches
from transport.control.seen import seen_payment
from transport.http.auth import Auth, Principal
from transport.http.bottle_app import Api, ApiSettings, answer, environ
from transport.http.cursors import place_cursor, read_place
from transport.http.inputs import NoFields, PaymentRequest
from transport.http.openapi import Link, Operation, link
from transport.http.params import AfterQuery, PaymentsQuery, position_asked
from transport.http.problems import Problem, cursor_gone, invalid
from transport.http.request_json import json_body, query, typed
from transport.http.strict_json import canonical
from transport.http.views import EventPage, PaymentView, view, with_warnings

__all__ = ["routes"]

_REPLAYED = {"Idempotent-Replayed": "true"}


def routes(
    app: Api, gateway: Gateway, auth: Auth, vault: Vault, settings: ApiSettings
) -> None:
    """Put the payment routes into `app`."""
    idempotency = Idempotency(gateway)
    app.add_all(_Payments(gateway, auth, vault, settings, idempotency))
    app.add_all(Batches(gateway, auth, vault, settings, idempotency))
    app.add_all(Changing(gateway, auth, vault, settings, idempotency))
    app.add_all(Redelivery(gateway, auth))
    app.add_all(Refunds(gateway, auth, vault, settings, idempotency))
    app.add_all(RefundListing(gateway, auth))


class PaymentPage(msgspec.Struct, frozen=True, kw_only=True):
    data: list[PaymentView]
    next_cursor: str | None


class _Payments(CreatingRoutes):
    """One method for each operation on payments."""

    def __init__(
        self,
        gateway: Gateway,
        auth: Auth,
        vault: Vault,
        settings: ApiSettings,
        idempotency: Idempotency,
    ) -> None:
        super().__init__(gateway, auth, vault, settings, idempotency)
        self._searches = Searches(settings.asking)

    # -- create ----------------------------------------------------------------------

    @Operation(
        name="create_payment",
        method="POST",
        path="/v1/payments",
        scope=Scope.CREATE,
        tag="payments",
        summary="Create a payment and watch for it. What it does not say of"
        " confirmations, expiry and tolerance the merchant's record says, else the"
        " node. `client_secret` is returned only in this response.",
        request=PaymentRequest,
        headers=(IDEMPOTENCY_KEY,),
        answers={201: PaymentView},
        answer_headers={201: ("Location", "Idempotent-Replayed")},
        problems=(409,),
        links={
            "get": link("get_payment", "payment_id"),
            "events": link("list_payment_events", "payment_id"),
            "change": link("change_payment", "payment_id"),
            "cancel": link("cancel_payment", "payment_id"),
            "confirm": link("confirm_payment", "payment_id"),
            "redeliver": link("redeliver_payment", "payment_id"),
            "watcher": link("get_watcher", "address", "/address"),
            "poll": link("poll_watcher", "address", "/address"),
            "follow": link("followBalance", "address", "/address"),
            "callback": link("receiveBlockonomicsCallback", "addr", "/address"),
            "webhook": Link(
                operation="receiveBtcWebhook",
                parameter="address",
                expression="$response.body#/address",
                in_body=True,
            ),
        },
    )
    def create_payment(self) -> Any:
        principal = self._auth.require(environ())
        value = json_body(environ())
        return self._idempotency.run(
            environ(),
            principal,
            [value.get("merchant") if isinstance(value, dict) else None],
            canonical(value),
            lambda reservation: self._create(value, principal, reservation),
            self._replay,
        )

    def _create(
        self, value: Any, principal: Principal, reservation: KeyReservation | None
    ) -> Any:
        request = typed(value, PaymentRequest)
        invoices = Invoices(self._gateway)
        agreed = terms_of(
            request, principal, self._gateway, self._settings, invoices=invoices
        )
        (terms,) = without_old_outputs([agreed], self._gateway)
        warned = invoices.warnings_of(terms.id)

        def kept(answers: list[Payment | Conflict]) -> KeptAnswer | None:
            created = answers[0]
            if reservation is None or isinstance(created, Conflict):
                return None
            body = msgspec.json.encode(with_warnings(self._view(created), warned))
            return reservation.answer(201, body, terms.created_at)

        (created,) = self._gateway.create([terms], kept, emails_of(terms, request))
        if isinstance(created, Conflict):
            raise self._address_taken(terms, created.detail, principal)
        shown = with_warnings(self._view(created), warned)
        return _created(self._with_secret(shown))

    def _replay(self, known: IdempotentAnswer) -> Any:
        first = msgspec.json.decode(known.body, type=PaymentView)
        return _created(self._with_secret(first), _REPLAYED)

    def _address_taken(self, terms: Terms, text: str, principal: Principal) -> Problem:
        """409; whose payment it is only its own merchant learns."""
        if terms.method == LIGHTNING:
            return invoice_taken()
        if terms.is_external:
            return Problem(
                Code.ADDRESS_TAKEN,
                f"The {text}.",
                errors=(FieldError("/external_id", f"is already used: {text}"),),
            )
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
            errors=(FieldError("/address", f"is already used: {text}"),),
        )

    # -- look ------------------------------------------------------------------------

    @Operation(
        name="get_payment",
        method="GET",
        path="/v1/payments/<payment_id>",
        scope=Scope.READ,
        tag="payments",
        summary="A payment as it is now. Its ETag is for the If-Match of a change.",
        answers={200: PaymentView},
        answer_headers={200: ("ETag",)},
        problems=(404,),
    )
    def get_payment(self, payment_id: str) -> Any:
        payment = seen_payment(self._gateway, payment_id, self._auth.require(environ()))
        shown = view(
            payment,
            self._settings.public_url,
            unread=self._gateway.unread(payment.id),
            order=self._order(payment),
            now=self._gateway.now(),
        )
        return answer(shown, headers={"ETag": etag(payment)})

    def _order(self, payment: Payment) -> Order | None:
        """How its order stands; None: it is of none."""
        terms = payment.terms
        if terms.external_id is None:
            return None
        others = self._gateway.payments_of(terms.external_id, terms.merchant)
        known = {one.id: one for one in others} | {payment.id: payment}
        return order_of(known.values())

    @Operation(
        name="list_payments",
        method="GET",
        path="/v1/payments",
        scope=Scope.READ,
        tag="payments",
        summary="Payments, newest first; by order numbers, times and the like, or found"
        " by whatever a person has of one. A page may hold fewer than `limit` and still"
        " have a `next_cursor`.",
        query=PaymentsQuery,
        answers={200: PaymentPage},
        links={
            "next": link("list_payments", "cursor", "/next_cursor"),
            "newest": link("get_payment", "payment_id", "/data/0/id"),
        },
    )
    def list_payments(self) -> Any:
        principal = self._auth.require(environ())
        asked = query(environ(), PaymentsQuery)
        filters = self._filters(asked, principal)
        kind = asked.kind
        place = read_place(kind, asked.cursor)
        further = asked.further(self._settings.network)
        with self._searches.turn(principal.merchant or "", further):
            page = self._gateway.list_payments(filters, place, asked.limit, further)
        return answer(
            PaymentPage(
                data=[
                    self._view(payment, self._gateway.unread(payment.id))
                    for payment in page.payments
                ],
                next_cursor=place_cursor(kind, page.next_place),
            )
        )

    def _filters(self, asked: PaymentsQuery, principal: Principal) -> dict[str, str]:
        merchant = asked.merchant or principal.merchant
        if merchant is not None and not principal.may_see(merchant):
            raise Problem(
                Code.FORBIDDEN,
                "This key is limited to the payments of its own merchant.",
            )
        address = asked.address
        if address is not None:
            try:
                address = parse_address(address, self._settings.network).text
            except InvalidAddress as error:
                raise invalid(FieldError("?address", str(error))) from error
        wanted = {
            "status": asked.status,
            "external_id": asked.external_id,
            "address": address,
            "merchant": merchant,
        }
        return {name: value for name, value in wanted.items() if value is not None}

    @Operation(
        name="list_payment_events",
        method="GET",
        path="/v1/payments/<payment_id>/events",
        scope=Scope.READ,
        tag="payments",
        summary="The events of a payment after a sequence number, in order.",
        query=AfterQuery,
        answers={200: EventPage},
        problems=(404, 410),
    )
    def list_payment_events(self, payment_id: str) -> Any:
        payment = seen_payment(self._gateway, payment_id, self._auth.require(environ()))
        asked = query(environ(), AfterQuery)
        after = self._after(payment.id, position_asked(asked.cursor, asked.after))
        found = self._gateway.history(payment.id, after, asked.limit + 1)
        kept_from = _kept_from(payment, after, found)
        if 1 < after + 1 < kept_from:
            present = self._gateway.epochs().present
            raise cursor_gone(Position(present, kept_from - 1), is_kept=False)
        page = found[: asked.limit]
        more = None
        if len(found) > len(page):
            more = str(Position(self._gateway.epochs().present, page[-1].seq))
        wires = [msgspec.Raw(stored.wire) for stored in page]
        return answer(
            {
                "data": wires,
                "next_cursor": more,
                "next_after": more,
                "kept_from": kept_from,
            }
        )

    def _after(self, payment_id: str, text: str) -> int:
        """The seq that was read last. Raises `Problem` 410 if it is another story's."""
        after, epochs = Position.parse(text) or START, self._gateway.epochs()

        def began_at() -> int | None:
            first = self._gateway.history(payment_id, 0, 1)
            return first[0].offset if first else None

        if not epochs.is_story_of(after, began_at):
            raise cursor_gone(Position(epochs.present, 0))
        return after.number

    # -- by hand ---------------------------------------------------------------------

    @Operation(
        name="cancel_payment",
        method="POST",
        path="/v1/payments/<payment_id>/cancel",
        scope=Scope.CREATE,
        tag="payments",
        summary="Cancel an unpaid payment. Repeating this has no effect.",
        request=NoFields,
        body_may_be_absent=True,
        answers={200: PaymentView},
        problems=(404, 409),
    )
    def cancel_payment(self, payment_id: str) -> Any:
        return self._by_hand(payment_id, lambda by: Cancel(by=by))

    @Operation(
        name="confirm_payment",
        method="POST",
        path="/v1/payments/<payment_id>/confirm",
        scope=Scope.CONFIRM,
        tag="payments",
        summary="Mark a payment as confirmed by hand, whatever the chain shows.",
        request=NoFields,
        body_may_be_absent=True,
        answers={200: PaymentView},
        problems=(404, 409),
    )
    def confirm_payment(self, payment_id: str) -> Any:
        return self._by_hand(payment_id, lambda by: ConfirmByHand(by=by))

    def _by_hand(
        self, payment_id: str, command: Callable[[str], Cancel | ConfirmByHand]
    ) -> Any:
        principal = self._auth.require(environ())
        typed(json_body(environ(), may_be_empty=True), NoFields)
        payment = seen_payment(self._gateway, payment_id, principal)
        # Not which key: whoever follows the payment reads this.
        told = command("api")
        return answer(self._view(self._gateway.command(payment, told)))


def _created(shown: PaymentView, headers: dict[str, str] | None = None) -> Any:
    location = {"Location": f"/v1/payments/{shown.id}"}
    return answer(shown, 201, {**location, **(headers or {})})


def _kept_from(payment: Payment, after: int, found: list[StoredEvent]) -> int:
    """The seq of the first event that is kept, as far as these show it; else 1."""
    if found:
        return found[0].seq if found[0].seq > after + 1 else 1
    return payment.seq + 1 if payment.seq > after else 1

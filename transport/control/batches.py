"""Up to 1,000 payments in one request and one commit; each is judged by itself.

An entry that is wrong harms no other: the answer has one entry for each payment that
was sent, in order, the payment or the problem. Runs in the request's greenlet, and lets
others run in between, but for `rows`, which the engine calls in a turn: it computes and
never waits.
"""

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET, UnsetType

from engine.errors import EngineBusy
from engine.errors.codes import Code
from engine.merchants.scopes import Scope
from engine.payment.model import LIGHTNING, Payment, Terms
from engine.runtime.yielding import yielding_every
from engine.store.records import IdempotentAnswer
from engine.store.writes import Conflict, KeptAnswer
from transport.bodies.problem_body import FieldError, ProblemBody
from transport.control.creating import CreatingRoutes, invoice_taken
from transport.control.idempotency import IDEMPOTENCY_KEY, KeyReservation
from transport.control.lightning_payment import Invoices
from transport.control.new_payment import emails_of, terms_of, without_old_outputs
from transport.control.pricing import Prices
from transport.http.auth import Principal
from transport.http.bottle_app import answer, environ
from transport.http.inputs import MAX_BATCH, PAYMENTS, BatchRequest, PaymentRequest
from transport.http.json_list import read_list
from transport.http.openapi import Operation
from transport.http.problems import Problem, invalid, problem_of
from transport.http.request_json import BATCH_BYTES, BODY_BYTES, check, json_text
from transport.http.views import PaymentView, view, with_warnings

__all__ = ["Batches"]

PAYMENT_COST = 0.5
"""Of a payment in a batch, in calls that read (`transport/http/auth.py`): a node makes
10,900 of them in a second, less than it could be asked for in as many calls."""

MAX_VALUES = 70 * MAX_BATCH
"""In one body. A payment with all its fields and 50 of metadata has some 67 values."""

_encoder = msgspec.json.Encoder()

Answers = list[Payment | Conflict]
Judged = Terms | ProblemBody


class BatchEntry(msgspec.Struct, frozen=True, kw_only=True):
    """The result for one payment of a batch: exactly one of the two is present."""

    payment: PaymentView | UnsetType = UNSET
    problem: ProblemBody | UnsetType = UNSET


class BatchPage(msgspec.Struct, frozen=True, kw_only=True):
    """One entry for each payment of the request, in the same order."""

    data: list[BatchEntry]


class _KeptEntry(msgspec.Struct, frozen=True):
    """An entry of an answer that was kept. A problem is told again as it was told: of
    an earlier version it has no `code`."""

    payment: PaymentView | UnsetType = UNSET
    problem: dict[str, Any] | UnsetType = UNSET


class _KeptPage(msgspec.Struct, frozen=True):
    data: list[_KeptEntry]


class Batches(CreatingRoutes):
    """`POST /v1/payments/batch`."""

    @Operation(
        name="create_payments",
        method="POST",
        path="/v1/payments/batch",
        scope=Scope.CREATE,
        tag="payments",
        summary="Create up to 1,000 payments at once. The response has one entry for"
        ' each, in the same order: {"payment": …} or {"problem": …}. A mistake in one'
        " does not affect the others.",
        request=BatchRequest,
        headers=(IDEMPOTENCY_KEY,),
        answers={200: BatchPage},
        answer_headers={200: ("Idempotent-Replayed",)},
        problems=(409,),
    )
    def create_payments(self) -> Any:
        principal = self._auth.require(environ())
        asked = read_list(
            json_text(environ(), BATCH_BYTES),
            "payments",
            most_values=MAX_VALUES,
            item_bytes=BODY_BYTES,
            allowed=PAYMENTS,
        )
        if not 1 <= len(asked.items) <= MAX_BATCH:
            got = f"(got a list of {len(asked.items)})"
            raise invalid(FieldError("/payments", f"must be {PAYMENTS} {got}"))
        return self._idempotency.run(
            environ(),
            principal,
            [one.get("merchant") for one in asked.items if isinstance(one, dict)],
            asked.canonical,
            lambda reservation: self._create(asked.items, principal, reservation),
            self._replay,
        )

    def _create(
        self,
        asked: list[Any],
        principal: Principal,
        reservation: KeyReservation | None,
    ) -> Any:
        self._auth.charge(principal, len(asked) * PAYMENT_COST)
        emails: dict[str, str] = {}
        prices = Prices(self._gateway)  # one moment's, for all
        invoices = Invoices(self._gateway)
        judged = [
            self._judge(one, principal, emails, prices, invoices)
            for one in yielding_every(asked, 20)
        ]
        accepted = [terms for terms in judged if isinstance(terms, Terms)]
        now, url = self._gateway.now(), self._settings.public_url

        def kept(answers: Answers) -> KeptAnswer | None:
            if reservation is None or not any(isinstance(a, Payment) for a in answers):
                return None
            return reservation.answer(
                200, msgspec.json.encode(_page(judged, answers, url, invoices)), now
            )

        if accepted:
            accepted = without_old_outputs(accepted, self._gateway)
        answers = self._gateway.create(accepted, kept, emails) if accepted else []
        page = _page(yielding_every(judged), answers, url, invoices)
        return self._answer(page.data)

    def _judge(
        self,
        value: Any,
        principal: Principal,
        emails: dict[str, str],
        prices: Prices,
        invoices: Invoices,
    ) -> Judged:
        """Terms or a problem; payers' addresses go into `emails`."""
        if isinstance(value, Problem):
            return value.value(self._base)
        request = check(value, PaymentRequest)
        if isinstance(request, tuple):
            return invalid(*request).value(self._base)
        try:
            terms = terms_of(
                request, principal, self._gateway, self._settings, prices, invoices
            )
        except (Problem, EngineBusy) as problem:
            return problem_of(problem).value(self._base)
        emails |= emails_of(terms, request)
        return terms

    def _replay(self, known: IdempotentAnswer) -> Any:
        first = msgspec.json.decode(known.body, type=_KeptPage)
        return self._answer(first.data, {"Idempotent-Replayed": "true"})

    def _answer(
        self,
        entries: Sequence[BatchEntry | _KeptEntry],
        headers: dict[str, str] | None = None,
    ) -> Any:
        """Where an entry is a payment, with its secret. Written out entry by entry: a
        thousand with twenty mistakes each are some megabytes."""
        told = [
            _encoder.encode(
                entry
                if isinstance(entry.payment, UnsetType)
                else BatchEntry(payment=self._with_secret(entry.payment))
            )
            for entry in yielding_every(entries, every=100)
        ]
        return answer(b'{"data":[' + b",".join(told) + b"]}", 200, headers)


def _page(
    judged: Iterable[Judged], answers: Answers, public_url: str, invoices: Invoices
) -> BatchPage:
    """Answers come for the accepted ones only, in their order."""
    waiting = iter(answers)
    return BatchPage(
        data=[
            BatchEntry(problem=one)
            if isinstance(one, ProblemBody)
            else _entry(one, next(waiting), public_url, invoices)
            for one in judged
        ]
    )


def _entry(
    agreed: Terms, created: Payment | Conflict, public_url: str, invoices: Invoices
) -> BatchEntry:
    if isinstance(created, Payment):
        warned = invoices.warnings_of(created.id)
        return BatchEntry(payment=with_warnings(view(created, public_url), warned))
    base = urlsplit(public_url).path
    if agreed.method == LIGHTNING:
        return BatchEntry(problem=invoice_taken().value(base))
    text = created.detail
    wrong = FieldError("/address", f"is already used: {text}")
    problem = Problem(Code.ADDRESS_TAKEN, f"The {text}.", errors=(wrong,))
    return BatchEntry(problem=problem.value(base))

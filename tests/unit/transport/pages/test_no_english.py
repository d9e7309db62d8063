"""No page for payers says a word that is not in the catalogue, and the catalogue has
none that no page says. The pages are written in a language without Latin letters, one
for each thing that they can say (`gallery.py`).
"""

import json
from io import BytesIO
from typing import Any

import bottle
import pytest

from engine.delivery.attempt import AttemptOutcome, SendResult
from engine.delivery.endpoint import Endpoint
from engine.errors import EngineBusy, Refused
from engine.errors.codes import Code
from engine.mail.address import MailAddress
from engine.merchants.record import Merchant
from engine.payment.model import EventType, Payment
from engine.payment.refund import Refund, RefundState
from engine.payment.rest_rules import rest_due
from engine.secrets.vault import Vault
from tests.unit.transport.pages.gallery import BACK, GALLERY
from tests.unit.transport.pages.page_server import (
    ADDRESS,
    HOUR,
    NOW,
    FakeGateway,
    Get,
    getter,
    payment,
)
from tests.unit.transport.pages.pseudo import Pseudo, english_in
from transport.bodies.problem_body import FieldError
from transport.http.problems import Problem, invalid, rate_limited
from transport.outbound.email_message import Letter
from transport.pages import language, refund
from transport.pages.receipt_mail import ReceiptMail

SHOP = "Ćäfé"
DATA = ("order-1", "pay_1", "mainnet", "regtest", "paymos", ADDRESS)


class OfAShop(FakeGateway):
    """Its name is known where there is an order number."""

    def merchant(self, name: str) -> Merchant:
        is_named = all(p.terms.external_id for p in self.known.values())
        shown = SHOP if is_named else ""
        return Merchant(
            name=name,
            display_name=shown,
            return_urls=(BACK,),
            explorer_url="https://explorer.example/tx/{txid}",
            support_url="mailto:help@shop.example",
            brand_color="#ffcc00",
        )


@pytest.fixture
def pseudo(monkeypatch: pytest.MonkeyPatch) -> Pseudo:
    words = Pseudo()
    monkeypatch.setattr(language, "all_words", lambda: {"en": words})
    return words


class FakeReorders:
    """Of payments without an order number there is a successor already."""

    def successor(self, known: Payment) -> Payment | None:
        return None if known.terms.external_id else known

    def is_offered(self, known: Payment) -> bool:
        return not known.receipts

    def make(self, _known: Payment, client: str) -> Payment:
        raise Problem(Code.WRONG_PAYMENT_STATE, f"Not for {client}.")


class FakeRests:
    """Where one is due it is offered, and then refused."""

    def is_offered(self, known: Payment) -> bool:
        return rest_due(known, NOW) is not None

    def make(self, _known: Payment, client: str) -> Payment:
        raise Problem(Code.WRONG_PAYMENT_STATE, f"Not for {client}.")


def pages_of(known: Payment, told: list[EventType]) -> tuple[str, Any]:
    gateway = OfAShop(known)
    gateway.told = told
    get = getter(gateway, reorders=FakeReorders(), rests=FakeRests())
    return get("/pay/pay_1").text, json.loads(get("/pay/pay_1.json").body)


def refused_reorder() -> str:
    get = getter(OfAShop(payment()), reorders=FakeReorders())
    return get("/pay/pay_1/reorder", REQUEST_METHOD="POST").text


def refused_rest() -> str:
    get = getter(OfAShop(payment()), rests=FakeRests())
    return get("/pay/pay_1/rest", REQUEST_METHOD="POST").text


@pytest.mark.parametrize(("known", "told"), GALLERY)
def test_no_english_word_is_on_a_checkout_page(
    pseudo: Pseudo, known: Payment, told: list[EventType]
) -> None:
    page, state = pages_of(known, told)
    assert english_in(page, *DATA) == []
    said = [state["title"], state["announcement"], *state["parts"].values()]
    assert english_in(" ".join(said), *DATA) == []


class FakeWriter:
    """A mail server that takes what it is sent, or does not."""

    def __init__(self, outcome: AttemptOutcome = AttemptOutcome.DELIVERED) -> None:
        self.outcome = outcome
        self.letters: list[Letter] = []

    def write(self, _to: Endpoint, letter: Letter, _address: MailAddress) -> SendResult:
        self.letters.append(letter)
        return SendResult(self.outcome, None, None, None, 0.0)


def mailing(known: Payment, writer: FakeWriter) -> Get:
    gateway = OfAShop(known)
    mail = ReceiptMail(gateway, Vault(bytes(32)), writer)  # type: ignore[arg-type]
    return getter(gateway, mail=mail)


def receipt_of(known: Payment) -> str:
    return mailing(known, FakeWriter())("/pay/pay_1/receipt").text


def mailed(outcome: AttemptOutcome) -> tuple[list[str], list[Letter]]:
    """The pages that say what became of four mails, and what was written."""
    known, writer = next(k for k, _ in GALLERY if k.refunds), FakeWriter(outcome)
    get = mailing(known, writer)
    said = ["email=ann", *["email=ann%40home.example"] * 4]
    pages = [
        get(
            "/pay/pay_1/receipt",
            REQUEST_METHOD="POST",
            CONTENT_LENGTH=str(len(form)),
            **{"wsgi.input": BytesIO(form.encode())},
        ).text
        for form in said
    ]
    return pages, writer.letters


@pytest.mark.parametrize("outcome", [AttemptOutcome.DELIVERED, AttemptOutcome.RETRY])
def test_no_english_word_is_in_a_mailed_receipt(
    pseudo: Pseudo, outcome: AttemptOutcome
) -> None:
    pages, letters = mailed(outcome)
    for page in pages:
        assert english_in(page, *DATA) == []
    assert len(letters) == 3
    hashes = ("ab" * 32, "cc" * 32)
    for letter in letters:
        assert english_in(letter.html + letter.text + letter.subject, *hashes) == []


@pytest.mark.parametrize(("known", "told"), GALLERY)
def test_no_english_word_is_on_a_receipt(
    pseudo: Pseudo, known: Payment, told: list[EventType]
) -> None:
    assert english_in(receipt_of(known), *DATA) == []


@pytest.mark.parametrize("error", [None, EngineBusy("too much to do", 7)])
def test_no_english_word_is_on_a_page_without_a_payment(
    pseudo: Pseudo, error: Exception | None
) -> None:
    gateway = FakeGateway()
    gateway.error = error
    assert english_in(getter(gateway)("/pay/pay_9").text) == []


def test_no_english_word_is_on_the_page_that_refuses_a_new_payment(
    pseudo: Pseudo,
) -> None:
    assert english_in(refused_reorder()) == []


def test_no_english_word_is_on_the_page_that_refuses_an_invoice_for_the_rest(
    pseudo: Pseudo,
) -> None:
    assert english_in(refused_rest()) == []


class FakeClaims:
    """Refunds as the page's tests want them."""

    def __init__(self, known: Refund, error: Exception | None = None) -> None:
        self._known = known
        self._error = error

    def look(self, _refund_id: str, token: str) -> Refund:
        if token == "busy":
            raise EngineBusy("too much to do", 7)
        if token != "t":
            raise Problem(Code.REFUND_NOT_FOUND, "There is no such refund.")
        return self._known

    def destination(self, _known: Refund, text: str) -> str:
        if self._error is not None:
            raise self._error
        return text


def refund_page(
    state: RefundState,
    query: str,
    error: Exception | None = None,
    *,
    order: str | None = None,
    **changes: Any,
) -> str:
    """`query`: of the link, or with an address in it: of the form. `order`: the shop
    has a name."""
    fields: dict[str, Any] = {"takes_fee": True, "expires_at": NOW + HOUR, **changes}
    known = Refund(
        id="ref_" + "a" * 22,
        payment_id="pay_1",
        merchant="cafe",
        state=state,
        amount_sat=50_000,
        rate="then",
        created_at=NOW,
        is_by_link=True,
        **fields,
    )
    app = bottle.Bottle()
    shop = OfAShop(payment(external_id=order))
    refund.routes(app, shop, FakeClaims(known, error))  # type: ignore[arg-type]
    is_form = "address" in query
    environ = {
        "REQUEST_METHOD": "POST" if is_form else "GET",
        "PATH_INFO": f"/refund/{known.id}",
        "QUERY_STRING": "" if is_form else query,
        "CONTENT_LENGTH": str(len(query)) if is_form else "",
        "wsgi.input": BytesIO(query.encode()),
    }
    return b"".join(app(environ, lambda *_: None)).decode()


REFUNDS: list[Any] = [
    *((state, "token=t", None, {"address": ADDRESS}) for state in RefundState),
    (RefundState.OPEN, "token=t", None, {}),
    (RefundState.OPEN, "token=t", None, {"expires_at": NOW - 1}),
    (RefundState.PAID, "token=t", None, {"address": ADDRESS, "txid": "ab" * 32}),
    (RefundState.PENDING, "token=t", None, {"order": "order-1"}),
    (RefundState.OPEN, "token=other", None, {}),
    (RefundState.OPEN, "token=busy", None, {}),
    (RefundState.OPEN, f"token=t&address={ADDRESS}", None, {}),
    (
        RefundState.OPEN,
        "token=t&address=x",
        invalid(FieldError("/address", "is not valid")),
        {},
    ),
    (
        RefundState.OPEN,
        "token=t&address=x",
        rate_limited("Too many attempts.", 2.0, "refund_claims_per_minute"),
        {},
    ),
    (RefundState.OPEN, "token=t&address=x", Refused("it is not there"), {}),
]


@pytest.mark.parametrize(("state", "query", "error", "changes"), REFUNDS)
def test_no_english_word_is_on_the_page_of_a_refund(
    pseudo: Pseudo,
    state: RefundState,
    query: str,
    error: Exception | None,
    changes: dict[str, Any],
) -> None:
    html = refund_page(state, query, error, **changes)
    assert english_in(html, ADDRESS, "bc1") == []


def test_every_key_of_the_catalogue_is_said_by_some_page(pseudo: Pseudo) -> None:
    for known, told in GALLERY:
        pages_of(known, told)
        receipt_of(known)
    for outcome in (AttemptOutcome.DELIVERED, AttemptOutcome.RETRY):
        mailed(outcome)
    refused_reorder()
    refused_rest()
    for error in (None, EngineBusy("too much to do", 7)):
        gateway = FakeGateway()
        gateway.error = error
        getter(gateway)("/pay/pay_9")
    for state, query, wrong, changes in REFUNDS:
        refund_page(state, query, wrong, **changes)
    script = {f"script_{key}" for key in pseudo.script}
    assert pseudo.keys - script - pseudo.said == set()

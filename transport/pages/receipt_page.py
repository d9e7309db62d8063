"""`/pay/<id>/receipt`: the receipt of a paid payment, to be read, printed, and sent to
an address by mail; and `receipt.json`, the same for programs. What it says is
`receipt.py`.

Times are those of UTC, by name: a printed page does not know its reader's clock. Runs
in the request's greenlet, which waits for a mail to be sent.
"""

from collections.abc import Callable
from typing import Final

import bottle
import msgspec
from bottle import HTTPResponse

from engine.errors import EngineError
from engine.errors.codes import Code
from engine.payment.model import Payment
from transport.http.bottle_app import environ
from transport.http.form_body import fields_of
from transport.http.problems import Problem, problem_of
from transport.pages.answers import as_response, guarded, prefers_html
from transport.pages.brand import brand_url
from transport.pages.language import Words
from transport.pages.payers import PayerPages, lang_query, template, words_of_request
from transport.pages.receipt import ReceiptPage, receipt_of
from transport.pages.receipt_mail import MailSaid, ReceiptMail
from transport.pages.receipt_rows import (
    moment,
    proof_line,
    proof_of,
    rows_of,
    state_key,
    whose_rows,
)
from transport.server.client_address import address_key

__all__ = ["routes"]

_SHOWN: Final = 100
"""Outputs that are listed; the JSON has all of them."""

_MAX_ADDRESS: Final = 320

_STATUS: Final[dict[MailSaid, int]] = {
    "mail_sent": 200,
    "mail_address": 422,
    "mail_too_often": 429,
    "mail_failed": 503,
}

_encoder = msgspec.json.Encoder()


def routes(
    app: bottle.Bottle, kit: PayerPages, mail: ReceiptMail | None = None
) -> None:
    """Add them. Needs no key: whoever has a payment's link may read its receipt."""
    page = _ReceiptPage(kit, mail)
    path = "/pay/<payment_id>/receipt"
    app.get(path, callback=page.show, limited_by_itself=True)
    app.get(f"{path}.json", callback=page.data, limited_by_itself=True)
    app.post(path, callback=page.send, limited_by_itself=True)


class _ReceiptPage:
    def __init__(self, kit: PayerPages, mail: ReceiptMail | None) -> None:
        self._kit = kit
        self._mail = mail
        self._template = template("receipt")

    def show(self, payment_id: str) -> HTTPResponse:
        return self._answer(payment_id, lambda: "")

    def send(self, payment_id: str) -> HTTPResponse:
        """What the form on the page asks for: one mail to the address in it."""
        return self._answer(payment_id, _address_asked)

    def data(self, payment_id: str) -> HTTPResponse:
        try:
            payment = self._kit.payment(payment_id)
            if payment is None:
                text = "There is no such payment."
                raise Problem(Code.PAYMENT_NOT_FOUND, text)
            receipt = self._receipt(payment)
            if receipt is None:
                raise _not_paid()
        except (EngineError, Problem) as error:
            return as_response(problem_of(error))
        headers = guarded("application/json", "no-store")
        return HTTPResponse(_encoder.encode(receipt), 200, headers)

    def _answer(self, payment_id: str, email: Callable[[], str]) -> HTTPResponse:
        """The page. `email`: to whom it goes by mail before; empty: to nobody. Asked
        when the call is counted: reading a body is work, too."""
        words = words_of_request()
        try:
            payment = self._kit.payment(payment_id)
            if payment is None:
                return self._kit.unknown(words)
            receipt = self._receipt(payment)
            if receipt is None:
                return self._none(payment, words)
            said = self._sent(payment, receipt, email(), words)
            return self._page(payment, receipt, words, said)
        except (EngineError, Problem) as error:
            return self._kit.sorry(problem_of(error), words)

    def _sent(
        self, payment: Payment, receipt: ReceiptPage, email: str, words: Words
    ) -> MailSaid | None:
        if not email:
            return None
        if self._mail is None:
            return "mail_failed"
        client = address_key(environ().get("REMOTE_ADDR", ""))
        merchant = payment.terms.merchant
        return self._mail.send(merchant, receipt, email, words, client)

    def _page(
        self,
        payment: Payment,
        receipt: ReceiptPage,
        words: Words,
        said: MailSaid | None,
    ) -> HTTPResponse:
        merchant = payment.terms.merchant
        shop = self._kit.gateway.merchant(merchant)
        shown = receipt.proofs[:_SHOWN]
        html = self._template.render(
            receipt=receipt,
            shop=shop,
            state=words.say(state_key(receipt)),
            rows=[*whose_rows(receipt, words), *rows_of(receipt, words)],
            proofs=[(proof_line(p, words), *proof_of(p, words)) for p in shown],
            more=len(receipt.proofs) - len(shown),
            words=words,
            say=words.say,
            when=lambda text: moment(text, words),
            said=said,
            may_mail=self._mail is not None and self._mail.is_offered(merchant),
            lang=lang_query(words),
            brand_url=brand_url(shop.brand_color),
            asset=lambda name: f"../{self._kit.asset(name)}",
        )
        status = 200 if said is None else _STATUS[said]
        frames = self._kit.frames(payment)
        return self._kit.page(html, words, status, shop.logo_url, frames)

    def _none(self, payment: Payment, words: Words) -> HTTPResponse:
        if prefers_html(bottle.request.get_header("Accept", "")):
            frames = self._kit.frames(payment)
            return self._kit.message(404, "no_receipt", words, frames=frames)
        return as_response(_not_paid())

    def _receipt(self, payment: Payment) -> ReceiptPage | None:
        gateway = self._kit.gateway
        refunds = gateway.refunds_of(payment.id) if payment.refunds else []
        return receipt_of(payment, gateway.merchant(payment.terms.merchant), refunds)


def _address_asked() -> str:
    """Raises `Problem` for a body that is no form."""
    fields, _ = fields_of(environ())
    return str(fields.get("email", ""))[:_MAX_ADDRESS]


def _not_paid() -> Problem:
    text = "The payment is not paid, so that there is no receipt."
    return Problem(Code.NOT_FOUND, text)

"""`/pay/<id>/receipt`: the receipt of a paid payment, to be read and printed, and
`receipt.json`, the same for programs. What it says is `receipt.py`.

Times are those of UTC, by name: a printed page does not know its reader's clock. Runs
in the request's greenlet.
"""

from datetime import datetime
from typing import Final

import bottle
import msgspec
from bottle import HTTPResponse
from msgspec import UNSET, UnsetType

from engine.codes import Code
from engine.errors import EngineError
from engine.merchants.profile import Profile
from engine.payment.model import Payment
from transport.http.problems import Problem, problem_of
from transport.pages.answers import as_response, guarded, prefers_html
from transport.pages.brand import brand_url
from transport.pages.language import Words
from transport.pages.payers import (
    PayerPages,
    lang_query,
    template,
    words_of_request,
)
from transport.pages.receipt import InMoney, Receipt, receipt_of

__all__ = ["routes"]

_SHOWN: Final = 100
"""Outputs that are listed; the JSON has all of them."""

_encoder = msgspec.json.Encoder()


def routes(app: bottle.Bottle, kit: PayerPages) -> None:
    """Add both. Needs no key: whoever has a payment's link may read its receipt."""
    page = _ReceiptPage(kit)
    app.get("/pay/<payment_id>/receipt", callback=page.show, limited_by_itself=True)
    path = "/pay/<payment_id>/receipt.json"
    app.get(path, callback=page.data, limited_by_itself=True)


class _ReceiptPage:
    def __init__(self, kit: PayerPages) -> None:
        self._kit = kit
        self._template = template("receipt")

    def show(self, payment_id: str) -> HTTPResponse:
        words = words_of_request()
        try:
            payment = self._kit.payment(payment_id)
            if payment is None:
                return self._kit.unknown(words)
            shop = self._kit.gateway.merchant(payment.terms.merchant)
            receipt = self._receipt(payment, shop)
        except (EngineError, Problem) as error:
            return self._kit.sorry(problem_of(error), words)
        if receipt is None:
            if prefers_html(bottle.request.get_header("Accept", "")):
                return self._kit.message(404, "no_receipt", words)
            return as_response(_not_paid())
        html = self._template.render(
            receipt=receipt,
            shop=shop,
            shown=receipt.proofs[:_SHOWN],
            words=words,
            say=words.say,
            when=lambda text: _when(text, words),
            money=lambda sum_: _money(sum_, words),
            rate=lambda sum_: _rate(sum_, words),
            lang=lang_query(words),
            is_given=lambda value: value is not UNSET,
            brand_url=brand_url(shop.brand_color),
            asset=lambda name: f"../{self._kit.asset(name)}",
        )
        return self._kit.page(html, words, logo_url=shop.logo_url)

    def data(self, payment_id: str) -> HTTPResponse:
        try:
            payment = self._kit.payment(payment_id)
            if payment is None:
                text = "There is no such payment."
                raise Problem(Code.PAYMENT_NOT_FOUND, text)
            shop = self._kit.gateway.merchant(payment.terms.merchant)
            receipt = self._receipt(payment, shop)
            if receipt is None:
                raise _not_paid()
        except (EngineError, Problem) as error:
            return as_response(problem_of(error))
        headers = guarded("application/json", "no-store")
        return HTTPResponse(_encoder.encode(receipt), 200, headers)

    def _receipt(self, payment: Payment, shop: Profile) -> Receipt | None:
        refunds = []
        if payment.refunds:
            refunds = self._kit.gateway.refunds_of(payment.id)
        return receipt_of(payment, shop, refunds)


def _not_paid() -> Problem:
    text = "The payment is not paid, so that there is no receipt."
    return Problem(Code.NOT_FOUND, text)


def _when(text: str | None, words: Words) -> str:
    assert text is not None
    return words.date_time(round(datetime.fromisoformat(text).timestamp() * 1000))


def _money(known: InMoney, words: Words) -> str:
    return f"{words.decimal(known.amount)} {known.currency}"


def _rate(known: InMoney, words: Words) -> str:
    assert not isinstance(known.rate, UnsetType)
    assert not isinstance(known.rate_at, UnsetType)
    rate = f"{words.decimal(known.rate)} {known.currency}"
    return words.say("receipt_rate_of", rate=rate, time=_when(known.rate_at, words))

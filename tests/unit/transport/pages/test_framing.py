"""Who may show a payer's pages in a frame: all of one payment the same."""

from typing import Any

from engine.errors.codes import Code
from engine.merchants.record import Merchant
from engine.payment.model import Payment, Status
from tests.unit.transport.pages.page_server import (
    NOW,
    FakeGateway,
    getter,
    payment,
    receipt,
)
from transport.http.problems import Problem

PAID = payment(
    status=Status.CONFIRMED, confirmed_at=NOW, receipts=(receipt(50_000, 3),)
)
EXPIRED = payment(status=Status.EXPIRED)


class OfAShop(FakeGateway):
    def merchant(self, name: str) -> Merchant:
        return Merchant(name=name, return_urls=("https://shop.example/orders/",))


class Never:
    """No new payment is made, and no invoice."""

    def __init__(self, code: Code) -> None:
        self._code = code

    def successor(self, _payment: Payment) -> None:
        return None

    def is_offered(self, _payment: Payment) -> bool:
        return True

    def make(self, _payment: Payment, _client: str) -> Payment:
        raise Problem(self._code, "Not now.")


def framed_by(known: Payment, path: str, **more: Any) -> str:
    options = {name: more.pop(name) for name in ("reorders", "rests") if name in more}
    answer = getter(OfAShop(known), **options)(path, **more)
    policy: str = answer.headers["content-security-policy"]
    return policy.rpartition("frame-ancestors ")[2]


def test_what_the_checkout_leads_to_is_shown_in_the_frame_that_it_is_in() -> None:
    shop = "'self' https://shop.example"
    assert framed_by(PAID, "/pay/pay_1") == shop
    assert framed_by(PAID, "/pay/pay_1/receipt") == shop
    assert framed_by(EXPIRED, "/pay/pay_1/receipt") == shop
    for code in (Code.WRONG_PAYMENT_STATE, Code.BUSY):
        asked = {"REQUEST_METHOD": "POST", "reorders": Never(code)}
        assert framed_by(EXPIRED, "/pay/pay_1/reorder", **asked) == shop
        asked = {"REQUEST_METHOD": "POST", "rests": Never(code)}
        assert framed_by(EXPIRED, "/pay/pay_1/rest", **asked) == shop


def test_a_page_of_no_payment_is_shown_in_no_shops_frame() -> None:
    assert framed_by(PAID, "/pay/pay_2") == "'self'"
    assert framed_by(PAID, "/pay/pay_2/receipt") == "'self'"

"""The pictures of receipts, of an expired payment with a way on, and of a language."""

from engine.merchants.record import Merchant
from engine.payment.money_terms import Price
from tests.pages.conftest import Visited
from tests.pages.shooting import Shot, node
from tests.tools.wait import wait_until

__all__ = ["SHOTS"]

_CAFE = Merchant(
    name="cafe",
    version=1,
    display_name="Café Lisboa",
    brand_color="#b3261e",
    support_url="mailto:help@cafe.example",
    reorder=True,
)


def _paid() -> str:
    """A payment of the café's, with a price, paid in a block; its id."""
    running = node()
    running.gateway.save_merchant(_CAFE)
    now = running.gateway.now()
    price = Price(currency="EUR", minor=2_500, decimals=2, rate="50000", rate_at=now)
    payment = running.create(merchant="cafe", price=price, external_id="table-7")
    running.chain.pay(payment.terms.address, 50_000)
    running.chain.mine(2)
    wait_until(lambda: running.payment(payment).counts_as_paid, 20, "it to be paid")
    return payment.id


def receipt(visited: Visited) -> None:
    visited.do("goto", node().url(_paid(), "/receipt"))
    visited.do("wait_for", "#print")


def receipt_printed(visited: Visited) -> None:
    """As it comes on paper, in German."""
    visited.begin(viewport={"width": 700, "height": 900})
    visited.do("emulate", {"media": "print"})
    visited.do("goto", node().url(_paid(), "/receipt?lang=de"))
    visited.do("wait_for", ".lines")


def expired(visited: Visited) -> None:
    """With a way on."""
    running = node()
    running.gateway.save_merchant(_CAFE)
    now = running.gateway.now()
    payment = running.create(merchant="cafe", expires_at=now + 1_000)
    visited.do("goto", running.url(payment))
    visited.do("wait_for", "#reorder")


def portuguese(visited: Visited) -> None:
    running = node()
    running.gateway.save_merchant(_CAFE)
    visited.begin(locale="pt-BR")
    visited.do("goto", running.url(running.create(merchant="cafe")))
    visited.do("wait_for_text", "#countdown", "Restam")


SHOTS: dict[str, Shot] = {
    "receipt": receipt,
    "receipt-printed": receipt_printed,
    "pay-expired-new-address": expired,
    "pay-portuguese": portuguese,
}

"""The pictures of the dashboard: its front door, a shop's payments, one payment's
story, and how an act asks once more.

Names: `dash-<page>`, on a desktop; `-phone`, on a phone; `-dark`, in the dark. All that
is seen is of one merchant, whose payments are made once.
"""

from functools import cache
from typing import Any, Final

from engine.merchants.record import Merchant
from engine.payment.model import Payment
from engine.payment.money_terms import Price
from engine.payment.observations import Cancel
from tests.browser.shop import Shop
from tests.pages.conftest import Visited
from tests.pages.desk import Desk
from tests.pages.shooting import Shot, node
from tests.tools.wait import wait_until

__all__ = ["SHOTS"]

SHOP: Final = "roastery"
PHONE: Final = {
    "viewport": {"width": 390, "height": 844},
    "is_mobile": True,
    "has_touch": True,
    "device_scale_factor": 1,
}
WIDE: Final = {"width": 1120, "height": 700}
DARK: Final = {"color_scheme": "dark"}


def create(shop: Shop, number: int, minor: int, **terms: Any) -> Payment:
    now = shop.gateway.now()
    price = Price(currency="EUR", minor=minor, decimals=2, rate="62400", rate_at=now)
    sat = minor * 1_000_000 // 62_400
    named = {"merchant": SHOP, "external_id": f"2026-{number}", "price": price}
    return shop.create(sat, **{**named, **terms})


@cache
def day() -> Payment:
    """A shop's day; one of its payments, which has a story."""
    shop = node()
    record = Merchant(name=SHOP, version=1, display_name="Kaffeerösterei am Fluss")
    shop.gateway.save_merchant(record)
    made = [create(shop, 1_040 + n, 890 + 310 * n) for n in range(12)]
    for payment in made[:8]:
        asked = payment.terms.amount_sat or 0
        more = {2: 5_000, 5: -2_000}.get(made.index(payment), 0)
        shop.chain.pay(payment.terms.address, asked + more)
    shop.chain.mine(2)
    told = made[2]
    wait_until(lambda: shop.payment(told).confirmed_at, 20, "it to be paid")
    shop.gateway.command(shop.payment(made[9]), Cancel(by="api"))
    late = create(shop, 1_060, 2_480)
    shop.chain.pay(late.terms.address, late.terms.amount_sat or 0)
    wait_until(lambda: shop.payment(late).receipts, 20, "money to be seen")
    return told


def opened(visited: Visited, page: str = "payments", **options: Any) -> None:
    told = day()
    place = page.replace("TOLD", told.id)
    Desk(node()).enter(
        visited, "operator", SHOP, place, **{"viewport": WIDE, **options}
    )
    visited.do("wait_for_text", "#link", "Live")


def whole(visited: Visited) -> None:
    """A window as high as the page: what is fixed in it is as high, too."""
    high = visited.do("evaluate", "document.documentElement.scrollHeight")
    visited.do("size", WIDE["width"], high)


def welcome(visited: Visited) -> None:
    visited.begin(viewport=WIDE)
    visited.do("goto", Desk(node()).base)
    visited.do("wait_for", "#login")


def payments(visited: Visited, **options: Any) -> None:
    opened(visited, **options)
    visited.do("wait_for_text", ".vrow", "2026-1060")


def payment(visited: Visited, **options: Any) -> None:
    opened(visited, "payments/TOLD", **options)
    visited.do("wait_for_text", ".story", "Too much")
    visited.do("wait_for", ".part-deliveries *", "attached")
    # Nobody is told here: what stands there instead is no part of the picture.
    visited.do("evaluate", "document.querySelector('.part-deliveries').remove()")


def refund(visited: Visited) -> None:
    payment(visited)
    visited.do("click", ".actions >> text=Refund")
    visited.do("wait_for", "dialog")
    whole(visited)


def new(visited: Visited) -> None:
    opened(visited, "new")
    visited.do("wait_for", "[name=amount]")


def settings(visited: Visited) -> None:
    opened(visited, "settings")
    visited.do("wait_for", "[name=display_name]")
    whole(visited)


SHOTS: dict[str, Shot] = {
    "dash-welcome": welcome,
    "dash-payments": payments,
    "dash-payments-dark": lambda visited: payments(visited, **DARK),
    "dash-payments-phone": lambda visited: payments(visited, **PHONE),
    "dash-payment": payment,
    "dash-payment-phone": lambda visited: payment(visited, **PHONE),
    "dash-refund": refund,
    "dash-new": new,
    "dash-settings": settings,
}

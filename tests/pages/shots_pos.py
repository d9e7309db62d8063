"""The pictures of the till: a café with a Lightning account and coins of the chain."""

from typing import Any

from tests.pages.cafe import Cafe, cafe, enter
from tests.pages.conftest import Visited
from tests.pages.shooting import Shot, shared

__all__ = ["SHOTS"]

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}}
TABLET: dict[str, Any] = {"viewport": {"width": 1180, "height": 820}}
UPRIGHT: dict[str, Any] = {"viewport": {"width": 820, "height": 1180}}


def begun(visited: Visited, options: dict[str, Any], digits: str = "") -> Cafe:
    """A cashier has signed in, and a sum is on the keypad."""
    shop = shared(cafe)
    shop.sign_in(visited, **options)
    enter(visited, digits)
    return shop


def enter_key(visited: Visited) -> None:
    visited.do("goto", f"{shared(cafe).node.url}/pos")
    visited.do("wait_for", "#key")


def keypad(visited: Visited) -> None:
    """With what was sold before."""
    shop = begun(visited, TABLET)
    for digits, memo in (("320", "Bica, pastel de nata"), ("1180", "Lunch")):
        enter(visited, digits)
        visited.do("fill", "#memo", memo)
        visited.do("click", '[data-tip="5"]')
        visited.do("click", "#create")
        shop.pay(shop.sale(visited))
        visited.do("wait_for_text", "#done-title", "Paid and forwarded")
        visited.do("click", "#next")
    enter(visited, "1250")
    visited.do("click", '[data-tip="10"]')
    visited.do("fill", "#memo", "Two galões")
    visited.do("wait_for_text", "#today-count", "paid sales")


def sale(visited: Visited, options: dict[str, Any] = PHONE) -> None:
    shop = begun(visited, options, "1250")
    visited.do("click", '[data-tip="10"]')
    visited.do("fill", "#memo", "Two galões")
    visited.do("click", "#create")
    shop.sale(visited)


def paid(visited: Visited) -> None:
    shop = begun(visited, PHONE, "1250")
    visited.do("click", '[data-tip="10"]')
    visited.do("click", "#create")
    shop.pay(shop.sale(visited))
    visited.do("wait_for_text", "#done-title", "Paid and forwarded")
    visited.do("wait_until", "document.querySelector('#receipt').naturalWidth > 0")


def short(visited: Visited) -> None:
    shop = begun(visited, PHONE, "450")
    visited.do("click", '[data-method="onchain"]')
    visited.do("click", "#create")
    shop.send(shop.sale(visited), 3_000)
    visited.do("wait_for_text", "#invoice-title", "Too little came")


def seen(visited: Visited) -> None:
    shop = begun(visited, {**TABLET, "color_scheme": "dark"}, "450")
    visited.do("click", '[data-method="onchain"]')
    visited.do("click", "#create")
    shop.send(shop.sale(visited))
    visited.do("wait_for_text", "#invoice-title", "Payment seen")


def warned(visited: Visited) -> Any:
    shop = begun(visited, {**PHONE, "color_scheme": "dark"}, "300")
    key = shop.lose(shop.user)
    visited.do("wait_for_text", "#status", "User disconnected")
    visited.do("click", "#create")
    visited.do("wait_for", "#warning")
    yield
    shop.user.key = key
    visited.do("click", "#warning .plain")
    visited.do("click", "#status button")
    visited.do("wait_for_text", "#status", "Ready")


def today(visited: Visited) -> None:
    begun(visited, PHONE)
    visited.do("click", "#show-today")
    visited.do("wait_for", "#today-list li")


SHOTS: dict[str, Shot] = {
    "till-key": enter_key,
    "till-keypad": keypad,
    "till-sale": sale,
    "till-sale-upright": lambda visited: sale(visited, UPRIGHT),
    "till-paid": paid,
    "till-short": short,
    "till-seen": seen,
    "till-warned": warned,
    "till-today": today,
}

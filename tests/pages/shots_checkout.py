"""The pictures of the checkout: each thing that it can be about, on a phone and wide.

The window is as high as the page: for more Chromium forgets that it is a phone.

Names: `pay-<state>`, on a phone; `-wide`, on a desktop; `-dark`, in the dark.
"""

import os
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from engine.lightning.agreed import Invoice
from engine.merchants.record import Merchant
from engine.payment.model import LIGHTNING, Payment, Status, lightning_key
from engine.payment.money_terms import Price
from engine.payment.observations import Cancel, ConfirmByHand, ProviderClaim
from tests.browser.shop import Shop
from tests.pages.conftest import Visited
from tests.pages.shooting import Shot, node
from tests.tools.invoices import make_invoice
from tests.tools.wait import wait_until

__all__ = ["PHONE", "SHOTS", "STATES", "WIDE", "open_page"]

PHONE: Final = {
    "viewport": {"width": 390, "height": 900},
    "is_mobile": True,
    "has_touch": True,
    "device_scale_factor": 1,
}
WIDE: Final = {"viewport": {"width": 1180, "height": 760}}
BACK: Final = "https://shop.example/orders/1001"


def create(shop: Shop, **terms: Any) -> Payment:
    """Of a shop with a name, priced in euros."""
    if shop.gateway.merchant("coffee").display_name == "":
        shop.gateway.save_merchant(
            Merchant(
                name="coffee",
                version=1,
                display_name="Kaffeehaus am Markt",
                return_urls=("https://shop.example/orders/",),
            )
        )
    now = shop.gateway.now()
    price = Price(currency="EUR", minor=3120, decimals=2, rate="62400", rate_at=now)
    wanted = {"merchant": "coffee", "price": price, "return_url": BACK}
    return shop.create(50_000, **{"external_id": "1001", **wanted, **terms})


def invoice(shop: Shop, *, is_unified: bool = False) -> Invoice:
    now = shop.gateway.now()
    payment_hash = os.urandom(32).hex()
    bolt11 = make_invoice(payment_hash, amount_msat=50_000_000, at_s=now // 1000)
    expires_at = now + 3_600_000
    return Invoice(
        node="till",
        payment_hash=payment_hash,
        bolt11=bolt11,
        amount_msat=50_000_000,
        expires_at=expires_at,
        is_unified=is_unified,
    )


def waiting(shop: Shop) -> Payment:
    return create(shop)


def soon(shop: Shop) -> Payment:
    return create(shop, expires_at=shop.gateway.now() + 90_000)


def seen(shop: Shop) -> Payment:
    made = create(shop)
    shop.chain.pay(made.terms.address, 50_000)
    return until(shop, made, Status.CONFIRMING)


def confirming(shop: Shop) -> Payment:
    made = seen(shop)
    shop.chain.mine(1)
    wait_until(lambda: shop.payment(made).confirmations == 1, 10, "a block")
    return made


def paid(shop: Shop) -> Payment:
    made = seen(shop)
    shop.chain.mine(2)
    return until(shop, made, Status.CONFIRMED)


def overpaid(shop: Shop) -> Payment:
    made = create(shop)
    shop.chain.pay(made.terms.address, 70_000)
    shop.chain.mine(2)
    return until(shop, made, Status.CONFIRMED)


def underpaid(shop: Shop, sat: int = 20_000) -> Payment:
    made = create(shop)
    shop.chain.pay(made.terms.address, sat)
    return until(shop, made, Status.CONFIRMING)


def short(shop: Shop) -> Payment:
    return underpaid(shop, 49_999)


def announced(shop: Shop) -> Payment:
    made = create(shop)
    shop.gateway.command(made, ProviderClaim("blockonomics", None, 50_000))
    return made


def replaced(shop: Shop) -> Payment:
    made = create(shop)
    txid = shop.chain.pay(made.terms.address, 50_000)
    until(shop, made, Status.CONFIRMING)
    shop.chain.replace(txid)
    return until(shop, made, Status.PENDING)


def withdrawn(shop: Shop) -> Payment:
    made = paid(shop)
    shop.chain.reorg(2, remine=False)
    return until(shop, made, Status.CONFIRMING)


def reversed_(shop: Shop) -> Payment:
    made = create(shop)
    txid = shop.chain.pay(made.terms.address, 50_000)
    shop.chain.mine(2)
    until(shop, made, Status.CONFIRMED)
    shop.chain.reorg(2, drop=[txid])
    return until(shop, made, Status.PENDING)


def expired(shop: Shop) -> Payment:
    made = create(shop, expires_at=shop.gateway.now() + 1_000)
    return until(shop, made, Status.EXPIRED)


def late(shop: Shop) -> Payment:
    made = expired(shop)
    shop.chain.pay(made.terms.address, 50_000)
    shop.chain.mine(2)
    return until(shop, made, Status.CONFIRMED)


def late_in_part(shop: Shop) -> Payment:
    made = expired(shop)
    shop.chain.pay(made.terms.address, 20_000)
    shop.chain.mine(2)
    wait_until(lambda: bool(shop.payment(made).receipts), 10, "money")
    return made


def cancelled(shop: Shop) -> Payment:
    made = create(shop)
    shop.gateway.command(made, Cancel(by="shop"))
    return until(shop, made, Status.CANCELLED)


def by_hand(shop: Shop) -> Payment:
    made = create(shop)
    shop.gateway.command(made, ConfirmByHand(by="shop"))
    return until(shop, made, Status.CONFIRMED)


def both(shop: Shop) -> Payment:
    return create(shop, lightning=invoice(shop))


def unified(shop: Shop) -> Payment:
    return create(shop, lightning=invoice(shop, is_unified=True))


def lightning(shop: Shop) -> Payment:
    made = invoice(shop)
    return create(
        shop,
        method=LIGHTNING,
        address=lightning_key(made.payment_hash),
        confirmations_required=0,
        lightning=made,
    )


def until(shop: Shop, made: Payment, status: Status) -> Payment:
    wait_until(lambda: shop.payment(made).status is status, 10, str(status))
    return made


STATES: Final[dict[str, Callable[[Shop], Payment]]] = {
    "waiting": waiting,
    "soon": soon,
    "announced": announced,
    "seen": seen,
    "confirming": confirming,
    "paid": paid,
    "overpaid": overpaid,
    "underpaid": underpaid,
    "short": short,
    "replaced": replaced,
    "withdrawn": withdrawn,
    "reversed": reversed_,
    "expired": expired,
    "late": late,
    "late-in-part": late_in_part,
    "cancelled": cancelled,
    "by-hand": by_hand,
    "both": both,
    "unified": unified,
    "lightning": lightning,
}


def open_page(visited: Visited, made: Payment, options: dict[str, Any]) -> None:
    visited.begin(**options)
    visited.do("goto", node().url(made))
    visited.do("wait_for", "#freshness:not([data-link=opening])", "attached")
    if options is not WIDE:  # so that all of it is in the picture: see above
        high = visited.do("evaluate", "document.documentElement.scrollHeight")
        visited.do("size", options["viewport"]["width"], high)


def shot(
    state: Callable[[Shop], Payment], options: dict[str, Any], visited: Visited
) -> None:
    open_page(visited, state(node()), options)


SHOTS: dict[str, Shot] = {
    "pay-waiting": partial(shot, waiting, PHONE),
    "pay-waiting-wide": partial(shot, waiting, WIDE),
    "pay-confirming": partial(shot, confirming, PHONE),
    "pay-paid": partial(shot, paid, PHONE),
    "pay-paid-wide": partial(shot, paid, WIDE),
    "pay-late": partial(shot, late, PHONE),
    "pay-expired-dark": partial(shot, expired, {**PHONE, "color_scheme": "dark"}),
}

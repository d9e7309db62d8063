"""The pictures of the dashboard's pages about money and trouble: refunds, the ledger,
what is passed on, wallets, alerts, keys, and Lightning accounts.

What they show is one shop's, made once.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

import requests

from engine.lightning.till import TillState
from engine.store.writes import NewTill, Write
from tests.pages.conftest import Visited
from tests.pages.desk import NODE_KEY, Desk, desk
from tests.pages.shooting import Shot, shared
from tests.pages.shots_dashboard import WIDE
from tests.pages.test_desk_lightning import Accounts, accounts
from tests.tools.wait import wait_until
from tests.unit.engine.store.till_cases import forward
from tests.unit.engine.wallet.wallet_cases import VPUB

__all__ = ["SHOTS"]

SHOP: Final = "cafe"


@contextmanager
def office(folder: Path) -> Iterator[Desk]:
    """A node of its own, as it is its alerts that are seen."""
    with desk(folder) as running:
        yield running


def call(at: Desk, method: str, path: str, body: Any, key: str = NODE_KEY) -> Any:
    answer = requests.request(
        method,
        f"{at.base}v1/{path}",
        json=body,
        headers={"Authorization": f"Bearer {key}"},
        timeout=60,
    )
    assert answer.ok, answer.text
    return answer.json()


@cache
def busy() -> Desk:
    """A shop with customers that have credits, refunds, and a till in trouble."""
    at: Desk = shared(office)
    packages: dict[str, dict[str, int]] = {
        "small": {"amount_sat": 5_000, "credits": 100},
        "large": {"amount_sat": 20_000, "credits": 500},
    }
    record = {"display_name": "Café Lisboa", "descriptor": VPUB}
    call(at, "PUT", f"merchants/{SHOP}", {**record, "packages": packages})
    bought = [("ana", "small"), ("rui", "large"), ("ines", "small"), ("ana", "large")]
    paid = []
    for account, package in bought:
        wanted = {"merchant": SHOP, "account": account, "package": package}
        made = call(at, "POST", "payments", wanted)
        at.node.chain.pay(made["address"], packages[package]["amount_sat"])
        paid.append(made["id"])
    at.node.chain.mine(3)
    wait_until(
        lambda: all(at.node.gateway.payment(one).confirmed_at for one in paid),  # type: ignore[union-attr]
        20,
        "all to be paid",
    )
    key = at.key("operator", SHOP)[0]
    for payment, sat, why in (
        (paid[0], 2_000, "broken cup"),
        (paid[1], 20_000, "closed today"),
    ):
        back = {"amount_sat": sat, "reason": why}
        call(at, "POST", f"payments/{payment}/refund", back, key)
    for number in range(20):  # unpaid: the wallet's gap is reached
        call(at, "POST", "payments", {"amount_sat": 900 + number, "merchant": SHOP})
    now = at.node.gateway.now()
    own: dict[str, Any] = {"merchant": SHOP, "at": now, "next_at": now}
    stuck = {**own, "state": TillState.STUCK, "reason": "no way to it was found"}
    done = {**own, "state": TillState.PAID, "amount_sat": 5_000, "bolt11": "lnbcrt1"}
    rows = (
        NewTill(forward(1, payment_id=paid[2], payment_hash="ab" * 32, **done)),
        NewTill(forward(2, payment_id=paid[3], **stuck)),
    )
    at.node.gateway._commit(Write(rows=rows))
    secret = {"webhook_secrets": {"btc": "another-secret-of-a-shop"}}
    call(at, "PUT", "merchants/books", secret)
    for role, merchant in (("cashier", SHOP), ("viewer", None)):
        at.key(role, merchant)
    return at


def page(name: str, words: str, visited: Visited, merchant: str | None = SHOP) -> None:
    role = "admin" if merchant is None else "operator"
    busy().enter(visited, role, merchant, name, viewport=WIDE)
    visited.do("wait_for_text", "#outlet", words)


def account(visited: Visited) -> None:
    page("ledger", "ana", visited)
    visited.do("click", "tbody >> text=ana")
    visited.do("wait_for_text", "tbody", "credited")


def lightning(visited: Visited) -> None:
    at: Accounts = shared(accounts)
    wait_until(
        lambda: at.state("shop") == at.state("counter") == "live",
        20,
        "both accounts that answer to be live",
    )
    wait_until(lambda: at.state("old") == "failing", 20, "the third to fail")
    at.look(visited, viewport={"width": 1120, "height": 1060})
    visited.do("wait_for_text", "#outlet", "Failing")


SHOTS: dict[str, Shot] = {
    "dash-refunds": partial(page, "refunds", "broken cup"),
    "dash-ledger": partial(page, "ledger", "ana"),
    "dash-account": account,
    "dash-forwarding": partial(page, "forwarding", "no way to it was found"),
    "dash-wallets": partial(page, "wallets", "Raise its gap limit"),
    "dash-alerts": partial(page, "alerts", "What to do", merchant=None),
    "dash-keys": partial(page, "keys", "cashier", merchant=None),
    "desk-lightning": lightning,
}

"""What each shop of examples/ must do with what it is told; and a mug is bought."""

import json
import time
from typing import Any

import requests

from tests.clients.events import event
from tests.tools.wait import wait_until
from transport.outbound.webhook import parse_secret, sign

__all__ = ["PAID", "STORIES", "buy_a_mug", "of_order", "signed"]

PAID = event(3, type="payment.confirmed", status="confirmed")
_REVERSED = event(4, type="payment.reversed", status="confirming")
_LATE = event(5, type="payment.confirmed", status="confirmed", flags=["late"])
_EXPIRED = event(2, type="payment.expired", status="expired", received_sat=0)
_SHORT = event(4, type="payment.expired", status="expired", flags=["underpaid"])
_BACK = [event(5, status="confirmed"), event(6, status="forwarded")]
_OTHER: dict[str, Any] = {"payment_id": "pay_2"}
_PAID_NEXT = event(7, type="payment.confirmed", status="confirmed", **_OTHER)
_EXPIRED_NEXT = event(8, status="expired", received_sat=0, **_OTHER)

STORIES: list[tuple[list[dict[str, Any]], str]] = [
    ([event(1, status="pending")], "waits for money"),
    ([PAID], "ship it"),
    ([PAID, PAID], "ship it"),
    ([PAID, event(2)], "ship it"),
    ([PAID, _REVERSED], "stop: "),
    ([_REVERSED, PAID], "waits for money"),
    ([PAID, _REVERSED, PAID], "stop: "),
    ([PAID, _REVERSED, event(5, status="confirmed")], "ship it, if it has not left"),
    ([PAID, _REVERSED, *_BACK], "ship it, if it has not left"),
    ([PAID, _REVERSED, *_BACK, event(7)], "stop: "),
    ([_LATE], "decide: "),
    ([_EXPIRED], "over: "),
    ([_SHORT], "decide: too little came"),
    ([_EXPIRED, _PAID_NEXT], "ship it"),
    ([PAID, _EXPIRED_NEXT], "ship it"),
    ([PAID, _PAID_NEXT], "ship it; it was paid twice"),
    ([event(3, status="confirmed", external_id="elsewhere")], "waits for money"),
    ([event(3, status="confirmed", external_id="__proto__")], "waits for money"),
    ([event(3, status="confirmed", external_id=None)], "waits for money"),
    ([event(3, type="alert.raised", status="confirmed")], "waits for money"),
]
"""What is told of order-1, and what is to be done with it then."""


def of_order(number: int, said: dict[str, Any]) -> dict[str, Any]:
    """The same of another order and its payments, so that one shop can hear it all."""
    changed = {
        "id": f"evt_{number:08}_{said['offset']}",
        "payment_id": f"{said['payment_id']}_{number}",
    }
    if said["external_id"] == "order-1":
        changed["external_id"] = f"order-{number}"
    return {**said, **changed}


def signed(said: dict[str, Any], secret: str) -> tuple[bytes, dict[str, str]]:
    """The webhook that tells of it now: body and headers."""
    told = {"type": said["type"], "timestamp": said["at"], "data": said}
    body, now = json.dumps(told).encode(), int(time.time())
    return body, {
        "content-type": "application/json",
        "webhook-id": said["id"],
        "webhook-timestamp": str(now),
        "webhook-signature": sign([parse_secret(secret)], said["id"], now, body),
    }


def buy_a_mug(node: str, shop: str, payment: dict[str, Any]) -> None:
    """Pay for it, and take the money back by a reorg; the shop's page tells each."""
    page = f"{shop}/orders/{payment['external_id']}"

    def says(todo: str) -> None:
        wait_until(
            lambda: todo in requests.get(page, timeout=30).text,
            60,
            lambda: requests.get(page, timeout=30).text,
        )

    says("waits for money")
    paid = {"address": payment["address"], "amount_sat": payment["amount_sat"]}
    txid = requests.post(f"{node}/dev/pay", json=paid, timeout=30).json()["txid"]
    requests.post(f"{node}/dev/mine", json={"blocks": 1}, timeout=30)
    says("ship it")
    lost = {"depth": 1, "drop": [txid]}
    requests.post(f"{node}/dev/reorg", json=lost, timeout=30)
    says("stop")

"""PayButton's words and sums, whatever a payment's metadata says."""

from typing import Any

import msgspec
import pytest

from engine.payment.model import Payment, Status
from tests.unit.payment_cases import T0, terms
from transport.live.encoding import Frames
from transport.seeds.paybutton_messages import PaybuttonFrames, for_payers

FRAMES = Frames("simulate")


def payment(status: Status = Status.PENDING, **changes: Any) -> Payment:
    metadata = {"seed": "paybutton", "price_usd": "25.0"}
    made = {"metadata": metadata, "amount_sat": 50_000, **changes}
    return Payment(terms(**made), status=status, seq=1)


def told(of: Payment) -> dict[str, Any]:
    frames = PaybuttonFrames(FRAMES.for_strangers, of, lambda: T0)
    said: dict[str, Any] = msgspec.json.decode(frames.state(of))
    return said


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (Status.PENDING, "waiting"),
        (Status.CONFIRMING, "waiting"),
        (Status.CONFIRMED, "confirmed"),
        (Status.FORWARDED, "confirmed"),
        (Status.EXPIRED, "failed"),
        (Status.FAILED, "failed"),
        (Status.CANCELLED, "failed"),
    ],
)
def test_each_status_has_its_word(status: Status, word: str) -> None:
    assert told(payment(status))["status"] == word


@pytest.mark.parametrize(
    "price", ["", "x", "nan", "inf", "-1", "0", "9e999999", "1e10", 7, None, True]
)
def test_a_price_that_is_none_makes_no_balance_and_no_error(price: Any) -> None:
    metadata = {"seed": "paybutton", "price_usd": price}
    assert told(payment(metadata=metadata))["balance"] == 0.0


def test_only_payments_of_the_settings_merchant_are_told_so() -> None:
    chosen = for_payers(FRAMES, "default", lambda: T0)
    assert isinstance(chosen(payment()), PaybuttonFrames)
    assert chosen(payment(merchant="cafe")) is FRAMES.for_strangers
    assert chosen(payment(metadata={})) is FRAMES.for_strangers

"""The one URI that a payer's wallet is given."""

from typing import Any

import pytest

from engine.payment.model import EXTERNAL, LIGHTNING, Invoice, Terms, lightning_key
from engine.payment.uri import uri_of

ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
BOLT11 = "lnbcrt500u1pjexample"


def terms(**changes: Any) -> Terms:
    return Terms(
        **{
            "id": "pay_1",
            "network": "regtest",
            "address": ADDRESS,
            "amount_sat": 50_000,
            "created_at": 1,
            "expires_at": 2,
            "monitor_until": 3,
            **changes,
        }
    )


def invoice(*, is_unified: bool = False) -> Invoice:
    return Invoice(
        node="till",
        payment_hash="ab" * 32,
        bolt11=BOLT11,
        amount_msat=50_000_000,
        expires_at=2,
        is_unified=is_unified,
    )


@pytest.mark.parametrize(
    ("changes", "uri"),
    [
        ({}, f"bitcoin:{ADDRESS}?amount=0.0005"),
        (
            {
                "method": LIGHTNING,
                "address": lightning_key("ab" * 32),
                "lightning": invoice(),
            },
            "lightning:LNBCRT500U1PJEXAMPLE",
        ),
        ({"lightning": invoice()}, f"bitcoin:{ADDRESS}?amount=0.0005"),
        (
            {"lightning": invoice(is_unified=True)},
            f"bitcoin:{ADDRESS}?amount=0.0005&lightning=LNBCRT500U1PJEXAMPLE",
        ),
        (
            {"lightning": invoice(is_unified=True), "expires_at": 3},
            f"bitcoin:{ADDRESS}?amount=0.0005",
        ),
        (
            {"lightning": invoice(is_unified=True), "amount_sat": None},
            f"bitcoin:{ADDRESS}?lightning=LNBCRT500U1PJEXAMPLE",
        ),
        ({"method": EXTERNAL}, None),
    ],
)
def test_each_kind_of_payment_has_its_uri(
    changes: dict[str, Any], uri: str | None
) -> None:
    assert uri_of(terms(**changes)) == uri

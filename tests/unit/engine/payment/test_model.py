"""The payment as a value: what it is without further word, and its sums."""

import pytest

from engine.payment.model import (
    FINAL,
    OVER,
    PAID,
    PAID_ONCE,
    TIME_IS_OVER,
    UNPAID,
    WAITED_FOR,
    Claim,
    Payment,
    Status,
)
from tests.unit.payment_cases import Told, mined, terms, view


def test_a_payment_begins_with_nothing() -> None:
    payment = Payment(terms=terms())
    assert (payment.seq, payment.status, payment.flags) == (0, Status.PENDING, ())
    assert (payment.receipts, payment.claims, payment.settled_sat) == ((), (), 0)


def test_a_claim_is_taken_for_final_unless_the_provider_says_otherwise() -> None:
    claim = Claim(provider="p", txid=None, amount_sat=None, at=0, withdraw_at=1)
    assert claim.replaceable is False


@pytest.mark.parametrize(("tip", "confirmed_sat"), [(999, 0), (1000, 20_000)])
def test_what_is_as_deep_as_asked_for_counts_as_confirmed(
    tip: int, confirmed_sat: int
) -> None:
    told = Told()
    told(view(mined("t1", 998, 20_000), mined("t2", 999, 10_000), tip=tip))
    assert told.payment.confirmed_sat == confirmed_sat
    assert told.payment.received_sat == 30_000


@pytest.mark.parametrize(
    ("statuses", "names"),
    [
        (WAITED_FOR, "pending confirming"),
        (OVER, "confirmed forwarded expired failed cancelled"),
        (PAID, "confirmed forwarded"),
        (PAID_ONCE, "confirmed forwarded failed"),
        (UNPAID, "expired failed cancelled"),
        (TIME_IS_OVER, "expired cancelled"),
        (FINAL, "failed cancelled"),
    ],
)
def test_each_set_of_statuses_holds_these(
    statuses: frozenset[Status], names: str
) -> None:
    assert statuses == set(names.split())

"""What a payment has that follows one which expired."""

from msgspec.structs import replace

from engine.merchants.payment_defaults import MAX_EXPIRES_IN_S
from tests.unit.transport.live.stage import terms_of
from transport.control.reorder import time_of

DAY_MS = 86_400_000


def test_a_deadline_that_was_put_off_again_and_again_is_not_inherited() -> None:
    terms = terms_of("pay_1", "order-1")
    assert time_of(terms) == 3_600
    put_off = replace(terms, expires_at=terms.created_at + 200 * DAY_MS)
    assert time_of(put_off) == MAX_EXPIRES_IN_S
    assert time_of(replace(terms, expires_at=terms.created_at + 10)) == 1

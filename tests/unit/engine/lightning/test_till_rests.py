"""A forward that rests: what is still looked for, how often, and what comes of it."""

from itertools import product

import pytest

from engine.errors.lightning import NodeRefused
from engine.lightning.node import InvoiceSeen, InvoiceStatus, Payout
from engine.lightning.till import GRACE_MS, NEVER, RESTING, TillForward, TillState
from engine.lightning.till_steps import (
    LONGEST_MS,
    Do,
    delayed,
    looked,
    not_invoiced,
    target_said,
)
from tests.unit.engine.lightning.till_cases import (
    FAILED,
    NOW,
    PAID,
    PENDING,
    POLICY,
    UNKNOWN,
    forward,
    invoiced,
)

S = TillState
HOUR_MS = 3_600_000
OVER = NOW + HOUR_MS + GRACE_MS
"""From then on the invoice of `invoiced` counts as over."""

BOTH = sorted(RESTING)
NOTHING = (FAILED, UNKNOWN)
NOT_PAID = (InvoiceStatus.OPEN, InvoiceStatus.EXPIRED, InvoiceStatus.UNKNOWN)
TRIED = {"tried_at": NOW - 90_000, "attempts": 8, "reason": "why"}


def resting(state: S = S.STUCK, **changes: object) -> TillForward:
    return invoiced(state, **(TRIED | changes))


def say(
    one: TillForward, status: InvoiceStatus, now: int = NOW, payout: Payout = UNKNOWN
) -> TillForward:
    seen = InvoiceSeen(payment_hash=one.payment_hash, status=status)
    return target_said(one, payout, seen, now, POLICY)


def test_the_last_attempt_in_vain_is_looked_at_while_its_invoice_can_be_paid() -> None:
    """Its node knew of nothing 90 s after it was asked, and may pay it yet."""
    one = say(invoiced(S.PAYING, attempts=7, tried_at=NOW - 90_000), NOT_PAID[0])
    assert (one.state, one.attempts, one.next_at) == (S.STUCK, 8, NOW + 60_000)
    assert looked(one, PAID, one.next_at, POLICY) != one
    near = say(invoiced(S.PAYING, attempts=7), InvoiceStatus.OPEN, OVER - 5)
    assert near.next_at == OVER


def test_one_that_never_had_an_invoice_waits_for_a_person() -> None:
    last = not_invoiced(forward(attempts=7), NodeRefused("no"), NOW, POLICY)
    assert (last.state, last.next_at) == (S.STUCK, NEVER)


@pytest.mark.parametrize("state", BOTH)
def test_looks_get_rarer_and_end_when_its_invoice_is_over(state: S) -> None:
    one, looks, now = resting(state), [], NOW
    while now < NEVER:
        looks.append((now - NOW) // 60_000)
        one = say(one, InvoiceStatus.EXPIRED, now)
        assert one.next_at > now
        now = one.next_at
    assert looks == [0, 1, 2, 4, 8, 16, 32, 62]
    assert (one.state, one.reason, one.delays) == (state, "why", 0)
    assert (one.attempts, one.moved_at, one.is_untold) == (8, NOW, False)


@pytest.mark.parametrize(("state", "payout"), [*product(BOTH, NOTHING)])
@pytest.mark.parametrize("now", [NOW, OVER - 1, OVER, OVER + 9 * HOUR_MS])
def test_the_target_is_asked_and_nothing_is_paid(
    state: S, payout: Payout, now: int
) -> None:
    assert looked(resting(state), payout, now, POLICY) is Do.ASK_TARGET


@pytest.mark.parametrize("state", BOTH)
def test_that_it_was_paid_is_seen_by_either_nodes_word(state: S) -> None:
    by_till = looked(resting(state), PAID, NOW + 7, POLICY)
    assert isinstance(by_till, TillForward)
    by_target = say(resting(state), InvoiceStatus.PAID, OVER + 7)
    for after, fee, at in ((by_till, 2, NOW + 7), (by_target, 0, OVER + 7)):
        assert (after.state, after.fee_sat, after.moved_at) == (S.PAID, fee, at)
        assert (after.reason, after.next_at) == ("", at)
        assert after.is_untold


@pytest.mark.parametrize(("state", "status"), [*product(BOTH, NOT_PAID)])
def test_it_is_over_by_its_own_time_and_by_the_targets_word(
    state: S, status: InvoiceStatus
) -> None:
    assert say(resting(state), status, OVER - 1).next_at == OVER
    after = say(resting(state), status, OVER)
    assert after.state is state
    is_open = status is InvoiceStatus.OPEN  # its clock is behind
    assert after.next_at == (OVER + HOUR_MS if is_open else NEVER)


@pytest.mark.parametrize("state", BOTH)
def test_a_node_that_does_not_answer_is_asked_again_without_a_word(state: S) -> None:
    one = resting(state)
    for now in (NOW, OVER - 1, OVER, OVER + 9 * HOUR_MS):
        after = delayed(one, now, "down")
        assert (after.state, after.reason, after.delays) == (state, "why", 0)
        assert now < after.next_at <= now + HOUR_MS <= now + LONGEST_MS
    assert delayed(one, OVER - 1, "down").next_at == OVER
    before = resting(state, moved_at=NOW + 9 * HOUR_MS)  # the clock was put back
    assert delayed(before, NOW, "down").next_at == NOW + 60_000


def test_one_that_is_stuck_and_on_its_way_waits_as_long_as_it_takes() -> None:
    after = looked(resting(), PENDING, NOW + 7, POLICY)
    assert isinstance(after, TillForward)
    assert (after.state, after.delays, after.next_at) == (S.PENDING, 1, NOW + 1_007)
    failed = say(after, InvoiceStatus.EXPIRED, NOW + 9, FAILED)
    assert (failed.state, failed.attempts) == (S.STUCK, 9), "and nothing new begins"


def test_one_that_was_given_up_stays_so_until_it_has_arrived() -> None:
    after = looked(resting(S.GIVEN_UP), PENDING, OVER + 7, POLICY)
    assert isinstance(after, TillForward)
    assert (after.state, after.reason) == (S.GIVEN_UP, "why")
    assert after.next_at == OVER + 7 + HOUR_MS

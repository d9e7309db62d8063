"""What follows for a forward from what two nodes say, answer by answer."""

from itertools import product

import pytest

from engine.errors.lightning import (
    InvoiceMismatch,
    LightningError,
    NodeBusy,
    NodeGarbage,
    NodeRefused,
    NodeUnavailable,
)
from engine.lightning import till_steps
from engine.lightning.node import (
    Balance,
    InvoiceSeen,
    InvoiceStatus,
    Payout,
    PayoutStatus,
)
from engine.lightning.till import GRACE_MS, NEVER, TillForward, TillPolicy, TillState
from engine.lightning.till_steps import (
    SETTLE_MS,
    Do,
    answered,
    begun,
    delayed,
    looked,
    not_invoiced,
    not_paid,
    target_said,
    weighed,
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
NOTHING = (FAILED, UNKNOWN)
SURE = (S.INVOICED, S.WAITING)
UNSURE = (S.PAYING, S.PENDING)
LOOKED_AT = (S.INVOICED, S.PAYING, S.PENDING, S.WAITING)


def look(one: TillForward, payout: Payout, now: int = NOW) -> TillForward | Do:
    return looked(one, payout, now, POLICY)


def moved_by(one: TillForward, payout: Payout, now: int = NOW) -> TillForward:
    after = look(one, payout, now)
    assert isinstance(after, TillForward), after
    return after


def seen(status: InvoiceStatus, payment_hash: str = "ab" * 32) -> InvoiceSeen:
    return InvoiceSeen(payment_hash=payment_hash, status=status)


def say(
    one: TillForward, status: InvoiceStatus, payout: Payout = UNKNOWN
) -> TillForward:
    return target_said(one, payout, seen(status), NOW + 9, POLICY)


# -- waits -----------------------------------------------------------------------------


def test_delays_grow_to_five_minutes_and_are_no_failure() -> None:
    one, waits = forward(), []
    for _ in range(12):
        one = delayed(one, NOW, "down")
        waits.append((one.next_at - NOW) // 1_000)
    assert waits == [1, 2, 5, 10, 20, 40, 60, 60, 60, 120, 300, 300]
    assert (one.state, one.attempts, one.delays, one.reason) == (
        S.WANTED,
        0,
        12,
        "down",
    )


def test_attempts_in_vain_end_with_a_person() -> None:
    one, waits = invoiced(S.PAYING), []
    for number in range(1, 8):
        one = answered(begun_again(one), FAILED, NOW, POLICY)
        assert (one.state, one.attempts, one.delays) == (S.INVOICED, number, 0)
        assert one.reason == "no route"
        waits.append((one.next_at - NOW) // 1_000)
    assert waits == [5, 15, 60, 300, 600, 1_800, 3_600]
    one = answered(begun_again(one), FAILED, NOW, POLICY)
    assert (one.state, one.attempts) == (S.STUCK, 8)
    assert one.next_at == NOW + 60_000, "it is looked at, see test_till_rests.py"


def begun_again(one: TillForward) -> TillForward:
    return one if one.state is S.PAYING else begun(one, NOW)


def test_the_last_wait_is_kept() -> None:
    policy = TillPolicy(attempts=20)
    one = answered(invoiced(S.PAYING, attempts=15), FAILED, NOW, policy)
    assert one.next_at == NOW + HOUR_MS


# -- an invoice of the target ----------------------------------------------------------


def test_what_can_be_spent_counts_with_the_highest_fee() -> None:
    policy = TillPolicy(fee_ppm=0, fee_base_sat=5)
    one = forward()  # 4,995 sat and 5 of fee
    assert weighed(one, Balance(spendable_msat=5_000_000), policy, NOW) is None
    after = weighed(one, Balance(spendable_msat=4_999_999), policy, NOW)
    assert after is not None
    assert (after.state, after.next_at) == (S.WAITING, NOW + 60_000)
    assert after.reason == (
        "the till can spend 4999 sat of the 5000 sat that are needed"
    )
    assert weighed(after, Balance(spendable_msat=5_000_000), policy, NOW) is None


def test_fee_credit_waits_for_a_person_and_is_no_failure() -> None:
    one = forward(net_sat=0, credit_sat=30)
    after = weighed(one, Balance(spendable_msat=9**9), POLICY, NOW)
    assert after is not None
    assert (after.state, after.next_at, after.attempts) == (S.WAITING, NEVER, 0)
    assert after.reason.startswith("30 sat of it are fee credit")


def test_dust_is_left_at_the_till() -> None:
    policy = TillPolicy(min_sat=6_000)
    after = weighed(forward(), Balance(spendable_msat=9**9), policy, NOW)
    assert after is not None
    assert (after.state, after.next_at) == (S.LEFT, NEVER)
    assert after.reason == "5000 sat are too little to be sent on"
    waited = forward(state=S.WAITING)
    after = weighed(waited, Balance(spendable_msat=9**9), policy, NOW)
    assert after is not None
    assert after.state is S.LEFT


def test_what_cannot_even_be_forced_is_stuck() -> None:
    one = forward(net_sat=3, is_forced=True)
    after = weighed(one, Balance(spendable_msat=9**9), TillPolicy(), NOW)
    assert after is not None
    assert (after.state, after.next_at) == (S.STUCK, NEVER)


SHOWN = {
    "amount_sat": 5_000,
    "payment_hash": "cd" * 32,
    "bolt11": "lnbcrt2",
    "expires_at": NOW + HOUR_MS,
}


@pytest.mark.parametrize("state", [S.WANTED, S.WAITING])
def test_the_targets_invoice_is_kept_and_told_before_anything_leaves(state: S) -> None:
    one = forward(state=state, delays=3, reason="down", attempts=2, tried_at=5)
    after = till_steps.invoiced(one, NOW + 1, **SHOWN)  # type: ignore[arg-type]
    assert after.state is S.INVOICED
    kept = (after.amount_sat, after.payment_hash, after.bolt11, after.expires_at)
    assert kept == tuple(SHOWN.values())
    assert (after.tried_at, after.delays, after.reason) == (0, 0, "")
    assert (after.next_at, after.attempts) == (NOW + 1, 2)
    assert after.is_untold
    assert after.step > one.step


def test_no_invoice_takes_the_place_of_one_that_is_not_over() -> None:
    with pytest.raises(AssertionError):
        till_steps.invoiced(invoiced(), NOW, **SHOWN)  # type: ignore[arg-type]
    one = forward(former=("cd" * 32,))
    with pytest.raises(AssertionError):
        till_steps.invoiced(one, NOW, **SHOWN)  # type: ignore[arg-type]


@pytest.mark.parametrize("error", [NodeUnavailable("down"), NodeBusy("slow")])
def test_a_target_that_does_not_answer_is_waited_for(error: LightningError) -> None:
    after = not_invoiced(forward(), error, NOW, POLICY)
    assert (after.state, after.attempts, after.delays) == (S.WANTED, 0, 1)
    assert after.reason == f"own made no invoice: {error}"


@pytest.mark.parametrize(
    "error", [NodeRefused("no"), NodeGarbage("x"), InvoiceMismatch("another")]
)
def test_a_target_that_refuses_or_lies_does_so_in_vain(error: LightningError) -> None:
    after = not_invoiced(forward(), error, NOW, POLICY)
    assert (after.state, after.attempts) == (S.WAITING, 1)
    assert after.next_at == NOW + 5_000
    last = not_invoiced(forward(attempts=7), error, NOW, POLICY)
    assert (last.state, last.next_at) == (S.STUCK, NEVER)


# -- what the till's node says ---------------------------------------------------------


@pytest.mark.parametrize("state", LOOKED_AT)
def test_what_is_paid_is_paid_whatever_was_known(state: S) -> None:
    one = invoiced(state, delays=4, reason="down")
    after = moved_by(one, PAID, NOW + 7)
    assert (after.state, after.fee_sat, after.delays) == (S.PAID, 2, 0)
    assert (after.next_at, after.reason, after.moved_at) == (NOW + 7, "", NOW + 7)
    assert after.is_untold
    free = moved_by(one, Payout(status=PayoutStatus.PAID), NOW)
    assert free.fee_sat == 0


@pytest.mark.parametrize("state", LOOKED_AT)
def test_what_is_pending_waits_as_long_as_it_takes(state: S) -> None:
    one = invoiced(state)
    after = moved_by(one, PENDING, NOW + 90 * 24 * HOUR_MS)
    assert (after.state, after.delays) == (S.PENDING, 1)
    assert after.next_at == NOW + 90 * 24 * HOUR_MS + 1_000
    assert after.reason == "on its way, says the till's node"


@pytest.mark.parametrize(("state", "payout"), [*product(SURE, NOTHING)])
def test_an_invoice_is_paid_while_it_holds(state: S, payout: Payout) -> None:
    one = invoiced(state)
    end = one.expires_at - 10_000
    assert look(one, payout) is Do.PAY
    assert look(one, payout, end - 1) is Do.PAY
    after = moved_by(one, payout, end)
    assert after.state is state
    assert after.next_at == one.expires_at + GRACE_MS
    assert after.reason == "its invoice has run out"
    assert moved_by(one, payout, one.expires_at + GRACE_MS - 1).state is state
    assert look(one, payout, one.expires_at + GRACE_MS) is Do.ASK_TARGET


@pytest.mark.parametrize(("state", "payout"), [*product(UNSURE, NOTHING)])
def test_a_no_is_believed_when_a_request_cannot_linger_any_more(
    state: S, payout: Payout
) -> None:
    one = invoiced(state)
    after = moved_by(one, payout, NOW + 1)
    assert (after.state, after.next_at) == (state, NOW + 1_001)
    after = moved_by(one, payout, NOW + SETTLE_MS - 1)
    assert (after.state, after.next_at) == (state, NOW + SETTLE_MS)
    assert look(one, payout, NOW + SETTLE_MS) is Do.ASK_TARGET
    exact = invoiced(state, tried_at=NOW - SETTLE_MS + 1_000)
    assert moved_by(exact, payout).next_at == NOW + 1_000


@pytest.mark.parametrize("state", UNSURE)
def test_a_clock_that_is_put_back_gives_it_its_time_anew_and_no_more(
    state: TillState,
) -> None:
    """A node that was asked in what is now the future is not waited for until then."""
    after = moved_by(invoiced(state, tried_at=NOW + 10 * HOUR_MS), UNKNOWN)
    assert (after.state, after.tried_at) == (state, NOW)
    assert after.next_at <= NOW + SETTLE_MS
    assert not isinstance(look(after, UNKNOWN, NOW + SETTLE_MS - 1), Do)
    assert look(after, UNKNOWN, NOW + SETTLE_MS) is Do.ASK_TARGET
    for ago in (0, 1, -1):
        one = invoiced(state, tried_at=NOW - ago)
        assert moved_by(one, UNKNOWN).tried_at == NOW - max(ago, 0)


def test_only_an_invoice_is_looked_for() -> None:
    with pytest.raises(AssertionError):
        look(forward(), UNKNOWN)


@pytest.mark.parametrize("state", [S.INVOICED, S.WAITING])
def test_an_attempt_is_noted_before_it_is_made(state: S) -> None:
    one = invoiced(state, is_untold=True, reason="funds")
    after = begun(one, NOW + 3)
    assert (after.state, after.tried_at, after.next_at) == (S.PAYING, NOW + 3, NOW + 3)
    assert (after.is_untold, after.reason) == (False, "")


def test_what_pay_says_at_once_is_believed() -> None:
    one = invoiced(S.PAYING)
    assert answered(one, PAID, NOW, POLICY).state is S.PAID
    assert answered(one, PENDING, NOW, POLICY).state is S.PENDING
    failed = answered(one, FAILED, NOW, POLICY)
    assert (failed.state, failed.reason) == (S.INVOICED, "no route")
    plain = answered(one, Payout(status=PayoutStatus.FAILED), NOW, POLICY)
    assert plain.reason == "the till's node says that it failed"
    unclear = answered(one, UNKNOWN, NOW, POLICY)
    assert (unclear.state, unclear.delays, unclear.attempts) == (S.PAYING, 1, 0)
    for wrong in set(S) - {S.PAYING}:
        with pytest.raises(AssertionError):
            answered(invoiced(wrong), PAID, NOW, POLICY)
        with pytest.raises(AssertionError):
            not_paid(invoiced(wrong), NodeBusy("x"), NOW, POLICY)


@pytest.mark.parametrize(
    "error", [NodeUnavailable("late"), NodeGarbage("x"), NodeRefused("done", "paid")]
)
def test_what_may_have_been_done_stays_in_doubt(error: LightningError) -> None:
    after = not_paid(invoiced(S.PAYING), error, NOW, POLICY)
    assert (after.state, after.delays, after.attempts) == (S.PAYING, 1, 0)
    assert after.reason == str(error)


@pytest.mark.parametrize(
    ("asked_s", "wait_ms"),
    [(None, 5_000), (2.0, 5_000), (7.5, 7_500), (10**6, HOUR_MS)],
)
def test_a_node_that_is_busy_is_asked_again_when_it_wants(
    asked_s: float | None, wait_ms: int
) -> None:
    error = NodeBusy("slow down", retry_after_s=asked_s)
    after = not_paid(invoiced(S.PAYING), error, NOW, POLICY)
    assert (after.state, after.next_at) == (S.INVOICED, NOW + wait_ms)
    assert (after.attempts, after.reason) == (0, "slow down")


def test_without_funds_it_waits_and_that_is_no_attempt() -> None:
    error = NodeRefused("too little", why="funds")
    after = not_paid(invoiced(S.PAYING), error, NOW, POLICY)
    assert (after.state, after.next_at) == (S.WAITING, NOW + 60_000)
    assert (after.attempts, after.reason) == (0, "too little")
    assert after.payment_hash


@pytest.mark.parametrize("why", ["key", "amount", "route", "expired", "other"])
def test_a_clear_no_is_an_attempt_in_vain(why: str) -> None:
    after = not_paid(invoiced(S.PAYING), NodeRefused("no", why=why), NOW, POLICY)
    assert (after.state, after.attempts) == (S.INVOICED, 1)


# -- what the target says --------------------------------------------------------------


@pytest.mark.parametrize(("state", "payout"), [*product(LOOKED_AT, NOTHING)])
def test_the_target_has_the_money_whoever_says_no(state: S, payout: Payout) -> None:
    after = say(invoiced(state), InvoiceStatus.PAID, payout)
    assert (after.state, after.fee_sat) == (S.PAID, 0)
    assert after.is_untold


UNPAID = (InvoiceStatus.OPEN, InvoiceStatus.EXPIRED, InvoiceStatus.UNKNOWN)


@pytest.mark.parametrize(("state", "status"), [*product((S.PAYING, S.PENDING), UNPAID)])
def test_an_attempt_of_which_both_know_nothing_was_in_vain(
    state: S, status: InvoiceStatus
) -> None:
    after = say(invoiced(state), status)
    assert (after.state, after.attempts) == (S.INVOICED, 1)
    assert after.payment_hash, "the same invoice is tried again"
    assert after.reason == "the till's node knows of no payment"
    assert say(invoiced(state), status, FAILED).reason == "no route"


@pytest.mark.parametrize("state", [S.INVOICED, S.WAITING])
def test_an_invoice_that_is_over_unpaid_is_replaced(state: S) -> None:
    one = invoiced(state, former=("cd" * 32,), tried_at=NOW, attempts=2, delays=3)
    after = say(one, InvoiceStatus.EXPIRED)
    assert after.state is S.WANTED
    assert after.former == ("cd" * 32, "ab" * 32)
    cleared = (after.amount_sat, after.payment_hash, after.bolt11, after.expires_at)
    assert cleared == (0, "", "", 0)
    assert (after.tried_at, after.delays, after.attempts) == (0, 0, 2)
    assert after.next_at == NOW + 9


def test_an_invoice_that_can_still_be_paid_is_not_replaced() -> None:
    after = say(invoiced(), InvoiceStatus.OPEN)
    assert (after.state, after.delays) == (S.INVOICED, 1)
    assert after.payment_hash
    assert after.reason == "own says that it can still be paid"


def test_of_what_nobody_knows_a_person_decides() -> None:
    stuck = say(invoiced(tried_at=NOW), InvoiceStatus.UNKNOWN)
    assert (stuck.state, stuck.next_at) == (S.STUCK, NEVER)
    assert stuck.payment_hash
    assert stuck.reason.startswith("neither node knows")
    never_tried = say(invoiced(), InvoiceStatus.UNKNOWN)
    assert never_tried.state is S.WANTED
    surely_failed = say(invoiced(tried_at=NOW), InvoiceStatus.UNKNOWN, FAILED)
    assert surely_failed.state is S.WANTED


def test_the_target_is_asked_of_this_invoice_after_the_tills_node_said_no() -> None:
    for payout in (PAID, PENDING):
        with pytest.raises(AssertionError):
            say(invoiced(), InvoiceStatus.EXPIRED, payout)
    other = seen(InvoiceStatus.EXPIRED, "ee" * 32)
    with pytest.raises(AssertionError):
        target_said(invoiced(), UNKNOWN, other, NOW, POLICY)

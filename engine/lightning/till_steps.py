"""What follows for a forward from what the two nodes say. Pure; see `till.py`.

Never twice: an invoice is paid only after the till's node said, just before, that no
payment of it is under way or done (`looked`). A node that was asked to pay and gave no
clear answer may still be about to: its "no" is believed only `SETTLE_MS` after it was
asked, and then only together with the target's. Another invoice is made only when the
one before can be paid no more: it is over by its own time for `GRACE_MS`, the till's
node says that nothing of it left, *and* the target's node that nothing came.

Of one that rests (`RESTING`) both are still asked, rarely and without a word, until its
invoice is over: a request that nobody believed in may be carried out. That it was paid
is told; nothing else comes of it but by a person.
"""

from enum import StrEnum
from typing import Final

from engine.errors.lightning import (
    LightningError,
    NodeBusy,
    NodeRefused,
    NodeUnavailable,
)
from engine.lightning.node import (
    Balance,
    InvoiceSeen,
    InvoiceStatus,
    Payout,
    PayoutStatus,
)
from engine.lightning.till import (
    DOUBTFUL,
    GRACE_MS,
    NEVER,
    RESTING,
    TillForward,
    TillPolicy,
    TillState,
    max_fee_sat,
    moved,
    offer_sat,
)

__all__ = [
    "LONGEST_MS",
    "SETTLE_MS",
    "Do",
    "answered",
    "begun",
    "delayed",
    "invoiced",
    "looked",
    "not_invoiced",
    "not_paid",
    "target_said",
    "weighed",
]

SETTLE_MS: Final = 90_000
"""So long after it was asked to pay, a node has begun to, or never will: longer than
any request of ours lasts (`transport/lightning/http.py`)."""

LONGEST_MS: Final = 7_200_000
"""No forward waits for longer, but for a person: the longest are a retry's hour, and
the life of an invoice with `GRACE_MS`."""

NO_TIME_MS: Final = 10_000
"""An invoice that has so little time left is not begun to be paid."""

_DELAYS_MS: Final = (
    *(1_000, 2_000, 5_000, 10_000, 20_000, 40_000),
    *(60_000, 60_000, 60_000, 120_000, 300_000),
)
_RETRIES_MS: Final = (5_000, 15_000, 60_000, 300_000, 600_000, 1_800_000, 3_600_000)
_WAIT_MS: Final = 60_000
_LOOK_MS: Final = (60_000, 3_600_000)
"""Between looks at one that rests: as long as it has rested, within these."""

_S = TillState


class Do(StrEnum):
    """What is to be done before anything more is known."""

    PAY = "pay"  # commit `begun`, then pay
    ASK_TARGET = "ask_target"  # how its invoice stands, for `target_said`


def _of(times: tuple[int, ...], number: int) -> int:
    """The wait after this many in a row, from 1."""
    return times[min(max(number, 1), len(times)) - 1]


def delayed(before: TillForward, now: int, reason: str) -> TillForward:
    """Nobody answered, or not yet: the same again, later. It is no failure. One that
    rests keeps the reason for which it does."""
    if before.state in RESTING:
        return _rested(before, now)
    delays = before.delays + 1
    until = now + _of(_DELAYS_MS, delays)
    return moved(before, before.state, now, delays=delays, next_at=until, reason=reason)


def _rested(before: TillForward, now: int) -> TillForward:
    """Looked at again, later: at the latest when its invoice is over, and then until
    both nodes have answered."""
    shortest, longest = _LOOK_MS
    until = now + min(max(now - before.moved_at, shortest), longest)
    over = before.expires_at + GRACE_MS
    if now < over:
        until = min(until, over)
    return moved(before, before.state, now, next_at=until)


def _waits(before: TillForward, now: int, until: int, reason: str) -> TillForward:
    return moved(before, _S.WAITING, now, next_at=until, reason=reason)


def _in_vain(
    before: TillForward, now: int, policy: TillPolicy, reason: str
) -> TillForward:
    """An attempt failed, for all that is known: tried again, but not for ever."""
    attempts = before.attempts + 1
    is_last = attempts >= policy.attempts
    state = _S.INVOICED if before.payment_hash else _S.WAITING
    after = moved(
        before,
        _S.STUCK if is_last else state,
        now,
        attempts=attempts,
        delays=0,
        next_at=NEVER if is_last else now + _of(_RETRIES_MS, attempts),
        reason=reason,
    )
    return _rested(after, now) if is_last and after.payment_hash else after


# -- an invoice of the target ----------------------------------------------------------


def weighed(
    forward: TillForward, balance: Balance, policy: TillPolicy, now: int
) -> TillForward | None:
    """Whether the target is to be asked for an invoice, for `offer_sat`: None. Else
    the forward waits, or is left. Of the balance what can be spent counts, and not what
    was received."""
    offer = offer_sat(forward, policy)
    if not offer and forward.credit_sat:
        why = f"{forward.credit_sat} sat of it are fee credit of the node: not to spend"
        return _waits(forward, now, NEVER, why)
    if not offer:
        why = f"{forward.net_sat} sat are too little to be sent on"
        state = _S.STUCK if forward.is_forced else _S.LEFT
        return moved(forward, state, now, next_at=NEVER, reason=why)
    needed = (offer + max_fee_sat(forward.net_sat, policy)) * 1_000
    if balance.spendable_msat < needed:
        why = (
            f"the till can spend {balance.spendable_msat // 1_000} sat of the"
            f" {needed // 1_000} sat that are needed"
        )
        return _waits(forward, now, now + _WAIT_MS, why)
    return None


def invoiced(
    forward: TillForward,
    now: int,
    *,
    amount_sat: int,
    payment_hash: str,
    bolt11: str,
    expires_at: int,
) -> TillForward:
    """The target's invoice, read and as it was asked for. Its payment is told before
    anything leaves."""
    assert not forward.payment_hash, forward
    assert payment_hash not in forward.former, forward
    return moved(
        forward,
        _S.INVOICED,
        now,
        amount_sat=amount_sat,
        payment_hash=payment_hash,
        bolt11=bolt11,
        expires_at=expires_at,
        tried_at=0,
        delays=0,
        next_at=now,
        reason="",
        is_untold=True,
    )


def not_invoiced(
    forward: TillForward, error: LightningError, now: int, policy: TillPolicy
) -> TillForward:
    """The target made no invoice. One that does not answer is waited for; a refusal,
    or an invoice that is not what was asked for, is an attempt in vain."""
    reason = f"{forward.target} made no invoice: {error}"
    if isinstance(error, NodeUnavailable | NodeBusy):
        return delayed(forward, now, reason)
    return _in_vain(forward, now, policy, reason)


# -- what the till's node says ---------------------------------------------------------


def looked(
    forward: TillForward, payout: Payout, now: int, policy: TillPolicy
) -> TillForward | Do:
    """The till's node was asked how the payment of the invoice stands."""
    assert forward.payment_hash, forward
    match payout.status:
        case PayoutStatus.PAID:
            return _paid(forward, payout, now)
        case PayoutStatus.PENDING:
            return _pending(forward, now)
    if forward.state in RESTING:
        return Do.ASK_TARGET
    if forward.state in DOUBTFUL:
        if forward.tried_at > now:  # the clock was put back: it gets its time anew
            forward = moved(forward, forward.state, now, tried_at=now)
        settled = forward.tried_at + SETTLE_MS
        if now < settled:
            later = delayed(forward, now, "the till's node has not begun to pay it")
            return _until(later, min(later.next_at, settled))
        return Do.ASK_TARGET
    if now < forward.expires_at - NO_TIME_MS:
        return Do.PAY
    over = forward.expires_at + GRACE_MS
    if now < over:
        return _until(delayed(forward, now, "its invoice has run out"), over)
    return Do.ASK_TARGET


def _until(forward: TillForward, until: int) -> TillForward:
    return moved(forward, forward.state, until, next_at=until)


def begun(forward: TillForward, now: int) -> TillForward:
    """To be committed before the node is asked to pay."""
    return moved(
        forward, _S.PAYING, now, tried_at=now, next_at=now, is_untold=False, reason=""
    )


def answered(
    forward: TillForward, payout: Payout, now: int, policy: TillPolicy
) -> TillForward:
    """What `pay` said."""
    assert forward.state is _S.PAYING, forward
    match payout.status:
        case PayoutStatus.PAID:
            return _paid(forward, payout, now)
        case PayoutStatus.PENDING:
            return _pending(forward, now)
        case PayoutStatus.FAILED:
            why = payout.reason or "the till's node says that it failed"
            return _in_vain(forward, now, policy, why)
    return delayed(forward, now, "the till's node does not say what came of it")


def not_paid(
    forward: TillForward, error: LightningError, now: int, policy: TillPolicy
) -> TillForward:
    """`pay` raised. Only a clear no, or "slow down", says that nothing was done."""
    assert forward.state is _S.PAYING, forward
    if isinstance(error, NodeBusy):
        wait, longest = _RETRIES_MS[0], _RETRIES_MS[-1]
        if error.retry_after_s is not None:
            wait = min(max(int(error.retry_after_s * 1_000), wait), longest)
        until = now + wait
        return moved(forward, _S.INVOICED, now, next_at=until, reason=str(error))
    if isinstance(error, NodeRefused) and error.why == "funds":
        return _waits(forward, now, now + _WAIT_MS, str(error))
    if isinstance(error, NodeRefused) and error.why != "paid":
        return _in_vain(forward, now, policy, str(error))
    return delayed(forward, now, str(error))


def _paid(forward: TillForward, payout: Payout, now: int) -> TillForward:
    return moved(
        forward,
        _S.PAID,
        now,
        fee_sat=-(-payout.fee_msat // 1_000),
        next_at=now,
        reason="",
        delays=0,
        is_untold=True,
    )


def _pending(forward: TillForward, now: int) -> TillForward:
    if forward.state is _S.GIVEN_UP:  # a person's word stands until it has arrived
        return _rested(forward, now)
    if forward.state is not _S.PENDING:
        forward = moved(forward, _S.PENDING, now)
    return delayed(forward, now, "on its way, says the till's node")


# -- what the target says --------------------------------------------------------------


def target_said(
    forward: TillForward,
    payout: Payout,
    seen: InvoiceSeen,
    now: int,
    policy: TillPolicy,
) -> TillForward:
    """The target was asked how its invoice stands, after the till's node said `payout`:
    that it knows of no payment, or that it failed."""
    assert payout.status in {PayoutStatus.FAILED, PayoutStatus.UNKNOWN}, payout
    assert seen.payment_hash == forward.payment_hash, (seen, forward)
    if seen.status is InvoiceStatus.PAID:
        return _paid(forward, payout, now)  # it has the money, whoever says no
    if forward.state in RESTING:
        is_over = now >= forward.expires_at + GRACE_MS
        if is_over and seen.status is not InvoiceStatus.OPEN:
            return moved(forward, forward.state, now, next_at=NEVER)
        return _rested(forward, now)
    if forward.state in DOUBTFUL:
        why = payout.reason or "the till's node knows of no payment"
        return _in_vain(forward, now, policy, why)
    if seen.status is InvoiceStatus.OPEN:  # its clock is behind
        return delayed(forward, now, f"{forward.target} says that it can still be paid")
    is_known = seen.status is InvoiceStatus.EXPIRED
    if is_known or not forward.tried_at or payout.status is PayoutStatus.FAILED:
        return _anew(forward, now)
    why = "neither node knows what became of it: compare their lists before you go on"
    return moved(forward, _S.STUCK, now, next_at=NEVER, reason=why)


def _anew(forward: TillForward, now: int) -> TillForward:
    """Its invoice is over and unpaid: another one takes its place."""
    return moved(
        forward,
        _S.WANTED,
        now,
        former=(*forward.former, forward.payment_hash),
        amount_sat=0,
        payment_hash="",
        bolt11="",
        expires_at=0,
        tried_at=0,
        next_at=now,
        delays=0,
    )

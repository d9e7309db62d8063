"""The till: one forward of what a payment brought, and the steps that it can take.

A till is an account with `forward_to`: what comes in there goes on to that account, by
an invoice of the target that the till pays. `STEPS` is the whole machine:

    wanted     the intent is committed; the target was not asked, or its invoice is over
    invoiced   the target's invoice is committed; no attempt to pay it is under way
    paying     the till's node is asked to pay it, and what came of that is not known
    pending    the till's node says that it is on its way: waits as long as it takes
    paid       it has arrived
    waiting    what came cannot be spent yet, or somebody does not answer: no failure
    left       too little to be sent on: it stays at the till
    stuck      tried in vain too often, or nobody knows: a person decides
    given_up   a person decided: it stays at the till

One that rests (`stuck`, `given_up`) and was to be paid is still looked at until its
invoice is over: a node may carry out late what it was asked. Nothing is paid for it.

Whatever leaves was committed before (`paying`), and the node is asked how the payment
of this hash stands before each attempt: `till_steps.py` has what follows from the
answers. Pure.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec

from engine.lightning.account import Account

__all__ = [
    "DOUBTFUL",
    "FINISHED",
    "GRACE_MS",
    "NEVER",
    "RESTING",
    "STEPS",
    "TillForward",
    "TillPolicy",
    "TillState",
    "given_up",
    "max_fee_sat",
    "moved",
    "offer_sat",
    "policy_of",
    "resumed",
    "told",
]

GRACE_MS: Final = 120_000
"""So long after its own end an invoice counts as over: for clocks that differ, and for
what was on its way as it ran out."""

NEVER: Final = 2**53 - 1
"""As a time (ms): only a person goes on."""


class TillState(StrEnum):
    """See the module docstring."""

    WANTED = "wanted"
    INVOICED = "invoiced"
    PAYING = "paying"
    PENDING = "pending"
    PAID = "paid"
    WAITING = "waiting"
    LEFT = "left"
    STUCK = "stuck"
    GIVEN_UP = "given_up"


_S = TillState

STEPS: Final[dict[TillState, frozenset[TillState]]] = {
    _S.WANTED: frozenset({_S.INVOICED, _S.WAITING, _S.LEFT, _S.STUCK, _S.GIVEN_UP}),
    _S.INVOICED: frozenset(
        {
            _S.PAYING,
            _S.PENDING,
            _S.PAID,
            _S.WANTED,
            _S.WAITING,
            _S.STUCK,
            _S.GIVEN_UP,
        }
    ),
    _S.PAYING: frozenset({_S.PENDING, _S.PAID, _S.INVOICED, _S.WAITING, _S.STUCK}),
    _S.PENDING: frozenset({_S.PAID, _S.INVOICED, _S.STUCK}),
    _S.WAITING: frozenset(
        {
            _S.WANTED,
            _S.INVOICED,
            _S.PAYING,
            _S.PENDING,
            _S.PAID,
            _S.LEFT,
            _S.STUCK,
            _S.GIVEN_UP,
        }
    ),
    _S.LEFT: frozenset({_S.WANTED}),
    _S.STUCK: frozenset({_S.WANTED, _S.INVOICED, _S.PENDING, _S.PAID, _S.GIVEN_UP}),
    _S.GIVEN_UP: frozenset({_S.WANTED, _S.INVOICED, _S.PAID}),
    _S.PAID: frozenset(),
}
"""From a state, the states that may follow; to stay in one is no step."""

DOUBTFUL: Final = frozenset({_S.PAYING, _S.PENDING})
"""Money may be on its way: nobody gives up, nothing new is begun."""

FINISHED: Final = frozenset({_S.PAID, _S.LEFT, _S.GIVEN_UP})

RESTING: Final = frozenset({_S.STUCK, _S.GIVEN_UP})
"""Only a person goes on. That its invoice is paid after all is seen nevertheless."""


class TillPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How a till passes on. Sums in satoshi.

    `fee_ppm`, `fee_base_sat`: the most that the network may take of one forward; that
    much is kept back of what came, and what is not used of it stays at the till. Both 0
    within one service.
    """

    min_sat: int = 1  # what is less stays
    fee_ppm: int = 5_000  # phoenixd takes 0.4 % and 4 sat
    fee_base_sat: int = 5
    invoice_s: int = 3_600  # for which the target's invoice is asked to hold
    attempts: int = 8  # in vain, in a row: then a person decides


class TillForward(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False
):
    """One forward, as it is kept. Sums in satoshi, times in ms."""

    id: str
    payment_id: str
    merchant: str
    source: str  # the till's account
    target: str  # the account that its money goes on to
    net_sat: int  # what came, without what the till's node kept and what is credit
    credit_sat: int = 0  # what came and cannot be spent (phoenixd's fee credit)
    key: str  # a UUID, the same at each attempt: `LightningNode.pay`
    at: int  # when it was wanted
    state: TillState = TillState.WANTED
    step: int = 0  # counts what was written of it: of two hands one is first
    moved_at: int = 0
    next_at: int = 0  # nothing is done before
    amount_sat: int = 0  # of the target's invoice; 0: there is none now
    payment_hash: str = ""
    bolt11: str = ""
    expires_at: int = 0  # the invoice's own
    former: tuple[str, ...] = ()  # hashes of its invoices before
    tried_at: int = 0  # when this invoice was last to be paid; 0: never
    attempts: int = 0  # in vain, in a row
    delays: int = 0  # in a row: nobody answered, or not clearly
    fee_sat: int = 0  # what the network took beside the amount; rounded up
    reason: str = ""  # one line for people: why it is not paid
    is_untold: bool = False  # its payment is to hear of this step
    is_forced: bool = False  # a person sends on what was left

    def __post_init__(self) -> None:
        assert self.net_sat >= 0, self
        assert bool(self.payment_hash) == bool(self.bolt11) == (self.amount_sat > 0)
        assert self.payment_hash or self.state not in _WITH_INVOICE, self

    @property
    def is_open(self) -> bool:
        """Whether it is still looked after. One that was given up after it was to be
        paid is, until both nodes have said that nothing comes of it any more."""
        if self.state is TillState.GIVEN_UP and self.tried_at:
            return self.is_untold or self.next_at < NEVER
        return self.is_untold or self.state not in FINISHED

    @property
    def was_shown(self) -> bool:
        """Whether its payment may have heard of it."""
        return bool(self.payment_hash or self.former)


_WITH_INVOICE = frozenset({_S.INVOICED, _S.PAYING, _S.PENDING, _S.PAID})


def moved(
    before: TillForward, state: TillState, now: int, **more: object
) -> TillForward:
    """After a step, or the same state with something new of it. That there is such a
    step is asserted: another one is a bug."""
    assert state is before.state or state in STEPS[before.state], (before, state)
    moved_at = before.moved_at if state is before.state else now
    return msgspec.structs.replace(
        before, state=state, step=before.step + 1, moved_at=moved_at, **more
    )


def policy_of(
    forward: TillForward, accounts: Mapping[str, tuple[Account, Any]]
) -> TillPolicy:
    """By the till's account. Within one service nothing is taken on the way."""
    source = accounts[forward.source][0]
    target = accounts.get(forward.target)
    policy = TillPolicy(
        min_sat=source.forward_min_sat,
        fee_ppm=source.forward_fee_ppm,
        fee_base_sat=source.forward_fee_base_sat,
    )
    if target is not None and source.kind == target[0].kind == "blink":
        return msgspec.structs.replace(policy, fee_ppm=0, fee_base_sat=0)
    return policy


def told(forward: TillForward) -> TillForward:
    """Its payment has heard of it."""
    assert forward.is_untold, forward
    return moved(forward, forward.state, forward.moved_at, is_untold=False)


def max_fee_sat(net_sat: int, policy: TillPolicy) -> int:
    """What the network may take of this much."""
    assert net_sat >= 0, net_sat
    return policy.fee_base_sat + -(-net_sat * policy.fee_ppm // 1_000_000)


def offer_sat(forward: TillForward, policy: TillPolicy) -> int:
    """For how much the target's invoice is to be; 0: it is not worth it. With the
    highest fee it takes no more than came of this payment."""
    least = 1 if forward.is_forced else max(policy.min_sat, 1)
    offer = forward.net_sat - max_fee_sat(forward.net_sat, policy)
    return offer if offer >= least else 0


def resumed(before: TillForward, now: int) -> TillForward | None:
    """A person says: go on, now. None: there is nothing to be done of it."""
    if before.state is _S.PAID:
        return None
    state = before.state
    if state not in DOUBTFUL:
        state = _S.INVOICED if before.payment_hash else _S.WANTED
    return moved(
        before,
        state,
        now,
        next_at=now,
        attempts=0,
        delays=0,
        reason="",
        is_forced=before.is_forced or before.state is _S.LEFT,
        is_untold=before.is_untold or before.state is _S.GIVEN_UP,
    )


def given_up(before: TillForward, now: int, reason: str) -> TillForward | None:
    """A person says: it stays at the till. None: it is over, or money may be on its
    way: an invoice that was to be paid once is first to run out. Its till goes on with
    it at once: to tell its payment, and to look once more."""
    if before.state in FINISHED or before.state in DOUBTFUL:
        return None
    if before.tried_at and now < before.expires_at + GRACE_MS:
        return None
    return moved(
        before,
        _S.GIVEN_UP,
        now,
        next_at=now,
        delays=0,
        reason=reason,
        is_untold=True,
    )

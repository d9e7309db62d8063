"""Bugs planted in the till, one at a time: each must be found by `till_world.judge`."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from unittest.mock import patch
from uuid import UUID

from msgspec.structs import replace

from actors.money import till as till_module
from actors.money.steps import Commit, Steps, TellPayment
from actors.money.till import TillActor
from engine.errors import LightningError
from engine.lightning import till_steps
from engine.lightning.node import InvoiceSeen, InvoiceStatus, Payout, PayoutStatus
from engine.lightning.till import (
    FINISHED,
    NEVER,
    RESTING,
    TillForward,
    TillState,
    moved,
    policy_of,
    told,
)
from engine.payment.till_rules import part_of
from engine.store.writes import MoveTill

__all__ = ["PLANTED_TILL"]

Planted = tuple[type[TillActor], Callable[[], AbstractContextManager[object]]]


class _PaysWithoutLooking(TillActor):
    def _settle(self, forward: TillForward) -> Steps:
        is_left_alone = forward.state in {TillState.PENDING, *RESTING}
        if is_left_alone or (yield from self._is_paused()):
            return (yield from super()._settle(forward))
        return (yield from self._pay(forward))


class _CommitsAfterItPays(TillActor):
    def _pay(self, forward: TillForward) -> Steps:
        now = self._node.clock.now()
        going = till_steps.begun(forward, now)
        policy = policy_of(forward, self._accounts)
        try:
            payout = self._nodes[self._name].pay(
                going.bolt11, max_fee_msat=9_000, key=going.key
            )
        except LightningError as error:
            after = till_steps.not_paid(going, error, now, policy)
        else:
            after = till_steps.answered(going, payout, now, policy)
        return (yield from self._move(forward, after))


class _MakesAnotherWhilePending(TillActor):
    def _settle(self, forward: TillForward) -> Steps:
        is_over = self._node.clock.now() > forward.expires_at
        if forward.state is TillState.PENDING and is_over:
            anew = replace(
                forward,
                state=TillState.WANTED,
                step=forward.step + 1,
                former=(*forward.former, forward.payment_hash),
                amount_sat=0,
                payment_hash="",
                bolt11="",
                tried_at=0,
            )
            return (yield from self._move(forward, anew))
        return (yield from super()._settle(forward))


class _HasANewKeyEachTime(TillActor):
    def _pay(self, forward: TillForward) -> Steps:
        key = str(UUID(int=self._node.random.getrandbits(128)))
        return (yield from super()._pay(replace(forward, key=key)))


class _DoesNotAskTheTarget(TillActor):
    def _ask_target(self, forward: TillForward, payout: Payout) -> TillForward:
        seen = InvoiceSeen(
            payment_hash=forward.payment_hash, status=InvoiceStatus.EXPIRED
        )
        now, policy = self._node.clock.now(), policy_of(forward, self._accounts)
        return till_steps.target_said(forward, payout, seen, now, policy)


class _NotesThatItToldBeforeItTells(TillActor):
    def _step(self, forward: TillForward) -> Steps:
        if forward.is_untold and forward.state in FINISHED and forward.was_shown:
            after = told(forward)
            if (yield Commit((MoveTill(after, forward.step),))):
                yield TellPayment(forward.payment_id, part_of(forward))
            return after
        return (yield from super()._step(forward))


class _TakesPendingForFailed(TillActor):
    def _settle(self, forward: TillForward) -> Steps:
        def hasty(
            forward: TillForward, payout: Payout, now: int, policy: object
        ) -> object:
            if payout.status is PayoutStatus.PENDING:
                payout = Payout(status=PayoutStatus.FAILED)
            return till_steps.looked(forward, payout, now, policy)  # type: ignore[arg-type]

        with patch.object(till_module, "looked", hasty):
            return (yield from super()._settle(forward))

    def _ask_target(self, forward: TillForward, payout: Payout) -> TillForward:
        return super()._ask_target(forward, Payout(status=PayoutStatus.FAILED))


class _KeepsQuietAboutWhatIsGivenUp(TillActor):
    def _step(self, forward: TillForward) -> Steps:
        if forward.state is TillState.GIVEN_UP and forward.is_untold:
            return None
        return (yield from super()._step(forward))


def _nothing() -> AbstractContextManager[object]:
    return nullcontext()


def _no_settling() -> AbstractContextManager[object]:
    return patch.object(till_steps, "SETTLE_MS", 0)


def _no_looks() -> AbstractContextManager[object]:
    def rested(before: TillForward, now: int) -> TillForward:
        return moved(before, before.state, now, next_at=NEVER)

    return patch.object(till_steps, "_rested", rested)


def _whole_offer() -> AbstractContextManager[object]:
    return patch.object(till_module, "offer_sat", lambda f, _p: f.net_sat)


PLANTED_TILL: dict[str, Planted] = {
    "it pays without looking": (_PaysWithoutLooking, _nothing),
    "it commits after it has paid": (_CommitsAfterItPays, _nothing),
    "it makes another invoice while one is pending": (
        _MakesAnotherWhilePending,
        _nothing,
    ),
    "it has a new key for each attempt": (_HasANewKeyEachTime, _nothing),
    "it does not ask the target": (_DoesNotAskTheTarget, _nothing),
    "it notes that it told before it tells": (_NotesThatItToldBeforeItTells, _nothing),
    "it takes pending for failed": (_TakesPendingForFailed, _nothing),
    "it believes a no at once": (TillActor, _no_settling),
    "it leaves no room for the fee": (TillActor, _whole_offer),
    "it keeps quiet about what is given up": (_KeepsQuietAboutWhatIsGivenUp, _nothing),
    "it forgets what is stuck": (TillActor, _no_looks),
}
"""The class of the till, and what else is changed while it runs."""

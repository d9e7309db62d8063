"""The till: passes on what came by Lightning to one account, once only.

One for each account, so that one dead target delays no other's money. A round takes up
payments that the journal has queued (the intent is one write), then carries on those
forwards whose time has come. What follows is said by `engine/lightning/till_steps.py`;
here it is committed before each act, so that a restart goes on from the table alone.

It blocks: nodes are asked in its turns, and nobody waits for it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from uuid import UUID, uuid5

from actors.money.rounds import RoundsActor
from actors.money.steps import AskStore, Commit, Steps, TellPayment
from actors.node import Node
from engine.errors import EngineError, InvoiceMismatch, LightningError
from engine.lightning.account import Account
from engine.lightning.invoice import check_invoice
from engine.lightning.node import InvoiceAsked, InvoiceSeen, LightningNode, Payout
from engine.lightning.till import (
    FINISHED,
    TillForward,
    TillState,
    max_fee_sat,
    offer_sat,
    policy_of,
    told,
)
from engine.lightning.till_steps import (
    LONGEST_MS,
    Do,
    answered,
    begun,
    delayed,
    invoiced,
    looked,
    not_invoiced,
    not_paid,
    target_said,
    weighed,
)
from engine.payment.model import Payment
from engine.payment.till_rules import Came, came_of, part_of
from engine.store.outgoing_port import Paused, Queued
from engine.store.writes import MoveTill, NewTill, Row, UnqueueTill

__all__ = ["STUCK", "WAITS", "TillActor"]

log = logging.getLogger("paybell.till")

WAITS = "till.waits"
STUCK = "till.stuck"

EVERY_S = 5.0
"""Between looks, if nobody tells of work."""

IDLE_S = 60.0
"""And of an account that passes nothing on: something of before may be open."""

SOON_S = 0.5
"""Between rounds at least, while one cannot be carried on."""

PER_ROUND = 100
MAX_STEPS = 6
"""Of one forward in one round; more than it takes when all goes well."""

MANY_DELAYS = 3
"""In a row: a person hears of it."""

_TOLD_AGAIN = {TillState.PAID, TillState.GIVEN_UP}

_KEYS = UUID("6f0e2a52-6a0b-5d0f-9d0c-2f0f3c1b7a11")


class TillActor(RoundsActor):
    """See the module docstring."""

    __slots__ = (
        "_accounts",
        "_has_looked",
        "_name",
        "_nodes",
        "_soonest",
        "_stuck",
    )

    def __init__(
        self,
        node: Node,
        name: str,
        accounts: Mapping[str, tuple[Account, LightningNode]],
    ) -> None:
        """`name`: whose money it passes on; `accounts`: all of the node's."""
        super().__init__(node)
        self._name = name
        self._accounts = accounts
        self._nodes = {name: node for name, (_, node) in accounts.items()}
        self._soonest: int | None = None  # ms: one can be carried on then
        self._stuck: set[str] = set()  # of which an alert stands
        self._has_looked = False  # for money of accounts that are gone

    # -- the round's own ---------------------------------------------------------------

    def _rest_s(self) -> float:
        rest = EVERY_S if self._accounts[self._name][0].forward_to else IDLE_S
        if self._soonest is None:
            return rest
        until = (self._soonest - self._node.clock.now()) / 1_000
        return min(max(until, SOON_S), rest)

    def _on_well(self) -> None:
        """What waits has its own alerts."""

    def _on_trouble(self, why: str) -> None:
        self._node.alerts.raise_(WAITS, self._name, why, self._node.clock.now())

    def _steps(self) -> Steps:
        if not self._node.booted.now:
            return
        self._soonest = None
        if not self._has_looked:
            yield from self._look_for_orphans()
        # Also while forwarding is paused: a person sees what would go on, and may give
        # it up before.
        trouble: Exception | None = None
        is_more = False
        try:
            is_more = yield from self._take_up_all()
        except (EngineError, TimeoutError) as error:  # what was taken up before goes on
            trouble = error
        now = self._node.clock.now()
        due: list[TillForward] = yield AskStore(
            lambda s: s.till_due(self._name, now, LONGEST_MS, PER_ROUND)
        )
        for forward in due:
            try:
                yield from self._carry_on(forward)
            except (EngineError, TimeoutError) as error:
                # The others do not wait for it; what was committed is read again.
                log.warning("till.delayed forward=%s payment=%s detail=%s", forward.id,
                            forward.payment_id, error)  # fmt: skip
                self._by(now)
        if is_more or len(due) == PER_ROUND:
            self._by(now)
        yield from self._alert()
        if trouble is not None:
            raise trouble

    def _look_for_orphans(self) -> Steps:
        """Money of accounts that are no more in the configuration: nobody passes it
        on. One till asks, once."""
        if self._name == next(iter(self._accounts)):
            for name in (yield AskStore(lambda s: s.till_sources())):
                if name not in self._accounts:
                    now, why = self._node.clock.now(), "there is no such account"
                    self._node.alerts.raise_(WAITS, name, why, now)
        self._has_looked = True

    def _by(self, at: int) -> None:
        self._soonest = at if self._soonest is None else min(self._soonest, at)

    # -- taking up ---------------------------------------------------------------------

    def _take_up_all(self) -> Steps:
        """Whether there are more."""
        queued: list[Queued] = yield AskStore(
            lambda s: s.till_queue(self._name, PER_ROUND)
        )
        trouble: Exception | None = None
        for one in queued:
            try:
                yield from self._take_up(one)
            except (EngineError, TimeoutError) as error:  # the others do not wait
                trouble = error
        if trouble is not None:
            raise trouble
        return len(queued) == PER_ROUND

    def _take_up(self, queued: Queued) -> Steps:
        payment = queued.payment
        rows: list[Row] = [UnqueueTill(payment.id, queued.seq)]
        came = came_of(payment)
        target = self._accounts[self._name][0].forward_to
        known: TillForward | None = yield AskStore(
            lambda s: s.till_forward_of(payment.id)
        )
        wanted: TillForward | None = None
        if came is not None and known is None and target:
            wanted = self._wanted(payment, came, target)
            rows.append(NewTill(wanted))
        elif known is not None and known.state in _TOLD_AGAIN and not known.is_untold:
            # Reversed and confirmed again: as what was sent on of it, so it stands.
            yield TellPayment(payment.id, part_of(known))
        if came is not None and known is not None and came.net_sat > known.net_sat:
            # By another invoice of it, when it was paid: too much, to be given back.
            log.warning("till.came_later forward=%s payment=%s sat=%d", known.id,
                        payment.id, came.net_sat - known.net_sat)  # fmt: skip
        if (yield Commit(tuple(rows))) and wanted is not None:
            log.info("till.wanted forward=%s payment=%s to=%s sat=%d",
                     wanted.id, payment.id, target, wanted.net_sat)  # fmt: skip

    def _wanted(self, payment: Payment, came: Came, target: str) -> TillForward:
        now = self._node.clock.now()
        name = f"lnf_{now:012x}{self._node.random.getrandbits(64):016x}"
        return TillForward(
            id=name,
            payment_id=payment.id,
            merchant=payment.terms.merchant,
            source=self._name,
            target=target,
            net_sat=came.net_sat,
            credit_sat=came.credit_sat,
            key=str(uuid5(_KEYS, name)),
            at=now,
            moved_at=now,
            next_at=now,
        )

    # -- carrying on -------------------------------------------------------------------

    def _carry_on(self, forward: TillForward) -> Steps:
        for _ in range(MAX_STEPS):
            after = yield from self._step(forward)
            if after is None:
                return
            forward = after
            if not forward.is_open:
                return
            if forward.next_at > self._node.clock.now():
                break
        self._by(forward.next_at)

    def _step(self, forward: TillForward) -> Steps:
        """The forward after one step, committed; None: another hand was first, or
        nothing is to be done while forwarding is paused."""
        if forward.is_untold:
            if forward.was_shown:
                yield TellPayment(forward.payment_id, part_of(forward))
            if forward.state in FINISHED:
                return (yield from self._move(forward, told(forward)))
        if not forward.payment_hash:
            if (yield from self._is_paused()):
                return None
            return (yield from self._invoice(forward))
        return (yield from self._settle(forward))

    def _is_paused(self) -> Steps:
        """Asked before each act: a round may take minutes, and a person who says stop
        means this payment, too."""
        paused: Paused | None = yield AskStore(lambda s: s.forward_paused())
        return paused is not None

    def _move(self, before: TillForward, after: TillForward) -> Steps:
        """`after`, if it is committed."""
        if not (yield Commit((MoveTill(after, before.step),))):
            return None
        if after.state is not before.state:
            log.info("till.%s forward=%s payment=%s sat=%d fee=%d tries=%d reason=%s",
                     after.state, after.id, after.payment_id, after.amount_sat,
                     after.fee_sat, after.attempts, after.reason)  # fmt: skip
            if after.state is TillState.PAID:
                self._node.counters.add("till.paid")
        return after

    def _invoice(self, forward: TillForward) -> Steps:
        """Ask the target for an invoice, if it is worth it and can be paid."""
        now = self._node.clock.now()
        accounts, policy = self._accounts, policy_of(forward, self._accounts)
        if forward.target not in accounts:
            why = f"there is no account {forward.target}"
            return (yield from self._move(forward, delayed(forward, now, why)))
        try:
            balance = self._nodes[self._name].balance()
        except LightningError as error:
            return (yield from self._move(forward, delayed(forward, now, str(error))))
        after = weighed(forward, balance, policy, now)
        if after is not None:
            return (yield from self._move(forward, after))
        amount_sat = offer_sat(forward, policy)
        asked = InvoiceAsked(
            payment_id=forward.id,
            amount_msat=amount_sat * 1_000,
            description=f"Forward of {forward.payment_id}",
            expires_in_s=policy.invoice_s,
        )
        try:
            made = self._nodes[forward.target].create(asked)
            now = self._node.clock.now()
            network = self._node.settings.network
            invoice = check_invoice(made, asked, network, now, forward.target)
            if invoice.payment_hash in forward.former:
                raise InvoiceMismatch("the node's invoice is one that it made before")
        except LightningError as error:
            after = not_invoiced(forward, error, self._node.clock.now(), policy)
            return (yield from self._move(forward, after))
        after = invoiced(
            forward,
            now,
            amount_sat=amount_sat,
            payment_hash=invoice.payment_hash,
            bolt11=invoice.bolt11,
            expires_at=invoice.expires_at,
        )
        moved = yield from self._move(forward, after)
        if moved is not None:
            return moved
        # Another hand was first; or another forward has this invoice: one that a node
        # hands out twice is paid once.
        wrong = InvoiceMismatch("the node's invoice is another forward's, too")
        after = not_invoiced(forward, wrong, now, policy)
        return (yield from self._move(forward, after))

    def _settle(self, forward: TillForward) -> Steps:
        """Ask how the payment of its invoice stands, and go on from there."""
        policy = policy_of(forward, self._accounts)
        try:
            payout = self._nodes[self._name].payout(forward.payment_hash)
        except LightningError as error:
            after = delayed(forward, self._node.clock.now(), str(error))
            return (yield from self._move(forward, after))
        verdict = looked(forward, payout, self._node.clock.now(), policy)
        if verdict is Do.ASK_TARGET:
            after = self._ask_target(forward, payout)
            return (yield from self._move(forward, after))
        if verdict is Do.PAY:
            if (yield from self._is_paused()):
                return None
            return (yield from self._pay(forward))
        assert isinstance(verdict, TillForward), verdict
        return (yield from self._move(forward, verdict))

    def _pay(self, forward: TillForward) -> Steps:
        going = begun(forward, self._node.clock.now())
        if (yield from self._move(forward, going)) is None:
            return None
        policy = policy_of(forward, self._accounts)
        # The policy may be another since the invoice was made: still no more than came.
        kept_sat = max(going.net_sat - going.amount_sat, 0)
        fee_sat = min(max_fee_sat(going.net_sat, policy), kept_sat)
        try:
            payout = self._nodes[self._name].pay(
                going.bolt11, max_fee_msat=fee_sat * 1_000, key=going.key
            )
        except LightningError as error:
            after = not_paid(going, error, self._node.clock.now(), policy)
        else:
            after = answered(going, payout, self._node.clock.now(), policy)
        return (yield from self._move(going, after))

    def _ask_target(self, forward: TillForward, payout: Payout) -> TillForward:
        target = self._nodes.get(forward.target)
        now = self._node.clock.now()
        if target is None:
            return delayed(forward, now, f"there is no account {forward.target}")
        try:
            seen: InvoiceSeen = target.lookup(forward.payment_hash)
        except LightningError as error:
            return delayed(forward, self._node.clock.now(), str(error))
        now = self._node.clock.now()
        if seen.payment_hash != forward.payment_hash:
            return delayed(forward, now, f"{forward.target} told of another invoice")
        policy = policy_of(forward, self._accounts)
        return target_said(forward, payout, seen, now, policy)

    # -- alerts ------------------------------------------------------------------------

    def _alert(self) -> Steps:
        troubled: list[TillForward] = yield AskStore(
            lambda s: s.till_troubled(self._name, PER_ROUND)
        )
        now, alerts = self._node.clock.now(), self._node.alerts
        stuck = {f.id: f for f in troubled if f.state is TillState.STUCK}
        for one in stuck.values():
            alerts.raise_(STUCK, one.id, one.reason, now, merchant=one.merchant)
        for name in self._stuck - stuck.keys():
            alerts.clear(STUCK, name)
        self._stuck = set(stuck)
        waits = [
            f
            for f in troubled
            if f.state is TillState.WAITING
            or (f.id not in stuck and f.delays >= MANY_DELAYS)
        ]
        if waits:
            why = f"{len(waits)} wait; {waits[0].id}: {waits[0].reason}"
            alerts.raise_(WAITS, self._name, why, now)
        else:
            alerts.clear(WAITS, self._name)

"""The forwarder: sends the money of paid payments on to its owner, exactly once.

A round looks after what is on its way (`following.py`), then at payments that the
journal has queued: their coins are planned, the transaction is signed, and intent and
signed bytes are one write, in which each coin is claimed. Whatever is sent was
committed before. A restart goes on from the table alone.

It blocks: sources are asked in its turns, and nobody waits for it. What fails ends the
round and is an alert; the money stays where it is.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from actors.facts.published import ForwardingReport, Published
from actors.money.damaged import PAYMENT, sound
from actors.money.desk import WAITS, which
from actors.money.following import Follower
from actors.money.refund_payer import RefundPayer
from actors.money.rounds import RoundsActor
from actors.money.steps import AskStore, Commit, Steps
from actors.node import Node
from engine.bitcoin.address import parse_address
from engine.errors import EngineError, SigningError, StoreDamaged
from engine.payment.coins import coins_of
from engine.payment.model import Status
from engine.policy.periods import DAY_MS
from engine.store.outgoing_port import Paused, Queued
from engine.store.records import DamagedRow
from engine.store.writes import MoveOutgoing, NewOutgoing, QueueForward, Row, Unqueue
from engine.wallet.coin import Coin, Outpoint
from engine.wallet.forward_policy import SETTLED_DEPTH
from engine.wallet.forwards import Forwards
from engine.wallet.outgoing import Outgoing, OutgoingKind, OutgoingState
from engine.wallet.plan import Plan
from engine.wallet.signing import is_made_by
from engine.wallet.spend import plan_sweep

__all__ = ["ForwarderActor"]

log = logging.getLogger("paybell.forward")

LATER_MS = 600_000
"""Coins that do not pay now, or may not go, are looked at again after this time."""

LOCKED_MS = 60_000
"""And those whose wallet is locked."""

PER_ROUND = 500
"""Payments of one merchant that are looked at in one round."""


class ForwarderActor(RoundsActor):
    """See the module docstring."""

    __slots__ = (
        "_at_limit",
        "_follower",
        "_payer",
        "_policy",
        "_report",
        "_unsigned",
        "_waiting",
    )

    def __init__(
        self,
        node: Node,
        forwards: Forwards,
        report: Published[ForwardingReport],
    ) -> None:
        """`report`: where it publishes how it fares; only it writes there."""
        super().__init__(node)
        self._policy = policy = forwards.policy
        self._report = report
        self._follower = Follower(node, forwards.ways, forwards.signer, policy)
        self._payer = RefundPayer(node, self._follower, policy)
        self._unsigned: dict[str, float] = {}  # payments that no sweep takes until then
        self._at_limit: set[str] = set()  # merchants who may send no more today
        self._waiting: set[str] = set()  # merchants whose money waits, in this round

    def on_stop(self) -> None:
        self._follower.ways.close()

    # -- a round -----------------------------------------------------------------------

    def _steps(self) -> Steps:
        if not self._node.booted.now:
            return
        paused: Paused | None = yield AskStore(lambda s: s.forward_paused())
        self._publish(paused)
        trouble: Exception | None = yield from self._follower.follow_all()
        yield from self._payer.settle_all()
        if paused is None:
            yield from self._send_on()
            self._publish(None)
        if trouble is not None:
            raise trouble

    def _publish(self, paused: Paused | None) -> None:
        self._report.publish(ForwardingReport(paused, frozenset(self._at_limit)))

    def _send_on(self) -> Steps:
        yield from self._payer.pay_all()  # first: a coin goes back before it goes on
        now = self._node.clock.now()
        merchants: list[str] = yield AskStore(lambda s: s.forward_due(now, LATER_MS))
        for merchant in merchants:
            self._waiting.discard(merchant)
            self._at_limit.discard(merchant)
            try:
                yield from self._sweep_merchant(merchant)
            except (EngineError, TimeoutError) as error:
                # The others' money does not wait for it.
                self._wait(merchant, str(error))
            if merchant not in self._waiting:
                self._node.alerts.clear(WAITS, merchant)

    def _sweep_merchant(self, merchant: str) -> Steps:
        page: list[Queued | DamagedRow] = yield AskStore(
            lambda s: s.forward_queue(merchant, PER_ROUND)
        )
        by_place: dict[str, list[tuple[Queued, list[Coin]]]] = {}
        rows: list[Row] = []
        failed: dict[str, set[str]] = {}  # by payment: whose coins are taken anew
        for one in sound(self._node, PAYMENT, page):
            try:
                if (yield from self._payer.is_owed(one.payment.id)):
                    rows += self._put_off([one], LOCKED_MS)  # back before it goes on
                    continue
                coins = yield from self._free_coins(one, rows, failed)
            except StoreDamaged as error:  # one that spends its coins, or gives back
                self._wait(merchant, f"{one.payment.id}: {error}")
                rows += self._put_off([one], LOCKED_MS)
                continue
            if coins:
                place = one.payment.terms.forward_to
                by_place.setdefault(place, []).append((one, coins))
            else:
                rows.append(Unqueue(one.payment.id, one.seq))
        if rows:
            yield Commit(tuple(rows))
        for place, group in by_place.items():
            yield from self._sweep(merchant, place, group, failed)

    def _free_coins(
        self, queued: Queued, rows: list[Row], failed: dict[str, set[str]]
    ) -> Steps:
        """The payment's coins that are in no living transaction, and not lost. One that
        had been settled is looked at again if the payment is not forwarded any more."""
        payment = queued.payment
        taken: set[Outpoint] = set()
        made: list[Outgoing] = yield AskStore(
            lambda s: s.outgoing_of_payment(payment.id)
        )
        for outgoing in made:
            taken.update(outgoing.lost)
            if outgoing.is_living:
                taken.update(coin.outpoint for coin in outgoing.plan.coins)
                is_settled = not outgoing.is_open
                if is_settled and payment.status is not Status.FORWARDED:
                    again = replace(outgoing, is_open=True)
                    rows.append(MoveOutgoing(again, outgoing.state))
            elif outgoing.state is OutgoingState.FAILED:  # its coins are free
                failed.setdefault(payment.id, set()).add(outgoing.id)
        return [coin for coin in coins_of(payment) if coin.outpoint not in taken]

    def _sweep(
        self,
        merchant: str,
        place: str,
        group: Sequence[tuple[Queued, list[Coin]]],
        failed: dict[str, set[str]],
    ) -> Steps:
        names = {q.payment.id: q for q, _ in group}
        if not self._policy.allows(place):
            self._wait(merchant, f"{place} is no destination that the node names")
            yield Commit(self._put_off(names.values()))
            return
        coins = [c for _, some in group for c in some if self._can_sign(c)]
        now_s = self._node.clock.monotonic()
        signable = coins
        coins = [c for c in coins if self._unsigned.get(c.payment_id, now_s) <= now_s]
        if len(coins) < len(signable):
            self._waiting.add(merchant)  # its alert stands
        locked = {c.payment_id for _, some in group for c in some} - {
            c.payment_id for c in coins
        }
        if locked:
            rest = (names[name] for name in sorted(locked))
            yield Commit(self._put_off(rest, LOCKED_MS))
        wanted = coins
        coins = yield from self._within_limit(merchant, wanted)
        over = {c.payment_id for c in wanted} - {c.payment_id for c in coins}
        if over:  # those of others come to their turn meanwhile
            yield Commit(self._put_off((names[n] for n in sorted(over)), LOCKED_MS))
        fresh = self._node.source_report.now.freshness
        tip = fresh.tip_height
        if not coins:
            return
        if tip is None or not fresh.live:
            self._wait(merchant, "no source of the chain is current")
            return
        network = self._node.settings.network
        script = parse_address(place, network).script
        rate = self._follower.rate()
        swept = plan_sweep(coins, script, rate, self._policy.fees, tip)
        left = {one.coin.payment_id for one in swept.left if one.why != "full"}
        rows: list[Row] = list(self._put_off(names[name] for name in sorted(left)))
        if swept.plan is None:
            yield Commit(tuple(rows))
            return
        made = yield from self._signed(merchant, place, swept.plan, tip, failed)
        if made is None:
            rest = (q for name, q in names.items() if name in self._unsigned)
            yield Commit(self._put_off(rest, LOCKED_MS))
            return
        planned = {coin.outpoint for coin in swept.plan.coins}
        stay = {c.payment_id for c in wanted if c.outpoint not in planned}
        rows += [
            Unqueue(name, names[name].seq)
            for name in sorted({c.payment_id for c in swept.plan.coins} - stay)
        ]
        if (yield Commit((NewOutgoing(made), *rows))):
            log.info("forward.prepared %s sat=%d fee=%d", which(made), made.sent_sat,
                     made.plan.fee_sat)  # fmt: skip
            self._node.counters.add("forward.sweeps")
            yield from self._follower.follow(made)

    def _signed(
        self,
        merchant: str,
        place: str,
        plan: Plan,
        tip: int,
        failed: dict[str, set[str]],
    ) -> Steps:
        """None: some coins of it cannot be signed for now; the next round is for the
        others."""
        previous, missing = yield from self._follower.some_previous(plan)
        if missing:
            why = "no source shows the transaction that paid it"
            self._leave_unsigned(merchant, plan, missing, why)
            return None
        try:
            signed = self._follower.signer.sign(plan, previous)
        except SigningError as error:
            wrong = [c for c in plan.coins if not is_made_by(c, previous)]
            if not wrong:
                raise
            self._leave_unsigned(merchant, plan, wrong, str(error))
            return None
        now = self._node.clock.now()
        before = {n for c in plan.coins for n in failed.get(c.payment_id, ())}
        return Outgoing(
            id=self._follower.new_id(),
            kind=OutgoingKind.SWEEP,
            merchant=merchant,
            txid=signed.txid,
            raw=signed.raw,
            plan=plan,
            to=place,
            vsize=signed.vsize,
            at=now,
            moved_at=now,
            height=max(tip - SETTLED_DEPTH, 0),  # it may be in a block that is lost
            instead_of=tuple(sorted(before)),
        )

    def _leave_unsigned(
        self, merchant: str, plan: Plan, coins: Sequence[Coin], why: str
    ) -> None:
        """They are left out for a while if others wait for them; alone they are tried
        again at once."""
        mine = {coin.payment_id for coin in coins}
        if mine != {coin.payment_id for coin in plan.coins}:
            until = self._node.clock.monotonic() + LATER_MS / 1_000
            if len(self._unsigned) > 10_000:
                self._unsigned.clear()
            self._unsigned.update((name, until) for name in mine)
        self._wait(merchant, f"payment {coins[0].payment_id} cannot be sent on: {why}")

    def _within_limit(self, merchant: str, coins: list[Coin]) -> Steps:
        limit = self._policy.per_day_sat
        if limit is None:
            return coins
        since = self._node.clock.now() - DAY_MS
        sent: int = yield AskStore(lambda s: s.sent_since(merchant, since))
        room, chosen = limit - sent, []
        for coin in sorted(coins, key=lambda c: (-c.amount_sat, c.txid, c.vout)):
            if coin.amount_sat <= room:
                room -= coin.amount_sat
                chosen.append(coin)
        if len(chosen) < len(coins):
            self._at_limit.add(merchant)
            self._wait(merchant, f"the limit of {limit} sat in a day is reached")
        return chosen

    def _can_sign(self, coin: Coin) -> bool:
        """That a wallet is locked is an alert already, since the node began."""
        return self._follower.signer.keys.can_sign(coin.wallet)

    def _put_off(
        self, queued: Iterable[Queued], for_ms: int = LATER_MS
    ) -> tuple[Row, ...]:
        at = self._node.clock.now() + for_ms
        return tuple(
            QueueForward(q.payment.id, q.payment.terms.merchant, q.seq, at)
            for q in queued
        )

    def _wait(self, merchant: str, why: str) -> None:
        self._waiting.add(merchant)
        now = self._node.clock.now()
        self._node.alerts.raise_(WAITS, merchant, why, now, merchant=merchant)

    # -- the round's own ---------------------------------------------------------------

    def _rest_s(self) -> float:
        return self._policy.every_s

    def _on_well(self) -> None:
        self._node.alerts.clear(WAITS, "")

    def _on_trouble(self, why: str) -> None:
        self._node.alerts.raise_(WAITS, "", why, self._node.clock.now())

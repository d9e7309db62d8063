"""What becomes of each transaction of ours: told, sent, looked at, bumped, given up.

`Follower` is the part of the forwarder that goes by the table alone: it needs no more
than a row to go on, wherever the node was killed. Each step is committed before what
follows from it is done. In the forwarder's turns; calls of sources block them.
"""

from __future__ import annotations

import logging

from msgspec.structs import replace

from actors.money.damaged import TRANSACTION, sound
from actors.money.desk import (
    CONFLICT,
    FAILED,
    REORGED,
    STUCK,
    ForwarderDesk,
    news,
    which,
)
from actors.money.steps import AskStore, Commit, Steps
from engine.chain.broadcast import Verdict
from engine.errors import CannotSpend, EngineError, SigningError, WalletLocked
from engine.payment.model import Payment
from engine.policy.periods import DAY_MS
from engine.store.records import DamagedRow
from engine.store.writes import MoveOutgoing, NewOutgoing, QueueForward, Row
from engine.wallet.bump import plan_bump
from engine.wallet.coin import Outpoint
from engine.wallet.family import bump_waits, giving_way, put_back
from engine.wallet.forward_policy import FINAL_DEPTH, SETTLED_DEPTH, seen_as
from engine.wallet.outgoing import (
    UNDER_WAY,
    Outgoing,
    OutgoingKind,
    OutgoingState,
    moved,
)

__all__ = ["Follower"]

log = logging.getLogger("paybell.forward")

LOOK_S = 30.0
"""How often a transaction is looked at while the tip is the same."""

IN_A_ROW = 3
"""Transactions with which something went wrong, one after the other, end a look."""

BUMP_PERCENT = 125
"""A bump pays a quarter more at least, or it is not worth its own relay."""

S = OutgoingState


class Follower(ForwarderDesk):
    """See the module docstring."""

    # -- all that is open --------------------------------------------------------------

    def follow_all(self) -> Steps:
        """What went wrong with the last of those with which something did; else None.
        One that a source has no answer for, or whose payment gives none, keeps none of
        the others waiting. After
        some in a row nothing is asked any more; the next round begins behind them."""
        after, self.begin = self.begin, ""
        trouble: EngineError | TimeoutError | None = None
        in_a_row = 0
        self.gave_way.clear()
        while True:
            page: list[Outgoing | DamagedRow] = yield AskStore(
                lambda s, a=after: s.outgoing_open(a)  # type: ignore[misc]
            )
            if not page:
                return trouble
            for outgoing in sound(self.node, TRANSACTION, page):
                if outgoing.id in self.gave_way:
                    continue  # it is not as it was read
                try:
                    yield from self.follow(outgoing)
                    in_a_row = 0
                except (EngineError, TimeoutError) as error:
                    trouble, in_a_row = error, in_a_row + 1
                    if in_a_row >= IN_A_ROW:
                        self.begin = outgoing.id
                        raise
            after = page[-1].id

    def follow(self, outgoing: Outgoing) -> Steps:
        """One of them, as far as it goes now."""
        if outgoing.state is S.PREPARED:
            yield from self.tell(outgoing)
            now = moved(outgoing, S.BROADCAST, self.now())
            if not (yield from self.move(outgoing, now)):
                return
            outgoing = now
        if outgoing.state is S.FAILED:
            if self.told.get(outgoing.id) is not S.FAILED:
                yield from self._end_failed(outgoing)
            if outgoing.lost:
                return
        is_due = self._is_due(outgoing)
        if outgoing.state is S.BROADCAST and is_due:
            after = yield from self._send(outgoing)
            if after is None:
                return
            outgoing = after
        elif is_due:
            after = yield from self._look(outgoing)
            if after is None:
                return
            outgoing = after
        if outgoing.state is S.FAILED:
            return  # that was told, or another one stands and is told of
        if self.told.get(outgoing.id) is not news(outgoing):
            yield from self.tell(outgoing)
        if outgoing.state in UNDER_WAY:
            yield from self._bump_if_stuck(outgoing)

    def _send(self, outgoing: Outgoing) -> Steps:
        """The same bytes, again and again. None: there is no more to do with it now."""
        sent = self.ways.send(outgoing.raw)
        log.info("forward.sent %s verdict=%s detail=%s",
                 which(outgoing), sent.verdict, sent.words)  # fmt: skip
        self.node.counters.add(f"forward.sent_{sent.verdict}")
        if sent.verdict is Verdict.TAKEN:
            self.refused.discard(outgoing.id)
            self.node.alerts.clear(CONFLICT, outgoing.id)
            now = moved(outgoing, S.SEEN, self.now())
            return now if (yield from self.move(outgoing, now)) else None
        if sent.verdict is Verdict.LOW_FEE:
            self.refused.add(outgoing.id)
        elif sent.verdict is Verdict.CONFLICT:
            return (yield from self._conflict(outgoing))
        elif sent.verdict is Verdict.INVALID:
            yield from self._fail(outgoing, f"no node takes it: {sent.words}")
            return None
        return outgoing

    # -- looking -----------------------------------------------------------------------

    def _is_due(self, outgoing: Outgoing) -> bool:
        tip = self.node.source_report.now.freshness.tip_height
        looked = self.looked.get(outgoing.id)
        now_s = self.node.clock.monotonic()
        if looked is None or looked[0] != tip or now_s - looked[1] >= LOOK_S:
            self.looked[outgoing.id] = tip, now_s
            return True
        return False

    def _look(self, outgoing: Outgoing) -> Steps:
        """None: it is looked after no more, or somebody else moved it."""
        sighting = self.ways.sighting(
            outgoing.raw, outgoing.height, outgoing.block_hash
        )
        needed = self.policy.confirmations
        after = seen_as(outgoing, sighting, needed, self.now())
        if outgoing.state is S.CONFIRMED and after.state is not S.CONFIRMED:
            detail = f"{outgoing.txid} lost its block; it is sent again"
            self.alert(REORGED, outgoing, detail, DAY_MS)
        if after is not outgoing:
            rows: list[Row] = []
            losers: list[tuple[OutgoingState, Outgoing]] = []
            if not outgoing.is_living:
                rivals = yield from self.rivals(outgoing)
                if any(one.is_living and one.txid == outgoing.txid for one in rivals):
                    return outgoing  # the same bytes, tried once more
                losers = giving_way(outgoing, after, rivals, self.now())
            for before, loser in losers:
                rows.append(MoveOutgoing(loser, before))
                rows += yield from self._sent_anew(loser)
            rows.append(MoveOutgoing(after, outgoing.state))
            if not (yield Commit(tuple(rows))):
                return None
            self.gave_way.update(loser.id for _, loser in losers)
            self.node.alerts.clear(FAILED, after.id)
            self.note(after)
        if after.state is S.CONFIRMED and sighting.depth >= SETTLED_DEPTH:
            yield from self.tell(after)
            yield from self._close(after)
            return None
        return after

    def _close(self, outgoing: Outgoing) -> Steps:
        """None of its family is looked after any more; nor, if it lies deep enough,
        any that spends a coin of it: those can never be mined now."""
        if outgoing.state is S.CONFIRMED:
            gone: list[Outgoing] = yield from self.rivals(outgoing)
        else:
            gone = yield AskStore(lambda s: s.outgoing_family(outgoing.family))
        rows = tuple(
            MoveOutgoing(replace(one, is_open=False), one.state)
            for one in gone
            if one.is_open
        )
        yield Commit(rows)
        for one in gone:
            self.forget(one.id)
            if outgoing.state is S.CONFIRMED:
                self.node.alerts.clear(FAILED, one.id)

    # -- what goes wrong ---------------------------------------------------------------

    def _conflict(self, outgoing: Outgoing) -> Steps:
        """A coin of it is spent otherwise, or is not there."""
        coins = [coin.outpoint for coin in outgoing.plan.coins]
        rivals: list[Outgoing] = yield from self.rivals(outgoing)
        ours = {one.txid for one in rivals}
        lowest = min(coin.height or 0 for coin in outgoing.plan.coins)
        spent = self.ways.spenders(coins, max(lowest - 1, 0))
        strangers = {c: by for c, by in spent.items() if by.txid not in ours}
        if strangers:
            coin, by = next(iter(strangers.items()))
            detail = f"{coin[0]}:{coin[1]} was spent by {by.txid}, which is not ours"
            self.alert(CONFLICT, outgoing, detail)
            if all(by.depth >= FINAL_DEPTH for by in strangers.values()):
                yield from self._fail(outgoing, detail, tuple(strangers))
                return None
            return outgoing
        gone = yield from self._gone(outgoing)
        if gone and not spent:
            yield from self._fail(outgoing, "a coin of it left the chain", gone)
            return None
        return outgoing

    def _gone(self, outgoing: Outgoing) -> Steps:
        """Coins that their payments do not have any more: another transaction of the
        payer took their place. One that only lost its block may come back."""
        gone: list[Outpoint] = []
        for coin in outgoing.plan.coins:
            payment: Payment | None = yield AskStore(
                lambda s, name=coin.payment_id: s.payment(name)  # type: ignore[misc]
            )
            receipts = () if payment is None else payment.receipts
            if coin.outpoint not in {(r.txid, r.vout) for r in receipts}:
                gone.append(coin.outpoint)
        return tuple(gone)

    def _fail(
        self, outgoing: Outgoing, reason: str, lost: tuple[Outpoint, ...] = ()
    ) -> Steps:
        """For good. The coins that are left are free, and sent on anew. Where it was a
        bump that no node takes, what it bumped is under way again."""
        after = moved(outgoing, S.FAILED, self.now(), reason=reason, lost=lost)
        rows: list[Row] = [MoveOutgoing(after, outgoing.state)]
        family: list[Outgoing] = yield AskStore(
            lambda s: s.outgoing_family(outgoing.family)
        )
        back = None if lost else put_back(outgoing, family, self.now())
        if back is not None:
            rows.append(MoveOutgoing(back, S.REPLACED))
        if lost and outgoing.kind is OutgoingKind.SWEEP:
            rows += yield from self._sent_anew(after)
        if (yield Commit(tuple(rows))):
            self.note(after)
            self.node.counters.add("forward.failed")
            if back is None:
                yield from self._end_failed(after)
            else:
                self.note(back)
                yield from self.follow(back)

    def _sent_anew(self, failed: Outgoing) -> Steps:
        """What sends the coins on that are left of it."""
        rows: list[Row] = []
        left = {
            c.payment_id for c in failed.plan.coins if c.outpoint not in failed.lost
        }
        for name in sorted(left) if failed.lost else ():
            payment: Payment | None = yield AskStore(lambda s, n=name: s.payment(n))  # type: ignore[misc]
            if payment is not None and payment.terms.forward_to:
                rows.append(QueueForward(name, failed.merchant, 0))
        return rows

    def _end_failed(self, outgoing: Outgoing) -> Steps:
        """Unless another of its family stands, it is told. One that no node takes a
        miner may: it is looked for until its coins are spent otherwise."""
        family: list[Outgoing] = yield AskStore(
            lambda s: s.outgoing_family(outgoing.family)
        )
        if not any(one.is_living for one in family):
            detail = f"{outgoing.txid} can never confirm: {outgoing.reason}"
            self.alert(FAILED, outgoing, detail)
            yield from self.tell(outgoing)
        self.told[outgoing.id] = news(outgoing)
        if outgoing.lost:
            yield from self._close(outgoing)

    # -- a higher fee ------------------------------------------------------------------

    def _bump_if_stuck(self, outgoing: Outgoing) -> Steps:
        age_ms = self.now() - outgoing.at
        is_late = age_ms >= self.policy.bump_after_s * 1_000
        if not is_late and outgoing.id not in self.refused:
            return
        if self.ways.sighting(outgoing.raw, outgoing.height, outgoing.block_hash).depth:
            return  # it is in a block, which has yet to lie deep enough: no fee helps
        family: list[Outgoing] = yield AskStore(
            lambda s: s.outgoing_family(outgoing.family)
        )
        why = bump_waits(family, self.now(), self.policy.bump_after_s)
        if why:
            detail = f"{outgoing.txid} does not confirm; of its bump: {why}"
            self.alert(STUCK, outgoing, detail)
            return
        try:
            rate = max(self.rate(), self.ways.least_rate())
            if rate * 100 < outgoing.rate_sat_kvb * BUMP_PERCENT:
                if not is_late:
                    return
                rate = outgoing.rate_sat_kvb * BUMP_PERCENT // 100
            plan = plan_bump(outgoing.plan, rate, self.policy.fees)
            previous = yield from self.previous(plan)
            signed = self.signer.sign(plan, previous)
        except (CannotSpend, SigningError, WalletLocked) as error:
            self.alert(STUCK, outgoing, f"{outgoing.txid} does not confirm: {error}")
            return
        bump = replace(
            outgoing,
            id=self.new_id(),
            state=S.PREPARED,
            txid=signed.txid,
            raw=signed.raw,
            plan=plan,
            vsize=signed.vsize,
            at=self.now(),
            moved_at=self.now(),
            first=outgoing.family,
            replaces=outgoing.id,
        )
        if (yield Commit((NewOutgoing(bump),))):
            self.forget(outgoing.id)
            self.node.counters.add("forward.bumps")
            log.info("forward.bumped %s by=%s by_tx=%s fee=%d",
                     which(outgoing), bump.id, bump.txid, plan.fee_sat)  # fmt: skip
            yield from self.follow(bump)

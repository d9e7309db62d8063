"""Bugs on purpose in giving money back: each must be found by its judge."""

import sqlite3
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from msgspec.structs import replace

import engine.payment.booking_out
import engine.payment.refund
import engine.payment.refund_sums
import engine.store.sqlite.refunds
from actors.edge.refunds import RefundEdge
from actors.money.desk import ForwarderDesk
from actors.money.refund_payer import RefundPayer
from actors.money.refunds import RefundsActor
from actors.money.steps import AskStore, Commit, Steps, TellRefund
from engine.chain.feed import ChainView, Output
from engine.errors import EngineError
from engine.money.ledger import Posting
from engine.payment.model import Payment
from engine.payment.refund import Refund, RefundState
from engine.payment.refund_seen import pays
from engine.store.refund_writes import MoveRefund, OpenRefund
from engine.store.sqlite.outgoing import OutgoingReads
from engine.wallet.coin import Coin
from engine.wallet.outgoing import Outgoing
from engine.wallet.plan import Plan
from tests.simulation.plant import Patch, Plant

__all__ = ["PLANTED_REFUNDS"]

STORE = "engine.store.sqlite.refunds"


def the_limit_is_not_looked_at_as_it_is_written(patch: Patch) -> None:
    right = engine.store.sqlite.refunds.open_refund

    def open_refund(sql: sqlite3.Connection, row: OpenRefund) -> int:
        return right(sql, replace(row, most_sat=2**50))

    patch.setattr(f"{STORE}.open_refund", open_refund)


def each_claim_counts(patch: Patch) -> None:
    right = engine.store.sqlite.refunds.move_refund

    def move_refund(sql: sqlite3.Connection, row: MoveRefund) -> int:
        (state,) = sql.execute(
            "SELECT state FROM refunds WHERE id = ?", (row.refund.id,)
        ).fetchone()
        return right(sql, replace(row, before=RefundState(state)))

    patch.setattr(f"{STORE}.move_refund", move_refund)


def a_request_may_be_made_twice(patch: Patch) -> None:
    right = RefundEdge.open_refund
    patch.setattr(
        RefundEdge,
        "open_refund",
        lambda self, refund, payment, most, _keep: right(self, refund, payment, most),
    )


def what_is_not_confirmed_may_go_back(patch: Patch) -> None:
    def refundable_sat(payment: Payment) -> int:
        return payment.received_sat

    patch.setattr("transport.control.new_refund.refundable_sat", refundable_sat)


def it_is_told_and_then_it_ends(patch: Patch) -> None:
    right = RefundPayer._arrived

    def arrived(self: RefundPayer, *about: Any) -> Steps:
        steps = right(self, *about)
        answer: Any = None
        while True:
            try:
                wanted = steps.send(answer)
            except StopIteration:
                return
            if isinstance(wanted, TellRefund):
                yield TellRefund(wanted.payment_id, wanted.word, None)  # type: ignore[arg-type]
                answer = yield Commit((wanted.row,))
            else:
                answer = yield wanted

    patch.setattr(RefundPayer, "_arrived", arrived)


def what_we_sent_pays_another_refund_too(patch: Patch) -> None:
    patch.setattr(OutgoingReads, "outgoing_of_txid", lambda _self, _txid: None)


def what_no_node_took_may_be_withdrawn(patch: Patch) -> None:
    patch.setattr(RefundEdge, "_must_not_be_sent", lambda _self, _refund: None)


def what_is_on_its_way_may_be_withdrawn(patch: Patch) -> None:
    steps = engine.payment.refund.STEPS
    paying = steps[RefundState.PAYING] | {RefundState.CANCELLED}
    patch.setitem(steps, RefundState.PAYING, paying)
    what_no_node_took_may_be_withdrawn(patch)


def links_do_not_run_out(patch: Patch) -> None:
    patch.setattr(RefundsActor, "_look", lambda _self: None)


def the_rest_of_a_coin_goes_to_the_payer(patch: Patch) -> None:
    right = engine.payment.refund_sums.plan_refund

    def plan_refund(refund: Refund, coins: Any, onward: Any, *about: Any) -> Plan:
        to = refund.address if onward is not None else None
        return right(refund, coins, to, *about)

    patch.setattr("actors.money.refund_payer.plan_refund", plan_refund)


def the_books_take_our_coins_for_the_owners(patch: Patch) -> None:
    right = engine.payment.booking_out.refunded

    def refunded(amount: int, fee: int, *worth: Any, is_ours: bool) -> list[Posting]:
        return [*right(amount, fee, *worth, is_ours=False)]

    patch.setattr("engine.payment.booking.refunded", refunded)


def who_waits_is_no_alert(patch: Patch) -> None:
    def pay(self: RefundPayer, refund: Refund) -> Steps:
        try:
            made = yield from self._prepare(refund)
        except (EngineError, TimeoutError):
            return
        if made is not None:
            yield from self._follower.follow(made)

    patch.setattr(RefundPayer, "_pay", pay)


def a_new_process_does_not_look_for_pending_ones(patch: Patch) -> None:
    patch.setattr(RefundsActor, "_read_page", lambda self, _after: self._look())


def a_failed_try_may_be_mined_beside_another(patch: Patch) -> None:
    def others(coins: list[Coin], tries: list[Outgoing]) -> list[Coin]:
        spent = {coin.outpoint for one in tries for coin in one.plan.coins}
        return [coin for coin in coins if coin.outpoint not in spent] or coins

    patch.setattr("actors.money.refund_payer.excludes", lambda _plan, _tries: True)
    patch.setattr("actors.money.refund_payer.of_tries_first", others)


def a_refund_that_is_sent_is_paid(patch: Patch) -> None:
    def settle(self: RefundPayer, refund: Refund) -> Steps:
        first: Outgoing = yield AskStore(lambda s: s.outgoing(refund.outgoing_id))
        yield from self._arrived(refund, first)

    patch.setattr(RefundPayer, "_settle", settle)


def nobody_looks_what_was_mined_instead(patch: Patch) -> None:
    tell = ForwarderDesk._tell_rests

    def once(self: ForwarderDesk, outgoing: Outgoing) -> Steps:
        refund: Refund = yield AskStore(lambda s: s.refund(outgoing.cause))
        if refund.state is not RefundState.PAID:
            yield from tell(self, outgoing)

    patch.setattr(ForwarderDesk, "_tell_rests", once)


def nobody_looks_what_was_mined_of_one_that_waits(patch: Patch) -> None:
    right = RefundPayer._settle_in

    def settle_in(self: RefundPayer, state: RefundState) -> Steps:
        if state is RefundState.PAYING:
            yield from right(self, state)

    patch.setattr(RefundPayer, "_settle_in", settle_in)


def who_claimed_first_gets_whatever_fits(patch: Patch) -> None:
    def paid_by(
        refunds: Iterable[Refund],
        view: ChainView,
        used: Collection[tuple[str, int]] = (),
    ) -> Iterator[tuple[Refund, Output]]:
        left = sorted(
            (one for one in view.outputs if (one.txid, one.vout) not in used),
            key=lambda o: (o.block_height or 0, -o.amount_sat, o.txid, o.vout),
        )
        for refund in sorted(refunds, key=lambda r: (r.claimed_at, r.id)):
            for output in left:
                if pays(refund, output, view):
                    left.remove(output)
                    yield refund, output
                    break

    patch.setattr("actors.money.refunds.paid_by", paid_by)


PLANTED_REFUNDS: dict[Plant, int] = {
    the_limit_is_not_looked_at_as_it_is_written: 3,
    each_claim_counts: 2,
    a_request_may_be_made_twice: 1,
    what_is_not_confirmed_may_go_back: 1,
    it_is_told_and_then_it_ends: 0,
    what_we_sent_pays_another_refund_too: 11,
    what_is_on_its_way_may_be_withdrawn: 223,
    links_do_not_run_out: 0,
    the_rest_of_a_coin_goes_to_the_payer: 7,
    the_books_take_our_coins_for_the_owners: 0,
    who_waits_is_no_alert: 1,
    a_new_process_does_not_look_for_pending_ones: 2,
    a_failed_try_may_be_mined_beside_another: 366,
    a_refund_that_is_sent_is_paid: 0,
    nobody_looks_what_was_mined_instead: 13,
    nobody_looks_what_was_mined_of_one_that_waits: 795,
    who_claimed_first_gets_whatever_fits: 146,
}
"""Each with the world that shows it: the search begins there."""

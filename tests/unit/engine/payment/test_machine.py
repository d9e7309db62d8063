"""Whatever is observed, in whatever order, the story of a payment stays true.

A Hypothesis state machine plays two sources that may lag, forget, contradict each other
and themselves, a provider that claims what it likes, people, deadlines and time. After
every step the invariants are checked. Nothing here knows the rules; it only knows what
must never happen.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from engine.chain.feed import ChainView, Output, Tip
from engine.errors import Refused
from engine.payment.events import Event, decode, encode, opening
from engine.payment.fold import outpoint
from engine.payment.model import EventType, Flag, Payment, Status, Terms
from engine.payment.observations import (
    Cancel,
    ConfirmByHand,
    Observation,
    ProviderClaim,
    Reviewed,
)
from engine.payment.rules import decide, evolve, is_settled, next_deadline
from engine.payment.transitions import check
from tests.unit.payment_cases import HOUR_MS, T0, block, terms

txids = st.sampled_from(["t1", "t2", "t3"])
heights = st.sampled_from([None, None, *range(97, 104)])
maybe_txid = st.sampled_from([None, "t1", "t2", "t3"])
branches = st.sampled_from("ab")
sums = st.sampled_from([100, 20_000, 30_000, 49_900, 50_000, 50_100])
outputs = st.lists(
    st.tuples(txids, st.integers(0, 1), heights, branches),
    max_size=4,
    unique_by=lambda o: o[:2],
)
blocks = st.lists(st.builds(block, st.integers(97, 103), branches), max_size=3)


class PaymentMachine(RuleBasedStateMachine):
    """See the module docstring."""

    payment: Payment
    terms: Terms
    amounts: dict[tuple[str, int], int]

    @initialize(
        asked=st.sampled_from([None, 50_000]),
        tolerance=st.sampled_from([0, 100]),
        required=st.integers(0, 4),
        ignore=st.sampled_from([(), (("t1", 0),)]),
        paid=st.lists(sums, min_size=6, max_size=6),
    )
    def create(
        self,
        asked: int | None,
        tolerance: int,
        required: int,
        ignore: tuple[tuple[str, int], ...],
        paid: list[int],
    ) -> None:
        self.terms = terms(
            amount_sat=asked,
            tolerance_sat=tolerance,
            confirmations_required=required,
            ignore=ignore,
        )
        created, self.payment = opening(self.terms)
        self.stored = [encode(created, self.terms)]
        self.now = T0
        keys = [(txid, vout) for txid in ("t1", "t2", "t3") for vout in (0, 1)]
        self.amounts = dict(zip(keys, paid, strict=True))
        self.last_view: ChainView | None = None

    # -- what may happen -----------------------------------------------------------

    @rule(
        found=outputs,
        tip=st.integers(97, 106),
        source=st.sampled_from(["node", "other"]),
        off=blocks,
        complete=st.booleans(),
        is_current=st.sampled_from([True, True, False]),
    )
    def a_source_answers(
        self,
        found: list[tuple[str, int, int | None, str]],
        tip: int,
        source: str,
        off: list[str],
        complete: bool,
        is_current: bool,
    ) -> None:
        listed = tuple(
            Output(txid, vout, self.amounts[txid, vout])
            if height is None
            else Output(
                txid,
                vout,
                self.amounts[txid, vout],
                block(height, branch),
                height,
                T0 // 1000,
            )
            for txid, vout, height, branch in found
        )
        shown = Tip(tip, block(tip))
        view = ChainView(source, shown, listed, tuple(off), complete, is_current)
        self.last_view = view
        self.observe(view)

    @precondition(lambda self: self.last_view is not None)
    @rule(later=st.integers(1, 5))
    def the_same_answer_comes_again_with_more_blocks(self, later: int) -> None:
        view = self.last_view
        assert view is not None
        tip = view.tip.height + later
        self.last_view = ChainView(
            view.source,
            Tip(tip, block(tip)),
            view.outputs,
            (),
            view.complete,
            view.is_current,
        )
        self.observe(self.last_view)

    @precondition(lambda self: self.last_view is not None)
    @rule()
    def an_old_answer_comes_once_more(self) -> None:
        assert self.last_view is not None
        self.observe(self.last_view)

    @rule(
        txid=maybe_txid,
        amount=st.sampled_from([None, 20_000, 50_000]),
        window_s=st.sampled_from([1, 600]),
    )
    def a_provider_claims(
        self, txid: str | None, amount: int | None, window_s: int
    ) -> None:
        self.observe(ProviderClaim("blockonomics", txid, amount, window_s))

    @rule(by=st.sampled_from(["ann", "bob"]), confirm=st.booleans())
    def a_person_commands(self, by: str, confirm: bool) -> None:
        self.observe(ConfirmByHand(by) if confirm else Cancel(by))

    @rule(lag_ms=st.sampled_from([0, 1, 700_000, 2 * HOUR_MS]))
    def deadlines_are_reviewed(self, lag_ms: int) -> None:
        self.observe(Reviewed(self.now - lag_ms))

    @rule(ms=st.sampled_from([1, 1_000, 600_000, HOUR_MS, 30 * HOUR_MS]))
    def time_passes(self, ms: int) -> None:
        self.now += ms

    # -- what must hold ------------------------------------------------------------

    def observe(self, observation: Observation) -> None:
        before = self.payment
        try:
            events = decide(before, observation, self.now)
        except Refused:
            assert isinstance(observation, Cancel)
            return
        after = before
        for event in events:
            after = self.follow(after, event, observation)
        self.payment = after
        again = [e.type for e in decide(after, observation, self.now)]
        assert again == [], f"said again: {again}"

    def follow(self, payment: Payment, event: Event, seen: Observation) -> Payment:
        """One event, by way of its stored form."""
        body = encode(event, self.terms)
        assert decode(body) == event
        self.stored.append(body)
        check(payment.status, event.type, event.status)
        after = evolve(payment, event)
        assert (event.seq, event.payment_id) == (payment.seq + 1, payment.id)
        assert (after.seq, after.status) == (event.seq, event.status)
        assert event.received_sat == after.received_sat
        assert event.flags == after.flags
        assert event.confirmations == after.confirmations
        if event.type is EventType.CONFIRMED:
            self.confirmed(after, event, seen)
        if event.type is EventType.EXPIRED:
            assert isinstance(seen, Reviewed)
            assert seen.asked_at >= self.terms.expires_at
            assert not payment.is_paid
        if event.type is EventType.REVERSED:
            assert payment.settled_sat > 0
        if isinstance(seen, ChainView) and not seen.is_current:
            assert len(after.receipts) >= len(payment.receipts)
            assert after.confirmations <= payment.confirmations
            assert after.settled_sat == payment.settled_sat
        return after

    def confirmed(self, after: Payment, event: Event, seen: Observation) -> None:
        """By a person, or by a view that itself shows enough depth."""
        if isinstance(seen, ConfirmByHand):
            assert event.data.by == seen.by
            return
        assert isinstance(seen, ChainView)
        required = self.terms.confirmations_required
        deep = sum(
            output.amount_sat
            for output in seen.outputs
            if (output.txid, output.vout) not in self.terms.ignore
            and required <= _depth(output, seen.tip.height)
        )
        assert seen.is_current
        assert after.settled_sat <= deep
        assert after.settled_sat >= after.threshold_sat
        assert event.txid in {output.txid for output in seen.outputs}

    @invariant()
    def nothing_is_counted_twice(self) -> None:
        keys = [outpoint(receipt) for receipt in self.payment.receipts]
        assert len(keys) == len(set(keys))
        assert not set(keys) & set(self.terms.ignore)
        assert self.payment.received_sat == sum(self.amounts[key] for key in keys)

    @invariant()
    def status_and_flags_agree_with_the_receipts(self) -> None:
        payment = self.payment
        if payment.status is Status.PENDING:
            assert payment.receipts == ()
        if payment.status is Status.CONFIRMING:
            assert payment.receipts != ()
        short = payment.received_sat > 0 and not payment.is_paid
        assert (Flag.UNDERPAID in payment.flags) is short
        if payment.settled_sat:
            assert payment.confirmed_at is not None

    @invariant()
    def claims_are_never_about_what_is_proven(self) -> None:
        named = [claim.txid for claim in self.payment.claims]
        assert len(named) == len(set(named))

    @invariant()
    def someone_always_looks_again(self) -> None:
        deadline = next_deadline(self.payment)
        assert deadline is not None
        if is_settled(self.payment, self.now):
            assert not self.payment.claims
            assert self.payment.status is not Status.PENDING

    def teardown(self) -> None:
        """What was stored tells the same story from the beginning."""
        if not hasattr(self, "terms"):
            return
        events = [decode(body) for body in self.stored]
        agreed = events[0].data.terms
        assert agreed == self.terms
        payment = opening(self.terms)[1]
        for event in events[1:]:
            payment = evolve(payment, event)
        assert payment == self.payment


def _depth(output: Output, tip: int) -> int:
    """A source may have had two more blocks by the time it showed this."""
    if output.block_height is None or output.block_height > tip + 2:
        return 0
    return max(tip - output.block_height + 1, 1)


PaymentMachine.TestCase.settings = settings(
    max_examples=150, stateful_step_count=30, deadline=None
)
TestPaymentMachine = PaymentMachine.TestCase

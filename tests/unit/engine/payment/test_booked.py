"""What is booked of a payment, through whatever it lives: a model that knows no rule of
the engine but its own sentence: confirmed while it is paid, held when it is over."""

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.chain.feed import Output
from engine.errors import Refused
from engine.money.ledger import (
    CREDIT,
    FEES,
    HELD,
    OWN,
    SALES,
    SAT,
    Posting,
    balances,
)
from engine.money.rates import Rate
from engine.money.worth import Worth
from engine.payment.booked import booked_of
from engine.payment.booking import postings_of
from engine.payment.events import Event, decode, encode, opening
from engine.payment.forwarding import ForwardPart
from engine.payment.model import EventType, Payment, Status, Terms
from engine.payment.money_terms import Credit, Price
from engine.payment.observations import Cancel, ConfirmByHand, Forward, Reviewed
from engine.payment.rules import evolve, follow
from tests.unit.payment_cases import EXPIRY, T0, block, mempool, mined, terms, view

CREDITS = Credit(account="alice", package="small", credits=40)
PRICE = Price(currency="EUR", minor=1_990, decimals=2, rate="39800", rate_at=T0)


class Books:
    """A payment, its events, and all that they posted."""

    def __init__(self, agreed: Terms, rate: str | None = None) -> None:
        event, self.payment = opening(agreed)
        self.events = [event]
        self.rate = rate
        self.postings: list[Posting] = []
        self.now = T0

    def tell(self, observation: Any, at: int) -> None:
        self.now = max(self.now, at)
        try:
            seen = follow(
                self.payment, observation, self.now, rate_for=lambda _: self._rate()
            )
        except Refused:
            return
        for event in seen.events:
            told = decode(encode(event, self.payment.terms))
            self.payment = evolve(self.payment, told)
            self.events.append(told)
            self.postings += postings_of(told, self.payment.terms)
        assert self.payment == seen.payment

    def _rate(self) -> Rate | None:
        if self.rate is None:
            return None
        return Rate("EUR", Decimal(self.rate), self.now, ("a", "b"))

    def sums(self) -> dict[tuple[str, str], int]:
        return balances(self.postings)

    def worth(self, account: str = SALES) -> int:
        """What went out of the account less what came, in cents: of sales, the sold."""
        signs = {True: 1, False: -1}
        return sum(
            posting.worth.minor * signs[posting.source == account]
            for posting in self.postings
            if account in {posting.source, posting.target} and posting.worth
        )


def is_right(books: Books) -> None:
    payment, sums = books.payment, books.sums()
    deep = sum(
        receipt.amount_sat
        for receipt in payment.receipts
        if receipt.confirmations >= payment.terms.confirmations_required
    )
    paid = payment.status in {Status.CONFIRMED, Status.FORWARDED}
    over = payment.status in {Status.EXPIRED, Status.CANCELLED, Status.FAILED}
    assert -sums.get((SAT, SALES), 0) == (deep if paid else 0)
    assert -sums.get((SAT, HELD), 0) == (deep if over else 0)
    given_ = sums.get((CREDIT, "user:alice"), 0)
    assert given_ == (40 if paid and payment.terms.credit else 0)


OUTPUTS = st.lists(
    st.tuples(
        st.integers(1, 6),  # which transaction
        st.sampled_from([1_000, 20_000, 49_999, 50_000, 120_000]),
        st.sampled_from([None, 995, 998, 999, 1_000]),
        st.sampled_from("ab"),
    ),
    max_size=4,
    unique_by=lambda output: output[0],
)


def shown(outputs: list[tuple[int, int, int | None, str]], tip: int) -> Any:
    listed: list[Output] = []
    for number, amount, height, branch in outputs:
        if height is None:
            listed.append(mempool(f"t{number}", amount))
        elif height <= tip:
            listed.append(mined(f"t{number}", height, amount, branch=branch))
    gone = tuple(block(h, "a") for h in (995, 998, 999, 1_000))
    lost = gone if any(branch == "b" for *_, branch in outputs) else ()
    return view(*listed, tip=tip, off_chain=lost)


STEPS = st.lists(
    st.one_of(
        st.builds(shown, OUTPUTS, st.integers(999, 1_003)),
        st.just(ConfirmByHand("ann")),
        st.just(Cancel("ann")),
        st.just(Reviewed(EXPIRY)),
    ),
    min_size=1,
    max_size=9,
)


@settings(max_examples=250, deadline=None)
@given(
    STEPS,
    st.sampled_from([0, 1, 3]),
    st.booleans(),
    st.booleans(),
    st.lists(st.sampled_from([None, "1", "39800", "61234.5"]), min_size=9, max_size=9),
)
def test_whatever_happens_the_books_say_what_the_payment_is(
    steps: list[Any], required: int, is_credited: bool, priced: bool, rates: list[Any]
) -> None:
    agreed = terms(
        confirmations_required=required,
        credit=CREDITS if is_credited else None,
        price=PRICE if priced else None,
    )
    books = Books(agreed)
    for number, step in enumerate(steps):
        books.rate = rates[number]
        at = EXPIRY if isinstance(step, Reviewed) else T0 + number * 60_000
        books.tell(step, at)
        is_right(books)
        sold = booked_of(books.payment).sold_sat
        if sold == 0:
            assert books.worth() == 0
        elif priced:
            cents = Decimal(1_990 * sold) / 50_000
            assert abs(books.worth() - cents) <= Decimal("0.5")
    kinds = [event.type for event in books.events]
    for before, after in zip(kinds, [*kinds[1:], None], strict=True):
        expected = EventType.CREDITED if is_credited else None
        if before is EventType.CONFIRMED:
            assert (after is EventType.CREDITED) is (expected is not None)
    assert all(event.seq == n for n, event in enumerate(books.events, 1))


def confirmed(books: Books, amount: int = 50_000, number: int = 1) -> None:
    books.tell(view(mined(f"t{number}", 998, amount), tip=1_000), T0)


def test_the_whole_sum_is_worth_the_price_and_its_reversal_exactly_as_much() -> None:
    books = Books(terms(price=PRICE, credit=CREDITS), rate="1")
    confirmed(books)
    assert [p.worth and p.worth.minor for p in books.postings] == [1_990, 1_990]
    assert books.postings[0].worth == Worth(
        currency="EUR", minor=1_990, decimals=2, rate="39800", rate_at=T0
    )
    books.tell(view(tip=1_001, off_chain=(block(998),)), T0 + 9)
    assert books.payment.status is Status.PENDING
    assert books.sums() == dict.fromkeys(books.sums(), 0)
    assert books.worth() == 0
    assert (books.payment.worth, books.payment.credited) == (None, None)
    taken = books.postings[-1]
    assert (taken.unit, taken.source, taken.target) == (CREDIT, "user:alice", "issued")
    assert taken.worth is not None
    assert taken.worth.minor == 1_990


def test_a_part_of_a_price_is_its_share_also_after_a_loss() -> None:
    """119.4 cents are 119, and 79.6 are 80: not two thirds of what was rounded."""
    books = Books(terms(price=PRICE, confirmations_required=0))
    books.tell(ConfirmByHand("ann"), T0)
    books.tell(view(*(mempool(f"t{n}", 1_000) for n in (1, 2, 3))), T0 + 1)
    assert books.worth() == 119
    books.tell(view(mempool("t1", 1_000), mempool("t2", 1_000)), T0 + 2)
    assert books.worth() == 80


def test_without_a_price_each_sum_is_worth_what_the_rate_of_its_moment_says() -> None:
    books = Books(terms(amount_sat=None), rate="50000")
    confirmed(books, 40_000)
    books.rate = "100000"
    more = mined("t2", 998, 10_000)
    books.tell(view(mined("t1", 998, 40_000), more, tip=1_000), T0 + 9)
    assert [p.worth and p.worth.minor for p in books.postings] == [2_000, 1_000]
    # A fifth of what was booked goes: a fifth of its worth with it, at no new rate.
    books.rate = "7"
    books.tell(view(mined("t1", 998, 40_000), mempool("t2", 10_000)), T0 + 20)
    left = view(
        mined("t1", 998, 40_000), mined("t2", 1_000, 10_000, branch="b"), tip=1_000
    )
    books.tell(left, T0 + 30)
    assert books.worth() == 2_400
    assert -books.sums()[SAT, SALES] == 40_000


def test_a_payment_confirmed_by_hand_credits_and_books_no_satoshi() -> None:
    books = Books(terms(credit=CREDITS))
    books.tell(ConfirmByHand("ann"), T0)
    assert books.sums() == {(CREDIT, "user:alice"): 40, (CREDIT, "issued"): -40}
    confirmed(books)
    assert -books.sums()[SAT, SALES] == 50_000


def test_what_comes_too_late_is_held_and_sold_when_a_hand_says_so() -> None:
    books = Books(terms())
    books.tell(Reviewed(EXPIRY), EXPIRY)
    books.tell(view(mined("t1", 998, 20_000), tip=1_000), EXPIRY + 1)
    assert books.payment.status is Status.EXPIRED
    assert -books.sums()[SAT, HELD] == 20_000
    books.tell(ConfirmByHand("ann"), EXPIRY + 2)
    assert (-books.sums()[SAT, HELD], -books.sums()[SAT, SALES]) == (0, 20_000)


def test_what_is_held_and_then_sold_leaves_nothing_in_money_behind_it() -> None:
    """Whatever the rate is by then: an account that is empty is worth nothing."""
    books = Books(terms(), rate="50000")
    books.tell(Reviewed(EXPIRY), EXPIRY)
    books.tell(view(mined("t1", 998, 20_000), tip=1_000), EXPIRY + 1)
    books.rate = "100000"
    more = mined("t2", 998, 1_000)
    books.tell(view(mined("t1", 998, 20_000), more, tip=1_000), EXPIRY + 2)
    assert books.worth(HELD) == 1_100
    books.rate = "7"
    books.tell(view(mined("t1", 998, 20_000), tip=1_002, off_chain=()), EXPIRY + 3)
    books.tell(ConfirmByHand("ann"), EXPIRY + 4)
    assert books.sums()[SAT, HELD] == 0
    assert books.worth(HELD) == 0
    assert books.payment.held_worth is None


def test_what_was_held_without_a_rate_is_worth_nothing_when_it_goes() -> None:
    books = Books(terms())
    books.tell(Reviewed(EXPIRY), EXPIRY)
    books.tell(view(mined("t1", 998, 20_000), tip=1_000), EXPIRY + 1)
    books.rate = "50000"
    books.tell(ConfirmByHand("ann"), EXPIRY + 2)
    assert books.worth(HELD) == 0


def part(name: str, completed_at: int | None, instead_of: str = "") -> Forward:
    return Forward(
        ForwardPart(
            outgoing=name,
            txid=name * 8,
            amount_sat=50_000,
            fee_sat=1_000,
            completed_at=completed_at,
            instead_of=instead_of,
        )
    )


def test_what_was_sent_on_and_lost_its_block_is_worth_what_it_was() -> None:
    books = Books(terms(confirmations_required=1), rate="50000")
    confirmed(books)
    books.tell(part("a", None), T0 + 1)
    books.tell(part("a", T0 + 2), T0 + 2)
    assert [books.worth(name) for name in (OWN, FEES)] == [-2_450, -50]
    books.rate = "100000"
    told = len(books.events)
    books.tell(part("a", T0 + 9), T0 + 9)
    assert len(books.events) == told, "the same word is no news"
    books.tell(part("a", None), T0 + 10)
    assert [books.sums()[SAT, name] for name in (OWN, FEES)] == [0, 0]
    assert [books.worth(name) for name in (OWN, FEES)] == [0, 0]
    books.tell(part("b", None, "a"), T0 + 11)
    books.tell(part("b", T0 + 12), T0 + 12)
    assert [books.worth(name) for name in (OWN, FEES)] == [-4_900, -100]
    books.rate = None
    books.tell(part("c", None, "b"), T0 + 13)
    assert [books.worth(name) for name in (OWN, FEES)] == [0, 0]


def test_a_shower_of_outputs_on_a_paid_payment_costs_no_sum_of_all_each_time(
    monkeypatch: Any,
) -> None:
    books = Books(terms(confirmations_required=0))
    books.tell(view(mempool("t0", 50_000)), T0)
    counted = 0
    sums = Payment.confirmed_sat.fget  # type: ignore[attr-defined]

    def counting(payment: Payment) -> int:
        nonlocal counted
        counted += 1
        return int(sums(payment))

    monkeypatch.setattr(Payment, "confirmed_sat", property(counting))
    many = [mempool("t0", 50_000), *(mempool(f"u{n}", 1_000) for n in range(300))]
    seen = follow(books.payment, view(*many), T0)
    assert sum(event.data.booked_sat or 0 for event in seen.events) == 300_000
    assert counted < 10


def test_an_event_from_before_the_ledger_posts_nothing() -> None:
    books = Books(terms())
    confirmed(books)
    old: list[Event] = [
        replace(event, data=replace(event.data, booked_sat=None))
        for event in books.events
    ]
    assert [posting for event in old for posting in postings_of(event, terms())] == []

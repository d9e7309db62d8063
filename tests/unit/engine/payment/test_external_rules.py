"""A gateway's words, in any order and however often: the same end, and a true story."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.payment.events import Event, decode, encode, opening
from engine.payment.external_rules import external_deadline
from engine.payment.external_sums import ExternalStanding, short_minor, standing_of
from engine.payment.model import (
    MAX_TOKENS,
    EventType,
    External,
    Flag,
    Payment,
    SavedToken,
    Status,
    Terms,
    external_key,
)
from engine.payment.observations import (
    Cancel,
    ConfirmByHand,
    GatewayMeaning,
    GatewayWord,
    Reviewed,
)
from engine.payment.rules import decide, evolve, follow, is_settled

T0 = 1_700_000_000_000
HOUR = 3_600_000


def terms(amount_minor: int | None = 1_000) -> Terms:
    return Terms(
        id="pay_1",
        method="external",
        network="regtest",
        asset="EUR",
        decimals=2,
        gateway="stripe",
        address=external_key("cafe", "stripe", "INV 1"),
        amount_minor=amount_minor,
        confirmations_required=0,
        created_at=T0,
        expires_at=T0 + HOUR,
        monitor_until=T0 + 3 * HOUR,
        external_id="INV 1",
        merchant="cafe",
    )


def word(kind: str, amount: int | None = None, currency: str = "EUR") -> GatewayWord:
    decimals = 0 if currency == "JPY" else 2
    return GatewayWord(
        gateway="stripe",
        word=GatewayMeaning(kind),
        amount_minor=amount,
        currency=currency,
        decimals=decimals,
    )


def token(number: int) -> GatewayWord:
    return replace(word("TOKEN"), token=SavedToken(f"tok_{number}", {"last4": "4242"}))


def told(
    payment: Payment, *said: GatewayWord, at: int = T0 + 1
) -> tuple[Payment, list[Event]]:
    """After these; every event is one that can be stored and read back as it is."""
    events: list[Event] = []
    for one in said:
        decided = follow(payment, one, at)
        for event in decided.events:
            assert decode(encode(event, payment.terms)) == event
            payment = evolve(payment, event)
        assert payment == decided.payment
        assert decide(payment, one, at) == []  # a repeat is no news
        events += decided.events
    return payment, events


def new(amount_minor: int | None = 1_000) -> Payment:
    return opening(terms(amount_minor))[1]


def names(events: list[Event]) -> list[str]:
    return [event.type.removeprefix("payment.") for event in events]


sums = st.sampled_from([None, 0, 1, 400, 999, 1_000, 1_001, 1_500])
words = st.builds(
    word,
    st.sampled_from(["PENDING", "SUCCESS", "FAILED", "REVERSED"]),
    sums,
    st.sampled_from(["EUR", "EUR", "EUR", "USD", "JPY"]),
)
saved = st.builds(token, st.integers(0, 3))


@given(
    said=st.lists(words | saved, max_size=7),
    asked=st.sampled_from([None, 1_000]),
    order=st.randoms(use_true_random=False),
)
def test_in_any_order_and_with_repeats_the_end_is_the_same(
    said: list[GatewayWord], asked: int | None, order: object
) -> None:
    first, _ = told(new(asked), *said)
    shuffled = [*said, *said[:3]]
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    second, _ = told(new(asked), *shuffled)
    assert second.status is first.status
    assert second.flags == first.flags
    assert second.external == first.external
    assert set(second.tokens) == set(first.tokens)


@given(said=st.lists(words, max_size=7))
def test_it_is_confirmed_for_no_less_than_was_asked(said: list[GatewayWord]) -> None:
    _, events = told(new(), *said)
    for event in events:
        if event.type is EventType.CONFIRMED:
            assert event.data.settled_minor is not None
            assert event.data.settled_minor >= 1_000
        if event.type is EventType.REVERSED:
            assert EventType.CONFIRMED in {one.type for one in events}
    last_paid = [e for e in events if e.type is EventType.CONFIRMED]
    eur = [w for w in said if w.word is GatewayMeaning.SUCCESS and w.currency == "EUR"]
    enough = any(w.amount_minor is None or w.amount_minor >= 1_000 for w in eur)
    if last_paid:
        assert enough


@pytest.mark.parametrize(
    ("said", "status", "flags", "story"),
    [
        ([word("SUCCESS", 1_000)], "confirmed", [], ["confirmed"]),
        ([word("SUCCESS")], "confirmed", [], ["confirmed"]),
        (
            [word("SUCCESS", 999)],
            "confirming",
            [Flag.UNDERPAID],
            ["detected", "underpaid"],
        ),
        (
            [word("SUCCESS", 1_000, "USD")],
            "confirming",
            [Flag.UNDERPAID],
            ["detected", "underpaid"],
        ),
        (
            [word("SUCCESS", 1_001)],
            "confirmed",
            [Flag.OVERPAID],
            ["confirmed", "overpaid"],
        ),
        ([word("PENDING")], "confirming", [], ["detected"]),
        ([word("FAILED")], "failed", [], ["failed"]),
        ([word("REVERSED")], "failed", [], ["failed"]),
        (
            [word("SUCCESS", 1_000), word("REVERSED")],
            "failed",
            [],
            ["confirmed", "reversed"],
        ),
        (
            [word("SUCCESS", 1_000), word("REVERSED", 1_000)],
            "failed",
            [],
            ["confirmed", "reversed"],
        ),
        (
            [word("SUCCESS", 1_000), word("REVERSED", 400)],
            "confirmed",
            [Flag.UNDERPAID],
            ["confirmed", "underpaid"],
        ),
        (
            [word("SUCCESS", 999), word("SUCCESS", 1_000)],
            "confirmed",
            [],
            ["detected", "underpaid", "confirmed"],
        ),
        (
            [word("FAILED"), word("SUCCESS", 1_000)],
            "confirmed",
            [],
            ["failed", "confirmed"],
        ),
        ([word("SUCCESS", 1_000), word("FAILED")], "confirmed", [], ["confirmed"]),
        ([word("SUCCESS", 1_000), word("PENDING")], "confirmed", [], ["confirmed"]),
    ],
)
def test_what_each_word_comes_to(
    said: list[GatewayWord], status: str, flags: list[Flag], story: list[str]
) -> None:
    payment, events = told(new(), *said)
    assert payment.status == status
    assert list(payment.flags) == flags
    assert names(events) == story


def test_two_words_for_one_sum_are_not_added() -> None:
    payment, _ = told(new(), word("SUCCESS", 600), word("SUCCESS", 400))
    assert payment.status is Status.CONFIRMING
    assert payment.external.received_minor == 600


def test_any_amount_is_enough_where_none_was_asked() -> None:
    payment, _ = told(new(None), word("SUCCESS", 1))
    assert payment.status is Status.CONFIRMED
    assert payment.flags == ()


def test_the_same_currency_counted_otherwise_is_another() -> None:
    odd = replace(word("SUCCESS", 1_000), decimals=0)
    payment, _ = told(new(), odd)
    assert payment.status is Status.CONFIRMING


def test_what_came_after_the_deadline_is_confirmed_and_late() -> None:
    payment = expired(new(), T0 + HOUR)
    after, events = told(payment, word("SUCCESS", 1_000))
    assert after.status is Status.CONFIRMED
    assert after.flags == (Flag.LATE,)
    assert names(events) == ["confirmed", "late"]


def expired(payment: Payment, at: int) -> Payment:
    decided = follow(payment, Reviewed(asked_at=at), at)
    assert names(decided.events) == ["expired"]
    return decided.payment


def test_it_expires_at_its_deadline_and_not_before() -> None:
    payment = new()
    assert external_deadline(payment) == T0 + HOUR
    assert decide(payment, Reviewed(asked_at=T0 + HOUR - 1), T0 + HOUR - 1) == []
    assert expired(payment, T0 + HOUR).status is Status.EXPIRED


def test_what_the_gateway_works_on_waits_as_long_as_late_money_is_waited_for() -> None:
    payment, _ = told(new(), word("PENDING"))
    assert external_deadline(payment) == T0 + 3 * HOUR
    assert decide(payment, Reviewed(asked_at=T0 + 2 * HOUR), T0 + 2 * HOUR) == []
    over = expired(payment, T0 + 3 * HOUR)
    assert is_settled(over, T0 + 3 * HOUR)
    assert not is_settled(payment, T0 + 2 * HOUR)


def test_too_little_expires_at_the_deadline() -> None:
    payment, _ = told(new(), word("SUCCESS", 1))
    assert expired(payment, T0 + HOUR).status is Status.EXPIRED


def test_a_cancelled_one_stays_so_and_tells_of_the_money() -> None:
    payment = follow(new(), Cancel("api"), T0).payment
    after, events = told(payment, word("SUCCESS", 1_000))
    assert after.status is Status.CANCELLED
    assert names(events) == ["detected", "late"]


def test_confirmed_by_hand_it_is_reversed_by_a_word_and_not_by_a_repeat() -> None:
    payment = follow(new(), ConfirmByHand("api"), T0).payment
    after, events = told(payment, word("REVERSED"))
    assert names(events) == ["reversed"]
    again = follow(after, ConfirmByHand("api"), T0).payment
    assert again.status is Status.CONFIRMED
    assert decide(again, word("REVERSED"), T0) == []


def test_tokens_are_told_once_and_have_an_end() -> None:
    payment, events = told(new(), *(token(number) for number in range(MAX_TOKENS)))
    assert names(events) == ["token_saved"] * MAX_TOKENS
    assert payment.status is Status.PENDING
    more = follow(payment, token(99), T0)
    assert more.events == []
    assert len(more.notes) == 1


def test_the_key_in_the_place_of_an_address_is_on_no_wire() -> None:
    created, payment = opening(terms())
    body = encode(created, payment.terms)
    assert b"external:" not in body
    assert b'"address":null' in body
    assert b'"amount_minor":1000' in body
    assert decode(body) == created


def test_standings() -> None:
    asked = terms()
    table = {
        External(): ExternalStanding.NOTHING,
        External(returned_minor=1): ExternalStanding.UNCLEAR,
        External(other_currency="USD"): ExternalStanding.TOO_LITTLE,
        External(is_paid=True, received_minor=999): ExternalStanding.TOO_LITTLE,
        External(is_paid=True, received_minor=1_000): ExternalStanding.ENOUGH,
        External(is_paid=True, received_minor=1_000, returned_minor=999): (
            ExternalStanding.ENOUGH
        ),
        External(is_paid=True, received_minor=1_000, returned_minor=1_000): (
            ExternalStanding.TAKEN_BACK
        ),
        External(is_returned=True): ExternalStanding.TAKEN_BACK,
    }
    assert {said: standing_of(asked, said) for said in table} == table
    assert short_minor(asked, External(is_paid=True, received_minor=400)) == 600
    assert short_minor(asked, External()) == 1_000


def test_every_order_of_a_short_life_ends_alike() -> None:
    said = [word("PENDING"), word("SUCCESS", 1_000), word("REVERSED", 400)]
    ends = {told(new(), *order)[0].status for order in permutations(said)}
    assert ends == {Status.CONFIRMED}


def test_a_success_without_a_sum_where_any_is_enough_is_not_taken_back() -> None:
    payment, events = told(new(None), word("SUCCESS"))
    assert payment.status is Status.CONFIRMED
    assert names(events) == ["confirmed"]


def test_the_smallest_sum_can_be_taken_back_too() -> None:
    payment, _ = told(new(1), word("SUCCESS", 1), word("REVERSED", 1))
    assert payment.status is Status.FAILED


def test_what_a_hand_has_confirmed_a_success_never_takes_back() -> None:
    payment = new()
    for said in (word("SUCCESS", 1_000), word("REVERSED", 1_000)):
        payment = follow(payment, said, T0).payment
    payment = follow(payment, ConfirmByHand("api"), T0).payment
    assert payment.status is Status.CONFIRMED
    after = follow(payment, word("SUCCESS", 1_100), T0).payment
    assert after.status is Status.CONFIRMED


def test_a_word_that_comes_when_nobody_watches_leaves_nothing_waiting() -> None:
    failed = follow(new(), word("FAILED"), T0).payment
    late = failed.terms.monitor_until + 1
    assert follow(failed, word("SUCCESS", 500), late).payment.status is Status.FAILED
    assert follow(failed, word("SUCCESS", 500), T0).payment.status is Status.CONFIRMING


def test_a_sum_of_nothing_confirms_no_payment_of_any_amount() -> None:
    payment = new(None)
    assert follow(payment, word("SUCCESS", 0), T0).payment.status is Status.PENDING
    paid = follow(payment, word("SUCCESS"), T0).payment
    assert paid.status is Status.CONFIRMED, "its gateway names no sum: all of it"


def test_what_is_taken_back_of_any_amount_is_short_by_that() -> None:
    payment = follow(new(None), word("SUCCESS", 2_500), T0).payment
    after = follow(payment, word("REVERSED", 2_400), T0)
    (told,) = [e for e in after.events if e.type is EventType.UNDERPAID]
    assert told.data.short_minor == 2_400
    assert after.payment.flags == (Flag.UNDERPAID,)
    assert after.payment.status is Status.CONFIRMED

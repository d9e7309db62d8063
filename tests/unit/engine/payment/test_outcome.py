"""The one table of SUCCESS, FAILED and PENDING: every status and every event of it.

Written out here once more, so that a changed line there is seen here.
"""

import itertools

import pytest

from engine.payment.events import Change, Event
from engine.payment.model import EventType as E
from engine.payment.model import Payment, Receipt
from engine.payment.model import Status as S  # noqa: N817 - as in the table
from engine.payment.outcome import (
    OUTCOMES,
    Outcome,
    completes,
    outcome_after,
    outcome_of,
    settles,
)
from engine.payment.transitions import TRANSITIONS
from tests.unit.payment_cases import terms

SUCCESS = {S.CONFIRMED, S.FORWARDED}
PENDING = {S.PENDING, S.CONFIRMING}
FAILED = {S.EXPIRED, S.CANCELLED, S.FAILED}
TELLS_NOTHING_NEW = {
    *(E.CREATED, E.DETECTED, E.CONFIRMING, E.UNDERPAID, E.OVERPAID, E.LATE),
    *(E.REPLACED, E.REORGED, E.CREDITED, E.FORWARDING, E.FORWARDED),
    E.REFUNDED,
    E.UPDATED,
}
NEWS = {E.CONFIRMED, E.EXPIRED, E.CANCELLED, E.FAILED, E.REVERSED}


def event(kind: E, status: S, received_sat: int = 0) -> Event:
    return Event(
        payment_id="pay_1",
        seq=2,
        type=kind,
        at=5,
        status=status,
        flags=(),
        received_sat=received_sat,
        confirmations=0,
        txid=None,
        data=Change(),
    )


def test_the_words_are_those_of_the_document() -> None:
    assert [*Outcome] == ["SUCCESS", "FAILED", "PENDING"]


def test_every_status_has_an_outcome() -> None:
    assert {*S} == SUCCESS | PENDING | FAILED
    assert set(OUTCOMES) == set(itertools.product(S, (False, True)))


@pytest.mark.parametrize("status", S)
@pytest.mark.parametrize("received_sat", [0, 1, 50_000])
def test_each_status_is_what_its_payer_would_call_it(
    status: S, received_sat: int
) -> None:
    said = (
        "SUCCESS"
        if status in SUCCESS or (status is S.FAILED and received_sat)
        else "PENDING"
        if status in PENDING
        else "FAILED"
    )
    receipts = (Receipt("ab", 0, received_sat),) if received_sat else ()
    payment = Payment(terms=terms(), status=status, receipts=receipts)
    assert payment.received_sat == received_sat
    assert outcome_of(payment) == said
    for kind in E:
        assert outcome_after(event(kind, status, received_sat)) == said


def test_a_forward_that_fails_leaves_it_paid() -> None:
    failed = event(E.FAILED, S.FAILED, 50_000)
    assert outcome_after(failed) is Outcome.SUCCESS
    assert not settles(failed)
    assert settles(event(E.FAILED, S.FAILED)), "a gateway says that it failed"
    assert outcome_after(event(E.FAILED, S.FAILED)) is Outcome.FAILED


@pytest.mark.parametrize("kind", [E.CREDITED, E.FORWARDING, E.FORWARDED])
def test_what_becomes_of_the_money_later_changes_nothing(kind: E) -> None:
    for status in TRANSITIONS[S.CONFIRMED][kind]:
        assert outcome_after(event(kind, status, 1)) is Outcome.SUCCESS
        assert not settles(event(kind, status, 1))


def test_what_a_reorganisation_takes_back_is_waited_for_again() -> None:
    for status in (S.CONFIRMING, S.PENDING):
        taken_back = event(E.REVERSED, status, 1)
        assert outcome_after(taken_back) is Outcome.PENDING
        assert settles(taken_back)


def test_what_is_taken_back_for_good_has_failed() -> None:
    taken_back = event(E.REVERSED, S.FAILED)
    assert outcome_after(taken_back) is Outcome.FAILED
    assert settles(taken_back)


def test_every_event_either_settles_or_does_not_and_one_completes() -> None:
    assert set(E) - {"payment.token_saved"} == TELLS_NOTHING_NEW | NEWS
    for kind in E:
        assert settles(event(kind, S.EXPIRED)) is (kind in NEWS)
        assert completes(event(kind, S.CONFIRMED)) is (kind is E.CONFIRMED)


def test_whatever_the_machine_allows_an_outcome_changes_by_what_settles() -> None:
    """An expired payment that late money confirms is pending on the way: that is told
    as a step, and its confirmation as the news."""
    for before, events in TRANSITIONS.items():
        for kind, statuses in events.items():
            for after in statuses:
                if before is None or after is before:
                    continue
                # What is sent on had come in.
                money = int(before in SUCCESS or kind in {E.FORWARDING, E.FORWARDED})
                was = OUTCOMES[before, money > 0]
                now = outcome_after(event(kind, after, money))
                late = before not in SUCCESS | PENDING and now is Outcome.PENDING
                if was is not now and not late:
                    assert settles(event(kind, after, money)), (before, kind, after)

"""What the log says and what is counted when a payment's status has changed."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.watching.believing import as_write, log_notes, note_created, note_status
from engine.payment.forwarding import ForwardPart
from engine.payment.model import Payment, Status
from engine.payment.money_terms import Credit
from engine.payment.notes import LeftOut, Note
from engine.payment.observations import Forward
from engine.store.writes import Entry, InboundWebhook, ReadAgain, Write
from tests.unit.actor_stage import ActorStage
from tests.unit.payment_cases import (
    T0,
    Told,
    block,
    confirmed,
    expired,
    mempool,
    terms,
    view,
)


@pytest.fixture
def stage(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[ActorStage]:
    caplog.set_level(logging.INFO, "paybell.payment")
    stage = ActorStage(tmp_path)
    yield stage
    stage.close()


def part(**changes: object) -> Forward:
    base: dict[str, object] = {
        "outgoing": "out_1",
        "txid": "ab" * 32,
        "amount_sat": 50_000,
        "fee_sat": 300,
        "at": T0,
    }
    return Forward(ForwardPart(**(base | changes)))  # type: ignore[arg-type]


def moved(told: Told, observation: Forward) -> tuple[Payment, Payment]:
    before = told.payment
    assert told(observation)
    return before, told.payment


def test_of_money_that_arrived_elsewhere_the_log_says_how_much_and_by_what(
    stage: ActorStage, caplog: pytest.LogCaptureFixture
) -> None:
    note_status(stage.node, *moved(confirmed(), part(completed_at=T0 + 5)))
    assert f"Successfully forwarded 0.000497 BTC. TX: {'ab' * 32}" in caplog.text
    assert stage.node.counters["payments.forward_failed"] == 0


def test_of_money_that_cannot_go_on_the_log_says_why(
    stage: ActorStage, caplog: pytest.LogCaptureFixture
) -> None:
    told = confirmed()
    assert told(part())
    note_status(stage.node, *moved(told, part(failed="a coin was spent")))
    assert "Error processing payment" in caplog.text
    assert "a coin was spent" in caplog.text
    assert stage.node.counters["payments.forward_failed"] == 1


def test_a_payment_that_nothing_is_sent_on_of_has_one_line(
    stage: ActorStage, caplog: pytest.LogCaptureFixture
) -> None:
    told = expired()
    note_status(stage.node, Told().payment, told.payment)
    assert [one.getMessage().split()[0] for one in caplog.records] == [
        "payment.expired"
    ]


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_the_same_status_is_neither_logged_nor_counted(
    stage: ActorStage, caplog: pytest.LogCaptureFixture
) -> None:
    payment = confirmed().payment
    note_status(stage.node, payment, payment)
    assert lines(caplog) == []
    assert stage.node.counters.snapshot() == {}
    assert set(stage.node.statuses.now().values()) == {0.0}


def test_another_status_is_counted_where_it_was_and_where_it_is(
    stage: ActorStage, caplog: pytest.LogCaptureFixture
) -> None:
    before, after = Told().payment, confirmed().payment
    stage.node.statuses.come(before.status)
    note_status(stage.node, before, after)
    counts = stage.node.statuses.now()
    assert {word: n for word, n in counts.items() if n} == {"confirmed": 1}
    (line,) = lines(caplog)
    assert line == (
        f"payment.confirmed payment=pay_1 seq={after.seq} received=50000"
        " confirmations=3"
    )
    assert stage.node.counters["payments.confirmed"] == 1


def test_what_is_waited_for_is_no_end_to_count(stage: ActorStage) -> None:
    told = Told()
    before = told.payment
    told(view(mempool("t1")))
    note_status(stage.node, before, told.payment)
    assert stage.node.counters.snapshot() == {}


def test_how_long_it_took_is_summed_in_whole_seconds(stage: ActorStage) -> None:
    after = confirmed().payment
    for took_ms in (2_999, 61_000, -5_000):
        late = replace(after, confirmed_at=after.terms.created_at + took_ms)
        note_status(stage.node, Told().payment, late)
    assert stage.node.counters["payments.confirmation_seconds"] == 2 + 61
    note_status(stage.node, Told().payment, replace(after, confirmed_at=None))
    assert stage.node.counters["payments.confirmation_seconds"] == 2 + 61


def test_one_that_was_paid_already_is_not_confirmed_twice(stage: ActorStage) -> None:
    """Its money went on, and came back."""
    before, after = moved(confirmed(), part(completed_at=T0 + 5))
    assert before.counts_as_paid
    assert after.counts_as_paid
    note_status(stage.node, after, before)
    assert stage.node.counters["payments.confirmation_seconds"] == 0


def test_one_that_failed_unpaid_is_no_failed_forward(stage: ActorStage) -> None:
    failed = replace(Told().payment, status=Status.FAILED)
    note_status(stage.node, Told().payment, failed)
    assert stage.node.counters["payments.failed"] == 1
    assert stage.node.counters["payments.forward_failed"] == 0


def test_an_account_that_is_credited_is_named_with_the_sentence_of_the_seed(
    stage: ActorStage, caplog: pytest.LogCaptureFixture
) -> None:
    credit = Credit(account="user-7", credits=120)
    after = confirmed(credit=credit).payment
    note_created(stage.node.counters, [Told(terms(credit=credit)).payment])
    note_status(stage.node, Told(terms(credit=credit)).payment, after)
    created, status, credited = lines(caplog)
    assert created == (
        "payment.created payment=pay_1 account=user-7 detail=Created Bitcoin payment"
        " pay_1 for user user-7: 0.0005 BTC"
    )
    assert status.startswith("payment.confirmed ")
    assert credited == (
        "payment.credited payment=pay_1 account=user-7 credits=120 detail="
        "Auto-processed payment pay_1: Added 120 credits to user user-7"
    )


def test_those_created_are_counted_and_only_accounts_logged(
    stage: ActorStage, caplog: pytest.LogCaptureFixture
) -> None:
    note_created(stage.node.counters, [Told().payment] * 3)
    note_created(stage.node.counters, [])
    assert stage.node.counters["payments.created"] == 3
    assert lines(caplog) == []
    note_created(
        stage.node.counters,
        [Told(terms(credit=Credit(account="u", credits=1), amount_sat=None)).payment],
    )
    assert lines(caplog)[0].endswith("for user u: 0 BTC")


def test_a_commit_is_events_with_their_rows_and_what_is_to_be_read_again() -> None:
    told = confirmed()
    before = told.payment
    row = InboundWebhook("one", "evt", T0, "pay_1", "taken", b"{}")
    assert as_write(before, before, [], (row,)) == Write(entries=(), rows=(row,))
    types = told(view(mempool("t1"), off_chain=(block(998),)))
    events = told.events[-len(types) :]
    written = as_write(before, told.payment, events, (row,))
    assert written.entries == (Entry(told.payment, tuple(events)),)
    assert written.rows == (row, ReadAgain(998, block(998)))


def test_what_a_decision_left_out_is_a_line_each(
    stage: ActorStage, caplog: pytest.LogCaptureFixture
) -> None:
    notes = [Note(LeftOut.TOO_MANY, "", "one"), Note(LeftOut.TOO_MANY, "", "two")]
    log_notes("p", notes)
    why = LeftOut.TOO_MANY
    assert lines(caplog) == [
        f"payment.left_out payment=p why={why} detail=one",
        f"payment.left_out payment=p why={why} detail=two",
    ]


def test_money_on_its_way_elsewhere_has_no_sentence_yet(
    stage: ActorStage, caplog: pytest.LogCaptureFixture
) -> None:
    before, after = moved(confirmed(), part())
    note_status(stage.node, Told().payment, after)
    assert before.forward is None
    assert len(lines(caplog)) == 1

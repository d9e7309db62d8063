"""The state machine is one table; the diagram that people read is drawn from it."""

import re
from pathlib import Path

import pytest

from engine.errors import IllegalTransition
from engine.payment.model import EventType, Status
from engine.payment.transitions import TRANSITIONS, check, diagram

STATES_MD = Path(__file__).parents[4] / "docs" / "states.md"
STEPS = [
    (status, event, after)
    for status, events in TRANSITIONS.items()
    for event, afters in events.items()
    for after in afters
]


@pytest.mark.parametrize(("status", "event", "after"), STEPS)
def test_every_step_of_the_table_is_allowed(
    status: Status | None, event: EventType, after: Status
) -> None:
    check(status, event, after)


def test_every_step_outside_the_table_is_refused() -> None:
    refused = 0
    for status in (None, *Status):
        for event in EventType:
            for after in Status:
                if (status, event, after) not in STEPS:
                    with pytest.raises(IllegalTransition) as caught:
                        check(status, event, after)
                    assert (caught.value.event, caught.value.after) == (event, after)
                    refused += 1
    assert refused == 8 * len(EventType) * len(Status) - len(STEPS)


def test_a_refusal_reads_as_a_sentence() -> None:
    error = IllegalTransition(Status.PENDING, EventType.FORWARDED, Status.FORWARDED)
    assert str(error) == "payment.forwarded may not lead from pending to forwarded"


def test_every_status_can_be_reached_and_has_its_row() -> None:
    assert {after for _, _, after in STEPS} == set(Status)
    assert set(TRANSITIONS) == {None, *Status}


def test_a_payment_begins_only_by_being_created() -> None:
    created = [step for step in STEPS if step[1] is EventType.CREATED]
    assert created == [(None, EventType.CREATED, Status.PENDING)]
    assert set(TRANSITIONS[None]) == {EventType.CREATED}


PAID_ONCE = {Status.CONFIRMED, Status.FORWARDED, Status.FAILED}
"""`failed`: by a forward alone, which is asked of the payment."""


def test_only_a_confirmed_payment_is_credited() -> None:
    credited = {status for status, event, _ in STEPS if event is EventType.CREDITED}
    assert credited == {Status.CONFIRMED}


def test_where_money_is_makes_no_payment_paid_that_was_not() -> None:
    """Of one that was reversed it is told on; its receipts decide about its status."""
    money = {EventType.FORWARDING, EventType.FORWARDED}
    for before, event, after in STEPS:
        if event in money and before not in PAID_ONCE:
            assert after is before
    assert {s for s, _, after in STEPS if after is Status.FORWARDED} == PAID_ONCE


def test_only_what_was_confirmed_can_be_reversed() -> None:
    reversible = {s for s, event, _ in STEPS if event is EventType.REVERSED}
    assert reversible == PAID_ONCE


def test_the_page_about_states_shows_the_table() -> None:
    found = re.search(
        r"<!-- table begins -->\n```mermaid\n(.*?)```\n<!-- table ends -->",
        STATES_MD.read_text(),
        re.DOTALL,
    )
    assert found is not None
    assert found[1] == diagram(), "run: python -m engine.payment.transitions"


def test_the_page_about_states_explains_every_event() -> None:
    explained = re.findall(r"^\| `(payment\.\w+)`", STATES_MD.read_text(), re.MULTILINE)
    assert explained == [str(event) for event in EventType]

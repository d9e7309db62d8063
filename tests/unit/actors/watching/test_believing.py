"""What the log says and what is counted when a payment's status has changed."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.watching.believing import note_status
from engine.payment.forwarding import ForwardPart
from engine.payment.model import Payment
from engine.payment.observations import Forward
from tests.unit.actor_stage import ActorStage
from tests.unit.payment_cases import T0, Told, confirmed, expired


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

"""The till's numbers: its rests, its rounds, whom it asks for what, who hears of it."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from actors.money.till import TillActor
from engine.errors import Refused
from engine.errors.lightning import NodeRefused, NodeUnavailable
from engine.lightning.node import InvoiceAsked, InvoiceMade, InvoiceSeen
from engine.lightning.till import TillState
from engine.store.writes import MoveTill, Write
from tests.unit.actors.money.till_stage import TillsOnStage

S = TillState


@pytest.fixture
def stage(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[TillsOnStage]:
    caplog.set_level(logging.INFO, "paybell.till")
    forwards = {"till": "own", "other": "away", "own": "", "away": ""}
    stage = TillsOnStage(tmp_path, forwards)
    yield stage
    stage.close()


def till(stage: TillsOnStage, name: str = "till") -> TillActor:
    stage.run()
    actor = stage.tills[name].actor
    assert isinstance(actor, TillActor)
    return actor


def details(stage: TillsOnStage, kind: str) -> list[tuple[str, str, str | None]]:
    standing = stage.node.alerts.standing()
    return [(a.subject, a.detail, a.merchant) for a in standing if a.kind == kind]


def counted(stage: TillsOnStage, patch: pytest.MonkeyPatch, name: str) -> list[Any]:
    """What the store was asked by this name."""
    asked: list[Any] = []
    original = getattr(stage.store, name)

    def noted(*args: Any) -> Any:
        asked.append(args)
        return original(*args)

    patch.setattr(stage.store, name, noted, raising=False)
    return asked


def test_a_till_looks_every_five_seconds_and_an_idle_account_once_a_minute(
    stage: TillsOnStage,
) -> None:
    assert till(stage)._rest_s() == 5.0
    assert till(stage, "own")._rest_s() == 60.0
    now = stage.clock.now()
    for until_ms, rest in ((3_000, 3.0), (100, 0.5), (-9_000, 0.5), (90_000, 5.0)):
        till(stage)._soonest = now + until_ms
        assert till(stage)._rest_s() == rest
    till(stage, "own")._soonest = now + 45_000
    assert till(stage, "own")._rest_s() == 45.0


def test_a_hundred_are_taken_up_and_carried_on_in_a_round(
    stage: TillsOnStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = counted(stage, monkeypatch, "till_queue")
    due = counted(stage, monkeypatch, "till_due")
    troubled = counted(stage, monkeypatch, "till_troubled")
    stage.wake()
    now = stage.clock.now()
    assert queue == [("till", 100)]
    assert due == [("till", now, 7_200_000, 100)]
    assert troubled == [("till", 100)]


def test_while_there_are_more_the_next_round_is_soon(
    stage: TillsOnStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.money.till.PER_ROUND", 2)
    for number in range(5):
        stage.came(f"pay_{number}")
    stage.wake()
    paid = [n for n in range(5) if stage.store.till_forward_of(f"pay_{n}")]
    assert len(paid) == 2
    stage.pass_s(0.6)
    assert len([n for n in range(5) if stage.store.till_forward_of(f"pay_{n}")]) == 4
    stage.pass_s(0.6)
    assert {stage.forward(f"pay_{n}").state for n in range(5)} == {S.PAID}


def test_before_the_node_is_ready_nobody_is_asked(stage: TillsOnStage) -> None:
    stage.booted.publish(False)
    stage.came("pay_1")
    stage.wake()
    assert stage.store.till_forward_of("pay_1") is None
    stage.booted.publish(True)
    stage.wake()
    assert stage.forward("pay_1").state is S.PAID


def test_a_forward_says_what_it_is_made_of(
    stage: TillsOnStage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.nodes["own"].fails["create"] = NodeUnavailable("down")
    stage.came("pay_1", fee_msat=2_500)
    stage.wake()
    made = stage.forward("pay_1")
    now = stage.clock.now()
    assert made.id.startswith(f"lnf_{now:012x}")
    assert len(made.id) == 4 + 12 + 16
    assert (made.payment_id, made.merchant) == ("pay_1", "shop")
    assert (made.source, made.target) == ("till", "own")
    assert (made.net_sat, made.credit_sat, made.at) == (4_997, 0, now)
    assert UUID(made.key).version == 5
    said = f"till.wanted forward={made.id} payment=pay_1 to=own sat=4997"
    assert said in caplog.messages
    stage.came("pay_2")
    stage.wake()
    assert stage.forward("pay_2").key != made.key


def test_what_arrived_is_counted_and_a_line_of_the_log(
    stage: TillsOnStage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.came("pay_1")
    stage.wake()
    assert stage.node.counters["till.paid"] == 1
    made = stage.forward("pay_1")
    lines = [line for line in caplog.messages if line.startswith("till.paid ")]
    (line,) = lines
    assert line.startswith(f"till.paid forward={made.id} payment=pay_1 sat=5000 fee=0")
    moves = [line.split()[0] for line in caplog.messages if line.startswith("till.")]
    assert moves == ["till.wanted", "till.invoiced", "till.paying", "till.paid"]


def test_the_target_is_asked_for_an_invoice_of_an_hour_over_the_sum(
    stage: TillsOnStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[InvoiceAsked] = []
    create = stage.nodes["own"].create

    def noted(one: InvoiceAsked) -> InvoiceMade:
        asked.append(one)
        return create(one)

    monkeypatch.setattr(stage.nodes["own"], "create", noted)
    stage.came("pay_1")
    stage.wake()
    (one,) = asked
    made = stage.forward("pay_1")
    assert (one.payment_id, one.amount_msat) == (made.id, 5_000_000)
    assert (one.description, one.expires_in_s) == ("Forward of pay_1", 3_600)


def test_a_balance_that_is_not_told_delays_and_asks_nobody_for_an_invoice(
    stage: TillsOnStage,
) -> None:
    stage.nodes["till"].fails["balance"] = NodeUnavailable("nobody answers")
    stage.came("pay_1")
    stage.wake()
    made = stage.forward("pay_1")
    assert (made.state, made.delays, made.reason) == (S.WANTED, 1, "nobody answers")
    assert made.next_at == stage.clock.now() + 1_000
    assert stage.nodes["own"].asked == []


def until_delays(stage: TillsOnStage, count: int) -> None:
    for _ in range(300):
        found = stage.store.till_forward_of("pay_1")
        if found is not None and found.delays == count:
            return
        stage.pass_s(0.1)
    raise AssertionError("it never was so")


def test_three_delays_in_a_row_are_told_a_person(
    stage: TillsOnStage,
) -> None:
    stage.nodes["till"].fails["balance"] = NodeUnavailable("nobody answers")
    stage.came("pay_1")
    until_delays(stage, 2)
    assert details(stage, "till.waits") == []
    until_delays(stage, 3)
    made = stage.forward("pay_1")
    why = f"1 wait; {made.id}: nobody answers"
    assert details(stage, "till.waits") == [("till", why, None)]
    stage.nodes["till"].fails.clear()
    stage.pass_s(30)
    assert details(stage, "till.waits") == []


def test_what_is_stuck_is_its_merchant_s_alert_until_it_is_not(
    stage: TillsOnStage,
) -> None:
    stage.nodes["till"].fails["pay"] = NodeRefused("no route", why="route")
    stage.came("pay_1")
    stage.pass_s(5 * 3_600)
    made = stage.forward("pay_1")
    assert details(stage, "till.stuck") == [(made.id, made.reason, "shop")]
    assert details(stage, "till.waits") == [], "one alert of it is enough"


def test_money_of_an_account_that_is_gone_is_looked_for_once_by_one_till(
    stage: TillsOnStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = counted(stage, monkeypatch, "till_sources")
    stage.came("pay_1", to="gone")
    for name in ("till", "other", "till"):
        stage.wake(name)
    assert asked == [()]
    assert details(stage, "till.waits") == [("gone", "there is no such account", None)]


def test_an_invoice_of_before_is_no_invoice(stage: TillsOnStage) -> None:
    stage.nodes["own"].fails["create"] = NodeUnavailable("down")
    stage.came("pay_1")
    stage.wake()
    before = stage.forward("pay_1")
    row = MoveTill(
        replace(before, former=("ab" * 32,), step=before.step + 1), before.step
    )
    stage.append(Write(rows=(row,)))
    stage.nodes["own"].invoice = "ab" * 32
    stage.nodes["own"].fails.clear()
    stage.pass_s(3)
    made = stage.forward("pay_1")
    assert made.payment_hash == ""
    assert "one that it made before" in made.reason
    assert "pay" not in stage.nodes["till"].asked


def unclear(stage: TillsOnStage) -> None:
    """It was asked to pay, and what came of that is not known."""
    stage.nodes["till"].fails["pay"] = NodeUnavailable("the connection broke")
    stage.came("pay_1")
    stage.wake()
    assert stage.forward("pay_1").state is S.PAYING


def test_what_is_not_known_is_asked_of_the_target_too(stage: TillsOnStage) -> None:
    unclear(stage)
    stage.nodes["till"].fails.clear()
    stage.pass_s(200)
    assert "lookup" in stage.nodes["own"].asked
    assert sum(stage.nodes["till"].paid.values()) <= 1


def test_a_target_that_tells_of_another_invoice_or_nothing_delays(
    stage: TillsOnStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    unclear(stage)
    own = stage.nodes["own"]

    def another(_hash: str) -> InvoiceSeen:
        own.asked.append("lookup")
        return InvoiceSeen(payment_hash="cd" * 32, status=own.status)

    monkeypatch.setattr(own, "lookup", another)
    stage.pass_s(100)
    assert stage.forward("pay_1").reason == "own told of another invoice"
    monkeypatch.undo()
    own.fails["lookup"] = NodeUnavailable("nobody answers")
    stage.pass_s(100)
    assert stage.forward("pay_1").reason == "nobody answers"
    assert stage.forward("pay_1").state is S.PAYING


def test_a_node_that_does_not_tell_how_it_stands_delays(stage: TillsOnStage) -> None:
    stage.nodes["till"].fails["payout"] = NodeUnavailable("down")
    stage.came("pay_1")
    stage.wake()
    made = stage.forward("pay_1")
    assert (made.state, made.delays, made.reason) == (S.INVOICED, 1, "down")
    assert "pay" not in stage.nodes["till"].asked


def test_the_fee_that_the_network_may_take_is_what_was_kept_back(
    stage: TillsOnStage,
) -> None:
    account, node = stage.accounts["till"]
    stage.accounts["till"] = replace(account, kind="phoenixd"), node
    stage.came("pay_1", sat=100_000)
    stage.wake()
    made = stage.forward("pay_1")
    kept = made.net_sat - made.amount_sat
    assert kept == 100_000 * 5_000 // 1_000_000 + 5
    assert stage.nodes["till"].max_fee_msat == kept * 1_000


def test_trouble_of_a_round_is_the_account_s(stage: TillsOnStage) -> None:
    till(stage)._on_trouble("the journal is away")
    assert details(stage, "till.waits") == [("till", "the journal is away", None)]
    till(stage)._on_well()
    assert len(details(stage, "till.waits")) == 1, "what waits has its own alerts"


def test_one_that_could_not_be_carried_on_is_soon_read_again(
    stage: TillsOnStage,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fails(_till: TillActor, _forward: object) -> Any:
        raise Refused("the journal cannot write")
        yield

    stage.came("pay_1")
    with monkeypatch.context() as patch:
        patch.setattr(TillActor, "_carry_on", fails)
        stage.wake()
        rest_s = till(stage)._rest_s()
    made = stage.forward("pay_1")
    assert (made.state, rest_s) == (S.WANTED, 0.5)
    said = f"till.delayed forward={made.id} payment=pay_1 detail="
    assert f"{said}the journal cannot write" in caplog.messages
    stage.pass_s(0.6)
    assert stage.forward("pay_1").state is S.PAID

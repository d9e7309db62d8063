"""The till's rounds: what is taken up and carried on, when, and who is told of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.errors.lightning import NodeRefused, NodeUnavailable
from engine.lightning.node import InvoiceAsked, InvoiceMade
from engine.lightning.till import TillState, resumed
from engine.payment.events import opening
from engine.payment.model import Status
from engine.payment.observations import AgreeRest
from engine.store.writes import Entry, MoveTill, NewTill, PauseForwarding, Write
from tests.unit.actors.money.till_stage import TillsOnStage
from tests.unit.payment_cases import (
    T0,
    both_terms,
    invoice,
    mempool,
    mined,
    settled,
    view,
)

S = TillState


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[TillsOnStage]:
    forwards = {"till": "own", "other": "away", "own": "", "away": ""}
    stage = TillsOnStage(tmp_path, forwards)
    yield stage
    stage.close()


def test_what_came_goes_on_as_soon_as_somebody_tells_of_it(stage: TillsOnStage) -> None:
    stage.pass_s(10)
    stage.came("pay_1")
    stage.wake()
    forward = stage.forward("pay_1")
    assert (forward.state, forward.amount_sat, forward.is_open) == (
        S.PAID,
        5_000,
        False,
    )
    assert stage.nodes["till"].asked == ["balance", "payout", "pay"]
    assert stage.nodes["own"].asked == ["create"]
    assert stage.payment("pay_1").status == "forwarded"
    stage.wake()
    stage.pass_s(60)
    assert stage.nodes["till"].asked == ["balance", "payout", "pay"], "and that is all"
    assert stage.alerts == set()


def test_what_nobody_told_of_is_found_in_seconds(stage: TillsOnStage) -> None:
    stage.came("pay_1")
    stage.pass_s(6)
    assert stage.forward("pay_1").state is S.PAID


def test_a_dead_target_delays_no_other_tills_money(stage: TillsOnStage) -> None:
    stage.nodes["own"].fails["create"] = NodeUnavailable("down")
    stage.came("pay_1")
    stage.came("pay_2", to="other")
    stage.pass_s(20)
    assert stage.forward("pay_2").state is S.PAID
    forward = stage.forward("pay_1")
    assert (forward.state, forward.attempts) == (S.WANTED, 0)
    assert stage.alerts == {("till.waits", "till")}
    assert stage.payment("pay_1").status == "confirmed", "it is not failed"
    stage.nodes["own"].fails.clear()
    stage.pass_s(60)
    assert stage.forward("pay_1").state is S.PAID
    assert stage.alerts == set()


def test_one_that_cannot_be_carried_on_delays_no_other_of_its_till(
    stage: TillsOnStage,
) -> None:
    stage.came("pay_1", sat=6_000)
    stage.nodes["till"].spendable_msat = 5_500_000
    stage.wake()
    stage.came("pay_2")
    stage.wake()
    assert stage.forward("pay_1").state is S.WAITING
    assert stage.forward("pay_2").state is S.PAID
    assert stage.alerts == {("till.waits", "till")}
    stage.nodes["till"].spendable_msat = 10**9
    stage.pass_s(70)
    assert stage.forward("pay_1").state is S.PAID
    assert stage.alerts == set()


def test_fee_credit_waits_and_a_person_hears_of_it(stage: TillsOnStage) -> None:
    stage.came("pay_1", credit_msat=5_000_000)
    stage.wake()
    forward = stage.forward("pay_1")
    assert (forward.state, forward.net_sat, forward.credit_sat) == (S.WAITING, 0, 5_000)
    assert stage.alerts == {("till.waits", "till")}
    assert stage.nodes["own"].asked == []


def test_the_nodes_fee_is_not_sent_on(stage: TillsOnStage) -> None:
    stage.came("pay_1", fee_msat=2_500)
    stage.wake()
    assert stage.forward("pay_1").amount_sat == 4_997


def test_it_spends_no_more_than_came_when_the_policy_has_changed(
    stage: TillsOnStage,
) -> None:
    stage.nodes["till"].fails["payout"] = NodeUnavailable("down")
    stage.came("pay_1")
    stage.wake()
    assert stage.forward("pay_1").amount_sat == 5_000, "within one service: no fee"
    account, node = stage.accounts["till"]
    stage.accounts["till"] = replace(account, kind="phoenixd"), node
    stage.nodes["till"].fails.clear()
    stage.pass_s(10)
    assert stage.forward("pay_1").state is S.PAID
    assert stage.nodes["till"].max_fee_msat == 0
    stage.came("pay_2")
    stage.wake()
    assert stage.forward("pay_2").amount_sat == 5_000 - 25 - 5
    assert stage.nodes["till"].max_fee_msat == 30_000


def test_what_fails_each_time_is_a_persons(stage: TillsOnStage) -> None:
    stage.nodes["till"].fails["pay"] = NodeRefused("no route", why="route")
    stage.came("pay_1")
    stage.pass_s(5 * 3_600)
    forward = stage.forward("pay_1")
    assert (forward.state, forward.attempts) == (S.STUCK, 8)
    assert ("till.stuck", forward.id) in stage.alerts
    assert stage.nodes["till"].asked.count("pay") == 8
    stage.nodes["till"].fails.clear()
    again = resumed(forward, stage.clock.now())
    assert again is not None
    stage.append(Write(rows=(MoveTill(again, forward.step),)))
    stage.pass_s(10)
    assert stage.forward("pay_1").state is S.PAID
    assert stage.alerts == set()


def test_an_invoice_that_is_handed_out_twice_is_paid_once(stage: TillsOnStage) -> None:
    stage.came("pay_1")
    stage.wake()
    stage.nodes["own"].invoice = stage.forward("pay_1").payment_hash
    stage.came("pay_2")
    stage.wake()
    forward = stage.forward("pay_2")
    assert (forward.state, forward.attempts) == (S.WAITING, 1)
    assert list(stage.nodes["till"].paid.values()) == [1]
    stage.nodes["own"].invoice = ""
    stage.pass_s(10)
    assert stage.forward("pay_2").state is S.PAID


def test_while_it_is_paused_nothing_new_begins(stage: TillsOnStage) -> None:
    stage.pause(T0)
    stage.came("pay_1")
    stage.pass_s(20)
    assert stage.forward("pay_1").state is S.WANTED, "it is seen, and nobody is asked"
    assert stage.nodes["till"].asked == stage.nodes["own"].asked == []
    stage.pause(0)
    stage.nodes["till"].fails["payout"] = NodeUnavailable("down")
    stage.wake()
    assert stage.forward("pay_1").state is S.INVOICED
    stage.pause(T0)
    stage.nodes["till"].fails.clear()
    stage.pass_s(60)
    assert stage.forward("pay_1").state is S.INVOICED, "no payment is begun"
    stage.pause(0)
    stage.pass_s(10)
    assert stage.forward("pay_1").state is S.PAID


def test_a_pause_in_the_middle_of_a_round_is_heard_before_anything_is_paid(
    stage: TillsOnStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = stage.nodes["own"]
    create = own.create

    def create_and_pause(asked: InvoiceAsked) -> InvoiceMade:
        stage.append(Write(rows=(PauseForwarding(T0, "me"),)))
        return create(asked)

    monkeypatch.setattr(own, "create", create_and_pause)
    stage.came("pay_1")
    stage.came("pay_2")
    stage.wake()
    stage.pass_s(20)
    states = {stage.forward(name).state for name in ("pay_1", "pay_2")}
    assert states == {S.INVOICED, S.WANTED}
    assert "pay" not in stage.nodes["till"].asked
    monkeypatch.undo()
    stage.pause(0)
    stage.pass_s(20)
    assert stage.forward("pay_1").state is stage.forward("pay_2").state is S.PAID
    assert set(stage.nodes["till"].paid.values()) == {1}


def test_money_does_not_wait_for_a_time_before_the_clock_was_put_back(
    stage: TillsOnStage,
) -> None:
    stage.nodes["own"].fails["create"] = NodeUnavailable("down")
    stage.came("pay_1")
    stage.wake()
    stage.nodes["own"].fails.clear()
    before = stage.forward("pay_1")
    later = stage.clock.now() + 365 * 86_400_000
    row = MoveTill(replace(before, next_at=later, step=before.step + 1), before.step)
    stage.append(Write(rows=(row,)))
    stage.pass_s(30)
    assert stage.forward("pay_1").state is S.PAID


def test_a_damaged_payment_delays_no_others_money(stage: TillsOnStage) -> None:
    stage.nodes["own"].fails["create"] = NodeUnavailable("down")
    stage.came("pay_0")
    stage.wake()
    sql = stage.journal.connection
    stage.came("pay_1")
    sql.execute("UPDATE payments SET state = x'7b' WHERE id = 'pay_1'")
    stage.came("pay_2")
    stage.nodes["own"].fails.clear()
    stage.pass_s(60)
    assert stage.forward("pay_0").state is S.PAID, "it was taken up before"
    assert stage.forward("pay_2").state is S.PAID
    assert ("till.waits", "till") in stage.alerts, "a person hears of pay_1"


def test_a_damaged_forward_delays_no_others_money(stage: TillsOnStage) -> None:
    stage.nodes["own"].fails["create"] = NodeUnavailable("down")
    stage.came("pay_1")
    stage.came("pay_2")
    stage.wake()
    sql = stage.journal.connection
    sql.execute("UPDATE till_forwards SET crc = 0 WHERE payment_id = 'pay_1'")
    stage.nodes["own"].fails.clear()
    stage.pass_s(60)
    assert stage.forward("pay_2").state is S.PAID
    assert ("till.waits", "till") in stage.alerts


def test_one_that_cannot_be_taken_up_delays_no_others_money(
    stage: TillsOnStage,
) -> None:
    stage.came("pay_1")
    stage.wake()
    sql = stage.journal.connection
    sql.execute("UPDATE till_forwards SET crc = 0 WHERE payment_id = 'pay_1'")
    sql.execute("INSERT INTO till_queue VALUES ('pay_1', 'till', 3)")
    stage.came("pay_2")
    stage.wake()
    assert stage.forward("pay_2").state is S.PAID
    assert ("till.waits", "till") in stage.alerts, "a person hears of pay_1"


def test_what_was_passed_on_stays_so_after_a_reversal_and_goes_on_once(
    stage: TillsOnStage, caplog: pytest.LogCaptureFixture
) -> None:
    """Half came by Lightning, half by the chain, and a reorg took that back."""
    half = 25_000
    by_node = invoice(node="till", is_till=True)
    event, payment = opening(both_terms(id="pay_1", lightning=by_node))
    stage.append(Write(entries=(Entry(payment, (event,)),)))
    stage.run()
    stage.observe("pay_1", settled(half, node="till"))
    stage.run()
    stage.observe("pay_1", view(mined("t1", 998, half)))
    stage.wake()
    assert stage.payment("pay_1").status is Status.FORWARDED
    lost = (mined("t1", 998).block_hash or "",)
    stage.observe("pay_1", view(mempool("t1", half), off_chain=lost))
    stage.wake()
    assert stage.payment("pay_1").status is Status.CONFIRMING
    again = view(mined("t1", 1000, half, branch="b"), tip=1002)
    stage.observe("pay_1", again)
    stage.wake()
    assert stage.payment("pay_1").status is Status.FORWARDED
    assert list(stage.nodes["till"].paid.values()) == [1]
    seq = stage.payment("pay_1").seq
    stage.pass_s(60)
    assert stage.payment("pay_1").seq == seq, "and is told no more"
    assert "till.came_later" not in caplog.text


def test_the_rest_goes_on_and_what_comes_by_another_invoice_later_stays(
    stage: TillsOnStage, caplog: pytest.LogCaptureFixture
) -> None:
    by_node = invoice(node="till", is_till=True)
    event, payment = opening(both_terms(id="pay_1", lightning=by_node))
    stage.append(Write(entries=(Entry(payment, (event,)),)))
    stage.run()
    rest = replace(by_node, payment_hash="7e" * 32, amount_msat=20_000_000)
    stage.observe("pay_1", view(mined("t1", 998, 30_000)))
    stage.run()
    stage.observe("pay_1", AgreeRest(invoice=rest, by="payer"))
    stage.run()
    stage.observe("pay_1", settled(20_000, node="till", payment_hash="7e" * 32))
    stage.wake()
    assert stage.payment("pay_1").status is Status.FORWARDED
    assert stage.forward("pay_1").net_sat == 20_000
    assert "till.came_later" not in caplog.text
    stage.observe("pay_1", settled(node="till"))
    stage.wake()
    stage.pass_s(60)
    assert stage.forward("pay_1").net_sat == 20_000
    assert list(stage.nodes["till"].paid.values()) == [1]
    (said,) = [r for r in caplog.messages if r.startswith("till.came_later")]
    assert said.endswith("payment=pay_1 sat=50000")


def test_a_target_that_is_no_more_configured_is_waited_for(stage: TillsOnStage) -> None:
    stage.nodes["own"].fails["create"] = NodeUnavailable("down")
    stage.came("pay_1")
    stage.wake()
    before = stage.forward("pay_1")
    row = MoveTill(replace(before, target="gone", step=before.step + 1), before.step)
    stage.append(Write(rows=(row,)))
    stage.pass_s(30)
    forward = stage.forward("pay_1")
    assert (forward.state, forward.reason) == (S.WANTED, "there is no account gone")


def test_money_of_an_account_that_is_gone_is_told(stage: TillsOnStage) -> None:
    stage.nodes["own"].fails["create"] = NodeUnavailable("down")
    stage.came("pay_1")
    before = stage.store.till_forward_of("pay_1")
    assert before is None
    stage.came("pay_2", to="gone")
    stage.pass_s(6)
    assert ("till.waits", "gone") in stage.alerts


def test_an_account_that_passes_nothing_on_keeps_what_came(stage: TillsOnStage) -> None:
    stage.came("pay_1", to="own")
    stage.wake("own")
    assert stage.store.till_forward_of("pay_1") is None
    assert stage.store.till_queue("own") == []
    assert stage.nodes["own"].asked == []


def test_a_payment_is_sent_on_once_however_often_it_is_queued(
    stage: TillsOnStage,
) -> None:
    stage.came("pay_1")
    stage.wake()
    first = stage.forward("pay_1")
    stage.append(Write(rows=(NewTill(replace(first, id="lnf_zz")),)))
    stage.pass_s(20)
    assert stage.store.till_forward("lnf_zz") is None
    assert sum(stage.nodes["till"].paid.values()) == 1

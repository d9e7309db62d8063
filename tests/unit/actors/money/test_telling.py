"""What a round wants, carried out: each answer that it may get."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.messages import Command
from actors.money.steps import AskStore, Commit, TellPayment, TellRefund
from actors.money.telling import carry_out
from engine.errors import Refused
from engine.payment.forwarding import ForwardPart
from engine.payment.model import GivenBack
from engine.payment.observations import Forward, RefundPaid
from engine.payment.refund import RefundState
from engine.payment.refund_rules import paid
from engine.runtime.ref import Ref
from engine.store.writes import (
    MoveRefund,
    OpenRefund,
    PauseForwarding,
    SourceTip,
    Unavailable,
    Write,
)
from tests.unit.actor_stage import ActorStage, Inbox
from tests.unit.engine.store.refund_cases import refund
from tests.unit.payment_cases import ADDRESS, T0, mined, view

PART = ForwardPart(
    outgoing="out_1", txid="ab" * 32, amount_sat=50_000, fee_sat=300, at=T0
)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[ActorStage]:
    stage = ActorStage(tmp_path)
    yield stage
    stage.close()


def carried(stage: ActorStage, wanted: Any) -> Any:
    answers: list[Any] = []
    carry_out(stage.node, wanted, answers.append)
    stage.run()
    (answer,) = answers
    return answer


def confirmed(stage: ActorStage) -> None:
    stage.create("p", address=ADDRESS, forward_to="somewhere")
    stage.observe("p", view(mined("t1", 998)))
    stage.run()


def watched(stage: ActorStage, limit: int = 1_000) -> tuple[Inbox, Ref]:
    inbox = Inbox()
    ref = stage.start("p", inbox, limit)
    stage.book.add(ref, ADDRESS)
    stage.run()
    return inbox, ref


def full(stage: ActorStage, yes: bool) -> None:
    stage.journal.connection.execute(f"PRAGMA query_only = {yes}")


def test_a_question_is_asked_of_the_store(stage: ActorStage) -> None:
    confirmed(stage)
    found = carried(stage, AskStore(lambda store: store.payment("p")))
    assert found == stage.payment("p")


def test_nothing_to_write_is_written(stage: ActorStage) -> None:
    assert carried(stage, Commit(())) is True
    full(stage, yes=True)
    assert carried(stage, Commit(())) is True, "nobody is asked"


def test_what_is_written_is_done(stage: ActorStage) -> None:
    assert carried(stage, Commit((PauseForwarding(T0, "me"),))) is True
    paused = stage.store.forward_paused()
    assert paused is not None
    full(stage, yes=True)
    answer = carried(stage, Commit((SourceTip("x", 1, "aa"),)))
    full(stage, yes=False)
    assert isinstance(answer, Refused)
    assert str(answer).startswith("the journal cannot write: ")


def test_a_conflict_is_an_answer_and_a_line_of_the_log(
    stage: ActorStage, caplog: pytest.LogCaptureFixture
) -> None:
    confirmed(stage)
    pending = refund(1, "p", state=RefundState.PENDING)
    row = MoveRefund(pending, RefundState.OPEN)
    assert carried(stage, Commit((row,))) is False
    assert "forward.conflict_of_writes what=" in caplog.text


def test_a_watcher_is_told_and_its_word_is_the_answer(stage: ActorStage) -> None:
    confirmed(stage)
    inbox, _ = watched(stage)
    answers: list[Any] = []
    carry_out(stage.node, TellPayment("p", PART), answers.append)
    stage.run()
    (command,) = inbox.got
    assert isinstance(command, Command)
    assert command.observation == Forward(PART)
    assert command.beside is None
    assert answers == []
    command.reply(stage.payment("p"))
    command.reply(Unavailable("the disk is full"))
    assert answers[0] is True
    assert isinstance(answers[1], Refused)
    assert str(answers[1]).startswith("a payment was not told: ")


def test_a_watcher_with_too_much_to_do_is_not_waited_for(stage: ActorStage) -> None:
    confirmed(stage)
    watched(stage, limit=0)
    answer = carried(stage, TellPayment("p", PART))
    assert str(answer) == "the watcher of p has too much to do"


def test_without_a_watcher_the_payment_is_told_by_our_own_hand(
    stage: ActorStage,
) -> None:
    confirmed(stage)
    seq = stage.payment("p").seq
    assert carried(stage, TellPayment("p", PART)) is True
    after = stage.payment("p")
    assert after.seq == seq + 1
    assert after.forward is not None
    assert after.forward.parts[0].txid == PART.txid
    assert carried(stage, TellPayment("p", PART)) is True
    assert stage.payment("p").seq == seq + 1, "it knows that already"
    assert carried(stage, TellPayment("nobody", PART)) is True


def test_one_whose_watcher_lies_down_is_told_so_too(stage: ActorStage) -> None:
    confirmed(stage)
    inbox, ref = watched(stage)
    ref.kill()
    assert carried(stage, TellPayment("p", PART)) is True
    assert inbox.got == []
    assert stage.payment("p").forward is not None


def test_a_payment_that_cannot_be_read_or_written_is_not_told(
    stage: ActorStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    confirmed(stage)
    full(stage, yes=True)
    answer = carried(stage, TellPayment("p", PART))
    full(stage, yes=False)
    assert isinstance(answer, Refused)
    broken = RuntimeError("no disk")

    def read(_ask: object, reply: Any) -> None:
        reply(broken)

    monkeypatch.setattr(stage.node, "read", read)
    assert carried(stage, TellPayment("p", PART)) is broken


def opened(stage: ActorStage) -> tuple[RefundPaid, MoveRefund]:
    confirmed(stage)
    made = refund(
        1, "p", state=RefundState.PENDING, amount_sat=20_000, address=ADDRESS,
        is_by_link=False, expires_at=0, claimed_at=1, after_height=990,
    )  # fmt: skip
    payment = stage.payment("p")
    row = OpenRefund(made, payment.seq, payment.received_sat, 9, 9_999)
    stage.append(Write(rows=(row,)))
    stage.run()
    after = paid(made, "cd" * 32, 0, T0)
    back = GivenBack(id=made.id, amount_sat=20_000, txid=after.txid, fee_sat=0)
    return RefundPaid(refund=back), MoveRefund(after, made.state)


def test_a_refund_is_told_in_the_commit_of_its_row(stage: ActorStage) -> None:
    word, row = opened(stage)
    inbox, ref = watched(stage)
    answers: list[Any] = []
    wanted = TellRefund("p", word, row)
    carry_out(stage.node, wanted, answers.append)
    stage.run()
    (command,) = inbox.got
    assert isinstance(command, Command)
    assert (command.observation, command.beside) == (word, row)
    ref.kill()
    assert carried(stage, wanted) is True
    found = stage.store.refund(row.refund.id)
    assert found is not None
    assert found.state is RefundState.PAID
    assert stage.payment("p").refunded_sat == 20_000


def test_a_row_is_written_though_the_payment_has_nothing_to_tell(
    stage: ActorStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    word, row = opened(stage)
    assert carried(stage, TellRefund("p", word, row)) is True
    written: list[Write] = []
    append = stage.node.append

    def noted(write: Write, reply: Any) -> None:
        written.append(write)
        append(write, reply)

    monkeypatch.setattr(stage.node, "append", noted)
    carried(stage, TellRefund("p", word, row))
    assert [(write.entries, write.rows) for write in written] == [((), (row,))]

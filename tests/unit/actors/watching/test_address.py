"""The address actor: believes what is committed, and never gives up too early."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from actors.messages import (
    Command,
    Unwatch,
)
from actors.watching.address import AddressActor
from engine.bitcoin.address import parse_address
from engine.errors import Refused
from engine.payment.model import MAX_CLAIMS, MAX_RECEIPTS, Status
from engine.payment.observations import Cancel, ProviderClaim
from engine.store.writes import InboundWebhook, SourceTip, Unavailable, Write
from tests.unit.actor_stage import ActorStage
from tests.unit.actors.watching.watched import Watched
from tests.unit.payment_cases import ADDRESS, T0, mempool, mined, view


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[ActorStage]:
    staged = ActorStage(tmp_path)
    yield staged
    staged.close()


def test_what_a_source_shows_is_believed_once_it_is_committed(
    stage: ActorStage,
) -> None:
    watched = Watched(stage)
    watched.seen(view(mempool("t1")))
    assert watched.status() is Status.CONFIRMING
    watched.seen(view(mined("t1", 998)))
    assert watched.payment.seq == 4


def test_who_loses_a_block_has_every_source_read_from_there_again(
    stage: ActorStage,
) -> None:
    """The source that says so may be in the wrong, and one that knows better has
    read past that block: it would begin behind it, and never see the money again."""
    watched = Watched(stage)
    marks = (SourceTip("good", 999, "99"), SourceTip("slow", 900, "90"))
    stage.append(Write(rows=marks))
    watched.seen(view(mined("t1", 998)))
    held = watched.payment.receipts[0].block_hash
    assert held is not None
    watched.seen(view(mempool("t1"), source="wrong", off_chain=(held,)))
    assert watched.payment.receipts[0].block_hash is None
    assert stage.store.source_tip("good") == SourceTip("good", 998, held)
    assert stage.store.source_tip("slow") == SourceTip("slow", 900, "90")


def test_it_looks_again_by_itself_and_less_often_with_age(stage: ActorStage) -> None:
    watched = Watched(stage)
    assert len(watched.polls()) == 0  # to be watched is to be looked at first
    stage.pass_s(600)
    assert 10 <= len(watched.polls()) <= 11
    stage.pass_s(6 * 3_600)
    before = len(watched.polls())
    stage.pass_s(3_600)
    assert len(watched.polls()) - before <= 7


def test_what_a_source_that_is_behind_has_in_blocks_must_be_read_again(
    stage: ActorStage,
) -> None:
    """Its depth is counted when the source is current: a start from behind those
    blocks would never show them."""
    watched = Watched(stage)
    point, script = stage.node.restart_point, parse_address(ADDRESS, "regtest").script
    shown = view(mined("t1", 998), is_current=False)
    for _ in range(2):
        point.shown(script, shown)
        watched.seen(shown)
    assert watched.payment.receipts[0].block_hash is None
    assert len(point) == 1
    current = view(mined("t1", 998))
    for _ in range(2):
        point.shown(script, current)
        watched.seen(current)
    assert watched.status() is Status.CONFIRMED
    assert len(point) == 0


def test_a_block_with_money_that_waits_is_read_again_after_a_crash(
    stage: ActorStage,
) -> None:
    """It took the place of what another source showed a moment ago."""
    watched = Watched(stage)
    point, script = stage.node.restart_point, parse_address(ADDRESS, "regtest").script
    watched.seen(view(mempool("t1")))
    taken = view(mined("t2", 998), source="other", conflicted={"t1": "t2"})
    for _ in range(2):
        point.shown(script, taken)
        watched.seen(taken)
    assert [receipt.txid for receipt in watched.payment.receipts] == ["t1"]
    assert len(point) == 1


def test_a_shower_of_outputs_is_told_in_steps_and_said_to_be_one(
    stage: ActorStage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "paybell.payment")
    watched = Watched(stage)
    dust = [mempool(f"d{number}", 294) for number in range(MAX_RECEIPTS + 200)]
    for _ in range(2):
        watched.seen(view(*dust, mined("money", 998)))
    assert watched.status() is Status.CONFIRMED
    assert len(watched.payment.receipts) == MAX_RECEIPTS
    events = stage.store.history("p", 0, 5_000)
    assert [e.seq for e in events] == list(range(1, len(events) + 1))
    (alert,) = stage.node.alerts.standing()
    assert (alert.kind, alert.subject) == ("payment.crowded", "p")
    said = [r.getMessage() for r in caplog.records if "left_out" in r.getMessage()]
    assert len(said) == 1


def test_an_announcement_that_is_not_kept_is_logged(
    stage: ActorStage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "paybell.payment")
    watched = Watched(stage)
    for number in [*range(MAX_CLAIMS + 1), MAX_CLAIMS]:
        claim = ProviderClaim("blockonomics", f"t{number}", 1)
        watched.obey(Command(claim, lambda _answer: None))
    said = [r.getMessage() for r in caplog.records if "left_out" in r.getMessage()]
    assert said == [
        f"payment.left_out payment=p why=claim detail=t{MAX_CLAIMS}: blockonomics"
        f" announced it, after {MAX_CLAIMS} others that held the payment for 600 s"
    ]


def test_a_receipt_that_one_answer_leaves_out_is_looked_for_twice(
    stage: ActorStage,
) -> None:
    """It may be of another node behind the same address, or of two moments."""
    watched = Watched(stage)
    watched.seen(view(mempool("t1")))
    before, asked = watched.payment, len(watched.polls())
    watched.seen(view())
    watched.seen(view())
    assert watched.payment == before, "both were asked for at one moment"
    stage.pass_s(3)
    assert [poll.due for poll in watched.polls()[asked:]] == [0.0], "in a hurry"
    watched.seen(view(mempool("t1")))
    assert watched.payment == before
    watched.seen(view())
    stage.pass_s(3)
    watched.seen(view())
    assert not watched.payment.receipts
    assert watched.status() is Status.PENDING


def test_a_replacement_takes_the_place_of_a_receipt_at_once(
    stage: ActorStage,
) -> None:
    """Counted together the two would be twice the money."""
    watched = Watched(stage)
    watched.seen(view(mempool("t1", 40_000)))
    watched.seen(view(mempool("t2", 40_000)))
    assert [r.txid for r in watched.payment.receipts] == ["t2"]
    assert watched.payment.received_sat == 40_000


def test_what_paid_the_address_before_is_no_replacement(stage: ActorStage) -> None:
    """An address that was used before lists old money in every answer."""
    watched = Watched(stage)
    old = replace(mined("old", 900), block_time_s=T0 // 1000 - 86_400)
    watched.seen(view(old, mempool("t1")))
    watched.seen(view(old))
    assert [r.txid for r in watched.payment.receipts] == ["t1"]


def test_a_receipt_that_came_back_is_looked_for_twice_again(stage: ActorStage) -> None:
    watched = Watched(stage)
    watched.seen(view(mempool("t1")))
    for _ in range(2):
        watched.seen(view())
        stage.pass_s(3)
    assert not watched.payment.receipts
    watched.seen(view())
    watched.seen(view(mempool("t1")))
    stage.pass_s(3)
    watched.seen(view())
    assert [r.txid for r in watched.payment.receipts] == ["t1"]


def test_another_receipt_that_is_missing_is_looked_for_twice_too(
    stage: ActorStage,
) -> None:
    watched = Watched(stage)
    watched.seen(view(mempool("t1", 100), mempool("t2", 200)))
    watched.seen(view(mempool("t2", 200)))
    stage.pass_s(3)
    watched.seen(view())
    assert len(watched.payment.receipts) == 2
    stage.pass_s(3)
    watched.seen(view())
    assert not watched.payment.receipts


def test_the_source_goes_on_knowing_what_a_killed_watcher_was_shown(
    stage: ActorStage,
) -> None:
    """Its successor asks for it; the blocks may be too old to be read again."""
    watched = Watched(stage)
    watched.ref.kill()
    stage.run()
    assert not [m for m in stage.source.got if isinstance(m, Unwatch)]


def test_more_bitcoin_than_there_is_counts_as_no_answer(stage: ActorStage) -> None:
    watched = Watched(stage)
    watched.seen(view(mempool("t1")))
    actor = watched.ref.actor
    assert isinstance(actor, AddressActor)
    before, seen_at = watched.payment, actor.seen_at
    stage.pass_s(1)
    watched.seen(view(mempool("t1"), mempool("t2", 2_100_000_000_000_000)))
    assert (watched.payment, actor.seen_at) == (before, seen_at)
    watched.seen(view(mempool("t1"), mempool("t2")))
    assert watched.payment.received_sat == 100_000
    assert actor.seen_at == stage.clock.now()


def test_what_the_journal_could_not_write_is_decided_again(stage: ActorStage) -> None:
    watched = Watched(stage)
    watched.disk_is_full(True)
    watched.seen(view(mempool("t1")))
    assert watched.status() is Status.PENDING
    watched.disk_is_full(False)
    before = len(watched.polls())
    stage.pass_s(6)
    assert len(watched.polls()) == before + 1
    watched.seen(view(mempool("t1")))
    assert watched.status() is Status.CONFIRMING


def test_a_command_is_answered_with_what_it_led_to(stage: ActorStage) -> None:
    watched = Watched(stage)
    answers: list[Any] = []
    watched.obey(Command(Cancel("ann"), answers.append))
    watched.obey(Command(Cancel("ann"), answers.append))
    assert [a.status for a in answers] == [Status.CANCELLED] * 2


def test_a_refusal_changes_nothing(stage: ActorStage) -> None:
    watched = Watched(stage)
    watched.seen(view(mempool("t1")))
    answers: list[Any] = []
    watched.obey(Command(Cancel("ann"), answers.append))
    assert isinstance(answers[0], Refused)
    assert watched.payment.seq == 2


def test_a_command_that_cannot_be_written_says_so(stage: ActorStage) -> None:
    watched = Watched(stage)
    watched.disk_is_full(True)
    answers: list[Any] = []
    watched.obey(Command(Cancel("ann"), answers.append))
    assert isinstance(answers[0], Unavailable)
    watched.disk_is_full(False)
    assert watched.status() is Status.PENDING


def test_a_claim_makes_it_look_at_the_chain_at_once(stage: ActorStage) -> None:
    watched = Watched(stage)
    answers: list[Any] = []
    claim = ProviderClaim("blockonomics", "t1", 50_000)
    watched.obey(Command(claim, answers.append))
    assert answers[0].claims
    assert watched.polls()[-1].due == 0.0


def test_a_claim_that_the_chain_bears_out_ends_fast_looks(stage: ActorStage) -> None:
    """As many in ten minutes as of a payment that never wanted any oftener."""
    watched = Watched(stage, poll_interval_s=15)
    stage.pass_s(600)
    assert len(watched.polls()) >= 39
    claim = ProviderClaim("blockonomics", "t1", 50_000)
    watched.obey(Command(claim, lambda _answer: None))
    watched.seen(view(mempool("t1")))
    before = len(watched.polls())
    stage.pass_s(600)
    assert 9 <= len(watched.polls()) - before <= 10


def test_a_write_that_can_never_succeed_is_a_crash_that_people_see(
    stage: ActorStage,
) -> None:
    watched = Watched(stage)
    answers: list[Any] = []
    poison = InboundWebhook("btc", "key", 1 << 70, "p", "claimed", b"{}")
    watched.obey(Command(Cancel("ann"), answers.append, poison))
    assert len(answers) == 1
    assert not watched.ref.is_alive
    assert stage.payment("p").status is Status.PENDING


def test_only_another_status_is_logged(
    stage: ActorStage, caplog: pytest.LogCaptureFixture
) -> None:
    """One line for each fact: at money's deeper burial there is nothing to read."""
    caplog.set_level(logging.INFO, "paybell.payment")
    watched = Watched(stage)
    watched.seen(view(mempool("t1", 600)))
    (told,) = caplog.messages
    assert told.startswith(f"payment.{watched.payment.status} ")
    before = watched.payment
    watched.seen(view(mempool("t1", 600), mempool("t2", 100)))
    assert watched.payment.seq > before.seq
    assert watched.payment.status is before.status
    assert caplog.messages == [told]

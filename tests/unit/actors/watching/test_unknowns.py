"""What a watcher cannot tell: what is said of it at once, what after a while."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.watching.unknowns import Unknowns, not_believed, nothing_open
from engine.chain.feed import ChainView
from engine.chain.shown import SKIPPED
from engine.chain.witness import Standing
from engine.payment.model import Payment
from engine.payment.notes import LeftOut, Note
from engine.payment.review import ReviewState
from engine.ports import Freshness
from tests.unit.actor_stage import ActorStage
from tests.unit.payment_cases import Told, claim, confirmed, terms, view

WAIT_S = 600


@pytest.fixture
def stage(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[ActorStage]:
    caplog.set_level(logging.INFO, "paybell.payment")
    stage = ActorStage(tmp_path)
    yield stage
    stage.close()


def gap(detail: str = "over 1000 outputs", source: str = "esplora") -> ChainView:
    return replace(view(complete=False, source=source), gap=detail)


def kinds(stage: ActorStage) -> list[str]:
    return [alert.kind for alert in stage.node.alerts.standing()]


def of_ann() -> Payment:
    return Told(terms(merchant="ann")).payment


def overdue(stage: ActorStage) -> ReviewState:
    return ReviewState().passed(stage.clock.now(), stage.clock.monotonic())


def test_with_nothing_unknown_nothing_is_said(stage: ActorStage) -> None:
    unknowns = Unknowns()
    assert unknowns.why(None) is None
    assert unknowns.why(ReviewState()) is None
    unknowns.alert(stage.node, of_ann(), None)
    assert kinds(stage) == []


def test_a_deadline_that_waits_is_an_alert_of_its_merchant_after_ten_minutes(
    stage: ActorStage,
) -> None:
    unknowns, review = Unknowns(), overdue(stage)
    assert unknowns.why(review) == "no source has answered since its deadline"
    stage.pass_s(WAIT_S - 0.001)
    unknowns.alert(stage.node, of_ann(), review)
    assert kinds(stage) == []
    stage.pass_s(0.001)
    unknowns.alert(stage.node, of_ann(), review)
    (alert,) = stage.node.alerts.standing()
    assert (alert.kind, alert.subject) == ("payment.waits", "pay_1")
    assert (alert.merchant, alert.since) == ("ann", stage.clock.now())
    assert alert.detail == "no source has answered since its deadline"
    reason = replace(review, reason="it is behind")
    assert unknowns.why(reason) == "it is behind"
    unknowns.alert(stage.node, of_ann(), None)
    assert kinds(stage) == []


def test_of_what_nobody_waits_for_only_an_announcement_is_an_alert(
    stage: ActorStage,
) -> None:
    review = overdue(stage)
    stage.pass_s(WAIT_S)
    told = confirmed()
    Unknowns().alert(stage.node, told.payment, review)
    assert kinds(stage) == []
    told(claim("t9"))
    assert told.payment.claims
    Unknowns().alert(stage.node, told.payment, review)
    assert kinds(stage) == ["payment.waits"]


def test_an_address_that_cannot_be_read_is_said_at_once_and_alerted_later(
    stage: ActorStage,
) -> None:
    unknowns, node = Unknowns(), stage.node
    began = stage.clock.now()
    unknowns.seen(node, "pay_1", gap())
    why = "esplora cannot read all of it: over 1000 outputs"
    assert unknowns.why(None) == why
    said = node.unread.of("pay_1")
    assert said == Freshness(
        source="esplora",
        live=False,
        since=None,
        standing=Standing.BEHIND,
        reason="esplora cannot read all of this address:"
        " what it does not show may be there",
        since_when=began,
    )
    stage.pass_s(WAIT_S - 1)
    unknowns.seen(node, "pay_1", gap())
    unknowns.alert(node, of_ann(), None)
    assert kinds(stage) == []
    assert node.unread.of("pay_1") is said, "said once"
    stage.pass_s(1)
    unknowns.alert(node, of_ann(), None)
    (alert,) = node.alerts.standing()
    assert (alert.kind, alert.subject) == ("address.unreadable", "pay_1")
    assert (alert.merchant, alert.detail) == ("ann", why)
    unknowns.seen(node, "pay_1", view())
    unknowns.alert(node, of_ann(), None)
    assert (kinds(stage), node.unread.of("pay_1"), unknowns.why(None)) == (
        [],
        None,
        None,
    )


def test_another_source_that_cannot_read_it_is_named_since_the_first_could_not(
    stage: ActorStage,
) -> None:
    unknowns, node, began = Unknowns(), stage.node, stage.clock.now()
    unknowns.seen(node, "pay_1", gap())
    stage.pass_s(9)
    unknowns.seen(node, "pay_1", gap(source="other"))
    said = node.unread.of("pay_1")
    assert said is not None
    assert (said.source, said.since_when) == ("other", began)
    assert unknowns.why(None) == "other cannot read all of it: over 1000 outputs"


def test_the_ten_minutes_begin_with_each_gap_anew(stage: ActorStage) -> None:
    unknowns, node = Unknowns(), stage.node
    unknowns.seen(node, "pay_1", gap())
    stage.pass_s(WAIT_S)
    unknowns.seen(node, "pay_1", view())
    unknowns.seen(node, "pay_1", gap())
    unknowns.alert(node, of_ann(), None)
    assert kinds(stage) == []


def test_blocks_that_nobody_has_read_are_an_alert_at_once_and_no_other(
    stage: ActorStage,
) -> None:
    unknowns, node = Unknowns(), stage.node
    unknowns.seen(node, "pay_1", gap(SKIPPED, "node"))
    unknowns.alert(node, of_ann(), None)
    (alert,) = node.alerts.standing()
    assert (alert.kind, alert.merchant) == ("payment.unprovable", "ann")
    assert alert.detail == f"node cannot read all of it: {SKIPPED}"
    stage.pass_s(WAIT_S)
    unknowns.alert(node, of_ann(), None)
    assert kinds(stage) == ["payment.unprovable"]
    unknowns.alert(node, confirmed().payment, None)
    assert kinds(stage) == [], "nobody waits for that one"
    unknowns.seen(node, "pay_1", gap())
    unknowns.alert(node, of_ann(), None)
    assert kinds(stage) == ["address.unreadable"]


def test_more_than_is_followed_is_an_alert_and_each_note_a_line_once(
    stage: ActorStage, caplog: pytest.LogCaptureFixture
) -> None:
    unknowns, node = Unknowns(), stage.node
    notes = [
        Note(LeftOut.OLD, "t1", "it is older"),
        Note(LeftOut.OLD, "t1", "it is older"),
        Note(LeftOut.OLD, "t2", "it is older"),
        Note(LeftOut.TOO_MANY, "", "200 more"),
    ]
    for _ in range(2):
        unknowns.take_notes(node, of_ann(), notes)
    said = [line for line in caplog.messages if "left_out" in line]
    assert said == [
        "payment.left_out payment=pay_1 why=old detail=t1: it is older",
        "payment.left_out payment=pay_1 why=old detail=t2: it is older",
        "payment.left_out payment=pay_1 why=too_many detail=outputs: 200 more",
    ]
    (alert,) = node.alerts.standing()
    assert (alert.kind, alert.subject) == ("payment.crowded", "pay_1")
    assert (alert.merchant, alert.detail) == ("ann", "200 more")
    assert alert.since == stage.clock.now()


def test_fifty_notes_are_logged_and_that_there_are_more_once(
    stage: ActorStage, caplog: pytest.LogCaptureFixture
) -> None:
    unknowns = Unknowns()
    for number in range(70):
        note = Note(LeftOut.OLD, f"t{number}", "it is older")
        unknowns.take_notes(stage.node, of_ann(), [note])
    said = [line for line in caplog.messages if "left_out" in line]
    assert len(said) == 51
    assert said[49].endswith("detail=t49: it is older")
    assert said[50] == "payment.left_out payment=pay_1 detail=and more"
    assert len(unknowns._noted) == 51


def test_who_is_watched_no_more_has_no_alert_and_nothing_said(
    stage: ActorStage,
) -> None:
    node, now = stage.node, stage.clock.now()
    mine = (
        "payment.waits",
        "address.unreadable",
        "payment.crowded",
        "payment.unprovable",
    )
    for kind in (*mine, "payment.contradicted"):
        node.alerts.raise_(kind, "pay_1", "why", now)
        node.alerts.raise_(kind, "pay_2", "why", now)
    Unknowns().seen(node, "pay_1", gap())
    Unknowns().seen(node, "pay_2", gap())
    nothing_open(node, "pay_1")
    left = {(alert.kind, alert.subject) for alert in node.alerts.standing()}
    assert {kind for kind, subject in left if subject == "pay_1"} == {
        "payment.contradicted"
    }
    assert len(left) == 6
    assert node.unread.of("pay_1") is None
    assert node.unread.of("pay_2") is not None


def test_what_is_not_believed_is_logged(
    stage: ActorStage, caplog: pytest.LogCaptureFixture
) -> None:
    not_believed("liar", "pay_1")
    assert caplog.messages == [
        "view.not_believed source=liar payment=pay_1 detail=more than 21 million BTC"
    ]
    assert stage.node.alerts.standing() == ()

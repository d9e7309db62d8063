"""What several sources say of one payment, by themselves: no source, no watcher."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.messages import Contradicted, Poll
from actors.watching.opinions import Opinions
from engine.chain.feed import ChainView, Output
from engine.payment.quorum import key_of
from tests.unit.actor_stage import ActorStage
from tests.unit.payment_cases import Told, block, mined, terms, view

SCRIPT = b"script"
PAID, ELSEWHERE = mined("t1", 998), mined("t1", 997, branch="b")
KEY = key_of(terms(), "t1", 0, block(998))
PAYMENT = Told(terms(id="p", merchant="ann", quorum_above_sat=1_000)).payment


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[ActorStage]:
    stage = ActorStage(tmp_path)
    stage.node.operators = {name: name for name in ("one", "two", "three")}
    fresh = replace(stage.published.now.freshness, source="one", live=True)
    stage.published.publish(replace(stage.published.now, freshness=fresh))
    yield stage
    stage.close()


class Overheard:
    """What it has heard, of whom."""

    def __init__(self, stage: ActorStage) -> None:
        self.stage = stage
        self.opinions = Opinions(stage.node)

    def hears(self, source: str, *outputs: Output, **more: object) -> ChainView:
        shown = replace(view(*outputs, source=source), **more)
        heard = self.opinions.hear(PAYMENT, shown, self.stage.clock.now())
        self.stage.run()
        return heard

    def asked(self) -> Poll:
        self.opinions.ask(PAYMENT, SCRIPT)
        self.stage.run()
        poll = self.stage.source.got[-1]
        assert isinstance(poll, Poll)
        return poll

    def alerts(self) -> list[tuple[str, str, str, str | None]]:
        standing = self.stage.node.alerts.standing()
        return [(a.kind, a.subject, a.detail, a.merchant) for a in standing]

    def set_aside(self) -> list[Contradicted]:
        return [m for m in self.stage.source.got if isinstance(m, Contradicted)]


def test_one_alone_is_seconded_by_nobody_and_two_by_one_another(
    stage: ActorStage,
) -> None:
    heard = Overheard(stage)
    first = heard.hears("one", PAID)
    assert (first.seconded, first.is_current, first.complete) == (
        frozenset(),
        True,
        True,
    )
    assert heard.hears("one", PAID).seconded == frozenset(), "itself"
    assert heard.hears("two", PAID).seconded == {KEY}
    assert heard.hears("one", PAID).seconded == {KEY}
    assert (heard.alerts(), heard.set_aside()) == ([], [])


def test_two_sources_of_one_operator_are_one_witness(stage: ActorStage) -> None:
    stage.node.operators = {"one": "somebody", "two": "somebody"}
    heard = Overheard(stage)
    heard.hears("one", PAID)
    assert heard.hears("two", PAID).seconded == frozenset()
    assert heard.hears("nobody's", PAID).seconded == {KEY}, "one that is not named"


def test_what_was_said_counts_for_ten_minutes(stage: ActorStage) -> None:
    heard = Overheard(stage)
    heard.hears("one", PAID)
    stage.pass_s(599.999)
    assert heard.hears("two", PAID).seconded == {KEY}
    stage.pass_s(600)
    assert heard.hears("three", PAID).seconded == frozenset()


def test_one_that_is_behind_says_nothing(stage: ActorStage) -> None:
    heard = Overheard(stage)
    heard.hears("one", PAID)
    behind = heard.hears("two", PAID, is_current=False)
    assert behind.seconded == frozenset()
    assert heard.hears("three").seconded == {KEY}
    assert heard.asked().heard == ("three",)


def test_of_a_word_against_a_word_the_second_shows_that_money_is_there_and_no_more(
    stage: ActorStage,
) -> None:
    heard = Overheard(stage)
    heard.hears("one", PAID)
    against = heard.hears("two", ELSEWHERE, off_chain=(block(998),))
    assert (against.is_current, against.complete, against.off_chain) == (
        False,
        False,
        (),
    )
    assert against.outputs == (ELSEWHERE,)
    detail = "two contradicts one"
    assert heard.alerts() == [("payment.contradicted", "p", detail, "ann")]
    first = heard.hears("one", PAID)
    assert first.is_current, "who is asked for all is believed as far as that goes"
    assert first.seconded == frozenset(), "who contradicts it seconds nothing"
    assert heard.alerts()[0][2] == "one contradicts two"
    assert heard.set_aside() == []


def test_when_they_agree_again_the_alert_is_over(stage: ActorStage) -> None:
    heard = Overheard(stage)
    heard.hears("one", PAID)
    heard.hears("two", ELSEWHERE)
    assert len(heard.alerts()) == 1
    assert heard.hears("two", PAID).seconded == {KEY}
    assert heard.alerts() == []


def test_one_that_is_alone_by_now_ends_no_alert(stage: ActorStage) -> None:
    heard = Overheard(stage)
    heard.hears("one", PAID)
    heard.hears("two", ELSEWHERE)
    stage.pass_s(600)
    heard.hears("two", ELSEWHERE)
    assert len(heard.alerts()) == 1


def test_of_three_the_odd_one_is_named_and_told_and_forgotten(
    stage: ActorStage,
) -> None:
    heard = Overheard(stage)
    heard.hears("one", PAID)
    heard.hears("two", ELSEWHERE)
    third = heard.hears("three", PAID)
    assert heard.set_aside() == [
        Contradicted("two", "it contradicts one and three about p")
    ]
    assert heard.alerts() == []
    assert third.is_current
    assert third.seconded == {KEY}
    assert "two" not in heard.asked().heard
    assert heard.hears("three", PAID).seconded == {KEY}
    assert len(heard.set_aside()) == 1, "it is forgotten until it is heard again"


def test_when_the_newest_is_the_odd_one_it_is_not_believed(stage: ActorStage) -> None:
    heard = Overheard(stage)
    heard.hears("two", PAID)
    heard.hears("three", PAID)
    odd = heard.hears("one", ELSEWHERE, off_chain=(block(998),))
    assert (odd.is_current, odd.complete, odd.off_chain) == (False, False, ())
    (told,) = heard.set_aside()
    assert told == Contradicted("one", "it contradicts three and two about p")


def test_another_is_asked_beside_those_that_were_heard(stage: ActorStage) -> None:
    heard = Overheard(stage)
    heard.hears("one", PAID)
    poll = heard.asked()
    assert (poll.script, poll.due, poll.heard) == (SCRIPT, 0.0, ("one",))
    assert poll.blocks == ((block(998), None),)
    heard.hears("two", PAID)
    assert heard.asked().heard == ("two",), "who agrees may be asked once more"


def test_who_contradicts_is_asked_again_only_when_there_is_no_third(
    stage: ActorStage,
) -> None:
    heard = Overheard(stage)
    heard.hears("one", PAID)
    heard.hears("two", ELSEWHERE)
    poll = heard.asked()
    assert poll.heard == ("one", "two"), "a third may know"
    assert dict(poll.blocks) == {block(998): None, block(997, "b"): None}
    stage.node.operators = {"one": "one", "two": "two"}
    assert heard.asked().heard == ("two",), "the one that contradicts may have erred"


def test_what_is_in_no_block_is_no_block_to_ask_about(stage: ActorStage) -> None:
    heard = Overheard(stage)
    heard.hears("one", Output("t1", 0, 50_000))
    assert heard.asked().blocks == ()

"""Above a sum, two independent sources must show the same before it is confirmed."""

import pytest
from msgspec.structs import replace

from engine.chain.feed import ChainView, Output
from engine.payment.events import opening
from engine.payment.model import Payment, Status
from engine.payment.quorum import (
    FRESH_MS,
    SourceWord,
    contradict,
    odd_one,
    seconded_by,
    word_of,
)
from engine.payment.review import ReviewState, judge
from tests.unit.payment_cases import T0, Told, mempool, mined, terms, view

DEEP = 998  # three deep at block 1,000


def payment(**changes: object) -> Payment:
    return opening(terms(quorum_above_sat=10_000, **changes))[1]


def said(who: str, *outputs: Output, at: int = T0, **more: object) -> SourceWord:
    shown = view(*outputs, source=who, **more)  # type: ignore[arg-type]
    return word_of(payment(), shown, f"operator of {who}", at)


def seconded(shown: ChainView, *words: SourceWord, now: int = T0) -> ChainView:
    return replace(shown, seconded=seconded_by(words, "operator of one", now))


@pytest.mark.parametrize("above", [None, 50_000])
def test_up_to_that_sum_one_source_is_enough(above: int | None) -> None:
    told = Told(terms(quorum_above_sat=above))
    assert told(view(mined("t", DEEP)))[-1] == "confirmed"


def test_above_it_a_second_source_must_show_it_in_the_same_block() -> None:
    told = Told(terms(quorum_above_sat=49_999))
    shown = view(mined("t", DEEP), source="one")
    assert told(shown) == ["detected", "confirming"]
    assert told(seconded(shown, said("two", mined("t", 999)))) == []
    assert told(seconded(shown, said("two", mined("t", DEEP, branch="b")))) == []
    assert told(seconded(shown, said("one", mined("t", DEEP)))) == [], "its own word"
    assert told.status() is Status.CONFIRMING
    assert told(seconded(shown, said("two", mined("t", DEEP)))) == ["confirmed"]
    assert told.payment.settled_sat == 50_000


def test_all_that_is_confirmed_must_be_seconded() -> None:
    told = Told(terms(quorum_above_sat=10_000))
    shown = view(mined("t", DEEP, 30_000), mined("u", DEEP, 20_000), source="one")
    told(shown)
    assert told(seconded(shown, said("two", mined("t", DEEP, 30_000)))) == []
    both = said("two", mined("t", DEEP, 30_000), mined("u", DEEP, 20_000))
    assert told(seconded(shown, both)) == ["confirmed"]


def test_the_sum_that_counts_is_that_which_is_confirmed() -> None:
    told = Told(terms(amount_sat=None, quorum_above_sat=10_000))
    assert told(view(mined("t", DEEP, 10_000)))[-1] == "confirmed"
    told = Told(terms(amount_sat=None, quorum_above_sat=10_000))
    assert told(view(mined("t", DEEP, 10_001)))[-1] == "confirming"


def test_without_confirmations_the_second_may_have_it_in_a_block_already() -> None:
    told = Told(terms(confirmations_required=0, quorum_above_sat=10_000))
    shown = view(mempool("t"), source="one")
    assert told(shown) == ["detected"]
    agreed = terms(confirmations_required=0, quorum_above_sat=10_000)
    there = view(mined("t", 1_000), source="two")
    word = word_of(opening(agreed)[1], there, "operator of two", T0)
    assert told(seconded(shown, word)) == ["confirmed"]


def test_a_word_counts_for_a_while() -> None:
    word = said("two", mined("t", DEEP), at=T0)
    assert seconded_by([word], "operator of one", T0 + FRESH_MS - 1)
    assert not seconded_by([word], "operator of one", T0 + FRESH_MS)


def test_who_waits_for_a_second_source_says_so_and_looks_again_soon() -> None:
    shown = view(mined("t", DEEP), source="one")
    waits = judge(ReviewState(), payment(), shown, T0, now=T0, now_s=0.0)
    assert waits.wants_second
    assert waits.look_again_s is not None
    agreed = seconded(shown, said("two", mined("t", DEEP)))
    done = judge(ReviewState(), payment(), agreed, T0, now=T0, now_s=0.0)
    assert not done.wants_second
    shallow = view(mined("t", 999), source="one")
    early = judge(ReviewState(), payment(), shallow, T0, now=T0, now_s=0.0)
    assert not early.wants_second, "nobody is asked before it would be confirmed"


# -- contradictions --------------------------------------------------------------------

TRUE = said("two", mined("t", DEEP))
LIES = {
    "another block": said("one", mined("t", 997, branch="b")),
    "another amount": said("one", mined("t", DEEP, 60_000)),
    "off its chain": said("one", off_chain=(mined("t", DEEP).block_hash or "",)),
}
HARMLESS = {
    "not listed": said("one"),
    "not so deep": said("one", mined("t", DEEP), tip=999),
    "unconfirmed": said("one", mempool("t")),
    "the same": said("one", mined("t", DEEP)),
}


@pytest.mark.parametrize("how", LIES)
def test_two_sources_contradict_one_another_on_a_positive_word(how: str) -> None:
    assert contradict(LIES[how], TRUE)
    assert contradict(TRUE, LIES[how])


@pytest.mark.parametrize("how", HARMLESS)
def test_who_shows_less_contradicts_nothing(how: str) -> None:
    assert not contradict(HARMLESS[how], TRUE)
    assert not contradict(TRUE, HARMLESS[how])


@pytest.mark.parametrize("how", LIES)
def test_of_three_the_one_that_contradicts_the_others_is_the_odd_one(how: str) -> None:
    third = said("three", mined("t", DEEP))
    for words in ((LIES[how], TRUE, third), (TRUE, LIES[how], third)):
        assert odd_one(words) is LIES[how]
    assert odd_one((LIES[how], TRUE)) is None, "which of two, nobody can tell"
    assert odd_one((TRUE, third, HARMLESS["not listed"])) is None

"""What was paid reaches its payment once, whoever is slow, full, let go or sick."""

from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from actors.facts.upstreams import MoneyCame
from actors.lightning.deliveries import (
    LATER_S,
    SOON_S,
    UNANSWERED_S,
    Found,
    WatcherSaid,
)
from actors.messages import NotWatched
from engine.errors import Refused, StoreDamaged
from engine.payment.model import Payment, Status
from engine.store.writes import Committed, Unavailable
from tests.unit.actors.lightning.delivery_stage import (
    OTHER,
    OTHER_HASH,
    SEEN,
    PlayedWatcher,
    Stage,
)
from tests.unit.payment_cases import INVOICE_HASH, alone, settled


def test_its_watcher_hears_all_that_the_node_said_and_answers_once() -> None:
    stage = Stage()
    stage.bring()
    assert stage.watcher is not None
    (told,) = stage.watcher.commands
    assert told.observation == settled(fee_msat=7_000, credit_msat=3_000)
    assert stage.is_left()
    told.reply(stage.payment)
    told.reply(stage.payment)
    assert not stage.is_left()
    assert [wait_s for wait_s, _ in stage.later] == [30.0]


def test_of_none_it_is_done_at_once() -> None:
    stage = Stage()
    stage.of.bring((), stage.is_done)
    assert stage.done == 1
    assert not stage.later


def test_one_that_does_not_answer_is_told_again_until_it_does() -> None:
    stage = Stage()
    stage.bring()
    assert stage.watcher is not None
    for times in (2, 3):
        assert stage.again() == UNANSWERED_S
        assert len(stage.watcher.commands) == times
    assert stage.counts == {"lightning.told_again": 2}
    stage.watcher.commands[0].reply(stage.payment)
    stage.again()
    assert len(stage.watcher.commands) == 3, "all of it is committed"
    assert not stage.later
    assert stage.counts == {"lightning.told_again": 2}


def test_what_the_store_cannot_read_is_read_again() -> None:
    stage = Stage()
    stage.store_error = OSError("busy")
    stage.bring()
    assert stage.is_left()
    stage.store_error = None
    assert stage.again() == SOON_S
    assert stage.watcher is not None
    assert len(stage.watcher.commands) == 1


def test_a_watcher_with_a_full_mailbox_is_told_again() -> None:
    stage = Stage()
    stage.watcher = PlayedWatcher(full=True)
    stage.bring()
    assert stage.again() == SOON_S
    assert not stage.of.passed_over
    stage.watcher.full = False
    assert stage.again() == 2 * SOON_S
    assert len(stage.watcher.commands) == 1
    assert [wait_s for wait_s, _ in stage.later] == [UNANSWERED_S], "it waits for it"


def test_the_pauses_are_doubled_up_to_a_bound() -> None:
    stage = Stage()
    stage.watcher = PlayedWatcher(full=True)
    stage.bring()
    waits = [stage.again() for _ in range(8)]
    assert waits == [0.1 * 2**n for n in range(8)]
    stage.later = [one for one in stage.later if one[0] != UNANSWERED_S]
    assert [stage.again() for _ in range(20)] == [LATER_S] * 20
    assert LATER_S == 15


@pytest.mark.parametrize("answer", [NotWatched(), Unavailable("the disk is full")])
def test_an_answer_that_commits_nothing_is_asked_for_again(answer: object) -> None:
    stage = Stage()
    stage.bring()
    assert stage.watcher is not None
    stage.watcher.commands[0].reply(answer)
    assert stage.is_left()
    assert stage.again() == SOON_S
    assert len(stage.watcher.commands) == 2


def test_a_refusal_ends_it_and_is_counted() -> None:
    stage = Stage()
    stage.bring()
    assert stage.watcher is not None
    stage.watcher.commands[0].reply(Refused("no"))
    assert not stage.is_left()
    assert stage.counts == {"lightning.refused": 1}


def test_a_till_is_woken_by_what_is_committed_and_by_nothing_else() -> None:
    stage, woken = Stage(), list[object]()
    stage.tills[settled().node] = SimpleNamespace(tell=woken.append)
    stage.bring()
    assert stage.watcher is not None
    stage.watcher.commands[0].reply(NotWatched())
    assert not woken
    stage.watcher.commands[0].reply(stage.payment)
    assert woken == [MoneyCame()]


def test_a_sick_watcher_and_a_damaged_payment_are_passed_over() -> None:
    stage = Stage()
    stage.trouble = SimpleNamespace(quarantined=True)
    stage.bring()
    assert stage.of.passed_over
    assert not stage.is_left()
    assert stage.counts == {"lightning.quarantined": 1}
    stage = Stage()
    stage.stored[INVOICE_HASH] = StoreDamaged("a page is torn", "restore it")
    stage.stored[OTHER_HASH] = None
    stage.bring(SEEN, OTHER)
    assert stage.of.passed_over
    assert not stage.is_left()
    assert stage.counts == {"lightning.quarantined": 1, "lightning.not_ours": 1}


def test_one_that_crashed_and_is_well_again_is_not_passed_over() -> None:
    stage = Stage()
    stage.trouble = SimpleNamespace(quarantined=False)
    stage.bring()
    assert not stage.of.passed_over
    assert stage.is_left()


def test_who_has_answered_is_not_told_again_with_the_others() -> None:
    stage = Stage()
    other = alone().payment
    stage.stored[OTHER_HASH] = other
    stage.bring(SEEN, OTHER)
    assert stage.watcher is not None
    stage.watcher.commands[0].reply(stage.payment)
    stage.reads.clear()
    stage.again()
    assert stage.reads == [OTHER_HASH]
    assert stage.counts == {"lightning.told_again": 1}
    assert stage.is_left()
    stage.watcher.commands[1].reply(other)
    assert not stage.is_left()


def test_a_try_after_its_answer_reads_nothing() -> None:
    stage = Stage()
    stage.bring()
    assert stage.watcher is not None
    stage.watcher.commands[0].reply(NotWatched())
    stage.watcher.commands[0].reply(stage.payment)  # it was told twice
    stage.reads.clear()
    assert stage.again() == SOON_S
    assert not stage.reads


def test_an_answer_of_the_store_that_comes_too_late_tells_nobody() -> None:
    stage = Stage()
    stage.bring()
    assert stage.watcher is not None
    batch = stage.later[0][1].batch
    stage.watcher.commands[0].reply(stage.payment)
    found: dict[str, Payment | StoreDamaged] = {INVOICE_HASH: stage.payment}
    stage.of.take(Found(batch, found, (INVOICE_HASH,)))
    assert len(stage.watcher.commands) == 1
    assert not stage.is_left()


def test_what_an_earlier_life_of_the_upstream_asked_for_tells_nobody() -> None:
    stage = Stage()
    stage.bring()
    assert stage.watcher is not None
    life, number = stage.later[0][1].batch
    found: dict[str, Payment | StoreDamaged] = {INVOICE_HASH: stage.payment}
    stage.of.take(Found((life - 1, number), found, (INVOICE_HASH,)))
    stage.of.take(WatcherSaid((life - 1, number), INVOICE_HASH, stage.payment))
    assert len(stage.watcher.commands) == 1
    assert (stage.of.pending, stage.done) == (1, 0)


# -- nobody watches it -----------------------------------------------------------------


def test_a_new_payment_waits_for_the_watcher_that_is_starting() -> None:
    stage = Stage()
    stage.watcher = None
    stage.now = stage.payment.terms.created_at + 59_999
    stage.bring()
    assert not stage.appended
    assert stage.is_left()
    stage.watcher = PlayedWatcher()
    assert stage.again() == SOON_S
    assert len(stage.watcher.commands) == 1


@pytest.mark.parametrize("there", [True, False])
def test_an_old_one_that_nobody_watches_is_written_to_at_rest(there: bool) -> None:
    stage = Stage()
    stage.watcher = PlayedWatcher() if there else None
    if stage.watcher is not None:
        stage.watcher.is_stopped = True
    stage.now = stage.payment.terms.created_at + 60_000
    stage.bring()
    ((write, reply),) = stage.appended
    (entry,) = write.entries
    assert entry.payment.status is Status.CONFIRMED
    assert [one.type.removeprefix("payment.") for one in entry.events] == [
        "detected",
        "confirmed",
    ]
    assert stage.rated, "what it is worth at that moment is booked with it"
    assert stage.is_left()
    reply(Committed())
    assert not stage.is_left()


def test_one_whose_time_is_over_is_written_to_however_new_it_is() -> None:
    told = alone(monitor_until=alone().payment.terms.created_at + 1_000)
    told(settled(1_000, payment_hash=INVOICE_HASH))
    stage = Stage(alone(monitor_until=told.payment.terms.monitor_until).payment)
    stage.watcher = None
    stage.bring()
    assert not stage.appended, "it is waited for yet: its watcher is starting"
    stage = Stage(told.payment)
    stage.watcher = None
    stage.bring()
    assert not stage.appended
    assert not stage.is_left(), "it knows of it"


def test_what_it_knows_already_is_not_written() -> None:
    told = alone()
    told(settled())
    stage = Stage(told.payment)
    stage.watcher = None
    stage.now += 60_000
    stage.bring()
    assert not stage.appended
    assert not stage.is_left()


# -- whose it is -----------------------------------------------------------------------


@pytest.mark.parametrize("whose", ["nobody's", "another node's", "of no Lightning"])
def test_what_is_not_ours_is_counted_and_done(whose: str) -> None:
    stage = Stage()
    terms = stage.payment.terms
    assert terms.lightning is not None
    theirs = replace(terms.lightning, node="another")
    stage.stored[INVOICE_HASH] = {
        "nobody's": None,
        "another node's": replace(
            stage.payment, terms=replace(terms, lightning=theirs)
        ),
        "of no Lightning": replace(stage.payment, terms=replace(terms, lightning=None)),
    }[whose]
    stage.bring()
    assert not stage.is_left()
    assert stage.counts == {"lightning.not_ours": 1}
    assert stage.watcher is not None
    assert not stage.watcher.commands

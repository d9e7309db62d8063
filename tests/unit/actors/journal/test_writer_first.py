"""What others rest on is on disk before them: it leads the next batch, and is tried
again with whatever is written next."""

from actors.journal.writer import MAX_BATCH, PROBE_S
from engine.store.writes import BEST_TIP, PROBE, Committed, SourceTip, Unavailable
from tests.unit.actors.journal.house import House

TIP, NEXT_TIP = SourceTip(BEST_TIP, 69, "69"), SourceTip(BEST_TIP, 70, "70")
RESULT = SourceTip("what follows", 1, "a")
FULL = Unavailable("disk full")


def test_what_others_rest_on_leads_the_next_batch_whatever_waits() -> None:
    house = House()
    house.append(1 + MAX_BATCH)
    house.hand_in(RESULT)
    house.hand_in_first(TIP)
    house.finish_one(Committed())
    assert house.newest == [TIP], "and as much of what waited as goes into a batch"
    assert len(house.disk.batches[-1]) == 1 + MAX_BATCH
    house.finish_one(Committed())
    assert house.newest == [RESULT], "it is there, and is not written again"


def test_what_the_disk_refused_leads_the_batch_that_waited_meanwhile() -> None:
    """The next batch is on its way before anybody is told that the last one failed."""
    house = House()
    house.hand_in_first(TIP)
    house.hand_in(RESULT)
    house.finish_one(FULL)
    assert house.newest == [TIP, RESULT]
    house.finish_one(Committed())
    assert house.disk.under_way == []


def test_what_the_disk_refused_is_tried_with_the_next_probe_and_no_more_often() -> None:
    house = House()
    house.hand_in_first(TIP)
    for _ in range(3):
        house.finish_one(FULL)
        assert house.disk.under_way == []
        house.clock.advance(round(PROBE_S * 1000))
        house.settle()
        tip, probe = house.newest
        assert tip == TIP
        assert isinstance(probe, SourceTip)
        assert probe.source == PROBE
    house.finish_one(Committed())
    house.append()
    assert house.newest == []


def test_what_the_disk_refused_gives_way_to_a_newer_one_of_its_name() -> None:
    house = House()
    house.hand_in_first(TIP)
    house.hand_in_first(NEXT_TIP)
    house.finish_one(FULL)
    house.hand_in(RESULT)
    assert house.newest == [NEXT_TIP, RESULT]


def test_of_two_that_wait_the_newer_one_is_written() -> None:
    house = House()
    house.append()
    house.hand_in_first(TIP)
    house.hand_in_first(NEXT_TIP)
    house.finish_one(Committed())
    assert house.newest == [NEXT_TIP]


def test_what_the_journal_s_earlier_life_failed_to_write_takes_no_newer_place() -> None:
    """Its batch ends after the crash; what was handed in since is newer."""
    house = House()
    house.hand_in_first(TIP)
    house.ref.kill()
    house.ref.start()
    house.settle()
    house.hand_in_first(NEXT_TIP)
    house.finish_one(FULL)
    while house.disk.under_way:
        house.finish_one(Committed())
    house.hand_in(RESULT)
    assert house.newest == [RESULT]


def test_a_journal_that_crashed_while_the_disk_failed_tries_what_comes_first() -> None:
    """The probe of its earlier life may be gone with it."""
    house = House()
    house.append()
    house.finish_one(FULL)
    house.ref.kill()
    house.ref.start()
    house.hand_in_first(TIP)
    assert house.newest == [TIP]
    house.finish_one(Committed())
    assert house.report.now.trouble is None

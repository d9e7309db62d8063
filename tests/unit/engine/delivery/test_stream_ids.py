"""Where a stream has been told to, and which ids come next."""

import itertools

import pytest
from msgspec.structs import replace

from engine.delivery.attempt import AttemptOutcome, SendResult
from engine.delivery.stream_ids import (
    EMPTY,
    EntryId,
    StreamFound,
    StreamPlace,
    StreamTold,
    Stuck,
    ids_of,
    place_of,
)
from engine.store.epochs import Epochs, EpochStart

ONE = Epochs([EpochStart(1, "aaaaaaaa", 1_000)])
RESTORED = Epochs(
    [EpochStart(1, "aaaaaaaa", 1_000), EpochStart(101, "bbbbbbbb", 2_000)]
)
UPGRADED = Epochs([EpochStart(51, "aaaaaaaa", 1), EpochStart(61, "bbbbbbbb", 2_000)])


def place(epochs: Epochs, seen: StreamFound, last_offset: int) -> StreamPlace | Stuck:
    return place_of(epochs, replace(seen, writer=seen.writer or "c"), last_offset, "c")


def test_an_empty_stream_has_been_told_nothing() -> None:
    assert place(ONE, StreamFound(EMPTY), 50) == StreamPlace(0, is_empty=True)


def test_the_last_id_says_how_far_it_was_told() -> None:
    seen = StreamFound(EntryId(1_000, 7), "evt_aaaaaaaa_7")
    assert place(ONE, seen, 50) == StreamPlace(7)


def test_a_last_entry_that_was_taken_out_is_no_doubt() -> None:
    assert place(ONE, StreamFound(EntryId(1_000, 7)), 50) == StreamPlace(7)


@pytest.mark.parametrize("name", ["", "evt_cccccccc_7", "evt_aaaaaaaa_8"])
def test_another_entry_under_our_id_stops_everything(name: str) -> None:
    found = place(ONE, StreamFound(EntryId(1_000, 7), name), 50)
    assert isinstance(found, Stuck)
    assert "another writer" in found.reason


def test_an_id_above_all_of_ours_stops_everything() -> None:
    found = place(ONE, StreamFound(EntryId(1_001, 0), ""), 50)
    assert isinstance(found, Stuck)
    assert "1001-0" in found.reason


def test_a_stream_that_is_ahead_of_the_journal_stops_everything() -> None:
    found = place(ONE, StreamFound(EntryId(1_000, 51), "evt_aaaaaaaa_51"), 50)
    assert isinstance(found, Stuck)
    assert "copy of this database" in found.reason


def test_a_life_that_was_lost_went_on_further_than_what_we_have() -> None:
    """After a restore: 101 to 200 were told of a journal that is gone."""
    seen = StreamFound(EntryId(1_000, 200), "evt_aaaaaaaa_200")
    assert place(RESTORED, seen, 150) == StreamPlace(100)
    assert ids_of(RESTORED, seen.last, [101, 102]) == [(2_000, 101), (2_000, 102)]


def test_a_restore_of_a_restore_goes_on_behind_a_life_that_nobody_knows() -> None:
    """1500 was a life of another restore of the same backup."""
    unknown = EntryId(1_500, 120)
    seen = StreamFound(unknown, "evt_zzzzzzzz_120", ours=EntryId(1_000, 90))
    assert place(RESTORED, seen, 150) == StreamPlace(90)
    assert place(RESTORED, StreamFound(unknown), 150) == StreamPlace(None)
    # What the stream was not told while it could has an id of the present.
    assert ids_of(RESTORED, unknown, [91, 101]) == [(2_000, 91), (2_000, 101)]


def test_events_from_before_there_were_epochs_have_ids_too() -> None:
    ids = ids_of(UPGRADED, EMPTY, [1, 50, 51, 60, 61])
    assert ids == [(0, 1), (0, 50), (1, 51), (1, 60), (2_000, 61)]
    seen = StreamFound(EntryId(0, 50), "evt_50")
    assert place(UPGRADED, seen, 70) == StreamPlace(50)
    assert place(UPGRADED, StreamFound(EntryId(0, 99)), 70) == StreamPlace(50)


def test_an_event_has_the_same_id_whenever_it_is_told_anew() -> None:
    """A stream that lost its tail takes what is missing, each under its old id."""
    offsets = list(range(1, 120))
    whole = ids_of(RESTORED, EMPTY, offsets)
    for cut in range(1, len(offsets)):
        last = whole[cut - 1]
        found = place(RESTORED, StreamFound(last), 119)
        assert found == StreamPlace(offsets[cut - 1])
        assert ids_of(RESTORED, last, offsets[cut:]) == whole[cut:]
    assert all(a < b for a, b in itertools.pairwise(whole))


@pytest.mark.parametrize("text", ["", "1", "1-", "-1", "1-2-3", "1-2 ", "a-b", "1-٣"])
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no id"):
        EntryId.parse(text)


def test_ids_compare_as_redis_compares_them() -> None:
    assert EntryId.parse("9-10") > EntryId.parse("9-9") > EntryId.parse("8-11")
    assert str(EntryId.parse("18446744073709551615-7")) == "18446744073709551615-7"


def test_two_channels_cannot_share_a_stream() -> None:
    """Each would take the other's last id for its own place, and leave events out."""
    found = place_of(ONE, StreamFound(EntryId(1_000, 7), writer="other"), 50, "c")
    assert isinstance(found, Stuck)
    assert "the channel other" in found.reason
    nobodys = place_of(ONE, StreamFound(EntryId(1_000, 7), writer=None), 50, "c")
    assert nobodys == StreamPlace(7)


def test_a_stream_that_has_all_of_the_journal_is_in_its_place() -> None:
    found = place(ONE, StreamFound(EntryId(1_000, 50), "evt_aaaaaaaa_50"), 50)
    assert isinstance(found, StreamPlace)
    assert (found.told, found.is_empty) == (50, False)


def test_what_was_only_looked_at_was_not_told() -> None:
    result = SendResult(AttemptOutcome.DELIVERED, None, None, None, 1.0)
    assert not StreamTold(result, StreamFound(EMPTY)).did

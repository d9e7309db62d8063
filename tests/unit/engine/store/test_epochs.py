"""Epochs: whose number is it, and where does who counted elsewhere go on?"""

import re

import pytest

from engine.store.epochs import Epochs, EpochStart, Position, new_epoch

NEW = Epochs([EpochStart(1, "aaaaaaaa")])
UPGRADED = Epochs([EpochStart(101, "aaaaaaaa")])
RESTORED = Epochs([EpochStart(101, "aaaaaaaa"), EpochStart(151, "bbbbbbbb")])
TWICE = Epochs(
    [
        EpochStart(1, "aaaaaaaa"),
        EpochStart(51, "bbbbbbbb"),
        EpochStart(51, "cccccccc"),
    ]
)


def test_an_epoch_is_drawn_of_digits_and_lower_case_letters() -> None:
    drawn = {new_epoch() for _ in range(1_000)}
    assert len(drawn) == 1_000
    assert all(re.fullmatch("[0-9a-z]{8}", epoch) for epoch in drawn)


@pytest.mark.parametrize(
    ("epochs", "offset", "name"),
    [
        (NEW, 1, "evt_aaaaaaaa_1"),
        (UPGRADED, 100, "evt_100"),
        (UPGRADED, 101, "evt_aaaaaaaa_101"),
        (RESTORED, 7, "evt_7"),
        (RESTORED, 150, "evt_aaaaaaaa_150"),
        (RESTORED, 151, "evt_bbbbbbbb_151"),
        (TWICE, 50, "evt_aaaaaaaa_50"),
        (TWICE, 51, "evt_cccccccc_51"),
    ],
)
def test_an_id_names_the_epoch_of_its_event(
    epochs: Epochs, offset: int, name: str
) -> None:
    assert epochs.event_id(offset) == name
    assert epochs.offset_of(name) == offset


@pytest.mark.parametrize(
    "name",
    [
        "evt_101",  # has an epoch here
        "evt_aaaaaaaa_100",  # has none here
        "evt_aaaaaaaa_151",  # was lost when the backup was restored
        "evt_zzzzzzzz_151",
        "evt_0",
        "evt_aaaaaaaa_0",
        "evt_",
        "151",
        "evt_AAAAAAAA_151",
        "evt_bbbbbbbb_151 ",
        "evt_bbbbbbbb_1\u0665",
    ],
)
def test_the_id_of_another_database_names_no_event_here(name: str) -> None:
    assert RESTORED.offset_of(name) is None


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("0", Position(None, 0)),
        ("17", Position(None, 17)),
        ("aaaaaaaa-0", Position("aaaaaaaa", 0)),
        ("0a9z0a9z-999999999999999999", Position("0a9z0a9z", 10**18 - 1)),
        ("", None),
        ("-1", None),
        ("aaaaaaa-1", None),
        ("aaaaaaaa-", None),
        ("aaaaaaaa_1", None),
        ("AAAAAAAA-1", None),
        ("aaaaaaaa-1000000000000000000", None),
        ("\u0661", None),
        ("1\n", None),
    ],
)
def test_a_position_is_a_number_with_its_epoch_or_without(
    text: str, position: Position | None
) -> None:
    assert Position.parse(text) == position
    if position is not None:
        assert str(position) == text


@pytest.mark.parametrize(
    ("epochs", "text", "is_present", "going_on"),
    [
        (NEW, "0", True, "aaaaaaaa-0"),
        (NEW, "7", True, "aaaaaaaa-7"),
        (NEW, "aaaaaaaa-7", True, "aaaaaaaa-7"),
        (NEW, "zzzzzzzz-7", False, "aaaaaaaa-0"),
        (NEW, "zzzzzzzz-0", False, "aaaaaaaa-0"),
        (UPGRADED, "100", True, "aaaaaaaa-100"),
        (UPGRADED, "200", True, "aaaaaaaa-200"),
        (RESTORED, "0", True, "bbbbbbbb-0"),
        (RESTORED, "7", False, "bbbbbbbb-7"),
        (RESTORED, "200", False, "bbbbbbbb-150"),
        (RESTORED, "aaaaaaaa-0", False, "bbbbbbbb-0"),
        (RESTORED, "aaaaaaaa-120", False, "bbbbbbbb-120"),
        (RESTORED, "aaaaaaaa-150", False, "bbbbbbbb-150"),
        (RESTORED, "aaaaaaaa-151", False, "bbbbbbbb-150"),
        (RESTORED, "bbbbbbbb-151", True, "bbbbbbbb-151"),
        (RESTORED, "zzzzzzzz-120", False, "bbbbbbbb-0"),
        (TWICE, "aaaaaaaa-60", False, "cccccccc-50"),
        (TWICE, "bbbbbbbb-60", False, "cccccccc-50"),
        (TWICE, "60", False, "cccccccc-50"),
    ],
)
def test_a_reader_of_another_epoch_goes_on_after_what_it_is_sure_to_have_read(
    epochs: Epochs, text: str, is_present: bool, going_on: str
) -> None:
    position = Position.parse(text)
    assert position is not None
    assert epochs.is_present(position) is is_present
    assert str(epochs.going_on_from(position)) == going_on
    assert epochs.is_present(epochs.going_on_from(position))


@pytest.mark.parametrize(
    ("epochs", "text", "began_at", "is_same"),
    [
        (NEW, "7", None, True),
        (NEW, "aaaaaaaa-7", None, True),
        (NEW, "zzzzzzzz-7", 1, False),
        (RESTORED, "bbbbbbbb-7", None, True),
        (RESTORED, "aaaaaaaa-7", 151, False),
        (RESTORED, "0", 7, True),
        (RESTORED, "7", 150, False),
        (RESTORED, "7", 151, True),
        (RESTORED, "7", None, False),  # its events are there no more
    ],
)
def test_a_payments_story_is_gone_on_with_by_who_has_read_the_same(
    epochs: Epochs, text: str, began_at: int | None, is_same: bool
) -> None:
    since = Position.parse(text)
    assert since is not None
    assert epochs.is_story_of(since, lambda: began_at) is is_same


@pytest.mark.parametrize(
    ("text", "means"),
    [("7", "aaaaaaaa-7"), ("0", "0"), ("zzzzzzzz-7", "zzzzzzzz-7")],
)
def test_a_number_alone_at_an_address_is_of_the_first_epoch(
    text: str, means: str
) -> None:
    since = Position.parse(text)
    assert since is not None
    assert str(RESTORED.at_an_address(since)) == means


def test_epochs_are_some_and_begin_one_after_the_other() -> None:
    for wrong in (
        [],
        [EpochStart(2, "aaaaaaaa"), EpochStart(1, "bbbbbbbb")],
        [EpochStart(1, "aaaaaaaa"), EpochStart(2, "aaaaaaaa")],
    ):
        with pytest.raises(AssertionError):
            Epochs(wrong)

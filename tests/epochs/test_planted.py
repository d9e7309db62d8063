"""The worlds notice what they are there to notice: wrong rules, planted in the node."""

from collections.abc import Callable
from typing import Any

import pytest

from engine.store.epochs import Epochs, Position
from tests.epochs.world import FOLLOWED_OVER, run
from transport.live.encoding import Frames
from transport.live.followed_invoice import FollowedInvoice

WORLDS = 60


def believes_every_story(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Epochs, "is_story_of", lambda *_: True)


def believes_a_number_alone_at_an_address(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Epochs, "at_an_address", lambda _self, since: since)


def believes_every_cursor(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Epochs, "is_present", lambda *_: True)


def goes_on_from_what_is_not_shared(patch: pytest.MonkeyPatch) -> None:
    def wrong(self: Epochs, position: Position) -> Position:
        return Position(self.present, position.number)

    patch.setattr(Epochs, "going_on_from", wrong)


def gives_out_the_first_epoch_for_ever(patch: pytest.MonkeyPatch) -> None:
    first = property(lambda self: self._starts[0].epoch)
    patch.setattr(Epochs, "present", first)


def streams_without_an_epoch(patch: pytest.MonkeyPatch) -> None:
    make = Frames.__init__

    def wrong(self: Frames, _epoch: str, *rest: Any, **more: Any) -> None:
        make(self, "00000000", *rest, **more)

    patch.setattr(Frames, "__init__", wrong)


def keeps_from_a_page_that_it_begins_anew(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(FollowedInvoice, "take_begins_anew", lambda _self: None)


PLANTS: tuple[Callable[[pytest.MonkeyPatch], None], ...] = (
    believes_every_story,
    believes_a_number_alone_at_an_address,
    believes_every_cursor,
    goes_on_from_what_is_not_shared,
    gives_out_the_first_epoch_for_ever,
    streams_without_an_epoch,
    keeps_from_a_page_that_it_begins_anew,
)


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
def test_a_wrong_rule_is_found(
    monkeypatch: pytest.MonkeyPatch, plant: Callable[[pytest.MonkeyPatch], None]
) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        _run_all()


@pytest.mark.parametrize("over", FOLLOWED_OVER)
def test_readers_of_each_transport_find_it_without_the_others(
    monkeypatch: pytest.MonkeyPatch, over: str
) -> None:
    believes_every_story(monkeypatch)
    with pytest.raises(AssertionError):
        _run_all(over)


def _run_all(*over: str) -> None:
    for seed in range(WORLDS):
        run(seed, *over)

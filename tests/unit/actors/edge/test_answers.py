"""What an edge makes of the journal's answers: nobody outside sees a column or SQL."""

import pytest

from actors.edge.answers import good
from engine.errors import BrokenInvariant, Duplicate, EngineBusy
from engine.errors.codes import Code
from engine.store.writes import Committed, Conflict, Unavailable


def test_what_was_committed_is_the_answer() -> None:
    assert good(Committed()) == Committed()


def test_an_address_in_use_concerns_its_payment_alone() -> None:
    taken = Conflict("address", "address is watched by another payment")
    assert good(taken) is taken


@pytest.mark.parametrize("what", ["inbound", "idempotency"])
def test_what_was_done_before_is_a_duplicate(what: str) -> None:
    with pytest.raises(Duplicate):
        good(Conflict(what, "webhook was heard before"))


def test_a_payment_that_moved_on_is_worth_another_try() -> None:
    with pytest.raises(EngineBusy):
        good(Conflict("seq", "payment was changed meanwhile"))


def test_what_no_client_can_bring_about_is_our_fault_and_no_409() -> None:
    with pytest.raises(BrokenInvariant) as caught:
        good(Conflict("other", "UNIQUE constraint failed: events.offset"))
    assert caught.value.code is Code.INTERNAL_ERROR


def test_a_journal_that_cannot_write_is_busy() -> None:
    with pytest.raises(EngineBusy, match="disk is full"):
        good(Unavailable("the disk is full"))

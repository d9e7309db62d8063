"""What a message says where its sender left it out, and which of two are one."""

import pytest

from actors.messages import Command, NotWatched, Nudge, Poll, PollNow, Round, RoundDone
from engine.payment.observations import Cancel
from engine.runtime.mailbox import PriorityMailbox, Put


@pytest.mark.parametrize("message", [Nudge(), PollNow()])
def test_two_that_wait_are_one(message: object) -> None:
    mailbox = PriorityMailbox()
    assert mailbox.put(message, 1) is Put.QUEUED
    assert mailbox.put(message, 1) is Put.COALESCED
    assert mailbox.take() is message
    assert mailbox.take() is None
    assert mailbox.put(message, 1) is Put.QUEUED


def test_a_command_that_nobody_reads_is_answered() -> None:
    answers: list[object] = []
    Command(Cancel("ann"), answers.append).on_dropped()
    assert answers == [NotWatched()]


def test_a_poll_is_urgent_unless_it_says_when_it_is_due() -> None:
    assert Poll(b"script").due == 0


def test_a_round_goes_on_where_the_last_one_ended() -> None:
    assert not Round(1).reset
    assert not Round(1).aside


def test_a_round_is_whole_unless_it_says_what_is_missing() -> None:
    done = RoundDone(0, 1, 0, {}, None, 0)
    assert (done.more, done.anew, done.disappeared, done.unreadable) == (
        False,
        False,
        0,
        (),
    )

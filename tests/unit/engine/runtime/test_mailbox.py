"""The mailbox: two lanes, a bound, and kinds of which one is enough."""

from engine.runtime.mailbox import PriorityMailbox, Put


class Poll:
    coalesce = True


class Nudge:
    coalesce = True


def drained(mailbox: PriorityMailbox) -> list[object]:
    found = []
    while (message := mailbox.take()) is not None:
        found.append(message)
    return found


def test_mail_is_taken_in_the_order_it_came() -> None:
    mailbox = PriorityMailbox()
    for number in range(3):
        assert mailbox.put(number, limit=10) is Put.QUEUED
    assert len(mailbox) == 3
    assert drained(mailbox) == [0, 1, 2]
    assert len(mailbox) == 0


def test_beyond_its_limit_it_refuses_and_takes_again_when_there_is_room() -> None:
    mailbox = PriorityMailbox()
    assert [mailbox.put(n, limit=2) for n in (1, 2, 3)] == [
        Put.QUEUED,
        Put.QUEUED,
        Put.REFUSED,
    ]
    mailbox.take()
    assert mailbox.put(4, limit=2) is Put.QUEUED
    assert drained(mailbox) == [2, 4]


def test_system_mail_overtakes_and_is_never_refused() -> None:
    mailbox = PriorityMailbox()
    mailbox.put("user", limit=1)
    mailbox.put_system("stop")
    mailbox.put_system("deadline")
    assert drained(mailbox) == ["stop", "deadline", "user"]


def test_of_a_kind_that_coalesces_one_waits() -> None:
    mailbox = PriorityMailbox()
    first = Poll()
    assert mailbox.put(first, limit=1) is Put.QUEUED
    assert mailbox.put(Poll(), limit=1) is Put.COALESCED
    assert mailbox.put(Nudge(), limit=1) is Put.QUEUED
    assert mailbox.take() is first
    assert mailbox.put(Poll(), limit=1) is Put.QUEUED
    assert len(mailbox) == 2


def test_what_is_put_back_comes_first_of_the_users_mail() -> None:
    mailbox = PriorityMailbox()
    mailbox.put("second", limit=1)
    mailbox.put_back("first")
    mailbox.put_system("system")
    assert drained(mailbox) == ["system", "first", "second"]


def test_what_is_put_back_into_an_empty_mailbox_is_taken() -> None:
    mailbox = PriorityMailbox()
    mailbox.put_back("again")
    assert len(mailbox) == 1
    assert drained(mailbox) == ["again"]


def test_its_length_is_that_of_both_lanes() -> None:
    mailbox = PriorityMailbox()
    assert len(mailbox) == 0
    mailbox.put_system("system")
    assert len(mailbox) == 1
    mailbox.put("user", limit=5)
    mailbox.put_system("system")
    assert len(mailbox) == 3
    drained(mailbox)
    assert len(mailbox) == 0


def test_system_mail_takes_no_room_of_the_users() -> None:
    mailbox = PriorityMailbox()
    for _ in range(3):
        mailbox.put_system("system")
    assert [mailbox.put(n, limit=2) for n in range(3)] == [
        Put.QUEUED,
        Put.QUEUED,
        Put.REFUSED,
    ]


def test_a_mailbox_without_room_takes_nothing_but_what_coalesces() -> None:
    mailbox = PriorityMailbox()
    assert mailbox.put("user", limit=0) is Put.REFUSED
    assert mailbox.put(Poll(), limit=0) is Put.QUEUED
    assert mailbox.put("user", limit=1) is Put.REFUSED

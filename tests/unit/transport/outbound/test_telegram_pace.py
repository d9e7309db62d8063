"""A bot's pace: no more in a chat, in a group and in all than Telegram takes."""

from hypothesis import given
from hypothesis import strategies as st

from transport.outbound.telegram_pace import MAX_KEPT, TelegramPace


def sent_at(
    pace: TelegramPace, chat: str, count: int, start: float = 0.0
) -> list[float]:
    """When so many messages go out that are all wanted at once."""
    return [start + pace.turn("1:a", chat, start, 1e9) for _ in range(count)]


def most_within(times: list[float], window_s: float) -> int:
    return max(
        sum(start <= at < start + window_s - 1e-6 for at in times) for start in times
    )


def test_a_chat_gets_one_message_a_second() -> None:
    assert sent_at(TelegramPace(), "7", 4) == [0, 1, 2, 3]


def test_a_group_gets_no_more_than_twenty_in_any_minute() -> None:
    for chat in ("-7", "@shop"):
        times = sent_at(TelegramPace(), chat, 100)
        assert most_within(times, 60) <= 20
        assert most_within(times, 1) <= 1
        assert times[-1] < 100 * 60 / 16, "nor much less"


def test_a_bot_sends_no_more_than_thirty_in_any_second() -> None:
    pace = TelegramPace()
    times = [pace.turn("1:a", str(chat), 0.0, 1e9) for chat in range(1, 200)]
    assert most_within(times, 1) <= 30
    assert pace.turn("2:b", "1", 0.0, 1e9) == 0, "another bot has its own"


def test_chats_of_one_bot_do_not_wait_for_one_another() -> None:
    pace = TelegramPace()
    assert [pace.turn("1:a", chat, 0.0, 1e9) for chat in ("7", "8", "-9")] == [0, 0, 0]


def test_a_turn_that_is_just_near_enough_is_taken() -> None:
    pace = TelegramPace()
    assert [pace.turn("1:a", "7", 0.0, 1.0) for _ in range(3)] == [0, 1, 2]
    assert pace.turn("1:a", "7", 0.0, 2.0) == 2
    assert pace.turn("1:a", "7", 0.0, 3.0) == 3


def test_who_would_wait_too_long_takes_no_turn() -> None:
    pace = TelegramPace()
    sent_at(pace, "7", 3)
    assert pace.turn("1:a", "7", 0.0, 2.0) == 3
    assert pace.turn("1:a", "7", 0.0, 2.0) == 3
    assert pace.turn("1:a", "7", 1.5, 2.0) == 1.5


@given(st.lists(st.floats(0, 30), min_size=1, max_size=60))
def test_whenever_they_are_wanted_they_go_out_at_the_pace(wanted: list[float]) -> None:
    pace = TelegramPace()
    times = [at + pace.turn("1:a", "-7", at, 1e9) for at in sorted(wanted)]
    assert times == sorted(times)
    assert most_within(times, 1) <= 1
    assert most_within(times, 60) <= 20


def test_many_chats_are_forgotten_and_no_token_is_kept() -> None:
    pace = TelegramPace()
    for chat in range(1, MAX_KEPT + 50):
        pace.turn("1:secret", str(chat), float(chat), 1e9)
    assert len(pace._kept) == MAX_KEPT
    assert b"secret" not in b"".join(pace._kept)

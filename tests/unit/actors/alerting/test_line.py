"""One channel's line by itself: its waits to the millisecond, what it keeps."""

import pytest
from msgspec.structs import replace

from actors.alerting.line import AlertLine, Sending
from engine.alerts.telling import Pace, Subject
from engine.delivery.channel import Channel
from engine.store.records import ToldAlert
from engine.store.writes import ToldRow

NOW = 1_767_000_000_000
PACE = Pace(after=60_000, every=300_000)
MIDDLE = 0.5  # of the random part: the wait is the one of the table

CHANNEL = Channel(
    id="phone",
    merchant="*",
    url="https://phone",
    secret="",
    created_at=NOW,
    types=("alert.*",),
)


def alert(
    subject: str = "node", kind: str = "source.behind", since: int = NOW - 100_000
) -> ToldAlert:
    return ToldAlert(kind, subject, "why", since)


def standing(*alerts: ToldAlert) -> dict[Subject, ToldAlert]:
    return {(one.kind, one.subject): one for one in alerts}


def a_line(*told: ToldAlert, quiet_until: int = NOW) -> AlertLine:
    return AlertLine(CHANNEL, b"stored", told, quiet_until)


def look(
    line: AlertLine, *alerts: ToldAlert, at: int = NOW, id_: str = "alt_1"
) -> Sending | None:
    return line.look(standing(*alerts), at, PACE, id_)


def test_after_a_failure_it_waits_as_the_table_says_and_then_as_its_last() -> None:
    line, now, waits = a_line(), NOW, []
    for attempt in range(1, 8):
        assert look(line, alert(), at=now) is not None
        assert line.answered(False, now, MIDDLE) == attempt
        at = line.wakes_at(standing(alert()), PACE)
        assert at is not None
        assert look(line, alert(), at=at - 1) is None
        waits.append(at - now)
        now = at
    assert waits == [5_000, 30_000, 120_000, 300_000, 900_000, 900_000, 900_000]


@pytest.mark.parametrize(("rand", "wait_ms"), [(0.0, 4_000), (0.75, 5_500)])
def test_the_waits_are_shaken_by_what_is_drawn(rand: float, wait_ms: int) -> None:
    line = a_line()
    look(line, alert())
    line.answered(False, NOW, rand)
    assert line.wakes_at(standing(alert()), PACE) == NOW + wait_ms


def test_a_message_keeps_its_id_and_time_while_it_says_the_same() -> None:
    line = a_line()
    first = look(line, alert(), id_="alt_1")
    assert first is not None
    assert (first.id, first.at, first.message.alerts) == ("alt_1", NOW, (alert(),))
    assert line.sending is first
    line.answered(False, NOW, MIDDLE)
    assert line.sending is None
    again = look(line, alert(), at=NOW + 5_000, id_="alt_2")
    assert again == first
    line.answered(False, NOW + 5_000, MIDDLE)
    more = look(line, alert(), alert("other"), at=NOW + 90_000, id_="alt_3")
    assert more is not None
    assert (more.id, more.at) == ("alt_3", NOW + 90_000), "two alerts: another message"
    assert line.answered(False, NOW + 90_000, MIDDLE) == 1, "counted from the beginning"


@pytest.mark.parametrize("since", [NOW - 100_000, NOW - 90_000])
def test_one_that_began_anew_is_another_message(since: int) -> None:
    line = a_line()
    look(line, alert(), id_="alt_1")
    line.answered(False, NOW, MIDDLE)
    again = look(line, alert(since=since), at=NOW + 5_000, id_="alt_2")
    assert again is not None
    assert again.id == ("alt_1" if since == alert().since else "alt_2")


def test_the_end_of_an_alert_is_another_message_than_its_beginning() -> None:
    line = a_line(alert())
    assert look(line) is None
    assert look(line, at=NOW + 59_999) is None
    over = look(line, at=NOW + 60_000, id_="alt_1")
    assert over is not None
    assert over.message.type == "alert.resolved"
    line.answered(False, NOW + 60_000, MIDDLE)
    begun = look(line, alert(), alert("b"), at=NOW + 65_000, id_="alt_2")
    assert begun is not None
    assert (begun.message.type, begun.id) == ("alert.raised", "alt_2")


def test_while_one_is_sent_or_it_rests_nothing_else_is() -> None:
    line = a_line()
    look(line, alert())
    assert look(line, alert(), alert("x", "disk.low")) is None
    assert line.wakes_at(standing(alert()), PACE) is None
    line.answered(True, NOW, MIDDLE)
    line.is_resting = True
    assert look(line, alert(), alert("x", "disk.low")) is None
    assert line.wakes_at(standing(alert("x", "disk.low")), PACE) is None
    line.is_resting = False
    assert look(line, alert(), alert("x", "disk.low")) is not None


def test_a_kind_that_waits_holds_up_no_other_and_both_wake_it() -> None:
    line, both = a_line(), (alert(), alert("x", "disk.low", NOW - 30_000))
    look(line, *both)
    line.answered(False, NOW, MIDDLE)
    assert line.wakes_at(standing(*both), PACE) == NOW + 5_000
    look(line, *both, at=NOW + 5_000)
    line.answered(False, NOW + 5_000, MIDDLE)
    assert line.wakes_at(standing(*both), PACE) == NOW + 30_000
    assert look(line, *both, at=NOW + 29_999) is None
    other = look(line, *both, at=NOW + 30_000)
    assert other is not None
    assert other.message.kind == "disk.low"


def test_a_refused_message_counts_as_told_at_the_third_answer() -> None:
    line, now = a_line(), NOW
    for attempt in (1, 2, 3):
        assert look(line, alert(), at=now) is not None
        assert line.answered(False, now, MIDDLE, refused=True) == attempt
        now += 1_000_000
    assert [row.is_over for row in line.unsaved] == [False]
    assert look(line, alert(), at=now) is None


def test_of_a_refusal_nobody_speaks_who_did_not_name_one() -> None:
    line, now = a_line(), NOW
    for _ in range(5):
        assert look(line, alert(), at=now) is not None
        line.answered(False, now, MIDDLE)
        now += 1_000_000
    assert line.unsaved == []


def test_what_is_told_is_a_row_and_so_is_its_end() -> None:
    line = a_line()
    look(line, alert())
    assert line.answered(True, NOW, MIDDLE) == 1
    row = ToldRow("phone", "source.behind", "node", "why", NOW - 100_000, False)
    assert line.unsaved == [row]
    assert look(line, at=NOW + 1) is None
    assert look(line, at=NOW + 300_000) is not None
    line.answered(True, NOW + 300_000, MIDDLE)
    assert line.unsaved == [row, replace(row, is_over=True)]
    assert look(line, alert(), at=NOW + 300_001) is None, "one message in five minutes"
    assert look(line, alert(), at=NOW + 600_000) is not None, "told anew: it was over"


def test_what_is_over_and_begins_again_is_away_from_then_on() -> None:
    line = a_line(alert())
    look(line, at=NOW)
    look(line, alert(), at=NOW + 50_000)
    look(line, at=NOW + 80_000)
    assert look(line, at=NOW + 139_999) is None
    assert look(line, at=NOW + 140_000) is not None


def test_a_channel_with_other_types_has_heard_without_a_word() -> None:
    line = AlertLine(replace(CHANNEL, types=("alert.resolved",)), b"", (), NOW)
    assert look(line, alert(), alert("x", "disk.low")) is None
    assert {row.kind for row in line.unsaved} == {"source.behind", "disk.low"}
    assert look(line, at=NOW + 1) is None
    over = look(line, at=NOW + 300_001)
    assert over is not None
    assert over.message.type == "alert.resolved"


def test_the_end_of_what_only_passes_is_told_nobody_and_noted() -> None:
    passed = alert("shop", "channel.disabled")
    line = a_line(passed)
    look(line)
    assert look(line, at=NOW + 60_000) is None
    assert [row.is_over for row in line.unsaved] == [True]
    assert look(line, at=NOW + 120_000) is None
    assert len(line.unsaved) == 1, "once"


def test_a_thousand_rows_wait_for_a_journal_that_cannot_write_and_no_more() -> None:
    line = a_line()
    alerts = tuple(alert(f"{n:04}", since=NOW - 100_000 + n) for n in range(1_003))
    look(line, *alerts)
    line.answered(True, NOW, MIDDLE)
    assert len(line.unsaved) == 1_000
    assert line.unsaved[0].subject == "0003", "the oldest are forgotten"


def test_what_was_told_before_the_start_is_over_only_when_all_could_look() -> None:
    line = a_line(alert(), quiet_until=NOW + 900_000)
    assert look(line, at=NOW) is None
    assert line.wakes_at({}, PACE) == NOW + 960_000
    assert look(line, at=NOW + 959_999) is None
    assert look(line, at=NOW + 960_000) is not None


def test_a_clock_that_went_back_holds_nothing_up_for_longer_than_it_may() -> None:
    line = a_line(alert("y", "disk.low"), quiet_until=NOW + 10**12)
    look(line, alert())
    line.answered(False, NOW + 10**12, MIDDLE)
    both = alert(), alert("y", "disk.low")
    assert look(line, *both, at=NOW) is None
    assert line.wakes_at(standing(*both), PACE) == NOW + 1_800_000
    assert look(line, alert(), at=NOW + 1) is None
    assert look(line, alert(), at=NOW + 60_000) is None
    assert look(line, alert(), at=NOW + 60_001) is not None, "away, within one look"


def test_quiet_is_a_quarter_of_an_hour_at_most_whatever_the_clock_was() -> None:
    line = a_line(alert(), quiet_until=NOW + 10**12)
    assert look(line) is None
    assert line.wakes_at({}, PACE) == NOW + 900_000 + 60_000


def test_when_it_was_told_is_not_ahead_either() -> None:
    line = a_line()
    ahead = NOW + 10**12
    look(line, alert(since=ahead - 100_000), at=ahead)
    line.answered(True, ahead, MIDDLE)
    assert look(line, alert(), alert("x"), at=NOW) is None
    assert line.wakes_at(standing(alert(), alert("x")), PACE) == NOW + 300_000


def test_what_it_has_heard_is_what_is_on_disk_and_what_waits() -> None:
    line = a_line()
    over = ToldRow("phone", "a", "1", "why", NOW, True)
    line.saving = [over, ToldRow("phone", "b", "2", "told", NOW + 1, False)]
    line.unsaved = [ToldRow("phone", "never on disk", "3", "", NOW, True)]
    kept = ToldAlert("c", "3", "kept", NOW)
    known = line.known([ToldAlert("a", "1", "why", NOW), kept])
    assert known == [kept, ToldAlert("b", "2", "told", NOW + 1)]


def test_the_last_word_of_one_alert_counts() -> None:
    line = a_line()
    line.saving = [ToldRow("phone", "a", "1", "first", NOW, False)]
    line.unsaved = [ToldRow("phone", "a", "1", "", NOW, True)]
    assert line.known([]) == []

"""Channels: who wants what, which secrets sign, and what an attempt comes to."""

import msgspec
import pytest

from engine.delivery.attempt import AttemptOutcome, SendResult, classify
from engine.delivery.channel import (
    SECRET_OVERLAP_S,
    Channel,
    active_secrets,
    channel_of,
    channel_row,
    payload,
    result_of,
    wants,
)
from engine.payment.model import EventType
from engine.store.records import ChannelRecord, Pending
from engine.store.writes import DeliveryResult

T0 = 1_760_000_000_000


def channel(**changes: object) -> Channel:
    base: dict[str, object] = {
        "id": "ch_1",
        "url": "https://shop.example/hook",
        "secret": "new",
        "created_at": T0,
    }
    return Channel(**(base | changes))  # type: ignore[arg-type]


def judged(
    result: SendResult,
    attempt: int = 1,
    rand: float = 0.5,
    refused: tuple[int, int] = (0, 0),
    **changes: object,
) -> DeliveryResult:
    return result_of(
        channel(**changes),
        result,
        payment_id="pay_1",
        head=Pending(7, 3, attempt - 1, 0, b"{}", *refused),
        now=T0,
        rand=rand,
    )


def sent(outcome: AttemptOutcome, retry_after_s: float | None = None) -> SendResult:
    return SendResult(
        outcome=outcome,
        status=500,
        latency_ms=12.4,
        error="500",
        retry_after_s=retry_after_s,
    )


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, True),
        ({"merchant": "ann"}, True),
        ({"merchant": "bob"}, False),
        ({"types": (EventType.CONFIRMED,)}, True),
        ({"types": (EventType.DETECTED,)}, False),
        ({"enabled": False}, False),
    ],
)
def test_a_channel_gets_its_merchants_events_of_its_kinds(
    changes: dict[str, object], wanted: bool
) -> None:
    assert wants(channel(**changes), EventType.CONFIRMED, "ann") is wanted


def test_after_a_rotation_both_secrets_sign_for_a_while() -> None:
    rotated = channel(old_secret="old", old_secret_until=T0 + 10)
    assert active_secrets(rotated, T0 + 9) == ("new", "old")
    assert active_secrets(rotated, T0 + 10) == ("new",)
    assert active_secrets(channel(), T0) == ("new",)


def test_what_was_delivered_is_done() -> None:
    row = judged(sent(AttemptOutcome.DELIVERED))
    assert (row.state, row.next_at, row.latency_ms) == ("delivered", 0, 12)
    assert (row.refusals, row.refused_at) == (0, 0)


def test_what_failed_is_tried_again_by_the_schedule() -> None:
    row = judged(sent(AttemptOutcome.RETRY), schedule_s=(0.0, 10.0, 60.0))
    assert (row.state, row.next_at) == ("pending", T0 + 10_000)


def test_an_endpoint_may_ask_for_more_time() -> None:
    row = judged(sent(AttemptOutcome.THROTTLED, 120.0), schedule_s=(0.0, 10.0, 60.0))
    assert row.next_at >= T0 + 100_000


def test_the_end_of_the_schedule_and_410_make_a_dead_letter() -> None:
    last = judged(sent(AttemptOutcome.RETRY), attempt=3, schedule_s=(0.0, 10.0, 60.0))
    assert (last.state, last.next_at) == ("dead", 0)
    assert judged(sent(AttemptOutcome.GONE)).state == "dead"


def test_the_event_goes_into_the_body_byte_for_byte() -> None:
    event = b'{"id":"evt_7",  "weird":"spacing"}'
    body = payload(event, "payment.confirmed", "2026-01-02T03:04:05.678Z")
    assert event in body
    assert msgspec.json.decode(body) == {
        "type": "payment.confirmed",
        "timestamp": "2026-01-02T03:04:05.678Z",
        "data": {"id": "evt_7", "weird": "spacing"},
    }


def test_what_was_skipped_is_said_beside_the_event() -> None:
    body = payload(b'{"seq":5}', "payment.confirmed", "2026-01-02T03:04:05Z", (3, 4))
    assert msgspec.json.decode(body)["skipped"] == [3, 4]
    assert body.endswith(b',"data":{"seq":5}}')


# -- poison events ---------------------------------------------------------------------


def refusal(status: int = 400) -> SendResult:
    return SendResult(classify(status), status, str(status), None, 5.0)


def test_a_refused_event_is_tried_again_by_the_schedule_at_first() -> None:
    row = judged(refusal())
    assert (row.state, row.next_at) == ("pending", T0 + 5_000)
    assert (row.refusals, row.refused_at) == (1, T0)


@pytest.mark.parametrize(("before", "state"), [(1, "pending"), (2, "dead")])
def test_so_many_refusals_are_enough(before: int, state: str) -> None:
    row = judged(refusal(), 8, refused=(before, T0 - 9), refused_attempts=3)
    assert (row.state, row.refusals, row.refused_at) == (state, before + 1, T0 - 9)


@pytest.mark.parametrize(
    ("since_ms", "state", "next_at"),
    [
        (59_999, "pending", T0 + 1),
        (60_000, "dead", 0),
        (1_000, "pending", T0 + 59_000),  # not at the time of the schedule: 300 s
    ],
)
def test_refusals_hold_back_others_for_so_long_and_no_longer(
    since_ms: int, state: str, next_at: int
) -> None:
    refused = (1, T0 - since_ms)
    row = judged(refusal(), 2, refused=refused, refused_s=60, refused_attempts=20)
    assert (row.state, row.next_at) == (state, next_at)


def test_a_channel_may_not_wait_for_what_is_refused_at_all() -> None:
    assert judged(refusal(), refused_attempts=1).state == "dead"
    assert judged(refusal(), refused_s=0).state == "dead"


@pytest.mark.parametrize(
    "status", [None, 301, 401, 403, 404, 405, 408, 425, 500, 502, 503, 429]
)
def test_an_endpoint_that_is_down_or_forbids_all_is_waited_for(
    status: int | None,
) -> None:
    failed = SendResult(classify(status), status, "it failed", None, 5.0)
    row = judged(failed, 5, refused=(3, T0 - 10**9), refused_attempts=4, refused_s=1)
    assert (row.state, row.refusals) == ("pending", 3)
    assert row.next_at > T0 + 1_000_000


@pytest.mark.parametrize("status", [400, 406, 409, 411, 412, 413, 414, 415, 417, 422,
                                    428, 431])  # fmt: skip
def test_what_speaks_of_the_message_is_a_refusal(status: int) -> None:
    assert judged(refusal(status), refused_attempts=1).state == "dead"


def test_a_refusal_that_asks_for_time_is_none() -> None:
    busy = SendResult(classify(400, 30.0), 400, "busy", 30.0, 5.0)
    assert judged(busy, refused_attempts=1).state == "pending"


def test_after_a_redelivery_refusals_count_anew() -> None:
    row = judged(refusal(), 1, refused=(3, T0 - 10**9))
    assert (row.state, row.refusals, row.refused_at) == ("pending", 1, T0)


def test_the_usual_bounds_leave_half_an_hour() -> None:
    assert (channel().refused_attempts, channel().refused_s) == (4, 3_600)


def test_what_a_shop_gets_that_asks_for_nothing_special() -> None:
    made = channel()
    assert (made.kind, made.merchant, made.types, made.enabled) == (
        "webhook",
        "*",
        (),
        True,
    )
    assert (made.old_secret, made.old_secret_until, made.disabled_reason) == (
        None,
        0,
        None,
    )
    assert made.timeout_s == 15.0
    assert made.schedule_s[:4] == (0.0, 5.0, 300.0, 1800.0)
    assert SECRET_OVERLAP_S == 24 * 3600, "docs: the old secret signs for a day"


def test_an_attempt_is_kept_with_all_that_is_known_of_it() -> None:
    row = judged(sent(AttemptOutcome.RETRY), attempt=2, schedule_s=(0.0, 10.0, 60.0))
    assert row == DeliveryResult(
        channel_id="ch_1",
        payment_id="pay_1",
        offset=7,
        seq=3,
        attempt=2,
        at=T0,
        latency_ms=12,
        status=500,
        outcome="retry",
        error="500",
        state="pending",
        next_at=T0 + 60_000,
    )


def test_a_channel_comes_back_from_its_row_as_it_was() -> None:
    made = channel(
        merchant="ann", types=(EventType.LATE,), enabled=False, old_secret="old"
    )
    row = channel_row(made)
    assert (row.id, row.merchant, row.enabled) == ("ch_1", "ann", False)
    assert (row.types, row.created_at) == (("payment.late",), T0)
    record = ChannelRecord(row.id, row.merchant, row.enabled, T0, row.state)
    assert channel_of(record) == made


@pytest.mark.parametrize("outcome", [AttemptOutcome.RESTED, AttemptOutcome.MOVED])
def test_what_waits_for_a_person_or_a_new_place_is_due_at_once_and_not_for_ever(
    outcome: AttemptOutcome,
) -> None:
    schedule = (0.0, 10.0, 60.0)
    again = judged(sent(outcome), attempt=2, schedule_s=schedule)
    assert (again.state, again.next_at, again.refusals) == ("pending", T0, 0)
    last = judged(sent(outcome), attempt=3, schedule_s=schedule)
    assert (last.state, last.next_at) == ("dead", 0)


def test_what_will_never_be_taken_is_given_up_at_once() -> None:
    row = judged(sent(AttemptOutcome.REFUSED))
    assert (row.state, row.next_at, row.outcome) == ("dead", 0, "refused")


def test_a_kind_that_signs_nothing_has_no_secrets() -> None:
    assert active_secrets(channel(secret=""), T0) == ()


def test_what_is_not_taken_now_is_tried_again_by_the_schedule() -> None:
    row = judged(sent(AttemptOutcome.LATER), rand=0.5, schedule_s=(0.0, 10.0))
    assert (row.state, row.next_at, row.refusals) == ("pending", T0 + 10_000, 0)
    last = judged(sent(AttemptOutcome.LATER), attempt=2, schedule_s=(0.0, 10.0))
    assert last.state == "dead"


def test_of_what_concerns_nobody_nothing_more_is_owed() -> None:
    row = judged(sent(AttemptOutcome.SKIPPED))
    assert (row.state, row.next_at, row.outcome) == ("delivered", 0, "skipped")


def test_what_the_node_itself_holds_back_uses_up_no_schedule() -> None:
    held = SendResult(AttemptOutcome.THROTTLED, None, "8 mails an hour", 450.0, 0.0)
    for made in (0, 2, 3):
        row = judged(held, attempt=made + 1, schedule_s=(0.0, 5.0, 30.0))
        assert (row.state, row.attempt) == ("pending", made)
        assert T0 + 450_000 <= row.next_at <= T0 + 600_000

"""What the live edges say, as bytes, and that it is made once for all who hear it."""

import json
from typing import cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.chain.witness import Standing
from engine.errors.codes import StreamCode
from engine.payment.events import CommittedEvent, encode, opening, with_offset
from engine.payment.model import Invoice, Payment, Receipt, Status, Terms
from engine.ports import Freshness
from engine.store.epochs import Position
from transport.live.encoding import (
    Frames,
    error_message,
    source_message,
    sse,
)
from transport.live.sinks import JournalSink, StreamQueue, StreamSink
from transport.server.websocket.frames import encode_text

TERMS = Terms(
    id="pay_1",
    network="regtest",
    address="bcrt1qexample",
    amount_sat=50_000,
    created_at=1_700_000_000_000,
    expires_at=1_700_003_600_000,
    monitor_until=1_700_090_000_000,
    external_id="order\n1",
)


def committed(offset: int, terms: Terms = TERMS) -> CommittedEvent:
    event, _ = opening(terms)
    wire = with_offset(offset, encode(event, terms))
    return CommittedEvent(offset, event, terms.merchant, wire)


def payment() -> Payment:
    return opening(TERMS)[1]


def test_an_event_is_framed_once_whoever_asks_and_how_often() -> None:
    frames = Frames("simulate")
    first, again = committed(7), committed(7)  # live, and read back from the journal
    assert frames.websocket(first) is frames.websocket(again)
    assert frames.sse(first) is frames.sse(again)
    assert frames.sse_by_offset(first) is frames.sse_by_offset(again)


def test_an_event_is_made_once_for_each_audience_and_shared_by_all_of_it() -> None:
    frames = Frames("simulate")
    strangers, event = frames.for_strangers, committed(7)
    assert frames.for_strangers is strangers
    for twin in (frames, strangers):
        assert twin.websocket(event) is twin.websocket(committed(7))
        assert twin.sse(event) is twin.sse(committed(7))
    assert b"order" in frames.websocket(event)
    assert b"order" not in strangers.websocket(event) + strangers.sse(event)
    assert strangers.sse(event).startswith(b"id: simulate-1\nevent: payment.created\n")


def test_the_frame_holds_the_wire_form_byte_for_byte() -> None:
    event = committed(7)
    assert Frames("simulate").websocket(event) == encode_text(event.wire)


def test_only_so_many_events_and_bytes_are_kept() -> None:
    frames = Frames("simulate", max_events=2)
    kept = [frames.websocket(committed(offset)) for offset in (1, 2)]
    assert frames.websocket(committed(1)) is kept[0]  # used: now the younger one
    frames.websocket(committed(3))
    assert frames.websocket(committed(1)) is kept[0]
    assert frames.websocket(committed(2)) is not kept[1]
    small = Frames("simulate", max_bytes=10)
    assert small.websocket(committed(1)) == small.websocket(committed(1))


def test_a_stream_about_one_payment_is_numbered_by_seq_the_journal_by_offset() -> None:
    event = committed(7)
    frames = Frames("simulate")
    assert frames.sse(event).startswith(b"id: simulate-1\nevent: payment.created\n")
    assert frames.sse_by_offset(event).startswith(
        b"id: simulate-7\nevent: payment.created\n"
    )
    assert frames.sse(event).endswith(b"}\n\n")


@given(st.text(), st.text())
def test_no_text_breaks_out_of_its_line_in_a_stream(code: str, text: str) -> None:
    framed = sse(
        error_message(cast("StreamCode", code), text),
        "problem",
        Position("simulate", 3),
    )
    head, _, rest = framed.partition(b"data: ")
    assert head == b"id: simulate-3\nevent: problem\n"
    assert rest.endswith(b"\n\n")
    assert b"\n" not in rest[:-2]
    assert b"\r" not in rest
    assert json.loads(rest) == {"type": "error", "code": code, "message": text}


def test_the_state_is_the_payment_with_a_type_and_no_secret() -> None:
    state = json.loads(Frames("simulate").state(payment()))
    assert (state["type"], state["epoch"]) == ("state", "simulate")
    assert state["id"] == "pay_1"
    assert state["seq"] == 1
    assert "client_secret" not in state


def shown_at(at: int) -> Frames:
    return Frames("e", now=lambda: at)


def test_a_state_shows_no_invoice_for_the_rest_that_is_over() -> None:
    first = Invoice(
        node="till", payment_hash="ab" * 32, bolt11="lnbcrt1first", expires_at=1
    )
    rest = Invoice(
        node="till",
        payment_hash="cd" * 32,
        bolt11="lnbcrt1rest",
        amount_msat=20_000_000,
        expires_at=1_700_000_060_000,
    )
    terms = msgspec.structs.replace(TERMS, lightning=first, rests=(rest,))
    short = Payment(terms, Status.CONFIRMING, receipts=(Receipt("t1", 0, 30_000),))
    for at, is_there in ((1_700_000_059_999, True), (1_700_000_060_000, False)):
        frames = shown_at(at)
        shown = json.loads(frames.state_object(short))
        assert ("rest" in shown["lightning"]) is is_there
        assert frames.for_strangers.now() == frames.for_visitors.now() == at


def test_the_source_message_has_no_status_that_a_page_could_take_for_paid() -> None:
    message = json.loads(source_message(Freshness("devchain", True, 1_000, 7)))
    assert message == {
        "type": "source",
        "name": "devchain",
        "live": True,
        "since": "1970-01-01T00:00:01.000Z",
        "tip_height": 7,
        "standing": None,
        "reason": None,
        "since_when": None,
    }


@pytest.mark.parametrize(
    ("standing", "shown"),
    [(Standing.BEHIND, "at block 5; block 9 was seen"), (Standing.FAILING, None)],
)
def test_everybody_is_told_why_a_source_is_behind_but_not_why_one_fails(
    standing: Standing, shown: str | None
) -> None:
    """Why may be about credentials; `GET /v1/sources` tells those with a key."""
    reason = "at block 5; block 9 was seen"
    freshness = Freshness("node", False, 1_000, 5, standing, reason, 2_000)
    told = json.loads(source_message(freshness))
    assert (told["standing"], told["reason"]) == (standing.value, shown)
    assert told["since_when"] == "1970-01-01T00:00:02.000Z"


def test_a_change_of_freshness_is_encoded_once_for_everybody() -> None:
    frames = Frames("simulate")
    one, same = Freshness("a", True, 5), Freshness("a", True, 5)
    assert frames.freshness_frame(one) is frames.freshness_frame(same)
    assert b'"live":false' in frames.freshness_sse(Freshness("a", False, 5))
    assert b'"live":true' in frames.freshness_frame(one)


def test_a_state_before_a_replay_has_no_id_that_would_skip_it() -> None:
    queue = StreamQueue()
    sink = StreamSink(queue, Frames("simulate"))
    sink.state(payment(), 0)
    assert b"id:" not in queue.take(0)
    sink.state(payment(), None)
    assert queue.take(0).startswith(b"id: simulate-1\nevent: state\n")


def test_a_full_queue_ends_and_still_gives_what_it_holds() -> None:
    queue = StreamQueue(max_messages=2)
    assert queue.put(b"a")
    assert queue.put(b"b")
    assert not queue.put(b"c")
    assert queue.full
    assert queue.take(0) == b"ab"
    assert not queue.put(b"d")
    assert queue.take(0) == b""
    assert queue.ended


def test_a_queue_is_bounded_in_bytes_too() -> None:
    queue = StreamQueue(max_bytes=3)
    assert queue.put(b"ab")
    assert not queue.put(b"cd")
    assert queue.take(0) == b"ab"


def test_a_queue_takes_on_after_it_was_emptied() -> None:
    queue = StreamQueue(max_messages=1)
    for letter in (b"a", b"b", b"c"):
        assert queue.put(letter)
        assert queue.take(0) == letter
    assert queue.take(0.001) == b""
    assert not queue.ended


def test_a_journal_sink_knows_the_last_event_that_fits() -> None:
    frames = Frames("simulate")
    sink = JournalSink(StreamQueue(max_messages=2), frames.sse_by_offset, 4)
    assert sink.offset == 4
    assert [sink.event(committed(n)) for n in (5, 6, 7)] == [True, True, False]
    assert sink.offset == 6
    assert not sink.freshness(Freshness("a", True, 1))

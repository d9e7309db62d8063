"""RFC 6455 framing, section by section, as bytes in and events out."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tools.wsclient import frame
from transport.server.websocket import frames
from transport.server.websocket.frames import (
    Binary,
    Close,
    Event,
    FrameError,
    FrameParser,
    Ping,
    Pong,
    Text,
    encode_close,
    encode_ping,
    encode_text,
    is_valid_close_code,
    unmask,
)

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def parse(
    data: bytes, step: int = 0, max_message: int = 16_384, max_fragments: int = 64
) -> list[Event]:
    """All events of `data`, fed at once or `step` bytes at a time."""
    parser = FrameParser(max_message, max_fragments)
    events: list[Event] = []
    for start in range(0, len(data), step or len(data)):
        parser.feed(data[start : start + (step or len(data))])
        while (event := parser.next_event()) is not None:
            events.append(event)
    return events


def failure(data: bytes, step: int = 0, **limits: int) -> FrameError:
    with pytest.raises(FrameError) as raised:
        parse(data, step, **limits)
    return raised.value


def test_the_masked_hello_of_rfc_6455_5_7_is_read() -> None:
    assert parse(bytes.fromhex("818537fa213d7f9f4d5158")) == [Text("Hello")]


def test_the_unmasked_examples_of_rfc_6455_5_7_are_what_we_send() -> None:
    assert encode_text(b"Hello") == bytes.fromhex("810548656c6c6f")
    assert encode_ping(b"Hello") == bytes.fromhex("890548656c6c6f")
    assert encode_text(bytes(256))[:4] == bytes.fromhex("817e0100")
    assert encode_text(bytes(65536))[:10] == bytes.fromhex("817f0000000000010000")


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 128, 65535, 65536, 65537])
def test_every_form_of_the_length_is_read(size: int) -> None:
    data = bytes(size)
    assert parse(frame(BINARY, data), max_message=100_000) == [Binary(data)]


@pytest.mark.parametrize("step", [0, 1, 2, 3, 7])
def test_a_fragmented_message_with_control_frames_between_is_one_message(
    step: int,
) -> None:
    data = (
        frame(TEXT, "Grüße".encode()[:3], fin=False)
        + frame(PING, b"are you there")
        + frame(CONT, "Grüße".encode()[3:5], fin=False)
        + frame(PONG)
        + frame(CONT, "Grüße".encode()[5:])
        + frame(BINARY, b"\xff", fin=False)
        + frame(CONT, b"\xfe")
    )
    assert parse(data, step) == [
        Ping(b"are you there"),
        Pong(b""),
        Text("Grüße"),
        Binary(b"\xff\xfe"),
    ]


@given(
    st.lists(st.one_of(st.text(max_size=300), st.binary(max_size=300)), max_size=5),
    st.integers(1, 400),
    st.integers(1, 100),
)
def test_messages_come_out_as_they_went_in_however_they_are_cut(
    messages: list[str | bytes], step: int, cut: int
) -> None:
    data = b""
    for message in messages:
        payload = message.encode() if isinstance(message, str) else message
        pieces = [payload[i : i + cut] for i in range(0, len(payload), cut)] or [b""]
        for number, piece in enumerate(pieces):
            first = TEXT if isinstance(message, str) else BINARY
            opcode = CONT if number else first
            data += frame(opcode, piece, fin=number == len(pieces) - 1)
    wanted = [Text(m) if isinstance(m, str) else Binary(m) for m in messages]
    assert parse(data, step, max_fragments=2000) == wanted


@given(st.binary(max_size=100), st.binary(min_size=4, max_size=4), st.integers(0, 9))
def test_unmasking_is_the_xor_of_rfc_6455_5_3(
    payload: bytes, mask: bytes, offset: int
) -> None:
    wanted = bytes(b ^ mask[(i + offset) % 4] for i, b in enumerate(payload))
    assert unmask(payload, mask, offset) == wanted


def test_an_unmasked_frame_is_a_protocol_error_before_its_payload_came() -> None:
    assert failure(frame(TEXT, b"x", mask=False)[:2]).code == 1002


@pytest.mark.parametrize("rsv", [1, 2, 4, 7])
def test_reserved_bits_are_a_protocol_error_with_the_first_byte(rsv: int) -> None:
    assert failure(frame(TEXT, b"x", rsv=rsv)[:1]).code == 1002


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
def test_reserved_opcodes_are_a_protocol_error(opcode: int) -> None:
    assert failure(frame(opcode)).code == 1002


@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
def test_control_frames_are_short_and_whole(opcode: int) -> None:
    assert failure(frame(opcode, bytes(126))).code == 1002
    assert failure(frame(opcode, b"", fin=False)).code == 1002
    parse(frame(opcode, b"\x03\xe8" + b"x" * 123))


def test_a_continuation_of_nothing_is_a_protocol_error() -> None:
    assert failure(frame(CONT, b"x")).code == 1002
    assert failure(frame(TEXT, b"x") + frame(CONT, b"x")).code == 1002


def test_a_new_message_inside_a_fragmented_one_is_a_protocol_error() -> None:
    assert failure(frame(TEXT, b"x", fin=False) + frame(TEXT, b"x")).code == 1002


@pytest.mark.parametrize(
    "header",
    [
        "82fe007d00000000",
        "82ff000000000000ffff00000000",
        "82ff800000000000000000000000",
    ],
)
def test_a_length_must_be_in_its_shortest_form_and_positive(header: str) -> None:
    assert failure(bytes.fromhex(header)).code == 1002


@pytest.mark.parametrize(
    "wrong",
    [
        b"\x80",
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xf8",
        b"\xce\xba\xff",
    ],
)
@pytest.mark.parametrize("step", [0, 1])
def test_text_that_is_not_utf_8_is_1007(wrong: bytes, step: int) -> None:
    assert failure(frame(TEXT, b"ok" + wrong + b"ok"), step).code == 1007


def test_a_character_that_never_ends_is_1007_at_the_end_of_the_message() -> None:
    assert failure(frame(TEXT, b"\xce")).code == 1007
    assert failure(frame(TEXT, b"\xce", fin=False) + frame(CONT, b"")).code == 1007


def test_wrong_utf_8_fails_while_the_frame_is_still_on_its_way() -> None:
    whole = frame(TEXT, b"a" * 2000 + b"\xff" + b"a" * 14_000)
    assert failure(whole[:2100]).code == 1007


@pytest.mark.parametrize(
    "wrong",
    [b"\xed\xa0", b"\xf4\x90", b"\xe0\x80", b"\xf0\x80", b"\xc0", b"\xf5", b"a\x80"],
)
def test_wrong_utf_8_fails_with_the_byte_that_proves_it(wrong: bytes) -> None:
    assert failure(frame(TEXT, wrong, fin=False)).code == 1007


def test_a_message_over_the_limit_fails_on_its_declared_length() -> None:
    error = failure(frame(BINARY, bytes(16_385))[:4])
    assert error.code == 1009
    assert "16384" in error.reason


def test_fragments_are_counted_together_against_the_limit() -> None:
    data = frame(BINARY, bytes(10_000), fin=False) + frame(CONT, bytes(6_385))[:4]
    assert failure(data).code == 1009


def test_the_limit_is_for_one_message_and_not_for_the_connection() -> None:
    data = frame(BINARY, bytes(16_384)) * 3
    assert len(parse(data)) == 3


def test_too_many_fragments_fail_though_they_are_empty() -> None:
    data = frame(TEXT, b"", fin=False) + frame(CONT, b"", fin=False) * 64
    assert failure(data).code == 1008


def test_close_frames_carry_a_code_and_a_reason() -> None:
    assert parse(frame(CLOSE)) == [Close(1005, "")]
    data = frame(CLOSE, b"\x0f\xa1" + "für dich".encode())
    assert parse(data) == [Close(4001, "für dich")]


@pytest.mark.parametrize(
    "code",
    [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535],
)
def test_codes_that_nobody_may_send_are_a_protocol_error(code: int) -> None:
    assert not is_valid_close_code(code)
    assert failure(frame(CLOSE, code.to_bytes(2, "big"))).code == 1002


@pytest.mark.parametrize(
    "code", [1000, 1001, 1002, 1003, 1007, 1011, 1012, 1013, 1014, 3000, 4999]
)
def test_codes_of_the_registry_and_of_applications_are_taken(code: int) -> None:
    assert parse(frame(CLOSE, code.to_bytes(2, "big"))) == [Close(code, "")]


def test_a_close_with_half_a_code_or_a_broken_reason_fails() -> None:
    assert failure(frame(CLOSE, b"\x03")).code == 1002
    assert failure(frame(CLOSE, b"\x03\xe8\xff")).code == 1007


def test_a_close_that_we_send_fits_and_never_cuts_a_character() -> None:
    encoded = encode_close(1008, "ü" * 100)
    assert encoded[1] == 124
    encoded[4:].decode()
    assert encode_close(1005) == b"\x88\x00"


@given(st.binary(max_size=200), st.integers(1, 50))
def test_any_bytes_give_events_or_a_frame_error_and_nothing_else(
    data: bytes, step: int
) -> None:
    try:
        parse(data, step)
    except FrameError as error:
        assert error.code in (1002, 1007, 1008, 1009)


def test_what_touches_each_byte_of_a_text_is_done_by_c() -> None:
    """So that one of 64 KiB does not hold the hub."""

    def calls(size: int) -> int:
        parser = FrameParser(70_000, 1)
        parser.feed(frame(TEXT, ("Grüße aus Köln " * 5000).encode()[:size]))
        counted = 0

        def count(*_: object) -> None:
            nonlocal counted
            counted += 1

        sys.setprofile(count)
        try:
            event = parser.next_event()
        finally:
            sys.setprofile(None)
        assert isinstance(event, Text)
        return counted

    assert calls(65_500) == calls(300) < 100


def test_single_bytes_take_steps_in_proportion_to_their_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And each is unmasked once: what is there already is not gone through again."""
    unmasked = 0

    def counting(payload: bytes, mask: bytes, offset: int = 0) -> bytes:
        nonlocal unmasked
        unmasked += len(payload)
        return unmask(payload, mask, offset)

    def calls(size: int) -> int:
        data = frame(TEXT, b"x" * size)
        counted = 0

        def count(*_: object) -> None:
            nonlocal counted
            counted += 1

        sys.setprofile(count)
        try:
            events = parse(data, 1, max_message=size)
        finally:
            sys.setprofile(None)
        assert events == [Text("x" * size)]
        return counted

    monkeypatch.setattr(frames, "unmask", counting)
    assert 15 * calls(5_000) < calls(80_000) < 17 * calls(5_000)
    assert unmasked == 5_000 + 80_000 + 5_000

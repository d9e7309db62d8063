"""RFC 6455 as a table: what is said to an echo server, and what must come back.

Strict: exactly these frames, in this order, also those for what was said before the
mistake; then the close code; then the end of TCP. Run by test_rfc6455.py.
"""

import itertools
import os
from collections.abc import Iterator
from typing import NamedTuple

from tests.tools.wsclient import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    frame,
)

__all__ = ["GROUPS", "MAX_MESSAGE", "Case"]

MAX_MESSAGE = 33_554_432


class Case(NamedTuple):
    """`code`: what it is closed with; None: all is well, and we close it."""

    name: str
    says: bytes
    hears: tuple[tuple[int, bytes], ...] = ()
    code: int | None = None


def framing() -> Iterator[Case]:
    for size in (0, 1, 125, 126, 127, 128, 65_535, 65_536, 65_537):
        for opcode, payload in ((TEXT, b"*" * size), (BINARY, os.urandom(size))):
            said = frame(opcode, payload)
            yield Case(f"opcode {opcode}, {size} bytes", said, ((opcode, payload),))
    yield Case("a frame without its mask", frame(TEXT, b"x", mask=False), (), 1002)
    yield Case("a ping without its mask", frame(PING, b"x", mask=False), (), 1002)
    for header in ("82fe007d", "82ff000000000000ffff", "82ff8000000000000000"):
        said = bytes.fromhex(header) + bytes(4)
        yield Case(f"a length not as it must be: {header}", said, (), 1002)
    said = bytes.fromhex("82ff0000000002000001") + bytes(4)
    yield Case("one byte more than a message may have", said, (), 1009)


def pings() -> Iterator[Case]:
    for payload in (b"", b"Hello", b"\x00\xff\xfe\xfd", bytes(125)):
        yield Case(f"ping {payload[:5]!r}", frame(PING, payload), ((PONG, payload),))
    yield Case("a ping of 126", frame(PING, bytes(126)), (), 1002)
    yield Case("a pong of 126", frame(PONG, bytes(126)), (), 1002)
    yield Case("a pong that nobody asked for", frame(PONG, b"what"))
    said = frame(PONG, b"one") + frame(PING, b"two")
    yield Case("an unasked pong and a ping", said, ((PONG, b"two"),))
    ten = [b"payload-%d" % n for n in range(10)]
    said = b"".join(frame(PING, payload) for payload in ten)
    yield Case("ten pings at once", said, tuple((PONG, payload) for payload in ten))


def reserved() -> Iterator[Case]:
    before = frame(TEXT, b"before"), (TEXT, b"before")
    after = frame(PING, b"after")
    for rsv, opcode in itertools.product(range(1, 8), (TEXT, BINARY, PING, PONG)):
        said = frame(opcode, b"x" * (rsv - 1), rsv=rsv)
        name = f"reserved bits {rsv} of opcode {opcode}"
        yield Case(name, said, (), 1002)
        yield Case(name + ", behind", before[0] + said + after, (before[1],), 1002)
    yield Case("reserved bit of a close", frame(CLOSE, rsv=4), (), 1002)
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        for payload in (b"", b"payload"):
            said = frame(opcode, payload)
            name = f"reserved opcode {opcode}, {len(payload)} bytes"
            yield Case(name, said, (), 1002)
            yield Case(name + ", behind", before[0] + said + after, (before[1],), 1002)


def fragments() -> Iterator[Case]:
    one, two = frame(TEXT, b"one", fin=False), frame(CONTINUATION, b"two")
    more = frame(CONTINUATION, b"more", fin=False)
    ping, ponged = frame(PING, b"ping"), (PONG, b"ping")
    nothing = frame(CONTINUATION, fin=False)
    yield Case("two fragments", one + two, ((TEXT, b"onetwo"),))
    yield Case(
        "two binary fragments",
        frame(BINARY, b"\xff", fin=False) + two,
        ((BINARY, b"\xfftwo"),),
    )
    yield Case("a ping between", one + ping + two, (ponged, (TEXT, b"onetwo")))
    said = one + ping + more + ping + two
    yield Case("pings between", said, (ponged, ponged, (TEXT, b"onemoretwo")))
    yield Case("a pong between", one + frame(PONG) + two, ((TEXT, b"onetwo"),))
    said = frame(TEXT, fin=False) + nothing + frame(CONTINUATION)
    yield Case("three empty fragments", said, ((TEXT, b""),))
    said = frame(TEXT, fin=False) + frame(CONTINUATION, b"middle", fin=False)
    said += frame(CONTINUATION)
    yield Case("only the middle one has something", said, ((TEXT, b"middle"),))
    for opcode in (PING, PONG, CLOSE):
        said = frame(opcode, fin=False)
        yield Case(f"control frame {opcode} in fragments", said, (), 1002)
        yield Case(f"... {opcode}, with an end", said + two, (), 1002)
        yield Case(f"... {opcode}, inside a message", one + said + two, (), 1002)
    for name, said in (("last", two), ("not last", more)):
        yield Case(f"a continuation of nothing, {name}", said, (), 1002)
        whole = frame(TEXT, b"whole")
        yield Case(
            f"... {name}, behind a whole message",
            whole + said,
            ((TEXT, b"whole"),),
            1002,
        )
        yield Case(
            f"... {name}, behind one in fragments",
            one + two + said,
            ((TEXT, b"onetwo"),),
            1002,
        )
        said = ping + said + whole
        yield Case(f"... {name}, and a message", said, (ponged,), 1002)
    for opcode, fin in itertools.product((TEXT, BINARY), (True, False)):
        said = one + frame(opcode, b"new", fin=fin) + two
        yield Case(f"a new message {opcode} {fin} inside one", said, (), 1002)
    said = one + frame(CLOSE, b"\x03\xe8")
    yield Case("closed inside a message", said, (), 1000)


VALID = ["", "\0", "\x7f", "\x80", "߿", "ࠀ", "퟿", "\ue000", "\ufffd", "\ufffe"]
VALID += ["\uffff", "\U00010000", "\U0001fffe", "\U0010ffff", "κόσμε", "Grüße 🎉 мир"]

TAILS = bytes(range(0x80, 0xC0))


def invalid() -> Iterator[bytes]:
    """Markus Kuhn's kinds of wrong UTF-8."""
    for count in range(1, 8):
        yield TAILS[:count]
    yield from (bytes([tail]) for tail in TAILS)
    for first in range(0xC0, 0x100):
        yield bytes([first, 0x20])
    for first, tails in ((0xC0, 1), (0xE0, 2), (0xF0, 3), (0xF8, 4), (0xFC, 5)):
        yield bytes([first]) + b"\x80" * tails  # overlong NUL
        yield bytes([first]) + b"\x80" * (tails - 1) + b"\xaf"  # overlong /
        yield bytes([first]) + b"\x80" * (tails - 1)  # the last one is missing
        yield bytes([first]) + b"\xbf" * (tails - 1)
    yield from (b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf")
    yield from (b"\xdf", b"\xef\xbf", b"\xf7\xbf\xbf", b"\xf4\x8f\xbf")
    for surrogate in (0xD800, 0xDB7F, 0xDB80, 0xDBFF, 0xDC00, 0xDF80, 0xDFFF):
        yield chr(surrogate).encode("utf-8", "surrogatepass")
    yield "\ud800\udc00".encode("utf-8", "surrogatepass")
    yield "\udbff\udfff".encode("utf-8", "surrogatepass")
    yield from (b"\xf4\x90\x80\x80", b"\xf7\xbf\xbf\xbf", b"\xf8\x88\x80\x80\x80")
    yield from (b"\xfe", b"\xff", b"\xfe\xfe\xff\xff")


#: First byte -> how many follow it, and within what the second must be (RFC 3629, 4).
LEADS = dict.fromkeys(range(0xC2, 0xE0), (1, 0x80, 0xBF))
LEADS |= dict.fromkeys(range(0xE1, 0xF0), (2, 0x80, 0xBF))
LEADS |= dict.fromkeys(range(0xF1, 0xF4), (3, 0x80, 0xBF))
LEADS |= {0xE0: (2, 0xA0, 0xBF), 0xED: (2, 0x80, 0x9F)}
LEADS |= {0xF0: (3, 0x90, 0xBF), 0xF4: (3, 0x80, 0x8F)}


def impossible(data: bytes) -> int | None:
    """Index of the first byte that can be in no text; None: it only ends too soon."""
    at = 0
    while at < len(data):
        first = data[at]
        at += 1
        if first < 0x80:
            continue
        if first not in LEADS:
            return at - 1
        tails, low, high = LEADS[first]
        for _ in range(tails):
            if at == len(data):
                return None
            if not low <= data[at] <= high:
                return at
            at, low, high = at + 1, 0x80, 0xBF
    return None


def texts() -> Iterator[Case]:
    for text in VALID:
        payload = b"ok " + text.encode() + b" ok"
        yield Case(f"text {text!a}", frame(TEXT, payload), ((TEXT, payload),))
        pieces = [payload[at : at + 1] for at in range(len(payload))]
        said = frame(TEXT, fin=False)
        said += b"".join(frame(CONTINUATION, piece, fin=False) for piece in pieces)
        said += frame(CONTINUATION)
        yield Case(f"text {text!a} in fragments of one", said, ((TEXT, payload),))
    for wrong in dict.fromkeys(invalid()):
        name = f"wrong text {wrong.hex()}"
        yield Case(name, frame(TEXT, wrong), (), 1007)
        yield Case(name + " inside", frame(TEXT, b"ok " + wrong + b" ok"), (), 1007)
        yield Case(name + " in binary", frame(BINARY, wrong), ((BINARY, wrong),))
        yield from failing_fast(name, b"\xce\xba " + wrong)


def failing_fast(name: str, payload: bytes) -> Iterator[Case]:
    """Nothing but the first impossible byte makes it fail, and that at once."""
    at = impossible(payload)
    before = frame(TEXT, payload[:at], fin=False) + frame(PING, b"alive")
    alive = ((PONG, b"alive"),)
    if at is None:
        yield Case(name + ", no end", before + frame(CONTINUATION), alive, 1007)
    else:
        # Of a long fragment only its header and this byte: more is never sent.
        whole = frame(CONTINUATION, payload[at : at + 1] + b"a" * 100)
        yield Case(name + ", fail-fast", before + whole[:-100], alive, 1007)


def closes() -> Iterator[Case]:
    good = [*range(1000, 1004), *range(1007, 1015), 3000, 3999, 4000, 4999]
    bad = [*range(16), 990, 999, 1004, 1005, 1006, *range(1015, 1020), 1100, 2000]
    bad += [2999, 5000, 9999, 65_534, 65_535]
    for code in good:
        said = frame(CLOSE, code.to_bytes(2, "big") + b"why")
        yield Case(f"closed with {code}", said, (), code)
    for code in bad:
        said = frame(CLOSE, code.to_bytes(2, "big"))
        yield Case(f"closed with {code}, which nobody may", said, (), 1002)
    yield Case("closed without a code", frame(CLOSE), (), 1005)
    yield Case("half a code", frame(CLOSE, b"\x03"), (), 1002)
    for size in (2, 3, 124, 125):
        said = frame(CLOSE, b"\x03\xe8" + b"*" * (size - 2))
        yield Case(f"a close of {size} bytes", said, (), 1000)
    yield Case("a close of 126 bytes", frame(CLOSE, b"\x03\xe8" * 63), (), 1002)
    said = frame(CLOSE, b"\x03\xe8" + "Grüße".encode())
    yield Case("a reason that is not ASCII", said, (), 1000)
    for wrong in (b"\xff", b"\xce", b"\xed\xa0\x80", b"ok\xf4\x90\x80\x80"):
        said = frame(CLOSE, b"\x03\xe8" + wrong)
        yield Case(f"a reason that is no text: {wrong.hex()}", said, (), 1007)
    close = frame(CLOSE, b"\x03\xe8")
    for opcode in (TEXT, PING, CLOSE, CONTINUATION, 3):
        said = close + frame(opcode, b"\x0f\xa0")
        yield Case(f"opcode {opcode} after the close", said, (), 1000)
    said = frame(TEXT, b"first") + close
    yield Case("a message and a close", said, ((TEXT, b"first"),), 1000)


GROUPS = {
    make.__name__: tuple(make())
    for make in (framing, pings, reserved, fragments, texts, closes)
}

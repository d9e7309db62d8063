"""Bytes of a request: a deadline is for all of them, whatever is there already."""

from collections.abc import Iterator

import pytest
from gevent import socket

from transport.server.socket_reader import RequestReader

Pair = tuple[RequestReader, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield RequestReader(ours), theirs


def test_a_line_is_read_up_to_its_end_or_to_the_limit(pair: Pair) -> None:
    reader, peer = pair
    peer.sendall(b"one\ntwo three\nrest")
    assert reader.readline() == b"one\n"
    assert reader.readline(4) == b"two "
    assert reader.readline() == b"three\n"
    assert reader.buffered == 4
    peer.close()
    assert reader.read(10) == b"rest"
    assert reader.read(10) == b""


@pytest.mark.parametrize("after_s", [0.0, -1.0])
def test_what_comes_after_the_deadline_is_not_read(pair: Pair, after_s: float) -> None:
    """Not with a time-out of 0 or less either: one is no waiting, the other no time."""
    reader, peer = pair
    peer.sendall(b"too late\n")
    reader.set_deadline(after_s)
    with pytest.raises(TimeoutError, match="deadline of the request"):
        reader.readline()
    reader.set_deadline(None)
    assert reader.readline() == b"too late\n"


def test_what_was_read_and_not_taken_belongs_to_the_next_protocol(pair: Pair) -> None:
    reader, peer = pair
    peer.sendall(b"head\nframes")
    assert reader.wait_for_byte()
    assert reader.readline() == b"head\n"
    assert reader.take_rest() == b"frames"
    assert reader.closed
    assert reader.buffered == 0

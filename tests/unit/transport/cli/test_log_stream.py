"""The log's stream: nobody waits for its reader, and what is not written is counted."""

import os
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from tests.tools.wait import PATIENCE, wait_until
from tests.unit.transport.cli.log_pipe import Pipe
from transport.cli import log_stream
from transport.cli.log_stream import MAX_LINE_BYTES, LogStream
from transport.cli.log_target import JOURNAL_HEAD, LogTarget

STEP_S = 10.0
END_S = STEP_S * PATIENCE  # longest for a thread to end, where that is to be


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    with Pipe() as made:
        yield made


@pytest.fixture
def started() -> Iterator[list[LogStream]]:
    """Streams that a test starts; a stuck one would leave its thread."""
    found: list[LogStream] = []
    yield found
    for stream in found:
        assert stream.close(END_S), "the thread of a log ends"


def stream_to(pipe: Pipe, started: list[LogStream], room: int = 8_192) -> LogStream:
    stream = LogStream(LogTarget(pipe.fd), max_waiting_bytes=room)
    stream.start()
    started.append(stream)
    return stream


def test_lines_come_out_in_their_order(pipe: Pipe, started: list[LogStream]) -> None:
    stream = stream_to(pipe, started)
    for number in range(100):
        stream.put(f"line {number}")
    assert pipe.wait_for("line 99\n") == [f"line {n}" for n in range(100)]
    # They are counted when the write is over, of which the pipe knows nothing.
    wait_until(
        lambda: stream.counts()["log.lines"] == 100,
        STEP_S,
        lambda: f"100 lines: {stream.counts()}",
    )


def test_nobody_waits_for_a_pipe_that_is_full_and_what_is_dropped_is_told_later(
    pipe: Pipe, started: list[LogStream]
) -> None:
    pipe.fill()
    stream = stream_to(pipe, started)
    for number in range(10_000):  # would stand still at the first
        stream.put(f"line {number}")
    counts = stream.counts()
    assert counts["log.lines"] == 0
    assert counts["log.dropped"] > 5_000

    lines = pipe.wait_for("log.dropped")
    told = re.fullmatch(r"\S+Z warning log\.dropped lines=(\d+) lost=0", lines[-1])
    assert told
    assert int(told[1]) == counts["log.dropped"]
    kept = [int(line.removeprefix("line ")) for line in lines[:-1]]
    assert kept == sorted(set(kept))
    assert len(kept) == 10_000 - int(told[1])
    assert stream.counts()["log.lines"] == len(kept)


def test_what_waits_is_bounded_in_bytes(pipe: Pipe, started: list[LogStream]) -> None:
    pipe.fill()
    stream = stream_to(pipe, started, room=4_000)
    for _ in range(1_000):
        stream.put("x" * 99)
        stream.put("u" * 99, is_urgent=True)
    wait_until(lambda: stream.counts()["log.dropped"], STEP_S, "lines to be dropped")
    assert stream._waiting_bytes <= 4_000
    pipe.wait_for("log.dropped")


def test_a_warning_still_has_room_when_what_is_only_told_has_none(
    pipe: Pipe, started: list[LogStream]
) -> None:
    pipe.fill()
    stream = stream_to(pipe, started, room=4_000)
    stream.put("first")  # the thread holds this one, and waits
    for number in range(100):
        stream.put(f"line {number} {'-' * 90}")
    before = stream.counts()["log.dropped"]
    assert before > 0
    stream.put("trouble", is_urgent=True)
    assert stream.counts()["log.dropped"] == before
    assert "trouble" in pipe.wait_for("log.dropped")


def test_every_line_is_written_dropped_or_lost(
    pipe: Pipe, started: list[LogStream]
) -> None:
    """Many native threads at once; the sum is exact."""
    stream = stream_to(pipe, started, room=20_000)
    start = log_stream._start_thread
    done: list[int] = []

    def shout() -> None:
        for number in range(2_000):
            stream.put(f"line {number}")
        done.append(1)

    for _ in range(4):
        start(shout, ())
    wait_until(lambda: pipe.read() and len(done) == 4, STEP_S, "the threads to end")
    stream.put("the last", is_urgent=True)
    pipe.wait_for("the last")

    def all_told() -> bool:
        pipe.read()
        counts = stream.counts()
        written = counts["log.lines"] + counts["log.dropped"] + counts["log.lost"]
        return written == 8_001

    wait_until(all_told, STEP_S, lambda: f"8,001 lines: {stream.counts()}")


def test_a_reader_that_has_gone_is_noticed_and_the_lines_are_counted(
    pipe: Pipe, started: list[LogStream]
) -> None:
    stream = stream_to(pipe, started)
    pipe.break_()
    stream.put("to nobody")
    wait_until(lambda: stream.counts()["log.lost"] == 1, STEP_S, "the loss")
    ours, theirs = os.pipe()
    os.dup2(theirs, pipe.fd)  # somebody reads again
    os.close(theirs)
    pipe.ours = ours
    os.set_blocking(ours, False)
    stream.put("to somebody")
    lines = pipe.wait_for("log.dropped")
    assert lines[0] == "to somebody"
    assert re.search(
        r" warning log\.dropped lines=0 lost=1 error=Broken pipe$", lines[1]
    )


def test_a_descriptor_that_does_not_block_is_waited_for(
    pipe: Pipe, started: list[LogStream]
) -> None:
    """Who shares the pipe with us has made it so."""
    pipe.fill()
    os.set_blocking(pipe.fd, False)
    stream = stream_to(pipe, started)
    stream.put("patience")
    gevent.sleep(0)
    assert "patience" in pipe.wait_for("patience")
    assert stream.counts()["log.lost"] == 0


def test_a_line_is_cut_where_it_is_too_long(
    pipe: Pipe, started: list[LogStream]
) -> None:
    stream = stream_to(pipe, started, room=1_000_000)
    stream.put("ü" * MAX_LINE_BYTES)
    stream.put("next")
    first, second = pipe.wait_for("next")
    assert second == "next"
    assert first.endswith("ü…")
    assert len(first.encode()) <= MAX_LINE_BYTES


def test_a_file_that_was_moved_is_opened_anew_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "paybell.log"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    stream = LogStream(LogTarget(fd))
    stream.start()
    stream.put("before")
    wait_until(lambda: path.read_text() == "before\n", STEP_S, "the first line")
    path.rename(tmp_path / "paybell.log.1")
    assert stream.reopen()
    stream.put("after")
    assert stream.close(END_S)
    assert path.read_text() == "after\n"
    assert path.stat().st_mode & 0o077 == 0
    assert (tmp_path / "paybell.log.1").read_text() == "before\n"
    os.close(fd)


def test_a_pipe_cannot_be_opened_anew(pipe: Pipe, started: list[LogStream]) -> None:
    stream = stream_to(pipe, started)
    assert not stream.reopen()
    stream.put("goes on")
    pipe.wait_for("goes on")


class Journal:
    """systemd's journal as far as a stream sees it (journald-stream.c): a socket that
    reads seven lines of a head, then lines of log."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()

    def accept(self) -> tuple[socket.socket, list[bytes]]:
        """A stream, and the lines of its head."""
        stream, _ = self.listener.accept()
        stream.settimeout(END_S)
        head = b""
        while head.count(b"\n") < 7:
            head += stream.recv(1)
        return stream, head.splitlines()


def test_a_journal_that_was_started_anew_is_connected_to_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "stdout")
    first = socket.socket(socket.AF_UNIX)
    first.connect(journal.path)
    first.sendall(JOURNAL_HEAD)
    there, _ = journal.accept()
    fd = first.detach()
    inode = os.fstat(fd)
    target = LogTarget(
        fd,
        environ={"JOURNAL_STREAM": f"{inode.st_dev}:{inode.st_ino}"},
        journal_socket=journal.path,
    )
    stream = LogStream(target)
    stream.start()
    stream.put("before")
    assert there.recv(100) == b"before\n"
    there.close()  # systemd-journald has ended, without handing its streams on
    stream.put("after")
    there, head = journal.accept()
    # identifier, unit, priority (info), level prefix, forward to syslog, kmsg, console
    assert head == [b"paybell", b"", b"6", b"0", b"0", b"0", b"0"]
    assert there.recv(100) == b"after\n"
    assert stream.counts()["log.reopened"] == 1
    assert stream.counts()["log.lost"] == 0
    assert stream.close(END_S)
    there.close()
    os.close(fd)


def test_a_stream_that_others_inherited_from_the_journal_is_not_taken_for_ours(
    pipe: Pipe,
) -> None:
    assert not LogTarget(pipe.fd, environ={"JOURNAL_STREAM": "9:12345"}).can_reopen


def test_the_end_waits_for_what_is_to_be_written_but_not_for_ever(pipe: Pipe) -> None:
    stream = LogStream(LogTarget(pipe.fd))
    stream.start()
    stream.put("the last words")
    assert stream.close(END_S)
    assert pipe.lines() == ["the last words"]

    pipe.fill()
    stuck = LogStream(LogTarget(pipe.fd))
    stuck.start()
    stuck.put("never read")
    assert not stuck.close(0.1)
    stuck.put("too late")
    assert stuck.counts()["log.dropped"] == 1
    pipe.wait_for("never read")
    assert stuck.close(END_S)


def test_the_thread_of_the_log_is_none_of_gevents(
    pipe: Pipe, started: list[LogStream]
) -> None:
    before = threading.active_count()
    stream = stream_to(pipe, started)
    stream.put("x")
    pipe.wait_for("x")
    assert threading.active_count() == before

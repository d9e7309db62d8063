"""Lines for the log, written by a native thread: the hub never waits for a reader.

A pipe that nobody reads is full after 64 KiB, and a write to it waits for ever. So
lines are put into a bounded queue, and a thread of its own writes them. What does not
fit is dropped and counted; a line says so as soon as lines are read again. A stream
that breaks is opened again where that can be done (`LogTarget`); what was lost
meanwhile is counted and told in the same way.

`put` may be called in any thread and never blocks. The thread has no hub: it uses the
interpreter's own locks and sleep, not gevent's.
"""

import os
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from gevent import monkey

from transport.cli.log_lines import MakeLine, as_text
from transport.cli.log_target import LogTarget

__all__ = ["MAX_WAITING_BYTES", "LogStream"]

MAX_WAITING_BYTES: Final = 4 << 20
"""About 30,000 lines: what a busy node says in a minute. The last quarter is kept for
warnings and errors."""

MAX_LINE_BYTES: Final = 32_768
"""Of one record, with its traceback. systemd's journal cuts at 48 KiB."""

BATCH_BYTES: Final = 65_536
PAUSE_S: Final = 0.01
"""After each write. Under load lines are written together; the thread asks for the
interpreter at most so often."""

REOPEN_EVERY_S: Final = 1.0
SUMMARY_AFTER_S: Final = 10.0

_start_thread: Any = monkey.get_original("_thread", "start_new_thread")
_allocate_lock: Any = monkey.get_original("_thread", "allocate_lock")
_reentrant_lock: Any = monkey.get_original("_thread", "RLock")
_queue: Any = monkey.get_original("queue", "SimpleQueue")
_empty: Any = monkey.get_original("queue", "Empty")
_sleep: Any = monkey.get_original("time", "sleep")

_STOP: Final = b"stop"
_REOPEN: Final = b"reopen"
_NUDGE: Final = b"nudge"


class LogStream:
    """One per process. `counts` is read by anybody, and only grows."""

    def __init__(
        self,
        target: LogTarget,
        *,
        summary: Callable[[], Sequence[str]] = tuple,
        max_waiting_bytes: int = MAX_WAITING_BYTES,
        make_line: MakeLine = as_text,
    ) -> None:
        """`summary` is asked, in the thread, `SUMMARY_AFTER_S` after a nudge."""
        self._target = target
        self._make_line = make_line
        self._summary = summary
        self._max_bytes = max_waiting_bytes
        self._queue = _queue()
        # Reentrant: a finalizer may log while its thread holds it.
        self._lock = _reentrant_lock()
        self._waiting_bytes = 0
        self._written = self._dropped = self._lost = self._reopened = 0
        self._told = (0, 0)  # dropped and lost, as they were told of
        self._trouble = ""
        self._no_reopen_before = 0.0
        self._summary_at: float | None = None
        self._ended = _allocate_lock()
        self._ended.acquire()
        self._is_closed = False

    def start(self) -> None:
        _start_thread(self._run, ())

    def counts(self) -> dict[str, int]:
        """Lines written, dropped for want of room, lost in a broken stream; and how
        often the stream was opened again."""
        with self._lock:
            return {
                "log.lines": self._written,
                "log.dropped": self._dropped,
                "log.lost": self._lost,
                "log.reopened": self._reopened,
            }

    def put(self, line: str, *, is_urgent: bool = False) -> None:
        """Have a line written, without waiting. Urgent ones have room of their own."""
        data = line.encode("utf-8", "backslashreplace")
        if len(data) > MAX_LINE_BYTES:
            data = data[: MAX_LINE_BYTES - 4].decode("utf-8", "ignore").encode()
            data += "…".encode()
        data += b"\n"
        room = self._max_bytes if is_urgent else self._max_bytes * 3 // 4
        with self._lock:
            if self._is_closed or self._waiting_bytes + len(data) > room:
                self._dropped += 1
                return
            self._waiting_bytes += len(data)
        self._queue.put(data)

    def nudge(self) -> None:
        """There is something to sum up, in a while."""
        self._queue.put(_NUDGE)

    def reopen(self) -> bool:
        """Have the stream opened anew; False: it is none that can be."""
        if self._target.can_reopen:
            self._queue.put(_REOPEN)
        return self._target.can_reopen

    def close(self, timeout_s: float) -> bool:
        """Write what waits and end the thread; False: nobody reads, it is stuck.

        Blocks the whole process for as long; for its end only.
        """
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                self._queue.put(_STOP)
        ended = bool(self._ended.acquire(True, timeout_s))
        if ended:
            self._ended.release()  # for who asks again
        return ended

    # -- the native thread -----------------------------------------------------------

    def _run(self) -> None:
        try:
            while self._round():
                _sleep(PAUSE_S)
        finally:
            self._ended.release()

    def _round(self) -> bool:
        """Wait for something to write and write it; False: that was the last."""
        lines, orders = self._take()
        if _REOPEN in orders:
            self._reopen()
        if _NUDGE in orders and self._summary_at is None:
            self._summary_at = time.monotonic() + SUMMARY_AFTER_S
        is_last = _STOP in orders
        if lines:
            self._write(lines)
        if self._summary_at is not None and (
            is_last or time.monotonic() >= self._summary_at
        ):
            self._summary_at = None
            self._write([_encoded(line) for line in self._summary()])
        self._tell_what_is_missing()
        return not is_last

    def _take(self) -> tuple[list[bytes], set[bytes]]:
        """What waits, as much as one write takes; waits for the first."""
        lines: list[bytes] = []
        orders: set[bytes] = set()
        size = 0
        try:
            found = self._queue.get(timeout=self._patience_s())
            while True:
                # By identity: a line that says the same is a line.
                if any(found is order for order in (_STOP, _REOPEN, _NUDGE)):
                    orders.add(found)
                else:
                    lines.append(found)
                    size += len(found)
                if size >= BATCH_BYTES:
                    break
                found = self._queue.get_nowait()
        except _empty:
            pass
        with self._lock:
            self._waiting_bytes -= size
            assert self._waiting_bytes >= 0, "what is taken was put"
        return lines, orders

    def _patience_s(self) -> float | None:
        if self._summary_at is None:
            return None
        return max(0.0, self._summary_at - time.monotonic())

    def _write(self, lines: list[bytes]) -> None:
        if not lines:
            return
        data = b"".join(lines)
        try:
            try:
                self._target.write(data)
            except OSError:
                if not self._reopen():
                    raise
                self._target.write(data)
        except OSError as error:
            self._trouble = error.strerror or str(error)
            with self._lock:
                self._lost += len(lines)
        else:
            with self._lock:
                self._written += len(lines)

    def _reopen(self) -> bool:
        now = time.monotonic()
        if now < self._no_reopen_before or not self._target.reopen():
            return False
        self._no_reopen_before = now + REOPEN_EVERY_S
        with self._lock:
            self._reopened += 1
        return True

    def _tell_what_is_missing(self) -> None:
        """One line, once lines get through again."""
        with self._lock:
            now = (self._dropped, self._lost)
            is_behind = self._waiting_bytes > 0
        if now == self._told or is_behind:
            return
        text = (
            f"log.dropped lines={now[0] - self._told[0]} lost={now[1] - self._told[1]}"
        )
        if self._trouble:
            text += f" error={self._trouble}"
        try:
            line = self._make_line(time.time(), "warning", text, "")
            self._target.write(_encoded(line))
        except OSError:
            return
        self._told, self._trouble = now, ""


def _encoded(line: str) -> bytes:
    return f"{line}{os.linesep}".encode("utf-8", "backslashreplace")

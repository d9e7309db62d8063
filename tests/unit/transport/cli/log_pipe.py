"""A pipe as a log's descriptor, and what is read from it."""

import os
from typing import Self

from gevent import monkey

from tests.tools.wait import wait_until

__all__ = ["Pipe"]

STEP_S = 10.0

_close = monkey.get_original("os", "close")  # gevent's closes a pipe later


class Pipe:
    """Both ends of a pipe; nothing is read unless asked for."""

    def __init__(self) -> None:
        self.ours, self.fd = os.pipe()
        os.set_blocking(self.ours, False)
        self._read = b""

    def fill(self) -> int:
        """Write into it until it takes no more; how many bytes that were."""
        os.set_blocking(self.fd, False)
        size = 0
        try:
            while True:
                size += os.write(self.fd, b"x" * 4_095 + b"\n")
        except BlockingIOError:
            os.set_blocking(self.fd, True)
            return size

    def read(self) -> str:
        """All that has come so far."""
        try:
            while piece := os.read(self.ours, 65_536):
                self._read += piece
        except BlockingIOError:
            pass
        return self._read.decode()

    def lines(self) -> list[str]:
        """Of those, what is not from `fill`."""
        return [line for line in self.read().splitlines() if line.strip("x")]

    def wait_for(self, text: str) -> list[str]:
        """The lines, once `text` is in them."""
        wait_until(
            lambda: self._is_whole(text), STEP_S, lambda: f"{text!r}: {self._read!r}"
        )
        return self.lines()

    def _is_whole(self, text: str) -> bool:
        """Of a line that is being written a part may have come."""
        _, found, rest = self.read().rpartition(text)
        return bool(found) and (found.endswith("\n") or "\n" in rest)

    def break_(self) -> None:
        """Its reader goes."""
        _close(self.ours)
        self.ours = -1

    def hand_over(self) -> None:
        """Our copy of the writing end goes: a child has it."""
        _close(self.fd)
        self.fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for fd in (self.ours, self.fd):
            if fd >= 0:
                _close(fd)

"""A real `redis-server` on a free loopback port, with a temporary folder of its own.

It keeps nothing unless it is asked to (`appendonly`), and ends with the test. Tests
speak to it with `call`, which is redis-py and none of our code.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis

from tests.tools.ports import free_ports
from tests.tools.wait import Process

__all__ = ["RedisServer", "entries"]


class RedisServer:
    """Started by `start`, killed by `kill` (-9), and started again on its port."""

    def __init__(self, *settings: str, password: str = "") -> None:
        """`settings`: lines of a redis.conf."""
        (self.port,) = free_ports(1)
        self.folder = Path(tempfile.mkdtemp(prefix="paybell-redis-"))
        self._settings = settings
        self._password = password
        self._process: Process | None = None

    @property
    def url(self) -> str:
        secret = f":{self._password}@" if self._password else ""
        return f"redis://{secret}127.0.0.1:{self.port}/0"

    def start(self) -> Self:
        program = os.environ.get("REDIS_SERVER", "redis-server")
        lines = [
            f"port {self.port}",
            "bind 127.0.0.1",
            f"dir {self.folder}",
            "save ''",
            *([f"requirepass {self._password}"] if self._password else []),
            *self._settings,
        ]
        conf = self.folder / "redis.conf"
        conf.write_text("\n".join(lines) + "\n")
        ready = r"Ready to accept connections"
        self._process = Process([program, str(conf)], ready=ready).start()
        return self

    def kill(self) -> None:
        """At once, as a power cut does."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def call(self, *command: Any) -> Any:
        """The answer of one command, as bytes."""
        with self.client() as client:
            return client.execute_command(*command)

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url, socket_timeout=30, protocol=2)

    def freeze(self) -> None:
        """It hangs: its sockets stay open, nothing is answered."""
        assert self._process is not None
        self._process.freeze()

    def thaw(self) -> None:
        assert self._process is not None
        self._process.thaw()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def entries(
    server: RedisServer, stream: str, after: str = "-"
) -> list[tuple[str, dict[str, str]]]:
    """What is in a stream: ids and fields, in order."""
    return list(_pairs(server.call("XRANGE", stream, after, "+")))


def _pairs(answer: Sequence[Any]) -> Iterator[tuple[str, dict[str, str]]]:
    for name, fields in answer:
        yield name.decode(), {_text(k): _text(v) for k, v in fields.items()}


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")

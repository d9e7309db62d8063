"""A reader who does what a README says: its `sh` blocks, in order, in one shell.

    with Reader(readme, folder, replaced={":8080": ":40123"}) as reader:
        reader.follow(until="buy the mug")
        ...
        reader.follow()

A block is run as it stands; what it exports is there for the next one. One that begins
with ```sh server is a program that keeps running, and ends with &, so that the reader's
shell has what was exported for the next block: it is started, and the reader goes on
when its port listens. `paybell` is `run.py` of this repository. `replaced`: what
cannot be the same in a test (ports that others may have, a package index).
"""

import os
import re
import shlex
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from tests.tools import children
from tests.tools.wait import PATIENCE, wait_until
from tests.unit.test_packaging import ROOT

__all__ = ["Reader"]

_BLOCK = re.compile(r"^```sh( server)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PATIENCE_S = 60.0


class Reader:
    """`outputs`: what each block that came to an end has printed."""

    def __init__(
        self,
        readme: Path,
        folder: Path,
        *,
        replaced: Mapping[str, str],
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._text = readme.read_text(encoding="utf-8")
        self._folder = folder
        self._replaced = replaced
        self._env = {k: v for k, v in os.environ.items() if k[:8] != "PAYBELL_"}
        self._env |= env or {}
        self._place = 0
        self._kept = folder / ".exported"
        self._kept.touch()
        self._servers: list[children.Child[Any]] = []
        self.outputs: list[str] = []
        for old in replaced:
            assert old in self._text, f"{readme.name} says nothing of {old}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait()

    def follow(self, until: str | None = None, *, port: int | None = None) -> None:
        """Do what stands before the words `until` (else all). `port`: the server that
        is started in it listens there."""
        end = len(self._text)
        if until is not None:
            end = self._text.index(until, self._place)
        for block in _BLOCK.finditer(self._text, self._place, end):
            if block[1]:
                assert port is not None, f"which port has {block[2]}"
                self._serve(block[2], port)
            else:
                self._run(block[2])
        self._place = end

    def exported(self, name: str) -> str:
        found = re.search(
            rf'^declare -x {name}="(.*)"$', self._kept.read_text(), re.MULTILINE
        )
        assert found is not None, f"{name} is not exported"
        return found[1]

    def _script(self, block: str) -> str:
        for old, new in self._replaced.items():
            block = block.replace(old, new)
        python = shlex.join([sys.executable, str(ROOT / "run.py")])
        kept = shlex.quote(str(self._kept))
        return (
            f'set -euo pipefail\npaybell() {{ {python} "$@"; }}\n'
            f"source {kept}\n{block}\nexport -p >{kept}\n"
        )

    def _run(self, block: str) -> None:
        done = children.run(
            ["bash", "-c", self._script(block)],
            cwd=self._folder,
            env=self._env,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S * PATIENCE,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
        self.outputs.append(done.stdout)

    def _serve(self, block: str, port: int) -> None:
        block, free, _ = block.rpartition(" &\n")
        assert free, "the next block's shell would be without what was exported"
        log = self._folder / f"server-{len(self._servers)}.txt"
        with log.open("w") as out:
            server = children.start(
                ["bash", "-c", self._script(block)],
                cwd=self._folder,
                env=self._env,
                stdout=out,
                stderr=out,
            )
        self._servers.append(server)

        def listens() -> bool:
            assert server.poll() is None, f"{block}\n{log.read_text()}"
            with socket.socket() as sock:
                return sock.connect_ex(("127.0.0.1", port)) == 0

        wait_until(listens, _PATIENCE_S, lambda: f"{block}\n{log.read_text()}")

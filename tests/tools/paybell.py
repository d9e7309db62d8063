"""`run.py` as a process of its own, as an operator runs it; for tests from outside.

    with serving(tmp_path) as node:
        payment = node.create(amount_sat=1000)
        node.post("/dev/pay", address=payment["address"], amount_sat=1000)

Standard output and error are read apart. Nothing outlives the `with`.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from tests.tools import children
from tests.tools.wait import PATIENCE, wait_until

__all__ = ["API_KEY", "Finished", "Paybell", "command", "paybell", "serving"]

ROOT = Path(__file__).resolve().parents[2]
API_KEY = "test-key-of-the-whole-node"
READY = re.compile(r"paybell ready on (http://\S+)")
PATIENCE_S = 30.0

Finished = subprocess.CompletedProcess[str]


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, str(ROOT / "run.py"), *map(str, arguments)]


def _environ(more: Mapping[str, str | None]) -> dict[str, str]:
    """Ours, without the settings of whoever runs the tests."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("PAYBELL_")}
    environ |= {k: v for k, v in more.items() if v is not None}
    return environ


def paybell(
    *arguments: str | Path,
    env: Mapping[str, str | None] | None = None,
    cwd: Path | None = None,
    timeout_s: float = PATIENCE_S,
) -> Finished:
    """Run a command to its end."""
    return children.run(
        command(*arguments),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=timeout_s * PATIENCE,
        env=_environ(env or {}),
        cwd=cwd,
        check=False,
    )


class Paybell:
    """A running command. `out` and `err`: what it has printed so far."""

    def __init__(
        self,
        folder: Path,
        arguments: Sequence[str | Path],
        env: Mapping[str, str | None],
        *,
        stdout: int | None = None,
        stderr: int | None = None,
        wrapped: Sequence[str] = (),
        in_place_of_run: Sequence[str] = (),
    ) -> None:
        """`stdout`, `stderr`: descriptors in place of the files; `wrapped`: a command
        that starts it; `in_place_of_run`: what is started with these arguments."""
        self.folder = folder
        self._out, self._err = folder / "stdout.txt", folder / "stderr.txt"
        self.folder = folder
        self.api_key = API_KEY
        self.url = ""
        self.session = requests.Session()
        self.session.trust_env = False
        # Files, not pipes: nothing has to read them while the test does other things.
        with self._out.open("w") as out, self._err.open("w") as err:
            self.process = children.start(
                [*wrapped, *(in_place_of_run or command())]
                + [str(one) for one in arguments],
                stdout=out if stdout is None else stdout,
                stderr=err if stderr is None else stderr,
                env=_environ({"PAYBELL_API_KEY": API_KEY, **env}),
                cwd=folder,
            )

    @property
    def out(self) -> str:
        return self._out.read_text(encoding="utf-8")

    @property
    def err(self) -> str:
        return self._err.read_text(encoding="utf-8")

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def wait_for_line(self, pattern: re.Pattern[str]) -> re.Match[str]:
        """Until standard output has it; fails when the process ends before."""

        def found() -> re.Match[str] | None:
            match = pattern.search(self.out)
            if match is None and self.process.poll() is not None:
                raise AssertionError(f"it ended: {self.out}\n{self.err}")
            return match

        match = wait_until(found, PATIENCE_S, lambda: f"{pattern}:\n{self.err}")
        assert match is not None
        return match

    def wait_for_log(self, text: str) -> None:
        """Until a line with `text` is on standard error: lines come a moment after
        what they tell."""
        wait_until(lambda: text in self.err, PATIENCE_S, lambda: f"{text}:\n{self.err}")

    def wait_ready(self) -> None:
        """Until it listens, and new payments are taken."""
        self.url = self.wait_for_line(READY)[1]
        wait_until(
            lambda: self.get("/ready").status_code == 200, PATIENCE_S, "/ready to be ok"
        )

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.api_key}"}
        headers |= options.pop("headers", {})
        options.setdefault("timeout", PATIENCE_S * PATIENCE)
        return self.session.request(method, self.url + path, headers=headers, **options)

    def get(self, path: str, **headers: str) -> requests.Response:
        return self.call("GET", path, headers=headers)

    def post(self, path: str, **body: Any) -> requests.Response:
        return self.call("POST", path, json=body)

    def create(self, **fields: Any) -> dict[str, Any]:
        if "amount_sat" not in fields:
            fields["any_amount"] = True
        response = self.post("/v1/payments", **fields)
        assert response.status_code == 201, response.text
        created: dict[str, Any] = response.json()
        return created

    def payment(self, payment_id: str) -> dict[str, Any]:
        response = self.get(f"/v1/payments/{payment_id}")
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    def wait_for_status(self, payment_id: str, status: str) -> dict[str, Any]:
        last: dict[str, Any] = {}

        def reached() -> bool:
            last.update(self.payment(payment_id))
            return bool(last["status"] == status)

        wait_until(reached, PATIENCE_S, lambda: f"{status}, it is {last['status']}")
        return last

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def ended(self, timeout_s: float = 10.0) -> int:
        """Its exit status, once it has ended by itself."""
        wait_until(
            lambda: self.process.poll() is not None,
            timeout_s,
            lambda: f"the process to end:\n{self.out}\n{self.err}",
        )
        return int(self.process.returncode)

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.ended()

    def kill(self) -> None:
        self.session.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@contextmanager
def serving(
    folder: Path,
    *arguments: str | Path,
    env: Mapping[str, str | None] | None = None,
    db: str = "node.db",
    in_place_of_run: Sequence[str] = (),
) -> Iterator[Paybell]:
    """`run.py serve` on a free port with the dev chain, ready. Killed at the end."""
    node = Paybell(
        folder,
        ["serve", "--port", "0", "--db", db, *arguments],
        env or {},
        in_place_of_run=in_place_of_run,
    )
    try:
        node.wait_ready()
        yield node
    finally:
        node.kill()

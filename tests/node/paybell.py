"""Paybell as its users have it: `run.py serve` as a process against a real node.

    with BcoinNode() as node, Paybell(node.url, tmp_path) as paybell:
        payment = paybell.create(address=…, amount_sat=50_000)
        with paybell.follow_ws(payment) as seen:
            ...
            seen.wait_for("payment.confirmed")
        assert seen.events == paybell.events(payment["id"])

Everything goes over its port; nothing of it is imported. It may be killed and started
again on the same database and port, and followers come back by themselves, with the
last seq they had. Runs in the test's greenlet, each follower in one of its own.
"""

import contextlib
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

from tests.node.followers import (
    Follower,
    SocketioFollower,
    SseFollower,
    WsFollower,
)
from tests.tools.ports import free_ports
from tests.tools.wait import PATIENCE, Process, wait_until

__all__ = ["Paybell"]

ROOT = Path(__file__).parents[2]
API_KEY = "pbk_key_of_the_tests_against_a_real_node"
PATIENCE_S = 20.0
START_S = 40.0
TROUBLE = (" ERROR ", " CRITICAL ", "Traceback ")

Event = dict[str, Any]


class Paybell:
    """One installation: a database and a port of its own. A context manager.

    Nodes of `fallbacks` (URLs) are asked when the first one is of no use.
    """

    def __init__(
        self,
        node_url: str,
        folder: Path,
        options: Sequence[str] = (),
        fallbacks: Sequence[str] = (),
    ) -> None:
        self.db = folder / "paybell.db"
        (self.port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"
        self.command: list[str | Path] = [
            sys.executable, ROOT / "run.py", "serve",
            f"--port={self.port}", f"--db={self.db}", "--network=regtest",
            "--allow-private-webhooks=yes", *options,
        ]  # fmt: skip
        # Not on the command line: the URL holds the node's password.
        self.environ = {
            "PAYBELL_API_KEY": API_KEY,
            "PAYBELL_SOURCES": ",".join(
                f"bitcoind={url}" for url in (node_url, *fallbacks)
            ),
        }
        self._process: Process | None = None
        self._session = requests.Session()
        self._session.trust_env = False
        self._earlier: list[str] = []  # what processes that ended have written

    # -- its life ------------------------------------------------------------------

    def start(self) -> None:
        """Start it and wait until it takes payments."""
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """Start it, and do not wait."""
        assert self._process is None, "it runs"
        self._process = Process(self.command, env=self.environ, cwd=ROOT)
        self._process.start()

    def wait_until_ready(self) -> None:
        wait_until(self.is_ready, START_S, lambda: f"/ready to be 200\n{self.log}")

    def is_ready(self) -> bool:
        assert self._running.returncode is None, self.log
        try:
            return self.call("GET", "/ready").status_code == 200
        except requests.ConnectionError:
            return False

    def kill(self) -> None:
        """SIGKILL, at once. What it wrote is kept for `trouble`."""
        if self._process is not None:
            self._process.kill()
            self._earlier.append(self._process.output)
            self._process = None

    def signal(self, number: signal.Signals) -> None:
        self._running.signal(number)

    @property
    def has_ended(self) -> bool:
        """By itself, that is: the process is gone."""
        return self._running.returncode is not None

    @property
    def has_told_ready(self) -> bool:
        """It has written that it listens, since it was launched last."""
        return "paybell ready on" in self._running.output

    def stop(self) -> None:
        """SIGTERM, and a clean end."""
        status = self._running.stop()
        self._earlier.append(self._running.output)
        self._process = None
        assert status == 0, self.log

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """What happens inside it sees all at once afterwards (SIGSTOP)."""
        self._running.freeze()
        try:
            yield
        finally:
            self._running.thaw()

    @property
    def log(self) -> str:
        """All that was written, by all its processes."""
        now = [] if self._process is None else [self._process.output]
        return "\n".join([*self._earlier, *now])

    @property
    def trouble(self) -> list[str]:
        """Lines of the log that should not be there."""
        lines = self.log.splitlines()
        return [line for line in lines if any(word in line for word in TROUBLE)]

    def replay_check(self) -> str:
        """`run.py replay --check`, which must find nothing; what it said."""
        command: list[str | Path] = [
            sys.executable,
            ROOT / "run.py",
            "replay",
            "--check",
        ]
        replay = Process([*command, f"--db={self.db}"], cwd=ROOT)
        with replay:
            status = replay.wait(PATIENCE_S)
        assert status == 0, replay.output
        return replay.output

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        self._session.close()
        if error is not None:
            sys.stderr.write(f"Paybell wrote:\n{self.log}\n")

    # -- its API -------------------------------------------------------------------

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {API_KEY}", **options.pop("headers", {})}
        return self._session.request(
            method,
            self.url + path,
            headers=headers,
            timeout=PATIENCE_S * PATIENCE,
            **options,
        )

    def get(self, path: str) -> Any:
        response = self.call("GET", path)
        assert response.status_code == 200, response.text
        return response.json()

    def post(self, path: str, body: Any, status: int = 201) -> Any:
        response = self.call("POST", path, json=body)
        assert response.status_code == status, response.text
        return response.json()

    def create(self, **fields: Any) -> dict[str, Any]:
        """A new payment."""
        created: dict[str, Any] = self.post("/v1/payments", fields)
        return created

    def create_many(self, wanted: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """New payments in one batch; all must be taken."""
        entries = self.post("/v1/payments/batch", {"payments": wanted}, 200)["data"]
        return [entry["payment"] for entry in entries]

    def payment(self, payment_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"/v1/payments/{payment_id}")
        return found

    def payments(self) -> list[dict[str, Any]]:
        """All there are, newest first."""
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = self.get(f"/v1/payments?limit=200{cursor}")
            found += page["data"]
            if page["next_cursor"] is None:
                return found
            cursor = f"&cursor={page['next_cursor']}"

    def events(self, payment_id: str) -> list[Event]:
        """The payment's events, as the journal has them."""
        page = self.get(f"/v1/payments/{payment_id}/events?limit=1000")
        assert page["next_after"] is None, "a story of more than 1,000 events"
        found: list[Event] = page["data"]
        return found

    def read_on(self, events: list[Event]) -> None:
        """Add to these, the first of the node, those that have happened since."""
        while True:
            after = events[-1]["offset"] if events else 0
            page = self.get(f"/v1/events?after={after}&limit=1000")["data"]
            if not page:
                return
            events += page

    def sources(self) -> list[dict[str, Any]]:
        """As `GET /v1/sources` describes them, in order of preference."""
        found: list[dict[str, Any]] = self.get("/v1/sources")["data"]
        return found

    def source(self) -> dict[str, Any]:
        """The one source."""
        (found,) = self.sources()
        return found

    def poll(self, address: str) -> None:
        """Have it look at the chain at once."""
        self.post(f"/v1/watchers/{address}/poll", {}, 202)

    def wait_for_tip(self, block_hash: str) -> None:
        """Until it has read this block and all before it."""
        wait_until(
            lambda: self.source()["tip_hash"] == block_hash,
            PATIENCE_S,
            lambda: f"the tip to be {block_hash}: {self.source()}",
        )

    def open_channel(self, url: str, **fields: Any) -> str:
        """A webhook channel; its secret."""
        return str(self.post("/v1/channels", {"url": url, **fields})["secret"])

    # -- its live edges ------------------------------------------------------------

    def follow_ws(self, payment: dict[str, Any]) -> Follower:
        """A WebSocket client that wants the whole story of a payment."""
        return WsFollower(self.port, payment["address"], payment["client_secret"])

    def follow_invoice(self, invoice: str) -> SocketioFollower:
        """On Socket.IO; wants `--seed=salon=default`."""
        return SocketioFollower(self.port, invoice)

    def follow_sse(self, payment: dict[str, Any]) -> Follower:
        """The same, with Server-Sent Events."""
        return SseFollower(self.port, payment["address"], payment["client_secret"])

    @property
    def _running(self) -> Process:
        assert self._process is not None, "it does not run"
        return self._process

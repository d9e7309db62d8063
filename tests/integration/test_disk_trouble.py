"""A disk that is full, a database that is held or damaged, while the node runs.

New work is refused with the reason; what is committed stays and is served; when the
trouble is over, work goes on without a restart; and nobody is told of anything that
was not committed. "Full" is made with a limit on the size of the files that the
process may write, which any machine has: SQLite gets an error from the write, as it
does from a full disk. Where this user may mount file systems, a small one is filled.
"""

import contextlib
import resource
import signal
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.live_events import next_event
from tests.tools import children
from tests.tools.paybell import Paybell, paybell, serving
from tests.tools.wait import PATIENCE, wait_until
from tests.tools.wsclient import WsClient, connect

STEP_S = 20.0
TMPFS_BYTES = 2 * 1024 * 1024


class LimitedFiles:
    """No file of the process may grow, until `free`."""

    def __init__(self, node: Paybell, _folder: Path) -> None:
        self._node = node
        self._before = resource.prlimit(node.pid, resource.RLIMIT_FSIZE)

    def fill(self) -> None:
        limits = (1, self._before[1])
        resource.prlimit(self._node.pid, resource.RLIMIT_FSIZE, limits)

    def free(self) -> None:
        resource.prlimit(self._node.pid, resource.RLIMIT_FSIZE, self._before)


class FullFileSystem:
    """A file fills all that is left of a small file system."""

    def __init__(self, _node: Paybell, folder: Path) -> None:
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        with (
            self._ballast.open("wb", buffering=0) as file,
            contextlib.suppress(OSError),
        ):
            while True:
                file.write(b"\0" * 4_096)

    def free(self) -> None:
        self._ballast.unlink()


def _may_mount(folder: Path) -> bool:
    mounted = children.run(
        ["mount", "-t", "tmpfs", "-o", f"size={TMPFS_BYTES}", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    return mounted.returncode == 0


@pytest.fixture(params=["limited files", "full file system"])
def full(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[Path, Callable[[Paybell, Path], Any]]]:
    """A folder for the database, and how to fill it."""
    if request.param == "limited files":
        yield tmp_path, LimitedFiles
        return
    folder = tmp_path / "small"
    folder.mkdir()
    try:
        mounted = _may_mount(folder)
    except FileNotFoundError:
        mounted = False
    if not mounted:  # nowhere to mount: the limit stands for it here, too
        yield tmp_path, LimitedFiles
        return
    try:
        yield folder, FullFileSystem
    finally:
        children.run(["umount", "-l", str(folder)], check=True)


def ready_status(node: Paybell) -> int:
    return node.get("/ready").status_code


def events(node: Paybell) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = node.get("/v1/events?limit=1000").json()["data"]
    return found


def follow(node: Paybell, address: str) -> WsClient:
    client = connect("127.0.0.1", node.port, f"/ws/balance/{address}")
    assert client.recv_json()["type"] == "state"
    return client


def hears_nothing(client: WsClient) -> bool:
    """Whether no event is there; what tells of the source's freshness may be."""
    client.patience = 1
    try:
        while True:
            told = client.recv_json(0.3)
            if str(told["type"]).startswith("payment."):
                return False
    except TimeoutError:
        return True
    finally:
        client.patience = PATIENCE


def assert_refused(node: Paybell, reason: str) -> None:
    response = node.post("/v1/payments", amount_sat=1)
    assert response.status_code == 503, response.text
    assert int(response.headers["Retry-After"]) >= 1
    assert response.headers["Content-Type"] == "application/problem+json"
    assert reason in response.json()["detail"]
    wait_until(lambda: ready_status(node) == 503, STEP_S, "/ready to say so")
    assert reason in node.get("/ready").json()["detail"]
    assert node.get("/health").status_code == 200


def assert_consistent(folder: Path) -> None:
    checked = paybell("replay", "--check", "--db", folder / "node.db")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_full_disk_refuses_work_keeps_what_there_is_and_recovers_by_itself(
    full: tuple[Path, Callable[[Paybell, Path], Any]],
) -> None:
    folder, make = full
    with serving(folder) as node:
        disk = make(node, folder)
        before = node.create(amount_sat=1_000, confirmations=1)
        client = follow(node, before["address"])
        known = len(events(node))

        disk.fill()
        # Money comes while nothing can be written.
        node.post("/dev/pay", address=before["address"], amount_sat=1_000)
        wait_until(lambda: ready_status(node) == 503, STEP_S, "the trouble to be seen")
        assert_refused(node, "database node.db: ")
        assert node.post(f"/v1/payments/{before['id']}/cancel").status_code == 503
        assert hears_nothing(client)
        assert len(events(node)) == known
        assert node.payment(before["id"])["status"] == "pending"

        disk.free()
        wait_until(lambda: ready_status(node) == 200, STEP_S, "/ready to be well")
        node.wait_for_status(before["id"], "confirming")
        assert next_event(client)["type"] == "payment.detected"
        after = node.create(amount_sat=2_000)
        node.post("/dev/mine", blocks=1)
        node.wait_for_status(before["id"], "confirmed")
        told = [event["seq"] for event in events(node) if
                event["payment_id"] == before["id"]]  # fmt: skip
        assert told == list(range(1, len(told) + 1))
        assert node.payment(after["id"])["status"] == "pending"
        node.wait_for_log("journal.recovered")  # before, the log could not grow
        assert "Traceback" not in node.err
        assert node.stop() == 0
    assert_consistent(folder)


def test_a_node_that_is_ended_on_a_full_disk_ends_well_and_loses_nothing(
    tmp_path: Path,
) -> None:
    with serving(tmp_path) as node:
        disk = LimitedFiles(node, tmp_path)
        kept = node.create(amount_sat=1_000, confirmations=1)
        disk.fill()
        assert node.post("/v1/payments", amount_sat=1).status_code == 503
        assert node.stop() == 0
        assert "Traceback" not in node.err
    with serving(tmp_path) as again:
        assert again.payment(kept["id"])["seq"] == 1
        assert len(events(again)) == 1
        assert again.stop() == 0
    assert_consistent(tmp_path)


def test_a_database_that_another_program_holds_is_waited_for(tmp_path: Path) -> None:
    with serving(tmp_path) as node:
        node.create(amount_sat=1_000)
        holder = sqlite3.connect(tmp_path / "node.db", 60, isolation_level=None)
        try:
            holder.execute("BEGIN IMMEDIATE")
            assert_refused(node, "another process holds the database")
            assert len(node.get("/v1/payments").json()["data"]) == 1
        finally:
            holder.close()
        wait_until(lambda: ready_status(node) == 200, STEP_S, "/ready to be well")
        node.create(amount_sat=2_000)
        assert node.stop() == 0
    assert_consistent(tmp_path)


def test_a_database_that_is_damaged_while_it_is_used_is_told_and_not_written_on(
    tmp_path: Path,
) -> None:
    with serving(tmp_path) as node:
        payments = [node.create(amount_sat=1_000 + n) for n in range(50)]
        _damage_pages(tmp_path / "node.db", node)
        wait_until(
            lambda: node.post("/v1/payments", amount_sat=1).status_code == 503,
            STEP_S,
            "new work to be refused",
        )
        assert_refused(node, "damaged")
        # What is asked is answered, if only with the reason why it cannot be.
        for payment in payments[:5]:
            shown = node.get(f"/v1/payments/{payment['id']}")
            assert shown.status_code in {200, 503}
            assert shown.headers["Content-Type"].startswith("application/")
        wait_until(
            lambda: (
                "database.unreadable" in node.err or "journal.unavailable" in node.err
            ),
            STEP_S,
            "a line about it",
        )
        node.signal(signal.SIGTERM)
        assert node.ended() in {0, 70}
    finished = paybell("replay", "--check", "--db", tmp_path / "node.db")
    assert finished.returncode == 1
    assert "Traceback" not in finished.stderr


def _damage_pages(database: Path, node: Paybell) -> None:
    """Overwrite all pages but the first, in the file and in the write-ahead log."""
    junk = b"\xa5"
    for path, keep in ((database, 4_096), (Path(f"{database}-wal"), 0)):
        size = path.stat().st_size
        if size > keep:
            with path.open("r+b") as file:
                file.seek(keep)
                file.write(junk * (size - keep))
    assert node.process.poll() is None

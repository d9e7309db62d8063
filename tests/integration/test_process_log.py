"""A node whose log nobody reads, whose outputs are closed or full, that is hung up on:
it serves as before, and says what was missed."""

import contextlib
import hashlib
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

from tests.tools.log_lines import undocumented
from tests.tools.paybell import Paybell
from tests.tools.ports import free_ports
from tests.tools.wait import wait_until
from tests.unit.transport.cli.log_pipe import Pipe

STEP_S = 20.0


@contextlib.contextmanager
def node_on(
    folder: Path,
    *options: str,
    stdout: int | None = None,
    stderr: int | None = None,
    closed: str = "",
) -> Iterator[Paybell]:
    """A node with these descriptors; `closed`: those that a shell closes ("1 2")."""
    (port,) = free_ports(1)
    arguments = ["serve", "--port", str(port), "--db", "node.db", *options]
    node = Paybell(
        folder,
        arguments,
        {"PAYBELL_WEBHOOK_BTC_SECRET": "a-secret-of-the-provider"},
        stdout=stdout,
        stderr=stderr,
        wrapped=[
            "sh",
            "-c",
            f'exec "$@" {" ".join(f"{fd}>&-" for fd in closed)}',
            "sh",
        ],
    )
    node.url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: _is_ready(node), STEP_S * 2, "the node to be ready")
        yield node
    finally:
        node.kill()


def _is_ready(node: Paybell) -> bool:
    assert node.process.poll() is None, f"it ended: {node.out}\n{node.err}"
    try:
        return node.get("/ready").status_code == 200
    except OSError:
        return False


def assert_serves(node: Paybell) -> None:
    payment = node.create(amount_sat=1_000, confirmations=1)
    node.post("/dev/pay", address=payment["address"], amount_sat=1_000)
    node.post("/dev/mine", blocks=1)
    node.wait_for_status(payment["id"], "confirmed")


def count(node: Paybell, name: str) -> float:
    found = re.search(rf"^{name} (\S+)$", node.get("/metrics").text, re.MULTILINE)
    assert found, name
    return float(found[1])


def refused_webhooks(node: Paybell, number: int) -> None:
    """A stranger, with as many wrong signatures."""
    for n in range(number):
        signature = hashlib.sha256(str(n).encode()).hexdigest()
        answer = node.call("POST", "/webhook/btc", data=b"{}",
                           headers={"X-Signature": signature})  # fmt: skip
        assert answer.status_code in {401, 429}


def test_a_node_whose_log_nobody_reads_serves_and_tells_later_what_was_left_out(
    tmp_path: Path,
) -> None:
    with Pipe() as pipe:
        pipe.fill()  # its first line does not fit any more
        with node_on(tmp_path, stderr=pipe.fd) as node:
            refused_webhooks(node, 120)
            assert_serves(node)
            assert count(node, "paybell_log_lines_total") == 0
            assert count(node, "paybell_log_left_out_total") >= 1
            lines = pipe.wait_for(" info payment.confirmed ")
            refused = [line for line in lines if " webhook.refused " in line]
            assert 0 < len(refused) < 120  # no line for each call
            assert count(node, "paybell_log_lines_total") > 0
            assert node.stop() == 0
        told = re.search(
            r" warning log\.left_out event=webhook\.refused lines=(\d+)\n", pipe.read()
        )
        assert told
        assert int(told[1]) + len(refused) <= 120


def test_with_both_outputs_full_and_unread_it_serves_and_ends_when_it_is_asked_to(
    tmp_path: Path,
) -> None:
    with Pipe() as out, Pipe() as err:
        out.fill()
        err.fill()
        with node_on(tmp_path, stdout=out.fd, stderr=err.fd) as node:
            assert_serves(node)
            assert node.stop() == 0


def test_a_log_whose_reader_has_gone_is_counted_and_a_hangup_is_ignored(
    tmp_path: Path,
) -> None:
    with Pipe() as pipe, node_on(tmp_path, stderr=pipe.fd) as node:
        node.signal(signal.SIGHUP)
        pipe.wait_for(" info signal.ignored signal=SIGHUP ")
        assert count(node, "paybell_log_lost_total") == 0
        pipe.hand_over()
        pipe.break_()
        assert_serves(node)
        wait_until(
            lambda: count(node, "paybell_log_lost_total") > 0, STEP_S, "the loss"
        )
        assert node.stop() == 0


def test_a_full_disk_behind_standard_output_is_told_and_a_hangup_opens_the_log_anew(
    tmp_path: Path,
) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    with node_on(tmp_path, stdout=full) as node:
        os.close(full)
        node.wait_for_log(" warning stdout.unwritable detail=No space left on device ")
        (tmp_path / "stderr.txt").rename(tmp_path / "stderr.txt.1")  # logrotate
        node.signal(signal.SIGHUP)
        wait_until((tmp_path / "stderr.txt").exists, STEP_S, "a new file")
        assert_serves(node)
        node.wait_for_log("payment.confirmed")
        assert node.stop() == 0
        assert "node.stopped" in node.err
        assert undocumented(node.err) == []
        assert "Traceback" not in node.err


def test_closed_outputs_at_the_start_are_no_trouble(tmp_path: Path) -> None:
    with node_on(tmp_path, closed="012") as node:
        assert_serves(node)
        targets = [os.readlink(f"/proc/{node.pid}/fd/{fd}") for fd in (0, 1, 2)]
        assert targets == ["/dev/null"] * 3  # nothing of ours has the number
        assert node.stop() == 0

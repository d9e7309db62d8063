"""`run.py serve` as a process: how it starts, what it says, and how it ends."""

import contextlib
import os
import re
import resource
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from run import main
from tests.tools import children
from tests.tools.log_lines import undocumented
from tests.tools.paybell import API_KEY, Finished, Paybell, command, paybell, serving
from tests.tools.wait import wait_until


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Paybell]:
    with serving(tmp_path) as started:
        yield started


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder is a new one, and the environment has no settings."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("PAYBELL_")]:
        monkeypatch.delenv(name)
    return tmp_path


def line_of(finished: Finished | Result) -> str:
    """The one line that a command that cannot do its work leaves on stderr."""
    assert finished.stdout == ""
    assert "Traceback" not in finished.stderr
    lines = finished.stderr.splitlines()
    assert len(lines) == 1, finished.stderr
    assert lines[0].startswith("paybell: ")
    return lines[0]


def test_it_says_one_line_on_stdout_once_it_listens_and_logs_on_stderr(
    node: Paybell,
) -> None:
    assert node.out == f"paybell ready on {node.url}\n"
    assert node.url.startswith("http://127.0.0.1:")
    node.wait_for_log("watchers.ready count=0")


def test_the_ready_line_comes_through_a_pipe_at_once(tmp_path: Path) -> None:
    with children.start(
        command("serve", "--port", "0", "--db", "node.db"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith(b"paybell ready on http://")
        finally:
            process.kill()


def test_log_lines_are_a_time_a_level_an_event_and_pairs(node: Paybell) -> None:
    payment = node.create(amount_sat=1_000, confirmations=1)
    node.post("/dev/pay", address=payment["address"], amount_sat=1_000)
    node.post("/dev/mine", blocks=1)
    node.wait_for_status(payment["id"], "confirmed")
    node.wait_for_log(f" info payment.confirmed payment={payment['id']} seq=")
    line = re.compile(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (debug|info|warning|error)"
        r" [a-z_]+(\.[a-z_]+)*( [a-z_]+=.*)?"
    )
    for text in node.err.splitlines():
        assert line.fullmatch(text), text


def test_the_log_level_decides_what_is_logged(tmp_path: Path) -> None:
    with serving(tmp_path, "--log-level", "error") as node:
        node.create(amount_sat=1_000)
        assert node.stop() == 0
        assert node.err == ""


def test_a_setting_comes_from_the_option_the_environment_or_the_file(
    tmp_path: Path,
) -> None:
    (tmp_path / "paybell.toml").write_text(
        'db = "from-file.db"\nlog_level = "error"\n', encoding="utf-8"
    )
    node = Paybell(
        tmp_path,
        ["serve", "--port", "0", "--config", "paybell.toml"],
        {"PAYBELL_PORT": "not used", "PAYBELL_LOG_LEVEL": "info"},
    )
    try:
        node.wait_ready()
        assert (tmp_path / "from-file.db").exists()
        node.wait_for_log("watchers.ready")
    finally:
        node.kill()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "abc"], "--port: 'abc' is not valid; allowed: 0 to 65535"),
        (["--network", "mainet"], "--network: 'mainet' is not valid; allowed: mainnet"),
        (["--source", "garbage"], "--source: a value that is not shown"),
        (["--network", "mainnet", "--source", "devchain"], "for --network regtest"),
        (["--trusted-proxies", "proxy"], "--trusted-proxies: 'proxy' is not valid"),
        (["--config", "none.toml"], "cannot read 'none.toml': No such file"),
        (["--config", "."], "cannot read '.': Is a directory"),
        (["--config", "binary.toml"], "'binary.toml' is not UTF-8 text"),
        (["--config", "unknown.toml"], "unknown key 'prot'; allowed: "),
        (["--config", "broken.toml"], "broken.toml: not valid TOML"),
        (["--config", "large.toml"], "large.toml is over 1000000 bytes"),
    ],
)
def test_a_wrong_setting_is_one_line_and_exit_code_2(
    in_folder: Path, arguments: list[str], said: str
) -> None:
    (in_folder / "binary.toml").write_bytes(b"\xff\xfe\x00")
    (in_folder / "unknown.toml").write_text("prot = 1", encoding="utf-8")
    (in_folder / "broken.toml").write_text("port = ", encoding="utf-8")
    (in_folder / "large.toml").write_text("# " + "x" * 1_000_001, encoding="utf-8")
    finished = CliRunner().invoke(main, ["serve", *arguments])
    assert finished.exit_code == 2
    assert said in line_of(finished)
    assert not list(in_folder.glob("*.db*"))  # it did not get that far


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PAYBELL_API_KEY", "canary with spaces"),
        ("PAYBELL_NODE_KEY", "canary-canary"),
        ("PAYBELL_WEBHOOK_BTC_SECRET", "canary"),
        ("PAYBELL_SOURCES", "bitcoind=http://u:canary@host:port"),
    ],
)
def test_a_wrong_secret_is_named_but_not_shown(
    in_folder: Path, name: str, value: str
) -> None:
    finished = CliRunner().invoke(main, ["serve"], env={name: value})
    assert finished.exit_code == 2
    line = line_of(finished)
    assert line.startswith(f"paybell: {name}: a value that is not shown")
    assert "allowed: " in line
    assert "canary" not in line


@pytest.mark.parametrize(
    "source", ["esplora=https://u:hunter2@host/api", "bitcoind=http://u:hunter2@h#x"]
)
def test_an_address_that_no_such_source_can_have_is_one_line_and_exit_code_2(
    tmp_path: Path, source: str
) -> None:
    finished = paybell("serve", cwd=tmp_path, env={"PAYBELL_SOURCES": source})
    assert finished.returncode == 2
    line = line_of(finished)
    kind = source.partition("=")[0]
    assert line.startswith("paybell: PAYBELL_SOURCES: a value that is not shown")
    assert f"source 1 ({kind})" in line
    assert "hunter2" not in line


def test_a_port_that_is_taken_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        finished = paybell("serve", "--port", port, "--log-level", "error",
                           cwd=tmp_path)  # fmt: skip
    assert finished.returncode == 1
    line = line_of(finished)
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in line
    assert "--port" in line


def test_an_address_that_is_not_ours_is_one_line_and_exit_code_1(
    tmp_path: Path,
) -> None:
    finished = paybell("serve", "--host", "192.0.2.1", "--log-level", "error",
                       cwd=tmp_path)  # fmt: skip
    assert finished.returncode == 1
    assert "cannot listen on 192.0.2.1:8080: " in line_of(finished)


def test_a_database_in_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    finished = paybell("serve", "--db", "none/such.db", cwd=tmp_path)
    assert finished.returncode == 1
    assert f"there is no folder {tmp_path / 'none'}; make it" in line_of(finished)


def test_a_file_that_is_no_database_is_one_line_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"my notes " * 1_000)
    finished = paybell("serve", "--db", path, cwd=tmp_path)
    assert finished.returncode == 1
    assert "was --db meant to name another file?" in line_of(finished)
    assert path.read_bytes() == b"my notes " * 1_000
    assert not (tmp_path / "notes.txt.key").exists()


def test_a_damaged_database_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    with serving(tmp_path) as node:
        node.create(amount_sat=1_000)
        assert node.stop() == 0
    content = bytearray((tmp_path / "node.db").read_bytes())
    content[100:4096] = b"\xa5" * 3_996  # the root page of the schema
    (tmp_path / "node.db").write_bytes(content)
    finished = paybell("serve", "--port", "0", "--db", "node.db", cwd=tmp_path)
    assert finished.returncode == 1
    assert "damaged" in line_of(finished)


def test_a_node_whose_newest_payment_is_damaged_runs(tmp_path: Path) -> None:
    with serving(tmp_path) as node:
        whole, damaged = (node.create(amount_sat=n)["id"] for n in (1_000, 2_000))
        assert node.stop() == 0
    with contextlib.closing(sqlite3.connect(tmp_path / "node.db")) as sql, sql:
        sql.execute("UPDATE payments SET state = x'00ff' WHERE id = ?", (damaged,))
    with serving(tmp_path) as node:
        node.wait_for_log(f"payment={damaged}")
        node.wait_for_log("devchain.new")  # the last of what a start does
        assert node.payment(whole)["status"] == "pending"
        assert node.stop() == 0


def test_a_folder_given_as_the_database_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    finished = paybell("serve", "--db", "folder", cwd=tmp_path)
    assert finished.returncode == 1
    assert "database folder: " in line_of(finished)


def test_a_second_node_on_the_same_database_does_not_start(node: Paybell) -> None:
    database = Path(f"/proc/{node.pid}/cwd").resolve() / "node.db"
    finished = paybell("serve", "--port", "0", "--db", database)
    assert finished.returncode == 1
    line = line_of(finished)
    assert f"held by another Paybell process (process {node.pid})" in line
    assert node.url in line
    assert node.get("/ready").status_code == 200


def test_a_database_that_another_program_writes_in_is_one_line(tmp_path: Path) -> None:
    with serving(tmp_path) as node:
        assert node.stop() == 0
    holder = sqlite3.connect(tmp_path / "node.db")
    try:
        holder.execute("BEGIN IMMEDIATE")
        finished = paybell("serve", "--port", "0", "--db", "node.db", cwd=tmp_path)
    finally:
        holder.close()
    assert finished.returncode == 1
    assert "another process holds the database: stop it" in line_of(finished)


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path) as node:
        assert node.stop() == 0
    (tmp_path / "node.db.key").chmod(0o644)
    finished = paybell("serve", "--db", "node.db", cwd=tmp_path)
    assert finished.returncode == 1
    assert "chmod 600" in line_of(finished)


def test_it_takes_as_many_open_files_as_it_may_have(tmp_path: Path) -> None:
    with serving(tmp_path) as node:
        soft, hard = resource.prlimit(node.pid, resource.RLIMIT_NOFILE)
        assert soft == hard


def test_one_address_gets_so_many_connections_as_are_set(tmp_path: Path) -> None:
    with serving(tmp_path, "--connections-per-address", "3") as node:
        node.session.close()
        held: list[socket.socket] = []

        def refused() -> bool:
            """One more connection, which is held: is it answered, or turned away?"""
            sock = socket.create_connection(("127.0.0.1", node.port), timeout=60)
            held.append(sock)
            with contextlib.suppress(ConnectionError):
                sock.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            return sock.recv(12) == b"HTTP/1.1 503"

        try:
            wait_until(refused, 5, "a connection to be turned away")
            assert 4 <= len(held) <= 5  # the session's own may still be counted
        finally:
            for sock in held:
                sock.close()


def test_a_payment_without_a_tolerance_has_the_nodes(tmp_path: Path) -> None:
    options = ("--tolerance-sat", "100", "--tolerance-percent", "5")
    with serving(tmp_path, *options) as node:
        assert node.create(amount_sat=2_000)["tolerance_sat"] == 100
        assert node.create(amount_sat=1_000)["tolerance_sat"] == 50
        named = node.create(amount_sat=2_000, tolerance_sat=0)
        assert named["tolerance_sat"] == 0


def test_who_logged_out_is_logged_out_after_a_crash_whoever_has_the_cookie(
    tmp_path: Path,
) -> None:
    def status(node: Paybell, method: str, path: str, cookie: str, csrf: str) -> int:
        own = {"Cookie": cookie, "Origin": node.url, "X-CSRF-Token": csrf}
        headers = {"Authorization": None, **own}
        return node.call(method, path, headers=headers).status_code

    people = []
    with serving(tmp_path) as node:
        for _ in range(2):
            made = node.post("/session", key=API_KEY)
            cookie = made.headers["Set-Cookie"].partition(";")[0]
            people.append((cookie, made.json()["csrf"]))
            node.session.cookies.clear()
        out, stays = people
        assert status(node, "DELETE", "/session", *out) == 204
    with serving(tmp_path) as node:  # `serving` ends the one before with SIGKILL
        assert status(node, "GET", "/v1/payments", *out) == 401
        assert status(node, "GET", "/v1/payments", *stays) == 200


def test_files_of_the_database_are_for_its_owner_only(tmp_path: Path) -> None:
    with serving(tmp_path) as node:
        node.create(amount_sat=1_000)
        for name in ("node.db", "node.db.key", "node.db-wal"):
            assert os.stat(tmp_path / name).st_mode & 0o077 == 0, name


def test_a_node_in_poor_surroundings_says_so_and_runs(tmp_path: Path) -> None:
    """256 open files, files that everybody can read, and a service of its name in
    Kubernetes."""
    config = tmp_path / "paybell.toml"
    config.write_text(f'api_key = "{API_KEY}"\n', encoding="utf-8")
    config.chmod(0o644)
    (tmp_path / "node.db.lock").touch()
    (tmp_path / "node.db.lock").chmod(0o644)
    node = Paybell(
        tmp_path,
        ["serve", "--port", "0", "--db", "node.db", "--config", "paybell.toml"],
        {
            "PAYBELL_PORT": "tcp://10.0.171.239:8080",
            "PAYBELL_PORT_8080_TCP_PROTO": "tcp",
            "PAYBELL_SERVICE_HOST": "10.0.171.239",
        },
        wrapped=["sh", "-c", 'ulimit -n 256 && exec "$@"', "sh"],
    )
    try:
        node.wait_ready()
        (first, *_) = node.err.splitlines()
        assert first == (
            "paybell: warning: ignored, as Kubernetes writes them for a service of this"
            " name: PAYBELL_PORT, PAYBELL_PORT_8080_TCP_PROTO, PAYBELL_SERVICE_HOST"
        )
        node.wait_for_log(" warning files.few open_files=256 clients=128 ")
        node.wait_for_log(" warning file.exposed path=paybell.toml mode=644 ")
        node.wait_for_log("node.db.lock mode=644 ")
        node.create(amount_sat=1_000)
        assert node.stop() == 0
        assert undocumented(node.err) == []
    finally:
        node.kill()

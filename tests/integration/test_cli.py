"""The commands, as a person types them: what they print, and their exit codes."""

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from run import main
from tests.tools.paybell import API_KEY, Paybell, paybell, serving
from tests.tools.ports import free_ports
from tests.tools.terminal import at_terminal
from tests.tools.wait import wait_until

KEY = {"PAYBELL_API_KEY": API_KEY}
ESCAPE = "\x1b["
STEP_S = 20.0


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Paybell]:
    with serving(tmp_path_factory.mktemp("node")) as started:
        yield started


# -- help ------------------------------------------------------------------------------


def commands(
    group: click.Group = main, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None, name
        yield (*path, name), found
        if isinstance(found, click.Group):
            yield from commands(found, (*path, name))


def test_the_first_help_tells_a_newcomer_where_to_begin() -> None:
    shown = CliRunner().invoke(main, ["--help"]).output
    assert "See it first:   paybell demo" in shown
    names = "serve", "demo", "pay", "watch", "payments", "replay", "keys", "doctor"
    for name in names:
        assert re.search(rf"^  {name}  +[A-Z]", shown, re.MULTILINE), name


@pytest.mark.parametrize("path", [" ".join(path) for path, _ in commands()])
def test_every_command_says_what_it_does_and_every_option_what_it_means(
    path: str,
) -> None:
    found = dict(commands())[tuple(path.split())]
    assert found.help
    for parameter in found.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{path} {parameter.opts}"
    shown = CliRunner().invoke(main, [*path.split(), "--help"])
    assert shown.exit_code == 0
    assert "Usage: " in shown.output


@pytest.mark.parametrize(
    "name", ["serve", "pay", "watch", "payments", "replay", "keys"]
)
def test_help_shows_examples(name: str) -> None:
    shown = CliRunner().invoke(main, [name, "--help"]).output
    assert "Examples:\n" in shown
    assert f"paybell {name}" in shown


def test_what_is_mistyped_is_told_with_exit_code_2() -> None:
    finished = CliRunner().invoke(main, ["serv"])
    assert finished.exit_code == 2
    assert "No such command 'serv'" in finished.output
    finished = CliRunner().invoke(main, ["pay", "bcrt1q", "0.5"])
    assert finished.exit_code == 2
    assert "SATS" in finished.output


# -- pay, payments, watch --------------------------------------------------------------


def test_paying_prints_the_transaction_and_mining_the_height(node: Paybell) -> None:
    payment = node.create(amount_sat=1_000, confirmations=2)
    finished = paybell(
        "pay", payment["address"], "1000", "--mine", "2", "--url", node.url
    )
    assert finished.returncode == 0, finished.stderr
    lines = finished.stdout.splitlines()
    assert lines[0] == f"paid 1000 sat to {payment['address']}"
    assert re.fullmatch("txid [0-9a-f]{64}", lines[1])
    assert re.fullmatch(r"mined 2 blocks, height \d+", lines[2])
    node.wait_for_status(payment["id"], "confirmed")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense", "1000"], "address"),
        (["1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", "1000"], "address"),
    ],
)
def test_what_the_node_refuses_is_one_line_and_exit_code_1(
    node: Paybell, arguments: list[str], said: str
) -> None:
    finished = paybell("pay", *arguments, "--url", node.url)
    assert finished.returncode == 1
    assert finished.stdout == ""
    assert len(finished.stderr.splitlines()) == 1
    assert said in finished.stderr


@pytest.mark.parametrize(
    ("name", "arguments"), [("pay", ["bcrt1q", "1"]), ("payments", [])]
)
def test_without_a_node_a_command_says_where_it_looked(
    name: str, arguments: list[str]
) -> None:
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    finished = paybell(name, *arguments, "--url", url, env=KEY)
    assert finished.returncode == 1
    (line,) = finished.stderr.splitlines()
    assert line.startswith(f"Error: no node answers at {url}")
    assert "paybell serve" in line


def test_an_address_that_is_none_is_told_so(node: Paybell) -> None:
    finished = paybell("pay", "bcrt1q", "1", "--url", "localhost:8080")
    assert finished.returncode == 1
    assert len(finished.stderr.splitlines()) == 1


def test_payments_are_listed_newest_first_and_can_be_filtered(node: Paybell) -> None:
    first = node.create(amount_sat=1_111, external_id="order-a")
    second = node.create(amount_sat=2_222, external_id="order-b")
    env = {**KEY, "PAYBELL_URL": node.url}
    listed = paybell("payments", "--limit", "2", env=env).stdout.splitlines()
    assert [line.split()[0] for line in listed] == [second["id"], first["id"]]
    assert "2222 sat" in listed[0]
    assert "order-b" in listed[0]

    found = paybell("payments", "--external-id", "order-a", "--json", env=env)
    assert json.loads(found.stdout)["id"] == first["id"]

    none = paybell("payments", "--status", "failed", env=env)
    assert (none.returncode, none.stdout) == (0, "no payments\n")


def test_listing_payments_wants_a_key_and_a_good_one(node: Paybell) -> None:
    finished = paybell("payments", "--url", node.url)
    assert finished.returncode == 2
    assert "PAYBELL_KEY" in finished.stderr
    finished = paybell(
        "payments", "--url", node.url, env={"PAYBELL_API_KEY": "canary-key"}
    )
    assert finished.returncode == 1
    assert "(401)" in finished.stderr
    assert "canary" not in finished.stderr


def test_watching_tells_the_state_then_each_event_and_ends_when_it_is_confirmed(
    node: Paybell, tmp_path: Path
) -> None:
    payment = node.create(amount_sat=1_000, confirmations=1)
    watching = Paybell(
        tmp_path, ["watch", payment["address"], "--once", "--url", node.url], {}
    )
    try:
        watching.wait_for_line(re.compile("state .*pending"))
        paybell("pay", payment["address"], "1000", "--mine", "1", "--url", node.url)
        assert watching.ended(STEP_S) == 0
    finally:
        watching.kill()
    kinds = re.findall(r"(state|payment\.\w+)", watching.out)
    assert kinds[0] == "state"
    assert kinds[1] == "payment.detected"
    assert kinds[-1] == "payment.confirmed"
    assert ESCAPE not in watching.out


def test_watching_goes_on_after_the_node_was_away_and_misses_nothing(
    tmp_path: Path,
) -> None:
    (port,) = free_ports(1)
    where = "--port", str(port)
    with serving(tmp_path, *where) as node:
        payment = node.create(amount_sat=1_000, confirmations=1)
        (tmp_path / "watch").mkdir()
        watching = Paybell(
            tmp_path / "watch", ["watch", payment["address"], "--url", node.url], {}
        )
        try:
            watching.wait_for_line(re.compile("state "))
            assert node.stop() == 0
            wait_until(
                lambda: "reconnecting: " in watching.err, STEP_S, "it to try again"
            )
            with serving(tmp_path, *where) as again:
                again.post(f"/v1/payments/{payment['id']}/cancel")
                watching.wait_for_line(re.compile(r"payment\.cancelled"))
                watching.signal(signal.SIGINT)
                watching.ended(STEP_S)
        finally:
            watching.kill()
    kinds = re.findall(r"(state|payment\.\w+)", watching.out)
    assert kinds[0] == "state"
    assert kinds.count("payment.cancelled") == 1
    assert "Traceback" not in watching.err


def test_watching_an_address_that_nobody_waits_for_ends_with_a_line(
    node: Paybell,
) -> None:
    finished = paybell("watch", "bcrt1qqqqq", "--url", node.url)
    assert finished.returncode == 1
    assert len(finished.stderr.splitlines()) == 1
    assert "(404)" in finished.stderr


# -- colour ----------------------------------------------------------------------------


def test_there_is_colour_on_a_terminal_only_and_not_with_no_color(
    node: Paybell,
) -> None:
    node.create(amount_sat=1_000)
    arguments = "payments", "--limit", "1", "--url", node.url
    assert ESCAPE in at_terminal(*arguments, env=KEY)
    assert ESCAPE not in at_terminal(*arguments, env={**KEY, "NO_COLOR": "1"})
    assert ESCAPE not in paybell(*arguments, env=KEY).stdout


# -- keys ------------------------------------------------------------------------------


def test_a_key_is_made_in_the_database_and_works_once_a_node_runs_on_it(
    tmp_path: Path,
) -> None:
    made = paybell("keys", "create", "shop", "--db", tmp_path / "node.db")
    assert made.returncode == 0, made.stderr
    key = made.stdout.strip()
    assert re.fullmatch(r"pbk_[\w-]{43}", key)
    key_id = made.stderr.split()[0]
    with serving(tmp_path, env={"PAYBELL_API_KEY": None}) as node:
        node.api_key = key
        assert node.get("/v1/payments").status_code == 200
        assert "keys.none" not in node.err
        assert node.stop() == 0
    revoked = paybell("keys", "revoke", key_id, "--db", tmp_path / "node.db")
    assert revoked.returncode == 0
    listed = paybell("keys", "list", "--db", tmp_path / "node.db").stdout
    assert re.fullmatch(
        rf"{key_id}  revoked  all +shop  \[read,.*,operator\]\n", listed
    )
    assert key not in listed


def test_a_node_without_any_key_says_so(tmp_path: Path) -> None:
    with serving(tmp_path, env={"PAYBELL_API_KEY": None}) as node:
        node.wait_for_log("keys.none")


def test_while_a_node_runs_keys_says_how_to_let_the_node_do_it(node: Paybell) -> None:
    database = Path(f"/proc/{node.pid}/cwd").resolve() / "node.db"
    finished = paybell("keys", "create", "shop", "--db", database)
    assert finished.returncode == 1
    (line,) = finished.stderr.splitlines()
    assert f"add --url {node.url}, with a key of the whole node" in line


def test_a_running_node_makes_lists_and_revokes_keys_that_work_at_once(
    node: Paybell,
) -> None:
    env = {**KEY, "PAYBELL_URL": node.url}
    made = paybell("keys", "create", "till 1", "--merchant", "cafe", env=env)
    assert made.returncode == 0, made.stderr
    key, key_id = made.stdout.strip(), made.stderr.split()[0]
    theirs = {"Authorization": f"Bearer {key}"}
    assert node.get("/v1/payments", **theirs).status_code == 200
    assert node.get("/v1/keys", **theirs).status_code == 403
    listed = paybell("keys", "list", env=env).stdout
    assert re.search(
        rf"^{key_id}  active   cafe +till 1  \[read,", listed, re.MULTILINE
    )
    assert key not in listed

    assert paybell("keys", "revoke", key_id, env=env).stdout == f"revoked {key_id}\n"
    assert node.get("/v1/payments", **theirs).status_code == 401
    unknown = paybell("keys", "revoke", "key_none", env=env)
    assert unknown.returncode == 1
    assert "There is no such key. (404)" in unknown.stderr


def test_a_merchants_key_makes_no_keys(node: Paybell) -> None:
    made = node.post("/v1/keys", name="x", merchant="cafe").json()
    env = {"PAYBELL_API_KEY": made["key"], "PAYBELL_URL": node.url}
    finished = paybell("keys", "create", "more", env=env)
    assert finished.returncode == 1
    assert "(403)" in finished.stderr


def test_a_key_of_the_database_has_the_rights_that_were_asked_for(
    tmp_path: Path,
) -> None:
    db = ["--db", str(tmp_path / "node.db")]
    rights = ["--scope", "refund", "--scope", "read", "--merchant", "cafe"]
    made = CliRunner().invoke(main, ["keys", "create", "board", *rights, *db])
    assert made.exit_code == 0, made.output
    assert "merchant: cafe  scopes: read,refund" in made.output
    role = ["--role", "cashier", "--merchant", "cafe"]
    till = CliRunner().invoke(main, ["keys", "create", "till", *role, *db])
    assert "merchant: cafe  scopes: read,create" in till.output
    # A key in a database that no node has opens nothing: whoever forgot --db is told.
    assert f"made {db[1]}, a new database: this key opens a node with" in made.output
    assert "new database" not in till.output
    listed = CliRunner().invoke(main, ["keys", "list", *db]).output
    assert re.search(r"active   cafe +board  \[read,refund\]$", listed, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--merchant", "*"], "the name of a merchant must be 1 to 64 letters"),
        (["--scope", "write"], "there is no scope 'write'"),
        (["--merchant", "cafe", "--scope", "operator"], "only for a key of the whole"),
        (["--merchant", "cafe", "--role", "admin"], "only for a key of the whole"),
        (["--role", "viewer", "--scope", "read"], "give --role or --scope, not both"),
    ],
)
def test_a_key_that_opens_more_than_one_merchant_is_not_made_offline(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    db = tmp_path / "node.db"
    command = ["keys", "create", "x", *arguments, "--db", str(db)]
    made = CliRunner().invoke(main, command)
    assert made.exit_code == 2
    assert said in made.output
    assert not db.exists()


def test_keys_find_the_database_in_the_file_too(tmp_path: Path) -> None:
    (tmp_path / "paybell.toml").write_text('db = "shop.db"', encoding="utf-8")
    arguments = "--config", "paybell.toml"
    made = paybell("keys", "create", "shop", *arguments, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "shop.db").exists()
    assert "shop" in paybell("keys", "list", *arguments, cwd=tmp_path).stdout

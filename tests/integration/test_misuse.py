"""What a person can easily do wrong with a node, and is told before it costs money."""

from pathlib import Path

import pytest

from tests.tools.paybell import Paybell, paybell, serving
from tests.tools.wait import wait_until

MAINNET = ("--network", "mainnet", "--source", "bitcoind=http://u:p@127.0.0.1:1")


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "node.db"


def test_a_database_takes_the_payments_of_one_network_only(
    tmp_path: Path, db: Path
) -> None:
    with serving(tmp_path) as node:
        node.create()
        assert node.stop() == 0
    refused = paybell("serve", "--db", db, *MAINNET)
    assert (refused.returncode, refused.stdout) == (1, "")
    (line,) = refused.stderr.splitlines()
    assert "holds payments of regtest, not of mainnet" in line
    assert "--db" in line
    with serving(tmp_path) as node:
        assert node.stop() == 0


@pytest.mark.parametrize("revoke", [True, False])
def test_a_narrow_key_does_not_open_the_node_by_standing_in_the_environment(
    tmp_path: Path, db: Path, revoke: bool
) -> None:
    narrow = () if revoke else ("--merchant", "cafe")
    made = paybell("keys", "create", "till", *narrow, "--db", db)
    key, key_id = made.stdout.strip(), made.stderr.split()[0]
    if revoke:
        assert paybell("keys", "revoke", key_id, "--db", db).returncode == 0
    refused = paybell("serve", "--db", db, "--port", "0", env={"PAYBELL_API_KEY": key})
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert key_id in line
    assert "revoked" in line if revoke else "cafe" in line
    assert key not in line


def test_clients_take_their_key_from_a_variable_of_its_own(tmp_path: Path) -> None:
    with serving(tmp_path) as node:
        env = {"PAYBELL_KEY": node.api_key, "PAYBELL_API_KEY": "the node's, not mine"}
        listed = paybell("payments", "--url", node.url, env=env)
        assert (listed.returncode, listed.stdout) == (0, "no payments\n")


def test_a_dev_chain_that_begins_anew_says_so(tmp_path: Path) -> None:
    with serving(tmp_path) as node:
        node.create()
        assert "devchain.new" not in node.err
        assert node.stop() == 0
    with serving(tmp_path) as node:
        node.wait_for_log("devchain.new")


def test_the_doctor_misses_a_key_that_channels_need(tmp_path: Path, db: Path) -> None:
    with serving(tmp_path, "--allow-private-webhooks") as node:
        made = node.post("/v1/channels", url="http://127.0.0.1:2/hook")
        assert made.status_code == 201, made.text
        said: list[str] = []

        def is_well() -> bool:
            """It waits 2 s for the node, which a busy machine may take."""
            code, text = _doctor(node, db)
            said.append(text)
            return (code, "a Paybell node listens there" in text) == (0, True)

        wait_until(is_well, 20, lambda: said[-1])
        assert node.stop() == 0
    key_file = Path(f"{db}.key")
    key_file.rename(tmp_path / "elsewhere")
    done = paybell("doctor", "--db", db)
    assert done.returncode == 1
    assert f"key file {key_file} is missing" in done.stdout
    assert "every channel must be given a new secret" in done.stdout
    key_file.write_bytes(b"?" * 32)
    key_file.chmod(0o600)
    done = paybell("doctor", "--db", db)
    assert done.returncode == 1
    assert "sealed with another key" in done.stdout


def test_a_refused_private_webhook_names_the_option(tmp_path: Path) -> None:
    with serving(tmp_path, env={"PAYBELL_ALLOW_PRIVATE_WEBHOOKS": "no"}) as node:
        private = node.post("/v1/channels", url="http://127.0.0.1:9099/hook").json()
        metadata = node.post("/v1/channels", url="http://169.254.169.254/").json()
    assert "--allow-private-webhooks" in private["detail"]
    assert "--allow-private-webhooks" not in metadata["detail"]


def _doctor(node: Paybell, db: Path) -> tuple[int, str]:
    env = {"PAYBELL_API_KEY": node.api_key}
    finished = paybell("doctor", "--db", db, "--port", str(node.port), env=env)
    return finished.returncode, finished.stdout

"""`run.py wallet`: wallets whose keys are here are made, tried, and refused."""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from engine.store.sqlite.offline import OfflineDatabase
from engine.store.sqlite.store import SqliteStore
from engine.wallet.sealed_wallet import decode_wallet, open_account
from transport.cli.unlocking import filled_keyring
from transport.cli.wallet import wallet

PASSPHRASE = "correct horse battery"
VARIABLE = "PAYBELL_WALLET_PASSPHRASE"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("engine.secrets.passphrase._COST", 2)
    monkeypatch.setattr(os, "isatty", lambda _fd: False)
    monkeypatch.chdir(tmp_path)


def run(
    *arguments: str, passphrase: str | None = PASSPHRASE, says: str | None = None
) -> Result:
    command = [*arguments, "--db", "paybell.db"]
    return CliRunner().invoke(wallet, command, env={VARIABLE: passphrase}, input=says)


def made(*arguments: str) -> str:
    """The new wallet's id."""
    done = run("new", *arguments)
    assert done.exit_code == 0, done.output
    return done.stdout.split()[0]


def test_a_new_seed_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    first = made("--words-to", "one")
    second = made("--words-to", "two", "--addresses", "p2tr", "--account", "4")
    keys = made("--kind", "keys", "--merchant", "cafe")
    with OfflineDatabase("paybell.db") as database:
        rows = {row.id: row for row in database.wallets()}
        ring = filled_keyring(database)
        states = {
            name: decode_wallet(state or b"")
            for name, state in database.sealed_wallets()
        }
    assert rows.keys() == {first, second, keys} == ring.locked().keys()
    living = {name for name, row in rows.items() if row.retired_at is None}
    assert living == {second, keys}
    assert rows[second].descriptor.startswith("tr([")
    assert open_account(states[second], PASSPHRASE).path == "m/86'/1'/4'"
    assert (rows[keys].descriptor, rows[keys].merchant) == ("", "cafe")
    assert states[keys].script_kind == "p2sh-p2wpkh"
    assert ring.unlock(PASSPHRASE) == {}


def test_words_are_written_for_their_owner_only(tmp_path: Path) -> None:
    done = run("new", "--words-to", "words")
    words = (tmp_path / "words").read_text().split()
    assert (tmp_path / "words").stat().st_mode & 0o777 == 0o600
    assert len(words) == 24
    shown = {*words} & {*done.output.split()}
    assert shown <= {"seed"}, "the kind of the wallet, which is a word of BIP 39, too"


def test_no_words_are_handed_over_while_a_node_holds_the_database(
    tmp_path: Path,
) -> None:
    """They would be taken for those of a wallet, which there is not."""
    with SqliteStore("paybell.db", "regtest"):
        done = run("new", "--words-to", "words")
    assert done.exit_code == 1
    assert "held by another" in done.stderr
    assert not (tmp_path / "words").exists()
    made("--words-to", "words")


def test_words_are_shown_at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "isatty", lambda _fd: True)
    done = run("new")
    assert done.exit_code == 0
    assert "keep them where no computer is" in done.stdout
    assert " 24 " in done.stdout


def test_words_that_exist_make_the_wallet_that_they_always_made(tmp_path: Path) -> None:
    (tmp_path / "words").write_text(" ".join(["abandon"] * 11 + ["about"]))
    done = run("new", "--words-from", "words", "--network", "mainnet")
    assert done.exit_code == 0, done.output
    assert "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu" in done.stdout  # BIP 84
    assert "m/84'/0'/0'/0/0" in done.stdout
    assert "abandon" not in done.output


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--kind", "keys", "--addresses", "p2tr"), "p2pkh or p2sh-p2wpkh"),
        (("--words-from", "nowhere"), "No such file"),
        (("--words-from", "bytes"), "not UTF-8"),
        (("--words-from", "short"), "not 2"),
        ((), "must go somewhere"),
        (("--merchant", "a b", "--words-to", "x"), "the name of a merchant"),
        (("--words-to", "short"), "File exists"),
    ],
    ids=str,
)
def test_a_wallet_that_cannot_be_is_not_made(
    tmp_path: Path, arguments: Sequence[str], why: str
) -> None:
    (tmp_path / "short").write_text("abandon about")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    done = run("new", *arguments)
    assert done.exit_code == 1
    assert why in done.stderr
    assert PASSPHRASE not in done.output
    assert not (tmp_path / "paybell.db").exists()


@pytest.mark.parametrize(
    ("content", "mode", "why"),
    [
        (b"short\n", 0o600, "12 characters"),
        (b"\xff" * 20, 0o600, "not UTF-8"),
        (b"x" * 5_000, 0o600, "over 4000 bytes"),
        (b"long enough it is\n", 0o640, "chmod 600"),
        (None, 0o600, "No such file"),
    ],
    ids=str,
)
def test_a_passphrase_that_cannot_be_read_is_said(
    tmp_path: Path, content: bytes | None, mode: int, why: str
) -> None:
    file = tmp_path / "passphrase"
    if content is not None:
        file.write_bytes(content)
        file.chmod(mode)
    done = run(
        *("new", "--kind", "keys", "--wallet-passphrase-file", "passphrase"),
        passphrase=None,
    )
    assert done.exit_code == 1
    assert why in done.stderr


def test_the_first_line_of_a_file_is_the_passphrase(tmp_path: Path) -> None:
    made("--kind", "keys")
    file = tmp_path / "passphrase"
    file.touch(0o600)
    file.write_text(f"{PASSPHRASE}\r\nmore\n")
    file_option = ("--wallet-passphrase-file", "passphrase")
    done = run("unlock", *file_option, passphrase=None)
    assert (done.exit_code, done.stdout.count("opens")) == (0, 1)


def test_who_sits_there_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    name = made("--kind", "keys")
    nobody = run("unlock", passphrase=None)
    assert "the wallets' passphrase is needed" in nobody.stderr
    nobody = run("unlock", "--wallet-passphrase-file", "-", passphrase=None)
    assert "nobody is there" in nobody.stderr
    monkeypatch.setattr(os, "isatty", lambda _fd: True)
    done = run("unlock", passphrase=None, says=f"{PASSPHRASE}\n")
    assert done.exit_code == 0, done.output
    assert f"{name}  opens" in done.stdout
    assert PASSPHRASE not in done.output


def test_each_wallet_is_tried_and_what_was_changed_says_so() -> None:
    empty = run("unlock")
    assert empty.exit_code == 1
    assert "there is no database" in empty.stderr
    first, second, third = (made("--kind", "keys") for _ in range(3))
    with closing(sqlite3.connect("paybell.db")) as sql:
        sql.execute(
            "UPDATE wallet_secrets SET state = replace(CAST(state AS TEXT), 'p2sh-',"
            " '') WHERE wallet = ?",
            (first,),
        )
        sql.commit()
    done = run("unlock")
    assert done.exit_code == 1
    assert f"{second}  opens" in done.stdout
    assert f"{first}  its row in the database was changed or damaged" in done.stdout
    wrong = run("unlock", passphrase="another horse battery")
    assert wrong.stdout.count("the passphrase is wrong") == 2
    assert f"{third}  the passphrase is wrong" in wrong.stdout


def test_the_passphrase_leaves_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, PASSPHRASE)
    done = CliRunner().invoke(wallet, ["new", "--kind", "keys", "--db", "paybell.db"])
    assert done.exit_code == 0, done.output
    assert VARIABLE not in os.environ

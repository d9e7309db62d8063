"""`run.py wallet`: what it shows, keeps and refuses."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from engine.wallet.descriptor import read_descriptor
from run import main
from tests.unit.engine.wallet.wallet_cases import TPRV, TPUB, VPUB


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "node.db"


def run(db: Path, *words: str, given: str = "") -> Result:
    return CliRunner().invoke(main, ["wallet", *words, "--db", str(db)], input=given)


def test_a_wallet_is_added_listed_and_checked_by_its_first_addresses(db: Path) -> None:
    added = run(db, "add", "cafe", given=VPUB)
    assert added.exit_code == 0, added.output
    first = read_descriptor(VPUB, "regtest").addresses(0, 5)
    assert all(address in added.output for address in first)
    assert "m/84'/1'/0'/0/4" in added.output
    listed = run(db, "list").output
    assert "active" in listed
    assert "cafe" in listed
    assert "wpkh" in listed
    checked = run(db, "check", "cafe").output
    assert all(address in checked for address in first)
    assert "next: 0 " in checked
    assert run(db, "check", "nobody").exit_code == 1


def test_another_one_takes_its_place_and_the_old_one_is_kept(
    db: Path, tmp_path: Path
) -> None:
    file = tmp_path / "xpub.txt"
    file.write_text(TPUB + "\n")
    run(db, "add", "cafe", given=VPUB)
    added = run(db, "add", "cafe", "--file", str(file), "--kind", "tr")
    assert added.exit_code == 0, added.output
    states = sorted(line.split()[1] for line in run(db, "list").output.splitlines())
    assert states == ["active", "retired"]
    run(db, "add", "bob", "--first-index", "70", given=f"tr({TPUB}/0/*)")
    checked = run(db, "check", "bob").output
    assert "next: 70 " in checked
    assert "drawn for cafe, too" in checked


@pytest.mark.parametrize("text", [TPRV, f"wpkh({TPRV}/0/*)", "abandon " * 12, ""])
def test_what_is_no_wallet_is_refused_and_never_shown_or_kept(
    db: Path, text: str
) -> None:
    refused = run(db, "add", "cafe", given=text)
    assert refused.exit_code == 1
    assert "this wallet is refused" in refused.output
    assert TPRV[:20] not in refused.output
    assert "abandon" not in refused.output
    assert not db.exists()

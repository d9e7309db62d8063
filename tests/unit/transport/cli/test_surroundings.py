"""Which files with secrets are open to everybody."""

from pathlib import Path

import pytest

from transport.cli.surroundings import exposed_files


@pytest.fixture
def db(tmp_path: Path) -> str:
    for suffix in ("", "-wal", "-shm", ".lock", ".acked"):
        (tmp_path / f"node.db{suffix}").write_bytes(b"x")
        (tmp_path / f"node.db{suffix}").chmod(0o600)
    return str(tmp_path / "node.db")


def names(db: str, config: Path | None = None) -> list[str]:
    return [path.name for path, _ in exposed_files(db, str(config) if config else None)]


def test_files_of_the_owner_alone_or_of_a_group_are_well(db: str) -> None:
    assert names(db) == []
    Path(db).chmod(0o640)
    assert names(db) == []


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", ".lock", ".acked"])
@pytest.mark.parametrize("mode", [0o604, 0o602])
def test_each_file_of_a_database_that_others_can_open_is_named(
    db: str, suffix: str, mode: int
) -> None:
    Path(f"{db}{suffix}").chmod(mode)
    assert [*exposed_files(db, None)] == [(Path(f"{db}{suffix}"), mode)]


def test_a_database_behind_a_link_is_looked_at_where_it_is(
    db: str, tmp_path: Path
) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(db)
    assert names(str(link)) == []
    Path(db).chmod(0o644)
    assert names(str(link)) == ["node.db"]


@pytest.mark.parametrize(
    ("text", "is_secret"),
    [
        ('api_key = "x"', True),
        ('node_key = "x"', True),
        ('sources = ["bitcoind=http://u:p@h"]', True),
        ('[merchants.cafe]\nname = "x"', True),
        ('port = 1\nnetwork = "mainnet"', False),
        ("broken = ", False),
    ],
)
def test_a_file_of_settings_that_others_can_read_is_named_if_it_holds_secrets(
    db: str, tmp_path: Path, text: str, is_secret: bool
) -> None:
    config = tmp_path / "paybell.toml"
    config.write_text(text, encoding="utf-8")
    config.chmod(0o644)
    assert names(db, config) == (["paybell.toml"] if is_secret else [])
    config.chmod(0o640)
    assert names(db, config) == []

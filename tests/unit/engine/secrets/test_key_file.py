"""The key file: made once, for a database that nothing was sealed for yet."""

import stat
from pathlib import Path

import pytest

from engine.errors import KeyFileError
from engine.secrets.key_file import key_path, node_key


@pytest.fixture
def db(tmp_path: Path) -> str:
    return str(tmp_path / "node.db")


def test_it_is_made_once_and_is_for_its_owner_only(db: str) -> None:
    key = node_key(db, may_make=True)
    assert node_key(db, may_make=False) == key
    assert stat.S_IMODE(key_path(db).stat().st_mode) == 0o600
    assert [path.name for path in key_path(db).parent.iterdir()] == ["node.db.key"]


def test_a_new_key_is_never_made_for_what_another_has_sealed(db: str) -> None:
    with pytest.raises(KeyFileError, match=r"is missing.*PAYBELL_NODE_KEY.*/dev/uran"):
        node_key(db, may_make=False)
    assert not key_path(db).exists()


def test_the_same_file_has_the_same_key_under_every_name(
    db: str, tmp_path: Path
) -> None:
    link = tmp_path / "link.db"
    Path(db).touch()
    link.symlink_to(db)
    assert node_key(str(link), may_make=True) == node_key(db, may_make=False)
    assert not Path(f"{link}.key").exists()


def test_a_key_that_an_earlier_version_put_beside_a_link_is_found(
    db: str, tmp_path: Path
) -> None:
    link = tmp_path / "link.db"
    Path(db).touch()
    link.symlink_to(db)
    Path(f"{link}.key").write_bytes(bytes(range(32)))
    Path(f"{link}.key").chmod(0o600)
    assert node_key(str(link), may_make=True) == bytes(range(32))
    assert not Path(f"{db}.key").exists()


def test_a_key_of_another_length_or_open_to_others_is_refused(db: str) -> None:
    node_key(db, may_make=True)
    key_path(db).chmod(0o640)
    with pytest.raises(KeyFileError, match="chmod 600"):
        node_key(db, may_make=False)
    key_path(db).write_bytes(b"short")
    with pytest.raises(KeyFileError, match="has 5 bytes, not 32"):
        node_key(db, may_make=False)

"""What is shipped is what is here, and nobody else's package is taken for ours."""

import configparser
import json
import sys
from importlib.metadata import files
from pathlib import Path

import pytest

import tests
from tests.tools import children

ROOT = Path(__file__).resolve().parents[2]
PYTEST_SCRIPT = str(Path(sys.executable).parent / "pytest")
ROOMS = ("engine", "actors", "transport")


def setup_cfg() -> configparser.ConfigParser:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    return config


def python(*arguments: str, cwd: Path) -> str:
    done = children.run(
        [sys.executable, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout.strip())


def test_every_folder_with_code_is_shipped() -> None:
    listed = set(setup_cfg()["options"]["packages"].split())
    here = {
        ".".join(file.parent.relative_to(ROOT).parts)
        for room in ROOMS
        for file in (ROOT / room).rglob("*.py")
    }
    assert listed == here


def test_the_wheel_of_bit_brings_a_package_named_tests_and_ours_wins() -> None:
    assert any(str(file) == "tests/__init__.py" for file in files("bit") or [])
    assert Path(tests.__file__) == ROOT / "tests" / "__init__.py"


@pytest.mark.parametrize("start", [["-m", "pytest"], [PYTEST_SCRIPT]])
def test_ours_wins_however_pytest_is_started(start: list[str]) -> None:
    this = "tests/unit/test_packaging.py"
    output = python(*start, "--collect-only", "-q", this, cwd=ROOT)
    assert f"{this}::test_every_folder_with_code_is_shipped" in output


def test_what_is_shipped_holds_no_tests_package() -> None:
    """Two wheels with a top-level `tests` would overwrite each other's files."""
    config = setup_cfg()
    tops = {name.split(".")[0] for name in config["options"]["packages"].split()}
    assert tops == set(ROOMS)
    assert config["options"]["py_modules"].split() == ["installation", "run"]


def test_the_lock_file_of_the_node_names_no_registry() -> None:
    lock = json.loads((ROOT / "tests/node/package-lock.json").read_bytes())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages["node_modules/bcoin"]["version"] == "1.0.2"
    for name, entry in packages.items():
        assert "resolved" not in entry, name
        assert entry["integrity"].startswith("sha512-"), name

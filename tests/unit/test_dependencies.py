"""What is imported is declared, and what is declared is locked, with hashes."""

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import distribution, packages_distributions
from itertools import pairwise
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.unit.test_packaging import ROOT, setup_cfg

OURS = {
    *("engine", "actors", "transport", "installation", "run", "tests", "bench"),
    "paybell_client",  # clients/python: a package of its own, with its own needs
}
PRODUCT = ("run.py", "installation.py", "engine", "actors", "transport")
TESTS = ("tests", "bench")
LOCKS = {"run": "requirements.lock", "test": "requirements-test.lock"}

TOOLS = {
    *("mypy", "ruff", "import-linter", "types-gevent", "types-requests"),
    "schemathesis",
}
"""Of the test extra: run as programs, or read by mypy; imported by nobody."""

PINNED = {"bitstring"}
"""Of the test extra: below something else, which cannot be trusted to bound it."""

BUILD = {"setuptools"}


def sources(*tops: str) -> Iterator[Path]:
    for top in tops:
        for file in [ROOT / top, *(ROOT / top).rglob("*.py")]:
            if file.suffix == ".py" and "node_modules" not in file.parts:
                yield file


def imported(file: Path) -> set[str]:
    """The top-level packages of others that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found - OURS - sys.stdlib_module_names


@cache
def imported_projects(*tops: str) -> dict[str, str]:
    """Each project on PyPI that files below `tops` import: one file that does."""
    projects = owners()
    found: dict[str, str] = {}
    for file in sources(*tops):
        for package in imported(file):
            assert package in projects, f"{file} imports {package}: whose is it?"
            for project in projects[package]:
                found[canonicalize_name(project)] = str(file.relative_to(ROOT))
    return found


def declared(extra: str | None = None) -> dict[str, Requirement]:
    config = setup_cfg()
    text = (
        config["options.extras_require"][extra]
        if extra
        else config["options"]["install_requires"]
    )
    lines = [line for line in text.splitlines() if line and line[0] != "#"]
    return {canonicalize_name(it.name): it for it in map(Requirement, lines)}


def locked(kind: str) -> dict[str, str]:
    """Each project of a lock: what stands there of it (version, marker, hashes)."""
    text = (ROOT / LOCKS[kind]).read_text(encoding="utf-8")
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    return {canonicalize_name(it.split("==")[0]): it for it in entries}


def version(entry: str) -> Version:
    return Version(entry.split("==")[1].split()[0])


def test_what_the_product_imports_is_declared_for_it() -> None:
    imports = imported_projects(*PRODUCT)
    assert {k: v for k, v in imports.items() if k not in declared()} == {}


def test_what_the_product_declares_it_imports() -> None:
    assert set(declared()) - set(imported_projects(*PRODUCT)) == set()


def test_what_the_tests_import_is_declared_for_them() -> None:
    known = declared() | declared("test")
    imports = imported_projects(*TESTS)
    assert {k: v for k, v in imports.items() if k not in known} == {}


def test_what_the_tests_declare_they_import_or_it_is_a_tool() -> None:
    assert set(declared("test")) - set(imported_projects(*TESTS)) == TOOLS | PINNED
    assert set(declared("test")) & set(declared()) == set(), "declared twice"


def test_every_dependency_has_one_reason_beside_it() -> None:
    text = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    for start in ("install_requires =\n", "test =\n"):
        block = text.split(start)[1].split("\n\n")[0]
        lines = [line.strip() for line in block.splitlines()]
        assert lines[0].startswith("# ")
        for above, line in pairwise(lines):
            assert line[0] == "#" or above[0] == "#", line


@pytest.mark.parametrize("kind", LOCKS)
def test_the_lock_fulfils_what_is_declared(kind: str) -> None:
    wanted = declared() | (declared("test") if kind == "test" else {})
    lock = locked(kind)
    for name, requirement in wanted.items():
        assert name in lock, f"{name} is not locked: make lock"
        assert requirement.specifier.contains(version(lock[name])), f"{name}: make lock"
    assert set(lock) >= BUILD, "the project is installed without build isolation"


@pytest.mark.parametrize("kind", LOCKS)
def test_the_lock_holds_no_more_than_what_is_needed(kind: str) -> None:
    """What nobody needs any more goes with the next `make lock`."""
    needed = set(declared() | (declared("test") if kind == "test" else {})) | BUILD
    ahead = set(needed)
    while ahead:
        name = ahead.pop()
        if name not in installed():
            continue  # for another system: colorama
        for line in distribution(name).requires or []:
            requirement = Requirement(line)
            if "extra ==" not in str(requirement.marker):
                below = canonicalize_name(requirement.name)
                ahead |= {below} - needed
                needed.add(below)
    assert set(locked(kind)) - needed == set()


@cache
def owners() -> Mapping[str, list[str]]:
    """Each package that can be imported here: the projects that bring it."""
    return packages_distributions()


@cache
def installed() -> set[str]:
    return {canonicalize_name(name) for names in owners().values() for name in names}


@pytest.mark.parametrize("kind", LOCKS)
def test_each_locked_package_is_one_version_with_hashes_and_from_no_address(
    kind: str,
) -> None:
    text = (ROOT / LOCKS[kind]).read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^-", text, flags=re.MULTILINE), "no options of pip"
    entries = locked(kind)
    assert len(entries) >= 20
    for name, entry in entries.items():
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), name


def test_both_locks_hold_the_same_versions() -> None:
    run, test = locked("run"), locked("test")
    assert {name: version(test[name]) for name in run} == {
        name: version(entry) for name, entry in run.items()
    }


@pytest.mark.parametrize("name", ["cffi", "coincurve", "gevent", "msgspec"])
def test_the_lock_holds_for_other_processors_and_later_pythons(name: str) -> None:
    """A release of compiled wheels has many files: one hash would fit one machine."""
    assert locked("run")[name].count("--hash=") > 10

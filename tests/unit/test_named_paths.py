"""Every file that a document, a comment or a docstring names is there.

A name in a sentence is what a reader opens next. It is a path from the root of the
repository (`engine/store/port.py`, `tests/node/`), or of a file beside the one that
names it (`rules.py`).
"""

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tools import children
from tests.unit.test_packaging import ROOT

TOPS = "engine|actors|transport|tests|bench|docs|\\.ci"
PATH = re.compile(rf"(?<![\w/.<>-])((?:{TOPS})/[\w./-]*[\w/])")
"""What begins like a path of ours. A `*` in it ends it: the folder must be there."""

BARE = re.compile(r"`(\w+\.(?:py|js|sh|md|toml))`")
"""A file's name alone: some file of ours has it."""

WITHIN = re.compile(r"`(\w+)`\s+(?:in|of)\s+`((?:engine|actors|transport)/[\w/]+\.py)`")
"""A name, and the file that it is said to be in."""

LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")

DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "bench").glob("*.md")]
)
CODE = sorted(
    file
    for top in (
        "run.py",
        "installation.py",
        "engine",
        "actors",
        "transport",
        "tests",
        "bench",
    )
    for file in [ROOT / top, *(ROOT / top).rglob("*.py")]
    if file.suffix == ".py" and "node_modules" not in file.parts
)
SETUP = [ROOT / "Makefile", ROOT / "setup.cfg", *sorted((ROOT / ".ci").iterdir())]

MADE_BY_RUNNING = ("tests/artifacts", "bench/.tenants", "node_modules")


def prose(file: Path) -> Iterator[str]:
    """The comments and docstrings of a Python file: strings that stand alone."""
    before = tokenize.NEWLINE
    tokens = tokenize.generate_tokens(io.StringIO(file.read_text("utf-8")).readline)
    for token in tokens:
        starts = before in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
        is_docstring = token.type == tokenize.STRING and starts
        if is_docstring or token.type == tokenize.COMMENT:
            yield token.string
        if token.type not in (tokenize.COMMENT, tokenize.NL, tokenize.ENCODING):
            before = token.type


def is_there(name: str) -> bool:
    """As a file, a folder, or a file without its `.py`; a sentence's dot may follow."""
    path = ROOT / name.rstrip(".")
    return path.exists() or path.with_name(path.name + ".py").exists()


def dangling(text: str) -> list[str]:
    names = set(PATH.findall(text))
    return sorted(
        name
        for name in names
        if not is_there(name) and not any(part in name for part in MADE_BY_RUNNING)
    )


@pytest.fixture(scope="module")
def names() -> set[str]:
    listed = children.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return {line.rpartition("/")[2] for line in listed.stdout.splitlines()}


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: page.name)
def test_every_path_that_a_document_names_is_there(page: Path, names: set[str]) -> None:
    text = page.read_text("utf-8")
    assert dangling(text) == []
    assert sorted(set(BARE.findall(text)) - names) == []
    links = [link for link in LINK.findall(text) if not link.startswith("/")]
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: page.name)
def test_what_a_document_says_is_in_a_file_is_there(page: Path) -> None:
    """ "`OPTIONS` of `engine/settings/table.py`": the word stands in that file."""
    assert [
        (name, path)
        for name, path in WITHIN.findall(page.read_text("utf-8"))
        if name not in (ROOT / path).read_text("utf-8")
    ] == []


def test_every_test_that_a_document_names_is_there() -> None:
    known = {
        name
        for file in CODE
        if file.is_relative_to(ROOT / "tests")
        for name in re.findall(
            r"^def (test_\w+)", file.read_text("utf-8"), re.MULTILINE
        )
    }
    found = {
        page.name: sorted(set(named) - known)
        for page in DOCUMENTS
        if (named := re.findall(r"[`:](test_\w+)[`\[]", page.read_text("utf-8")))
    }
    assert len(found) > 1
    assert [(page, missing) for page, missing in found.items() if missing] == []


def test_every_path_that_code_names_in_comments_and_docstrings_is_there() -> None:
    assert len(CODE) > 300
    found = {
        str(file.relative_to(ROOT)): names
        for file in CODE
        if (names := dangling("\n".join(prose(file))))
    }
    assert found == {}


def test_every_path_that_the_commands_name_is_there() -> None:
    found = {
        file.name: names
        for file in SETUP
        if (names := dangling(file.read_text("utf-8")))
    }
    assert found == {}


def test_the_check_sees_what_is_not_there() -> None:
    text = "see `engine/payment/rules.py`, engine/nowhere/rules.py and docs/states.md."
    assert dangling(text) == ["engine/nowhere/rules.py"]


def test_documents_that_are_not_ours_are_not_named() -> None:
    """What a rule says stands here, or it is not a rule of this repository."""
    elsewhere = re.compile(
        r"\b(?:api|style|layout)\.md\b|rule \d+ of the (?:architecture|style)"
    )
    found = {
        str(file.relative_to(ROOT)): words
        for file in [*DOCUMENTS, *CODE]
        if file != Path(__file__)
        and (words := elsewhere.findall(file.read_text("utf-8")))
    }
    assert found == {}

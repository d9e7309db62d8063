"""docs/peers.md: every line names a test that exists, and the words are the engine's.

That event names in the documents are not those on the wire is a complaint of BTCPay's
users (btcpayserver-doc 844).
"""

import ast
import re
from pathlib import Path

import pytest

from engine.payment.model import EventType

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "peers.md"
DOCUMENTS = ["README.md", "docs/architecture.md", "docs/states.md", "docs/peers.md"]


def named_tests() -> list[tuple[str, str]]:
    """(file, test) of all that the page calls a test."""
    found = re.findall(r"`(?:tests/)?([\w/]+\.py)::(\w+)`", PAGE.read_text("utf-8"))
    return sorted({("tests/" + file, name) for file, name in found})


def defined_in(file: str) -> set[str]:
    path = ROOT / file
    assert path.is_file(), f"docs/peers.md names {file}, which is not there"
    tree = ast.parse(path.read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_the_page_names_no_test_that_is_not_there() -> None:
    named = named_tests()
    defined = {file: defined_in(file) for file, _ in named}
    assert len(named) > 30, "the page's tests are written as `file.py::name`"
    assert [pair for pair in named if pair[1] not in defined[pair[0]]] == []


def test_every_line_of_its_tables_names_a_test() -> None:
    rows = [line for line in PAGE.read_text("utf-8").splitlines() if line[:2] == "| "]
    told = [row for row in rows if not row.startswith(("| elsewhere", "| ---", "|---"))]
    assert told
    assert [row for row in told if ".py::" not in row] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_event_that_a_document_names_is_told_on_the_wire(document: str) -> None:
    text = (ROOT / document).read_text("utf-8")
    named = set(
        re.findall(r"(?<![/\w.-])payment\.(?!py\b|json\b|status\b)[a-z_]+", text)
    )
    assert named
    assert named <= {str(kind) for kind in EventType}

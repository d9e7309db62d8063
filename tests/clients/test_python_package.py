"""What is shipped of the Python client, and that its types are the document's."""

import json
import sys
import typing
from pathlib import Path
from typing import Any

import pytest

import paybell_client
from paybell_client import types
from tests.tools import children
from tests.unit.test_packaging import ROOT

PACKAGE = ROOT / "clients" / "python"
SCHEMAS: dict[str, Any] = json.loads(
    (ROOT / "tests" / "contract" / "openapi.json").read_bytes()
)["components"]["schemas"]


def test_it_is_installed_from_the_tree_with_its_types_and_licence(
    tmp_path: Path,
) -> None:
    source = tmp_path / "source"
    children.run(["cp", "-r", PACKAGE, source], check=True)
    # pip writes its build beside the source; the tools of the build are here already.
    wanted = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
    done = children.run(
        [*pip, *wanted, "--target", tmp_path / "site", source],
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    installed = {p.name for p in (tmp_path / "site" / "paybell_client").iterdir()}
    sources = {p.name for p in (PACKAGE / "paybell_client").iterdir()}
    assert installed - {"__pycache__"} == sources - {"__pycache__"}
    assert "py.typed" in installed
    (meta,) = (tmp_path / "site").glob("paybell_client-*.dist-info")
    said = (meta / "METADATA").read_text()
    assert f"Version: {paybell_client.__version__}" in said
    assert "License-Expression: MIT" in said
    assert "Requires-Dist: requests>=2.28" in said
    assert (ROOT / "LICENSE").read_bytes() == (PACKAGE / "LICENSE").read_bytes()


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (types.Payment, "PaymentView"),
        (types.PaymentPage, "PaymentPage"),
        (types.Event, "EventView"),
        (types.Receipt, "ReceiptView"),
        (types.Lightning, "LightningView"),
        (types.Price, "PriceView"),
        (types.Order, "Order"),
        (types.Refund, "RefundView"),
        (types.RefundWorth, "RefundWorth"),
        (types.FieldError, "FieldError"),
    ],
)
def test_its_types_say_what_the_document_says(ours: Any, theirs: str) -> None:
    schema = SCHEMAS[theirs]
    hints = typing.get_type_hints(ours)
    required = set(schema["required"])
    assert set(ours.__required_keys__) == required & set(hints)
    assert required <= set(hints), "what is always there is named"
    for name, hint in hints.items():
        assert _plain(hint) == _schema(schema["properties"][name]), name


def _plain(hint: Any) -> set[str]:
    """The JSON types that a hint allows."""
    if hint is Any:
        return {"any"}
    origin = typing.get_origin(hint)
    if origin is typing.Union:
        return set().union(*map(_plain, typing.get_args(hint)))
    if origin is list:
        return {"array"}
    if origin is dict or typing.is_typeddict(hint):
        return {"object"}
    return {{str: "string", int: "integer", bool: "boolean"}.get(hint, "null")}


def _schema(part: dict[str, Any]) -> set[str]:
    if "$ref" in part:
        return _schema(SCHEMAS[part["$ref"].rpartition("/")[2]])
    if "anyOf" in part:
        return set().union(*map(_schema, part["anyOf"]))
    if "enum" in part:
        return {"string"}
    return {part["type"]}

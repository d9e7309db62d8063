"""Every 429 names the setting that it ran into.

`rate_limited` wants a `LimitName`, and mypy sees to that. That nobody makes a 429 in
another way, without one, is read from the code's syntax: many are met in no test."""

import ast
from collections.abc import Iterator
from typing import get_args

import msgspec
import pytest

from engine.errors.codes import Code
from engine.merchants.gateway_mapping import GatewayMapping
from engine.settings.table import OPTIONS
from tests.unit.test_packaging import ROOT
from transport.bodies.limit_names import OF_GATEWAYS, LimitName
from transport.http.problems import rate_limited
from transport.server import refusal

TOO_MANY = {code.name for code in Code if code.status == 429}
NAMES = frozenset(get_args(LimitName))


def unnamed(source: str) -> Iterator[int]:
    """Lines that mention a code of 429 otherwise than to compare with it, or in a call
    that gives `limit=` something."""
    tree = ast.parse(source)
    fine: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            fine.update((node.left, *node.comparators))
        elif isinstance(node, ast.Call) and any(
            keyword.arg == "limit" and not is_none(keyword.value)
            for keyword in node.keywords
        ):
            fine.update(node.args)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or node.attr not in TOO_MANY:
            continue
        if ast.unparse(node.value) == "Code" and node not in fine:
            yield node.lineno


def is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def test_nobody_makes_a_429_that_names_no_limit() -> None:
    files = [
        path
        for room in ("engine", "actors", "transport")
        for path in sorted((ROOT / room).rglob("*.py"))
    ]
    made = [path for path in files if "rate_limited(" in path.read_text("utf-8")]
    assert len(made) > 15, "they are made in another way now: look for that"
    assert [
        f"{path.relative_to(ROOT)}:{line}"
        for path in files
        for line in unnamed(path.read_text("utf-8"))
    ] == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("raise Problem(Code.RATE_LIMITED, text)", True),
        ("raise Problem(Code.RATE_LIMITED, text, limit=None)", True),
        ("raise retry_later(Code.TOO_MANY_CONNECTIONS, text, 1)", True),
        ("code = Code.RATE_LIMITED", True),
        ("answer(f(limit='a'), Code.RATE_LIMITED)", True),
        ("raise Problem(Code.RATE_LIMITED, text, limit=LIMIT)", False),
        ("again = problem.code is Code.RATE_LIMITED", False),
        ("raise Problem(Code.NOT_FOUND, text)", False),
    ],
)
def test_one_would_be_found(source: str, found: bool) -> None:
    assert bool([*unnamed(source)]) is found


def test_each_name_is_a_setting_of_the_node_or_of_a_gateway() -> None:
    settings = {option.name for option in OPTIONS}
    assert settings >= NAMES - OF_GATEWAYS
    assert OF_GATEWAYS <= NAMES
    assert set(GatewayMapping.__struct_fields__) >= OF_GATEWAYS


def test_an_answer_says_its_limit_and_when_to_come_again() -> None:
    problem = rate_limited("Too many.", 1.2, "webhooks_per_s")
    assert (problem.status, problem.headers) == (429, {"Retry-After": "2"})
    assert msgspec.json.decode(problem.body({}))["limit"] == "webhooks_per_s"
    refused = refusal.rate_limited("Too many.", 0.1, "anonymous_per_s")
    assert (refused.status, refused.headers) == (429, (("Retry-After", "1"),))
    assert msgspec.json.decode(refused.body())["limit"] == "anonymous_per_s"

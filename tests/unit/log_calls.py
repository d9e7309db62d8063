"""The calls of the log in our code, read from its syntax: where, what, and what is at
hand there."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.unit.test_packaging import ROOT

__all__ = ["LEVELS", "Call", "calls", "calls_in"]

LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
FOLDERS = ("engine", "actors", "transport")

FIELD = re.compile(r"(?<![\w.])([a-z_0-9]+)=")


@dataclass
class Call:
    """One, with its text as far as it is written there."""

    place: str  # file and function
    text: str
    values: list[ast.expr] = field(default_factory=list)
    at_hand: frozenset[str] = frozenset()  # names, and attributes as `.name`

    @property
    def event(self) -> str:
        return self.text.partition(" ")[0]

    @property
    def fields(self) -> frozenset[str]:
        said = " ".join(ast.unparse(value) for value in self.values)
        return frozenset(FIELD.findall(self.text)) | {
            f"{name}()" for name in re.findall(r"(\w+)\(", said)
        }


def calls() -> list[Call]:
    return [
        call
        for folder in FOLDERS
        for file in sorted((ROOT / folder).rglob("*.py"))
        for call in calls_in(file.read_text("utf-8"), str(file.relative_to(ROOT)))
    ]


def calls_in(source: str, file: str) -> Iterator[Call]:
    tree = ast.parse(source, file)
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            for node in _own(function):
                if isinstance(node, ast.Call) and _is_log(node):
                    yield _call(node, function, file)


def _own(function: ast.FunctionDef) -> Iterator[ast.AST]:
    """Without the functions in it: they are met by themselves."""
    for child in ast.iter_child_nodes(function):
        if not isinstance(child, ast.FunctionDef):
            yield child
            yield from _own(child)  # type: ignore[arg-type]


def _is_log(node: ast.Call) -> bool:
    return (
        isinstance(node.func, ast.Attribute)
        and node.func.attr in LEVELS
        and ast.unparse(node.func.value) in ("log", "_log")
    )


def _call(node: ast.Call, function: ast.FunctionDef, file: str) -> Call:
    assert isinstance(node.func, ast.Attribute)
    text, *values = node.args[1:] if node.func.attr == "log" else node.args
    place = f"{Path(file).as_posix()} {function.name}"
    names = {one.id for one in ast.walk(function) if isinstance(one, ast.Name)}
    names |= {one.arg for one in ast.walk(function) if isinstance(one, ast.arg)}
    names |= {
        f".{one.attr}" for one in ast.walk(function) if isinstance(one, ast.Attribute)
    }
    written = text if isinstance(text, ast.Constant) else _assigned(text, function)
    return Call(place, str(written.value), values, frozenset(names))


def _assigned(text: ast.expr, function: ast.FunctionDef) -> ast.Constant:
    """A text that has a name first."""
    for one in ast.walk(function):
        if (
            isinstance(one, ast.Assign)
            and isinstance(one.value, ast.Constant)
            and ast.unparse(one.targets[0]) == ast.unparse(text)
        ):
            return one.value
    raise AssertionError(f"what is logged in {function.name} cannot be read")

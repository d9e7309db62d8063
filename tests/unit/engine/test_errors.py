"""The tree of errors: printed as it is, complete, each class with its code."""

import importlib
import pkgutil
import re
from functools import cache
from types import ModuleType

import pytest

import actors
import engine
import transport
from engine import errors
from engine.errors import EngineError
from engine.errors.codes import Code

#: SQLite's own error is also one of the standard library's.
ELSEWHERE = {
    "engine.store.sqlite.checksum.Damaged",
    "engine.store.sqlite.checksum.DamagedEpochs",
    "engine.store.sqlite.trouble.ForeignHand",
}

_LINE = re.compile(
    r"    (?P<indent>[│├└─ ]*)(?P<name>[A-Z]\w+)"
    r"(?:\s+(?P<status>\d{3}|—))?(?:  (?P<code>[a-z_]+)(?=\s|$))?.*"
)


def tree() -> dict[str, tuple[str | None, str | None, str | None]]:
    """Of the head of the file, by class: its parent, and what stands beside it."""
    found: dict[str, tuple[str | None, str | None, str | None]] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = _LINE.fullmatch(line)
        if match is None:
            continue
        depth = len(match["indent"]) // 3
        parent = above[depth - 1] if depth else None
        above[depth:] = [match["name"]]
        found[match["name"]] = (parent, match["status"], match["code"])
    return found


@cache
def defined(*packages: ModuleType) -> dict[str, type[BaseException]]:
    """Every class of an error, by its module and name."""
    return {
        f"{module.name}.{name}": value
        for package in packages
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        for name, value in vars(importlib.import_module(module.name)).items()
        if isinstance(value, type)
        and issubclass(value, BaseException)
        and value.__module__ == module.name
    }


def classes() -> list[type[EngineError]]:
    """All of the tree, wherever they are defined."""
    everywhere = defined(engine, actors, transport).values()
    return [kind for kind in everywhere if issubclass(kind, EngineError)]


def test_every_error_of_engine_and_actors_is_in_the_one_file() -> None:
    found = {
        name
        for name in defined(engine, actors)
        if not name.startswith("engine.errors.")
    }
    assert found <= ELSEWHERE


def test_no_error_of_a_wire_has_the_name_of_one_in_the_tree() -> None:
    """Whoever catches one would not catch the other."""
    found = defined(transport)
    wires = [name for name, kind in found.items() if not issubclass(kind, EngineError)]
    assert len(wires) > 30
    assert [name for name in wires if name.rpartition(".")[2] in tree()] == []


def test_one_of_the_tree_that_a_wire_defines_has_its_file_beside_it() -> None:
    lines = (errors.__doc__ or "").splitlines()
    for kind in classes():
        if not kind.__module__.startswith("engine.errors"):
            path = kind.__module__.replace(".", "/") + ".py"
            assert [x for x in lines if f"─ {kind.__name__} " in x and x.endswith(path)]


def test_the_tree_that_is_printed_is_the_tree_there_is() -> None:
    printed = tree()
    assert list(printed) == [kind.__name__ for kind in sorted_as(printed)]
    assert len(printed) == len(classes()), "two of one name"
    for kind in classes():
        parent = None if kind is EngineError else kind.__mro__[1].__name__
        assert printed[kind.__name__][0] == parent, kind


def sorted_as(
    printed: dict[str, tuple[str | None, str | None, str | None]],
) -> list[type[EngineError]]:
    order = list(printed)
    return sorted(classes(), key=lambda kind: order.index(kind.__name__))


@pytest.mark.parametrize("kind", classes(), ids=lambda kind: kind.__name__)
def test_a_class_has_the_status_and_the_code_that_are_printed(
    kind: type[EngineError],
) -> None:
    printed = tree()
    name: str | None = kind.__name__
    while name is not None and printed[name][2] is None:
        name = printed[name][0]
    if name is None:
        pytest.fail(f"no code is printed for {kind}")
    _, status, code = printed[name]
    assert (str(kind.code.status), str(kind.code)) == (status, code)


def test_a_code_is_a_word_with_a_status_of_an_error() -> None:
    for code in Code:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", code)
        assert 400 <= code.status < 600
    assert len({str(code) for code in Code}) == len(Code)

"""What actors say to one another is not changed: no type of it can be."""

import dataclasses
import importlib
import pkgutil
import re
from collections.abc import Iterator

import msgspec

import actors

CHANGES = re.compile(r"(?<![\w.])(list|dict|set|bytearray|deque|defaultdict)\b")
CALLS = re.compile(r"Callable\[\[.*?\], [^|]*")
"""A function is not changed, whatever it takes and gives."""


def records() -> Iterator[type]:
    """All records of the actors' rooms: messages, answers, reports."""
    for module in pkgutil.walk_packages(actors.__path__, "actors."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and value.__module__ == module.name:
                is_record = issubclass(value, msgspec.Struct)
                if is_record or dataclasses.is_dataclass(value):
                    yield value


def is_frozen(kind: type) -> bool:
    if issubclass(kind, msgspec.Struct):
        return kind.__struct_config__.frozen
    return bool(kind.__dataclass_params__.frozen)  # type: ignore[attr-defined]


def changeable(kind: type) -> list[str]:
    """Fields that say of themselves that they may be changed."""
    return [
        f"{kind.__module__}.{kind.__name__}.{name}"
        for name, of in kind.__annotations__.items()
        if CHANGES.search(CALLS.sub("", of if isinstance(of, str) else repr(of)))
    ]


def test_no_record_of_the_actors_can_be_changed() -> None:
    found = list(records())
    assert len(found) > 100
    assert [kind for kind in found if not is_frozen(kind)] == []


def test_no_field_of_a_record_can_be_added_to() -> None:
    """What is a mapping or a sequence is read by whoever gets it."""
    assert [name for kind in records() for name in changeable(kind)] == []


def test_the_check_sees_what_can_be_changed() -> None:
    class Loose(msgspec.Struct):
        names: list[str]
        told: "tuple[dict[str, int], ...]"
        ask: "Callable[[list[int]], set[str]]"  # type: ignore[name-defined]  # noqa: F821

    assert not is_frozen(Loose)
    assert [name.rpartition(".")[2] for name in changeable(Loose)] == ["names", "told"]

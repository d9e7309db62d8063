"""Nothing is changed after it was sent: in whole worlds, with all that goes wrong.

Each message is written down as it is when it is told, and held against that when the
world is over: its records, and what they hold of others' records. Functions, refs and
errors are told as they are; nobody looks into them.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from enum import Enum

import msgspec
import pytest

from engine.runtime.ref import Ref
from tests.simulation.run import run_crowd, run_money, run_seed
from tests.simulation.sums import Result


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def content(value: object) -> object:
    """All that can be compared of it, in types that cannot change."""
    if isinstance(value, str | bytes | int | float | Enum | None):
        return value
    if isinstance(value, msgspec.Struct):
        fields = value.__struct_fields__
        return (type(value), *(content(getattr(value, name)) for name in fields))
    if isinstance(value, Mapping):
        return ("map", *((content(k), content(v)) for k, v in value.items()))
    if isinstance(value, list | tuple):
        return ("row", *map(content, value))
    if isinstance(value, set | frozenset):
        return ("set", frozenset(map(content, value)))
    return id(value)


class Letters:
    """All messages that were told, with what was in them."""

    def __init__(self) -> None:
        self.told: list[tuple[object, object]] = []

    def note(self, message: object) -> None:
        self.told.append((message, content(message)))

    def changed(self) -> list[object]:
        return [message for message, was in self.told if content(message) != was]


@pytest.fixture
def letters(monkeypatch: pytest.MonkeyPatch) -> Letters:
    noted = Letters()

    def noting(original: Callable[[Ref, object], object]) -> Callable[..., object]:
        def tell(self: Ref, message: object) -> object:
            noted.note(message)
            return original(self, message)

        return tell

    for name in ("tell", "tell_system"):
        monkeypatch.setattr(Ref, name, noting(getattr(Ref, name)))
    return noted


@pytest.mark.parametrize("run", [run_seed, run_crowd, run_money])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_message_is_changed_after_it_was_told(
    letters: Letters, run: Callable[[int], Result], seed: int
) -> None:
    run(seed)
    kinds = {type(message).__name__ for message, _ in letters.told}
    assert {"Append", "Publish", "Round", "RoundDone", "Seen", "Watch"} <= kinds
    assert letters.changed() == []


def test_the_check_sees_what_is_changed() -> None:
    class Letter(msgspec.Struct, frozen=True):
        words: dict[str, list[int]]

    letters, words = Letters(), {"a": [1]}
    letters.note(Letter(words))
    assert letters.changed() == []
    words["a"].append(2)
    assert letters.changed() == [Letter({"a": [1, 2]})]

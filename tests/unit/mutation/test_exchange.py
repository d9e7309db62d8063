"""Mutants in functions: what is marked, and how the code is exchanged."""

import ast
import builtins
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.mutation import exchange as exchanging
from tests.mutation.choice import judges_of, nearest_of
from tests.mutation.exchange import MARK, Function, exchange, function_of, marked
from tests.mutation.mutants import Mutant, mutants_of
from tests.tools import children

SOURCE = b'''"""A module."""

LIMIT = 30


def kept(function):
    KEPT.append(function)
    return function


KEPT = []


@kept
def is_more(number, than=3):
    """Said."""
    return number > than


class Basket:
    most = 4

    @property
    def is_full(self):
        return all(self.most <= number for number in (7, 8))

    @staticmethod
    def counter():
        def inner(number):
            return number + 1

        return inner
'''
PATH = "some/shop.py"


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModuleType]:
    monkeypatch.setattr(exchanging, "ROOT", tmp_path)
    module = ModuleType("a_shop")
    monkeypatch.setitem(sys.modules, "a_shop", module)
    exec(compile(SOURCE, str(tmp_path / PATH), "exec"), module.__dict__)  # noqa: S102
    return module


def mutant(after: str) -> Mutant:
    """The one whose line is so."""
    lines = [m for m in mutants_of(PATH, SOURCE.decode()) if after in line_of(m)]
    assert len(lines) == 1
    return lines[0]


def line_of(one: Mutant) -> str:
    return one.applied(SOURCE).decode().splitlines()[one.line - 1]


def planted(one: Mutant) -> bool:
    function = function_of(one, SOURCE)
    assert function is not None
    return exchange(one, SOURCE, function)


def test_everybody_who_has_the_function_has_the_mutant(shop: ModuleType) -> None:
    assert not shop.is_more(3)
    assert planted(mutant("number >= than"))
    assert shop.is_more(3)
    assert shop.KEPT[0](3)


def test_what_a_property_and_a_comprehension_do_is_exchanged(shop: ModuleType) -> None:
    basket = shop.Basket()
    basket.most = 7
    assert basket.is_full
    assert planted(mutant("self.most < number"))
    assert not basket.is_full


def test_a_function_within_a_function_is_exchanged_with_it(shop: ModuleType) -> None:
    one = mutant("number - 1")
    assert function_of(one, SOURCE) == Function(PATH, "Basket.counter", 27)
    assert planted(one)
    assert shop.Basket.counter()(5) == 4


@pytest.mark.parametrize("line", ["LIMIT = 3", "than=4", "most = 5"])
def test_what_stands_outside_of_functions_is_left_to_the_runner(line: str) -> None:
    found = [m for m in mutants_of(PATH, SOURCE.decode()) if line in line_of(m)]
    assert [function_of(one, SOURCE) for one in found] == [None]


def test_a_function_that_nobody_has_is_not_exchanged(shop: ModuleType) -> None:
    shop.KEPT.clear()
    del shop.is_more
    assert not planted(mutant("number >= than"))


FORKS = """
import os, sys
from tests.mutation.exchange import _forked

def spin():
    while True:
        pass

def fail():
    raise ValueError("no")

works = {
    "answer": lambda: b"said",
    "nothing": lambda: b"",
    "error": fail,
    "crash": lambda: os._exit(3),
    "endless": spin,
}
print(repr(_forked(works[sys.argv[1]], 1)))
"""


@pytest.mark.parametrize(
    ("work", "answer"),
    [
        ("answer", b"said"),
        ("nothing", b""),
        ("error", b"ValueError('no')"),
        ("crash", b"crashed"),
        ("endless", None),
    ],
)
def test_what_a_fork_comes_to_is_told(work: str, answer: bytes | None) -> None:
    """Only an empty answer says that no test failed. It forks from a process without
    threads, as the runner does: a lock that one holds stays locked in a fork."""
    ended = children.run(
        [sys.executable, "-c", FORKS, work],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert ast.literal_eval(ended.stdout) == answer


def test_the_nearest_tests_are_those_of_the_name_and_of_the_table() -> None:
    found = nearest_of("engine/store/sqlite/wallets.py")
    assert found == ["tests/unit/engine/store/test_conformance_wallets.py"]
    path = "engine/wallet/descriptor.py"
    assert nearest_of(path)[0] == "tests/unit/engine/wallet/test_descriptor.py"
    assert set(nearest_of(path)) < set(judges_of(path))
    assert nearest_of("engine/wallet/output_script.py") == judges_of(
        "engine/wallet/output_script.py"
    )


def test_a_marked_function_says_that_it_is_reached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reached: list[tuple[object, ...]] = []
    monkeypatch.setattr(builtins, MARK, lambda *it: reached.append(it), raising=False)
    there: dict[str, object] = {}
    exec(compile(marked(SOURCE, PATH), PATH, "exec"), there)  # noqa: S102
    assert reached == [(PATH, "kept", 6)]
    reached.clear()
    is_more, basket = there["is_more"], there["Basket"]
    assert callable(is_more)
    assert callable(basket)
    assert is_more(4)
    assert is_more.__doc__ == "Said."
    assert basket().is_full
    assert reached == [(PATH, "is_more", 14), (PATH, "Basket.is_full", 23)]

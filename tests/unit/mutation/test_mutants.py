"""The mutation tool itself: what it plants, where, and what it leaves alone."""

import re
from pathlib import Path

import pytest

from tests.mutation.choice import (
    ROOT,
    TARGETS,
    chosen,
    files_of,
    judges_of,
    mutants_in,
)
from tests.mutation.mutants import Mutant, mutants_of
from tests.mutation.report import Results, folder_of, harmless, table
from tests.mutation.runner import Result, checksum


def planted(source: str) -> list[str]:
    """The whole file as each mutant has it."""
    found = mutants_of("file.py", source)
    return [m.applied(source.encode()).decode() for m in found]


@pytest.mark.parametrize(
    ("source", "mutant"),
    [
        ("x = a < b\n", "x = a <= b\n"),
        ("x = a >= b\n", "x = a > b\n"),
        ("x = a is not b\n", "x = a is b\n"),
        ("x = a not in b\n", "x = a in b\n"),
        ("x = a and b\n", "x = a or b\n"),
        ("x = not a\n", "x = a\n"),
        ("x = not (a or b)\n", "x = (a or b)\n"),
        ("x = 3\n", "x = 4\n"),
        ("LIMIT = 3_000\n", "LIMIT = 300\n"),
        ("WAIT_S = 2.0\n", "WAIT_S = 0.2\n"),
        ("x = True\n", "x = False\n"),
        ("x = a // b\n", "x = a * b\n"),
        ("x += a\n", "x -= a\n"),
        ("x = min(a, b)\n", "x = max(a, b)\n"),
        ("x.y = a\n", "pass\n"),
        ("go(a)\n", "pass\n"),
        ("x = go(to=a)\n", "x = go(to=None)\n"),
        ("raise a\n", "pass\n"),
        ("def f():\n    return a\n", "def f():\n    return None\n"),
        ("def f():\n    return\n", "def f():\n    pass\n"),
        ("if a.b:\n    x = c\n", "if not a.b:\n    x = c\n"),
        ("while a:\n    break\n", "while a:\n    pass\n"),
        ("class A:\n    most: int = 5\n", "class A:\n    most: int = 6\n"),
        ("def f(most=5): x = a\n", "def f(most=6): x = a\n"),
        ('x = "å€" if a == b else c\n', 'x = "å€" if a != b else c\n'),
    ],
)
def test_a_small_wrong_change_is_planted(source: str, mutant: str) -> None:
    assert mutant in planted(source)


@pytest.mark.parametrize(
    "source",
    [
        '"""A text about 3 things."""\n',
        "assert a < b\n",
        'log.info("x=%s", 3)\n',
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    x = 1\n",
        "class Port(Protocol):\n    def f(self, most=5): return a\n",
        '__slots__ = ("a",)\n',
        'x: "list[3]"\n',
        'x = f"{3}"\n',
        'x = "%s" % a\n',
    ],
)
def test_what_is_no_behaviour_is_left_alone(source: str) -> None:
    assert planted(source) == []


def test_a_mutant_is_known_by_its_line_and_not_by_its_number() -> None:
    source = "def f():\n    return a + a, b + b + b\n"
    before = [mutant.id for mutant in mutants_of("f.py", source)]
    after = [mutant.id for mutant in mutants_of("f.py", "import b\n\n" + source)]
    assert before == after
    assert len(set(before)) == len(before) == 4


@pytest.mark.parametrize("folder", TARGETS)
def test_every_mutant_of_the_code_has_an_id_of_its_own_and_tests(folder: str) -> None:
    ids: set[str] = set()
    for path in files_of(folder):
        assert folder_of(path) == folder
        mutants = mutants_in(path)
        assert not ids & {mutant.id for mutant in mutants}
        ids |= {mutant.id for mutant in mutants}
        tests = judges_of(path)
        assert tests or not mutants
        assert all((ROOT / test).is_file() for test in tests)


def test_a_mutant_is_a_valid_program() -> None:
    for mutant in chosen(["engine/payment", "engine/runtime"], 60, seed=1):
        source = (ROOT / mutant.path).read_bytes()
        compile(mutant.applied(source), mutant.path, "exec")


def test_the_nearest_tests_come_first() -> None:
    tests = judges_of("engine/payment/rules.py")
    assert tests[0] == "tests/unit/engine/payment/test_rules.py"
    assert "tests/unit/engine/payment/test_machine.py" in tests
    assert len(set(tests)) == len(tests)


def test_a_sample_is_the_same_for_the_same_seed() -> None:
    first = chosen(["engine/payment"], 20, seed=1)
    assert first == chosen(["engine/payment"], 20, seed=1)
    assert first != chosen(["engine/payment"], 20, seed=2)
    assert len(first) == 20


def test_the_table_of_those_that_survive_and_may_leaves_none_out() -> None:
    """It names the function, its class or its file."""
    page = (ROOT / "docs/reliability.md").read_text("utf-8")
    said = page.partition("What survives and may")[2].partition("\nOf 114")[0]
    words = set(re.findall(r"\w+", said))
    for name in harmless():
        path, _, rest = name.partition("::")
        place = rest.partition(" | ")[0].split(".")
        assert words & {*place, Path(path).stem} - {"__init__", "module"}, name


def test_each_harmless_mutant_is_one_of_today_and_has_a_reason() -> None:
    for name, reason in harmless().items():
        path = name.partition("::")[0]
        known = {mutant.id for mutant in mutants_in(path)}
        assert name in known, "the line has changed: judge it anew"
        assert len(reason) > 10


def a_mutant() -> Mutant:
    return chosen(["engine/policy/waits.py"], 1, seed=1)[0]


def result(mutant: Mutant, outcome: str, tests: str = "") -> Result:
    return Result(mutant.id, checksum([mutant.path]), tests, outcome)


def test_a_killed_mutant_stays_killed_and_a_survivor_meets_new_tests(
    tmp_path: Path,
) -> None:
    mutant, tests = a_mutant(), judges_of("engine/policy/waits.py")
    file = tmp_path / "deep" / "results.jsonl"
    results = Results(file)
    assert results.of(mutant, tests) is None
    results.keep(result(mutant, "survived", checksum(tests)))
    assert Results(file).of(mutant, tests) is not None
    assert Results(file).of(mutant, tests[1:]) is None
    results.keep(result(mutant, "killed"))
    assert Results(file).of(mutant, tests) == result(mutant, "killed")


def test_of_a_file_that_changed_nothing_is_known(tmp_path: Path) -> None:
    mutant, results = a_mutant(), Results(tmp_path / "results.jsonl")
    results.keep(Result(mutant.id, "another", "", "killed"))
    assert results.of(mutant, []) is None


def test_the_score_counts_who_died_of_those_who_could_be_seen() -> None:
    mutants = chosen(["engine/policy"], 4, seed=1)
    outcomes = ["killed", "timeout", "killed", "survived"]
    pairs = [(m, result(m, o)) for m, o in zip(mutants, outcomes, strict=True)]
    assert table(pairs).splitlines()[-1] == (
        "| `engine/policy` | 4 | 3 | 1 | 0 | 75 % |"
    )

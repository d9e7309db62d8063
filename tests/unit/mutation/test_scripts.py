"""Mutants of scripts: what is planted, where, and what is left alone."""

from pathlib import Path

import pytest

from tests.mutation.choice import ROOT, TARGETS, files_of, judges_of, mutants_in
from tests.mutation.scripts import mutants_of_script

PLANTED = """\
const MOST = 50_000;
export function fits(event, { after, before }) {
  if (!after || event.at >= after) return true;
  const price = event.price ?? null; // a < b, "3"
  const word = `å€ ${event.n + 1}`;
  rows.push(event);
  const digits = /[<>=]+ 7/.exec(word);
  return ["late", 2n].includes(before) ? digits : price;
}
"""

WRONG = [
    ("50_000", "500000"),
    ("!after", "after"),
    ("||", "&&"),
    (">=", ">"),
    ("true", "false"),
    ("??", "&&"),
    ("+", "-"),
    ("1", "2"),
    ("2n", "3n"),
    ('"late"', '"another"'),
    ("rows.push(event);", ";"),
    ("return true;", "return undefined;"),
    ("!after || event.at >= after", "!(!after || event.at >= after)"),
    ('["late", 2n].includes(before)', '!(["late", 2n].includes(before))'),
]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], str]:
    """The whole file as each mutant has it, by what is put in place of what."""
    file = tmp_path_factory.mktemp("script") / "rows.mjs"
    file.write_text(PLANTED, encoding="utf-8")
    found = mutants_of_script("rows.mjs", file)
    assert len({mutant.id for mutant in found}) == len(found)
    source = PLANTED.encode()
    return {(m.before, m.after): m.applied(source).decode() for m in found}


@pytest.mark.parametrize(("before", "after"), WRONG)
def test_a_small_wrong_change_is_planted_and_nothing_else(
    planted: dict[tuple[str, str], str], before: str, after: str
) -> None:
    wrong = planted[before, after]
    lines = zip(PLANTED.splitlines(), wrong.splitlines(), strict=True)
    ((old, new),) = [(old, new) for old, new in lines if old != new]
    begin = old.index(before) if before in old else -1
    places = [n for n in range(begin, len(old)) if old.startswith(before, n)]
    assert new in [old[:n] + after + old[n + len(before) :] for n in places]


def test_what_is_no_behaviour_is_left_alone(
    planted: dict[tuple[str, str], str], tmp_path: Path
) -> None:
    """Comments, texts, patterns; types and what is imported."""
    assert {before for before, _ in planted} & {"<", "7", "3", '"3"'} == set()
    file = tmp_path / "types.ts"
    file.write_text(
        'import { a } from "./b.js";\ntype T = "x" | 3;\n'
        "interface I { n: 3 }\nlet t: true;\n"
    )
    assert mutants_of_script("types.ts", file) == []


def test_scripts_are_targets_as_far_as_they_are_judged() -> None:
    scripts = [
        file
        for target in TARGETS
        for file in files_of(target)
        if not file.endswith(".py")
    ]
    assert "transport/web/till/stages.mjs" in scripts
    for script in scripts:
        judges = judges_of(script)
        assert judges
        assert all((ROOT / judge).is_file() for judge in judges), script
    assert mutants_in("transport/web/till/stages.mjs")

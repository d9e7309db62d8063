"""The walks in docs/architecture.md are those that a payment takes through the code."""

import re
import sys

from tests.tools import children
from tests.tools.wait import PATIENCE
from tests.unit.test_packaging import ROOMS, ROOT

NAMES_AT = 20
"""Where the second column of the walks begins."""

BY_CHANCE = {"engine/runtime/clock.py"}
"""On the way when a timer was just due."""

BEFORE = re.compile(r"files \((\d+) before")
"""Of what the page says: so many they were before each subject had its room."""


def walks_in(page: str) -> list[set[str]]:
    """The files of each block of the section, by its columns of folders and names."""
    section = page.partition("### Two walks")[2].partition("\n## ")[0]
    found = []
    for block in re.findall(r"```text\n(.*?)```", section, re.DOTALL):
        files, folder = set[str](), ""
        for line in block.splitlines():
            folder = line[:NAMES_AT].strip() or folder
            names = re.split(r"\s{2,}", line[NAMES_AT:], maxsplit=1)[0]
            names = re.sub(r" \(.*?\)", "", names)
            files |= {f"{folder}{name}.py" for name in names.split(", ")}
        found.append(files)
    return found


def walks_taken() -> list[set[str]]:
    done = children.run(
        [sys.executable, "-m", "tests.tools.walk"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60 * PATIENCE,
        check=True,
    )
    parts = re.split(r"^A \w+: \d+ files.*$", done.stdout, flags=re.MULTILINE)[1:]
    return [set(re.findall(r"\d+ (\S+\.py)", part)) for part in parts]


def test_the_two_walks_are_as_they_are_written() -> None:
    page = (ROOT / "docs/architecture.md").read_text("utf-8")
    written, taken = walks_in(page), walks_taken()
    before = [int(files) for files in BEFORE.findall(" ".join(page.split()))]
    assert len(written) == len(taken) == len(before) == 2
    for said, real, most in zip(written, taken, before, strict=True):
        assert said - BY_CHANCE == real - BY_CHANCE
        assert 10 < len(said) < most
        assert f"{len(said)}\nfiles (" in page or f" {len(said)} files (" in page


def test_the_picture_of_the_house_has_every_room() -> None:
    page = (ROOT / "docs/architecture.md").read_text("utf-8")
    house = page.partition("## The house")[2].partition("\n## ")[0]
    for top in ROOMS:
        drawn = re.search(rf"^{top}/.*?(?=^\w|^```)", house, re.DOTALL | re.MULTILINE)
        assert drawn is not None
        named = set(re.findall(r"(\w+)/", drawn[0]))
        rooms = {file.parent.name for file in (ROOT / top).glob("*/*.py")}
        assert sorted(rooms - named) == [], top

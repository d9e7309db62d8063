"""Which script of a page imports which: no circle, as between rooms of Python."""

import re
from pathlib import Path

from tests.unit.test_packaging import ROOT

WEB = ROOT / "transport" / "web"

#: `import … from "./x.mjs"`, `export … from "./x.mjs"` and `import("./x.mjs")`.
IMPORT = re.compile(r"""(?:\bfrom|\bimport)\s*\(?\s*["'](\.{1,2}/[^"']+)["']""")


def imports() -> dict[Path, set[Path]]:
    """Of each script of ours, the scripts that it names."""
    scripts = [
        file
        for file in sorted(WEB.rglob("*"))
        if file.suffix in (".js", ".mjs") and "vendor" not in file.parts
    ]
    return {
        file: {
            (file.parent / name).resolve()
            for name in IMPORT.findall(file.read_text("utf-8"))
        }
        for file in scripts
    }


def circles(of: dict[Path, set[Path]]) -> list[set[str]]:
    """Files each of which comes back to itself; those of one circle together."""
    reached: dict[Path, set[Path]] = {}
    for first in of:
        seen: set[Path] = set()
        left = list(of[first])
        while left:
            one = left.pop()
            if one not in seen:
                seen.add(one)
                left.extend(of.get(one, ()))
        reached[first] = seen
    found: list[set[str]] = []
    for one in of:
        circle = {x.name for x in reached[one] if one in reached.get(x, ())}
        if one in reached[one] and circle not in found:
            found.append(circle)
    return found


def test_no_script_of_a_page_comes_back_to_itself_by_what_it_imports() -> None:
    found = imports()
    assert sum(map(len, found.values())) > 60, "the imports are read"
    assert circles(found) == []


def test_each_script_that_is_imported_is_there() -> None:
    assert [
        (file.name, name.name)
        for file, names in imports().items()
        for name in names
        if not name.exists()
    ] == []


def test_the_check_sees_a_circle() -> None:
    a, b, c = Path("a.mjs"), Path("b.mjs"), Path("c.mjs")
    assert circles({a: {b}, b: {c}, c: {b}}) == [{"b.mjs", "c.mjs"}]

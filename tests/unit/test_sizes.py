"""A file fits into a head: none of ours is longer than 400 lines."""

from tests.tools import children
from tests.unit.test_packaging import ROOT

MOST_LINES = 400

KINDS = (".py", ".js", ".mjs", ".ts", ".mts", ".sh", ".html", ".css")

LONGER = {
    "clients/ts/src/schema.d.ts": "made of the OpenAPI document",
    "transport/web/client/paybell.js": "one script for pages that load no modules",
}
"""And why."""


def tracked() -> list[str]:
    listed = children.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [
        name
        for name in listed.stdout.splitlines()
        if name.endswith(KINDS) and "/vendor/" not in name and (ROOT / name).is_file()
    ]


def test_no_file_is_longer_than_400_lines() -> None:
    found = {
        name
        for name in tracked()
        if len((ROOT / name).read_bytes().splitlines()) > MOST_LINES
    }
    assert found == set(LONGER)

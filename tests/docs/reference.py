"""The pages that are made of the code: settings, commands, events, metrics.

    python -m tests.docs.reference            which pages are not as the code has it
    python -m tests.docs.reference --write    make them anew

What stands above the mark in such a page is written by hand and stays.
"""

import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from engine.payment.events import _Wire
from engine.settings.option import Option
from engine.settings.reasons import REASONS
from engine.settings.table import OPTIONS
from run import main as run_py
from tests.docs import event_words
from tests.docs.snippets import ROOT
from tests.tools.paybell import serving

__all__ = ["MARK", "PAGES", "main", "page"]

MARK = "<!-- below: made by python -m tests.docs.reference --write -->\n"


def settings() -> Iterator[str]:
    options = {option.name: option for option in OPTIONS}
    for subject, reasons in REASONS.items():
        yield f"## {subject}\n"
        yield "| setting | default | what it is | why this default |"
        yield "|---|---|---|---|"
        for name, reason in reasons.items():
            yield _setting(options[name], reason)
        yield ""


def _setting(option: Option, reason: str) -> str:
    name = option.environ if option.secret else f"{option.flag}"
    default = "none" if option.default in {None, ""} else f"`{option.default}`"
    about = f"{option.help} Allowed: {option.allowed}."
    cells = (f"`{name}`", default, about, reason)
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _cell(text: str) -> str:
    """In a table; `<name>` would be HTML elsewhere."""
    text = re.sub(r"\(docs/([\w-]+\.md)\)", r"([\1](\1))", text)
    text = re.sub(r"\bSee docs/([\w-]+\.md)\.", r"See [\1](\1).", text)
    return text.replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;")


def commands() -> Iterator[str]:
    yield "| command | what it does |"
    yield "|---|---|"
    for path, command in _all_commands(run_py, ()):
        arguments = [
            (each.metavar or each.name or "").upper()
            for each in command.params
            if isinstance(each, click.Argument)
        ]
        words = " ".join(["paybell", *path, *arguments])
        about = (command.help or "").split("\n\n")[0]
        yield f"| `{words}` | {_cell(' '.join(about.split()))} |"


def _all_commands(
    group: click.Group, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from _all_commands(command, (*path, name))
        else:
            yield (*path, name), command


def events() -> Iterator[str]:
    whole = msgspec.json.schema(_Wire)
    types = whole["$defs"]
    fields = types["_Wire"]["properties"]
    optional = fields.keys() - set(types["_Wire"]["required"])
    yield "## Every field\n"
    yield "| field | type | what it is |"
    yield "|---|---|---|"
    for name, about in event_words.FIELDS.items():
        kind = _kind(fields.get(name, {"type": "string"}))
        kind = "integer" if name == "offset" else kind
        absent = ", or absent" if name in optional else ""
        yield f"| `{name}` | {kind}{absent} | {_cell(about)} |"
    yield "\n## Every field of `data`\n"
    yield "Each is absent where it is not concerned.\n"
    yield "| field | type | what it is |"
    yield "|---|---|---|"
    for name, about in event_words.DATA.items():
        kind = _kind(types["Change"]["properties"][name]).removesuffix(" or null")
        yield f"| `{name}` | {kind} | {_cell(about)} |"


def _kind(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        kinds = [_kind(each) for each in schema["anyOf"]]
        return " or ".join(kinds)
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return "string" if name in {"Status", "EventType", "Flag"} else "object"
    kind = str(schema.get("type", "object"))
    return f"array of {_kind(schema['items'])}s" if kind == "array" else kind


def metrics() -> Iterator[str]:
    """As a node that has just begun shows them."""
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as node:
        text = str(node.get("/metrics").text)
    kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    yield "| metric | kind | what it is |"
    yield "|---|---|---|"
    for name, about in sorted(re.findall(r"^# HELP (\w+) (.+)$", text, re.MULTILINE)):
        yield f"| `{name}` | {kinds[name]} | {_cell(about)} |"


PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "settings": settings,
    "commands": commands,
    "events": events,
    "metrics": metrics,
}


def page(name: str) -> tuple[Path, str]:
    """The file, and what it has to hold."""
    file = ROOT / "docs" / f"{name}.md"
    head, mark, _ = file.read_text(encoding="utf-8").partition(MARK)
    assert mark, f"{file} has no mark"
    return file, head + mark + "\n" + "\n".join(PAGES[name]()).rstrip() + "\n"


def main(arguments: list[str]) -> int:
    stale = 0
    for name in PAGES:
        file, text = page(name)
        if file.read_text(encoding="utf-8") != text:
            stale += 1
            sys.stdout.write(f"{file.relative_to(ROOT)} is not as the code has it\n")
            if "--write" in arguments:
                file.write_text(text, encoding="utf-8")
    return 0 if "--write" in arguments else min(stale, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What README and the documents say to type: each command, call and file of settings is
one that this version takes.

Other files here run them (those that have `Runs`, of runs.py). This one reads each of
them by what would read it, and so tells at once what is wrong: bash, the command line's
parser, the API's own description, the loader of settings, Node, Python.
"""

import ast
import importlib.util
import json
import re
from functools import lru_cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import jsonschema_rs
import pytest

from engine.config import load, read_file, read_gateways, read_lightning, read_merchants
from run import main
from tests.contract.__main__ import present
from tests.docs.snippets import ROOT, Block, Request, blocks, called, requests
from tests.tools import children

LANGUAGES = {
    *("bash", "conf", "html", "http", "ini", "js", "json", "python", "toml"),
    *("mermaid", "text"),
}

NOT_OURS = {
    "chmod": "the system's own",
    "docker": "no Docker is here; tests/integration/test_image.py says what is tried",
    "field": "a function that its page has made; test_stories.py runs it",
    "journalctl": "needs a system that systemd has started",
    "redis-cli": "Redis's own; test_typed_calls.py types it at a real one",
    "sleep": "the system's own",
    "systemctl": "needs a system that systemd has started",
}
"""Commands of others, each with why it is only read here. It may only shrink."""


@pytest.fixture(scope="module")
def commands(
    tmp_path_factory: pytest.TempPathFactory,
) -> list[tuple[Block, list[str]]]:
    return called(blocks("bash"), tmp_path_factory.mktemp("calls"))


@lru_cache
def api() -> dict[str, Any]:
    found: dict[str, Any] = present()["openapi.json"]
    return found


def test_every_block_says_its_language() -> None:
    found = [f"{b}: {b.language}" for b in blocks() if b.language not in LANGUAGES]
    assert found == []


# -- commands ----------------------------------------------------------------------


def test_every_command_is_one_that_there_is(
    commands: list[tuple[Block, list[str]]],
) -> None:
    assert len(commands) > 50
    wrong = [
        f"{block}: {' '.join(words)}: {why}"
        for block, words in commands
        if (why := mistake(words))
    ]
    assert wrong == []


def test_what_is_not_ours_is_named_somewhere(
    commands: list[tuple[Block, list[str]]],
) -> None:
    assert len(NOT_OURS) <= 7
    assert NOT_OURS.keys() <= {words[0] for _, words in commands}


def mistake(words: list[str]) -> str:
    """What is wrong with a command; empty: nothing."""
    name, *rest = words
    if name == "python" and rest[:1] == ["run.py"]:
        name, *rest = rest
    if name in {"paybell", "run.py"}:
        return no_command(rest)
    if name == "curl":
        return no_call(from_curl(rest))
    if name == "make":
        return no_target(rest)
    if name == "python":
        return no_program(rest)
    return "" if name in NOT_OURS else "nobody knows it"


def no_command(words: list[str]) -> str:
    """As the parser of the command line reads them, down to its subcommand."""
    command: click.Command = main
    context = click.Context(command)
    while isinstance(command, click.Group):
        if not words or words[0].startswith("-"):
            return ""
        found = command.get_command(context, words[0])
        if found is None:
            return f"no command {words[0]}"
        command, words = found, words[1:]
        context = click.Context(command, parent=context)
    try:
        values, left, _ = command.make_parser(context).parse_args(args=list(words))
    except click.UsageError as error:
        return str(error)
    arguments = [each for each in command.params if isinstance(each, click.Argument)]
    missing = [a.name for a in arguments if a.required and not values.get(a.name or "")]
    return f"too many: {left}" if left else f"missing: {missing}" if missing else ""


def no_target(words: list[str]) -> str:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", text, re.MULTILINE))
    return " ".join(w for w in words if "=" not in w and w not in targets)


def no_program(words: list[str]) -> str:
    if words[0] == "-c":
        ast.parse(words[1])
        return ""
    if words[0] == "-m":
        return "" if importlib.util.find_spec(words[1]) else f"no module {words[1]}"
    is_there = (ROOT / words[0]).is_file() or words[0] == "shop.py"
    return "" if is_there else f"no file {words[0]}"


# -- calls -------------------------------------------------------------------------


def from_curl(words: list[str]) -> Request:
    """What curl would send."""
    method, body, url = "", "", ""
    rest = iter(words)
    for word in rest:
        if word in {"-X", "--request"}:
            method = next(rest)
        elif word in {"-d", "--data", "--json"}:
            body = next(rest)
        elif word in {"-H", "-o", "--cookie", "--cookie-jar", "-b", "-c"}:
            next(rest)
        elif not word.startswith("-"):
            url = word
    path = re.sub(r"^(?:https?://[^/]+|[A-Z]+)", "", url)
    return Request(method or ("POST" if body else "GET"), path, body)


LIVE = re.compile(r"/(?:events|ws|poll|pay|web|docs|socket\.io|webhook)\b|/metrics$")
"""No operations of the API's description: streams, pages, gateways of an operator."""


def no_call(request: Request) -> str:
    """Whether the API's description has it, and takes that body."""
    path = urlsplit(request.path).path
    if LIVE.match(path):
        return ""
    operation = described(request.method, path)
    if operation is None:
        return f"no {request.method} {path}"
    if not request.body:
        return ""
    if "requestBody" not in operation:
        return "takes no body"
    value, _ = json.JSONDecoder().raw_decode(request.body.strip().replace("…", "x"))
    content = operation["requestBody"]["content"]
    schema = next(iter(content.values()))["schema"]
    whole = {"components": api()["components"], **schema}
    errors = jsonschema_rs.validator_for(whole).iter_errors(value)
    return "; ".join(error.message for error in errors)


def described(method: str, path: str) -> dict[str, Any] | None:
    parts = path.split("/")
    for known, item in api()["paths"].items():
        wanted = known.split("/")
        if len(wanted) == len(parts) and all(
            want == part or (want.startswith("{") and part)
            for want, part in zip(wanted, parts, strict=True)
        ):
            found: dict[str, Any] | None = item.get(method.lower())
            if found is not None:
                return found
    return None


def test_every_call_is_one_that_the_api_takes() -> None:
    found = [(b, request) for b in blocks("http") for request in requests(b.text)]
    assert len(found) > 10
    wrong = [
        f"{block}: {request.method} {request.path}: {why}"
        for block, request in found
        if (why := no_call(request))
    ]
    assert wrong == []


def test_the_check_of_calls_sees_what_is_wrong() -> None:
    assert no_call(Request("POST", "/v1/payment", ""))
    assert no_call(Request("POST", "/v1/payments", '{"amount_sat": "5"}'))
    assert no_call(Request("POST", "/v1/payments", '{"amount_sats": 5}'))
    assert not no_call(Request("POST", "/v1/payments", '{"amount_sat": 5} more'))
    assert mistake(["paybell", "serve", "--no-such-option"])
    assert mistake(["paybell", "keys", "make"])
    assert mistake(["make", "no-such-target"])
    assert mistake(["frobnicate"])


# -- files and programs ------------------------------------------------------------


@pytest.mark.parametrize("block", blocks("json"), ids=str)
def test_json_can_be_read(block: Block) -> None:
    text = block.text.strip()
    text = "{" + text + "}" if text.startswith('"') else text
    while text:
        _, at = json.JSONDecoder().raw_decode(text)
        text = text[at:].strip()


@pytest.mark.parametrize("block", blocks("toml"), ids=str)
def test_a_file_of_settings_can_be_loaded(block: Block) -> None:
    name, text = str(block), block.text.replace("…", "x")
    secrets = {
        f"PAYBELL_LIGHTNING_{account.upper()}_SECRET": "x"
        for account in re.findall(r"^\[lightning\.(\w+)\]", text, re.MULTILINE)
    }
    load(
        {},
        {},
        read_file(text, name),
        name,
        read_merchants(text, name),
        read_gateways(text, name),
        read_lightning(text, name, secrets),
    )


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_python_can_be_read(block: Block) -> None:
    ast.parse(block.text)


class Scripts(HTMLParser):
    """The scripts of a page, and that its elements end."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.scripts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in {"meta", "link", "img", "input", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["script"]:
            self.scripts.append(data)


def test_scripts_can_be_read_by_node(tmp_path: Path) -> None:
    texts = [block.text for block in blocks("js")]
    for block in blocks("html"):
        page = Scripts(block.text)
        assert page.open == [], block
        texts += page.scripts
    assert texts
    files = []
    for number, text in enumerate(texts):
        file = tmp_path / f"{number}.mjs"
        file.write_text(text.replace("…", "null"), encoding="utf-8")
        files.append(file)
    for file in files:
        read = children.run(
            ["node", "--check", file], capture_output=True, text=True, timeout=60
        )
        assert read.returncode == 0, read.stderr

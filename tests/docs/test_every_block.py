"""Every command and snippet in README, docs, and the READMEs of clients and examples is
run by a test.

What a person types or pastes stands in a block that names its language. The files of
tests below say which blocks they run: they take the text from the page (`runs.py`).
"""

import re
from types import ModuleType

import pytest

from tests.browser import test_visitor
from tests.docs import (
    test_client_readmes,
    test_developers_commands,
    test_example_express,
    test_example_flask,
    test_example_point_of_sale,
    test_example_static_page,
    test_how_tos,
    test_http_calls,
    test_lightning_page,
    test_page_snippets,
    test_settings_files,
    test_sources_page,
    test_stories,
    test_typed_calls,
)
from tests.docs.runs import Runs
from tests.docs.snippets import Block, blocks, of_readmes

RUNNERS: tuple[ModuleType, ...] = (
    test_client_readmes,
    test_developers_commands,
    test_example_express,
    test_example_flask,
    test_example_point_of_sale,
    test_example_static_page,
    test_how_tos,
    test_http_calls,
    test_lightning_page,
    test_page_snippets,
    test_settings_files,
    test_sources_page,
    test_stories,
    test_typed_calls,
    test_visitor,
)

TO_LOOK_AT = {"mermaid", "text"}
"""Languages of pictures and of what is printed: nobody types these."""

NOT_RUN = {
    r"make (setup|lint|test)\b": "installs, and is what runs this test: .ci/run",
    r"([A-Z_]+=\w+ )+make test ": "the same with larger numbers: .ci/soak.sh",
    r"python -m tests\.integration\.rebinding ": "wants to be root, or namespaces:"
    " tests/integration/test_outbound_ssrf.py runs it where it can be",
    "make demo ARGS=--lightning$": "is the same over a network of its own;"
    " tests/lightning/test_demo_lightning.py runs what it starts",
    r"docker ": "no Docker is here; tests/integration/test_image.py says what is tried",
    r"(systemctl|journalctl) ": "wants a system that systemd has started;"
    " tests/integration/test_systemd_unit.py tries the unit",
    r"/var/log/paybell\.log \{": "logrotate's, which is not here;"
    " tests/integration/test_process_log.py sends the SIGHUP that it has sent",
}
"""Patterns of lines of which no test runs a block, each with its reason. It may only
shrink. Files of tests that run a block leave out lines of it by tables of their own."""


def typed() -> list[Block]:
    every = [*blocks(), *of_readmes()]
    return [block for block in every if block.language not in TO_LOOK_AT]


def is_left_out(block: Block) -> bool:
    lines = block.text.splitlines()
    if block.language == "bash":
        return all(re.match("|".join(NOT_RUN), line) for line in lines)
    return any(re.match(pattern, lines[0]) for pattern in NOT_RUN)


def run() -> set[Block]:
    found: set[Block] = set()
    for runner in RUNNERS:
        runs = runner.RUN
        assert isinstance(runs, Runs)
        found |= set(runs.blocks)
    return found


def test_every_block_is_run_by_a_test() -> None:
    assert len(typed()) > 120
    ran = run()
    assert [str(b) for b in typed() if b not in ran and not is_left_out(b)] == []


@pytest.mark.parametrize("pattern", NOT_RUN)
def test_what_is_left_out_is_there_and_run_by_none(pattern: str) -> None:
    assert len(NOT_RUN) <= 7
    found = [b for b in typed() if re.search(f"^{pattern}", b.text, re.MULTILINE)]
    assert found
    assert not run() & {block for block in found if is_left_out(block)}


def test_a_block_that_none_runs_is_seen() -> None:
    for language, text in (
        ("bash", "make lint\ncurl http://127.0.0.1:8080/health\n"),
        ("bash", "dockerd\n"),
        ("js", "watchPayment({});\n"),
    ):
        block = Block("docs.md", 1, language, text)
        assert block not in run()
        assert not is_left_out(block), text
    assert is_left_out(Block("docs.md", 1, "bash", "make setup\nmake lint\n"))

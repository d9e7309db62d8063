"""The pages of reference say what the code has: settings, commands, events, metrics."""

import re

import pytest
from click.testing import CliRunner

from engine.payment.events import Change, _Wire
from engine.payment.model import EventType
from engine.settings.reasons import REASONS
from engine.settings.table import OPTIONS
from run import main as run_py
from tests.docs import event_words
from tests.docs.reference import PAGES, page
from tests.docs.snippets import ROOT


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_as_the_code_has_it(name: str) -> None:
    file, text = page(name)
    assert file.read_text(encoding="utf-8") == text, (
        "python -m tests.docs.reference --write"
    )


def test_every_setting_has_a_reason_for_its_default() -> None:
    named = [name for reasons in REASONS.values() for name in reasons]
    assert len(named) == len(set(named))
    assert set(named) == {option.name for option in OPTIONS}
    for reasons in REASONS.values():
        for name, reason in reasons.items():
            assert reason.endswith("."), name


def test_every_field_of_an_event_is_explained_and_every_type_has_a_row() -> None:
    assert {"id", "offset", *_Wire.__struct_fields__} == event_words.FIELDS.keys()
    assert set(Change.__struct_fields__) == event_words.DATA.keys()
    table = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(payment\.\w+)` \|", table, re.MULTILINE)
    assert sorted(rows) == sorted(EventType)


def test_the_help_of_serve_has_the_settings_and_defaults_of_the_page() -> None:
    said = CliRunner().invoke(run_py, ["serve", "--help"], terminal_width=10_000)
    words = " ".join(said.output.split())
    for option in OPTIONS:
        if option.secret:
            assert option.flag not in said.output.split()
            continue
        assert option.flag in said.output
        assert " ".join(option.help.split()) in words, option.name
        if option.default:
            assert f"[default: {option.default}]" in words, option.name

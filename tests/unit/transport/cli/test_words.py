"""What is said to a person at a terminal."""

import re
import unicodedata

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from transport.cli.printable import printable
from transport.cli.words import Styled, say, style

DANGEROUS = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def said(*parts: str | Styled, color: bool = True) -> str:
    @click.command()
    def command() -> None:
        say(*parts)

    return CliRunner().invoke(command, color=color).output


@given(st.text())
def test_what_is_printable_holds_no_control_and_no_character_of_direction(
    text: str,
) -> None:
    shown = printable(text)
    assert not {unicodedata.category(char) for char in shown} & DANGEROUS
    assert len(shown.splitlines()) <= 1
    assert printable(shown) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, ü, 支付, שלום", "plain, ü, 支付, שלום"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\x9b2J", "\\x9b2J"),
        ("a\u202eb\u2066c", "a\\u202eb\\u2066c"),
        ("one\ntwo\r\u2028\x85", "one\\ntwo\\r\\u2028\\x85"),
        ("\U000e0041\udc80", "\\U000e0041\\udc80"),
    ],
)
def test_what_a_terminal_would_obey_is_spelled_out(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.lists(st.text(), max_size=4))
def test_a_line_stays_one_line_whatever_is_in_its_parts(parts: list[str]) -> None:
    shown = said(*parts)
    assert shown.endswith("\n")
    assert shown[:-1].isprintable()


def test_only_our_own_words_have_colour() -> None:
    shown = said("foreign \x1b[31m, ", style("ours \x1b[31m", "green"), ".")
    assert shown == "foreign \\x1b[31m, \x1b[32mours \\x1b[31m\x1b[0m.\n"


def test_a_coloured_word_inside_another_text_is_plain() -> None:
    assert said(f"so {style('it', 'red')} is") == "so it is\n"


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert said(style("ours", "green")) == "ours\n"
    monkeypatch.delenv("NO_COLOR")
    assert re.search("\x1b", said(style("ours", "green")))
    assert said(style("ours", "green"), color=False) == "ours\n"

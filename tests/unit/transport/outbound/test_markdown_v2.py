"""MarkdownV2: whatever the text, people see that text and no markup of its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tools.markdown_v2 import CannotParse, read_markdown_v2
from transport.outbound.markdown_v2 import (
    MAX_UNITS,
    Piece,
    Style,
    escaped,
    rendered,
    utf16_units,
)

SPECIAL = "_*[]()~`>#+-=|{}.!\\"
printable = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=200)
tricky = st.text(st.sampled_from(SPECIAL + "a \n😀é"), max_size=60)
texts = st.one_of(printable, tricky)
pieces = st.lists(st.builds(Piece, texts, st.sampled_from(Style)), max_size=8)


@pytest.mark.parametrize("char", SPECIAL)
def test_every_reserved_character_shows_as_itself(char: str) -> None:
    for style in Style:
        source = rendered([Piece(f"a{char}b", style)])
        shown, entities = read_markdown_v2(source)
        assert shown == f"a{char}b"
        assert [e.text for e in entities] == [shown] * (style is not Style.PLAIN)


def test_only_what_the_manual_names_is_escaped() -> None:
    plain = "".join(map(chr, range(32, 127)))
    unescaped = [char for char in plain if escaped(char) == char]
    assert set(plain) - set(unescaped) == set(SPECIAL)
    in_code = [char for char in plain if escaped(char, Style.CODE) != char]
    assert set(in_code) == {"`", "\\"}


@given(pieces)
def test_what_people_see_is_what_was_meant(made: list[Piece]) -> None:
    shown, entities = read_markdown_v2(rendered(made))
    assert shown == "".join(piece.text for piece in made)
    styled = [
        ("bold" if piece.style is Style.BOLD else "code", piece.text)
        for piece in made
        if piece.text and piece.style is not Style.PLAIN
    ]
    assert [(e.kind, e.text) for e in entities] == styled


@given(pieces, st.integers(1, 80))
def test_no_message_is_longer_than_its_limit(made: list[Piece], limit: int) -> None:
    meant = "".join(piece.text for piece in made)
    shown, _ = read_markdown_v2(rendered(made, limit))
    assert utf16_units(shown) <= limit
    if utf16_units(meant) <= limit:
        assert shown == meant
    else:
        assert shown.endswith("…")
        assert meant.startswith(shown[:-1])


def test_a_character_of_two_units_is_never_cut_in_half() -> None:
    shown, _ = read_markdown_v2(rendered([Piece("😀" * 3_000)]))
    assert shown == "😀" * 2_047 + "…"
    assert utf16_units(shown) == MAX_UNITS - 1


def test_control_characters_do_not_reach_a_chat() -> None:
    shown, _ = read_markdown_v2(rendered([Piece("a\x00b\x1b[31m\tc\nd")]))
    assert shown == "a b [31m c\nd"


@pytest.mark.parametrize("source", ["a.b", "*open", "`open", "1-2", "a!"])
def test_the_judge_refuses_what_telegram_refuses(source: str) -> None:
    with pytest.raises(CannotParse):
        read_markdown_v2(source)

"""Templates: what they can say, where their faults are, and that they cannot run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidTemplate
from engine.mail.template import MAX_CHARS, MAX_DEPTH, MAX_MADE, MAX_TAGS, parse

NAMES = ("name", "sum")


def made(text: str, is_html: bool = False, **values: str) -> str:
    return parse(text, NAMES).render(values, is_html=is_html)


def test_values_go_into_their_holes() -> None:
    assert made("Dear {{name}}, {{ sum }}!", name="Ann", sum="1") == "Dear Ann, 1!"
    assert made("{{name}}") == "", "there is none"


def test_in_html_values_are_escaped_and_in_text_they_are_not() -> None:
    evil = "<script>\"'&"
    assert made("<p>{{name}}", True, name=evil) == "<p>&lt;script&gt;&quot;&#x27;&amp;"
    assert made("<p>{{name}}", name=evil) == "<p>" + evil


def test_a_value_is_no_template() -> None:
    assert made("{{name}}", name="{{sum}}", sum="1") == "{{sum}}"


def test_sections_are_there_if_their_value_is() -> None:
    text = "{{#sum}}paid {{sum}}{{/sum}}{{^sum}}nothing{{/sum}}"
    assert made(text, sum="1") == "paid 1"
    assert made(text, sum="") == made(text) == "nothing"


def test_a_section_that_stands_alone_leaves_no_line() -> None:
    text = "a\r\n{{#sum}}\r\n  b\n{{/sum}}\n{{! no more }}\nc"
    assert made(text, sum="1") == "a\n  b\nc"
    assert made(text) == "a\nc"


@pytest.mark.parametrize(
    ("text", "line", "column", "why"),
    [
        ("Dear {{nme}}", 1, 6, "there is no {{nme}}; there are: name, sum"),
        ("a\nbc {{name", 2, 4, "{{ has no }} behind it"),
        ("\n\n {{#name}}", 3, 2, "{{#name}} is never closed"),
        ("{{/name}}", 1, 1, "closes what is not open"),
        ("{{#name}}\n{{#sum}}{{/name}}", 2, 9, "{{/sum}} comes first"),
        ("{{{name}}}", 1, 1, "there is no"),
        ("{{&name}}", 1, 1, "there is no"),
        ("{{> name}}", 1, 1, "there is no"),
        ("{{=<% %>=}}", 1, 1, "there is no"),
        ("{{name.__class__}}", 1, 1, "there is no"),
        ("{{name|safe}}", 1, 1, "there is no"),
        ("{{}}", 1, 1, "there is no {{}}"),
        ("{{" + "x" * 60 + "}}", 1, 1, "there is no {{" + "x" * 40 + "}};"),
        ("{{\x1b[2J}}", 1, 1, "there is no {{\\x1b[2J}}"),
        ("{{#name}}" * (MAX_DEPTH + 1), 1, 9 * MAX_DEPTH + 1, "nested"),
        ("{{name}}" * (MAX_TAGS + 1), 1, 8 * MAX_TAGS + 1, "more than"),
        ("x" * MAX_CHARS + "y", 1, MAX_CHARS + 1, "goes on beyond"),
    ],
)
def test_a_fault_is_named_with_line_and_column(
    text: str, line: int, column: int, why: str
) -> None:
    with pytest.raises(InvalidTemplate) as refused:
        parse(text, NAMES)
    assert (refused.value.line, refused.value.column) == (line, column)
    assert str(refused.value).startswith(f"line {line}, column {column}: ")
    assert why in str(refused.value)


def test_what_a_template_makes_is_cut_off() -> None:
    text = "{{name}}" * 10
    value = "<" * 3_000  # in HTML, four times as long
    assert made(text, name=value) == "<" * 30_000
    assert made(text, True, name=value) == "&lt;" * (MAX_MADE // 4)
    assert MAX_MADE == 32_768
    assert made("{{name}}{{#sum}}x{{/sum}}", name="y" * MAX_MADE, sum="1") == (
        "y" * MAX_MADE
    )


def test_the_last_character_that_fits_is_written() -> None:
    almost = "y" * (MAX_MADE - 1)
    assert made("{{name}}{{#sum}}x{{/sum}}", name=almost, sum="1") == almost + "x"


def test_the_bounds_are_these() -> None:
    assert (MAX_CHARS, MAX_TAGS, MAX_DEPTH) == (16_384, 500, 8)
    assert made("{{#sum}}" * 8 + "x" + "{{/sum}}" * 8, sum="1") == "x"
    assert made("{{name}}" * 500, name="y") == "y" * 500
    assert len(made("x" * 16_384)) == 16_384


@given(
    st.lists(
        st.sampled_from(
            ["{{name}}", "{{#sum}}", "{{^sum}}", "{{/sum}}", "{{", "}}", "\n", " ", "é",
             "{{!x}}", "{", "{{/name}}"]
        )
    ),
    st.text(max_size=10),
)  # fmt: skip
def test_any_text_is_refused_or_makes_a_text_of_bounded_length(
    parts: list[str], value: str
) -> None:
    text = "".join(parts)
    try:
        template = parse(text, NAMES)
    except InvalidTemplate as error:
        assert 1 <= error.line <= text.count("\n") + 1
        return
    for values in ({"name": value, "sum": value}, {}):
        assert len(template.render(values)) <= len(text) + text.count("{{") * len(value)
        html = template.render(values, is_html=True)
        assert "<" not in html, "the template has none, and values are escaped"

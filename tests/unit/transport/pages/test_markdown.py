"""The documents' Markdown as HTML: nothing but what is meant gets into a page."""

import re

import pytest

from transport.pages.markdown import Document, Places, read, slug

PLACES = Places(
    {
        "a.md": ("to:a.md", "The page"),
        "#wrong_key": ("#wrong_key", None),
        "#a-b-c": ("#a-b-c", None),
    }.get,
    lambda source: (source, 30, 20) if source == "a.png" else None,
)


def html(text: str) -> str:
    return document(text).html.partition("</h1>\n")[2].strip()


def document(text: str) -> Document:
    return read(f"# Title\n\n{text}", PLACES)


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "a <img src=x onerror=alert(1)> b",
        "## <b>bold</b>",
        "`<i>`",
        "```\n<script>\n```",
        "[x](javascript:alert(1))",
        '```"><script>alert(1)</script>\n```',
        "| <s>a</s> |\n|---|\n| <s>b</s> |",
    ],
)
def test_no_document_puts_elements_into_a_page(text: str) -> None:
    made = html(text)
    assert not re.search(r"<(?:script|img|b|i|s)\b", made)
    assert 'href="javascript' not in made
    assert not re.search(r"<[^>]* on\w+=", made)


def test_a_heading_is_an_anchor_that_leads_to_itself() -> None:
    assert html("### wrong_key") == (
        '<h3 id="wrong_key"><a href="#wrong_key">wrong_key</a></h3>'
    )
    assert html("## A `b`, c?").startswith('<h2 id="a-b-c"><a href="#a-b-c">A <code>')


def test_two_headings_of_one_text_have_two_anchors() -> None:
    anchors = [heading.anchor for heading in document("## A\n\n## A").headings]
    assert anchors == ["a", "a-1"]


def test_anchors_are_those_of_github() -> None:
    assert slug("At the start it says what is not well") == (
        "at-the-start-it-says-what-is-not-well"
    )
    assert slug("What is counted: `a_b`") == "what-is-counted-a_b"


def test_a_link_leads_where_the_page_is_served_and_else_nowhere() -> None:
    assert html("[x](a.md)") == '<p><a href="to:a.md">x</a></p>'
    assert html("[a.md](a.md)") == '<p><a href="to:a.md">The page</a></p>'
    assert html("see [x](no.md).") == "<p>see x.</p>"


def test_a_picture_has_its_size_so_that_nothing_jumps() -> None:
    made = html("![a cat](a.png)")
    assert 'alt="a cat" width="30" height="20" loading="lazy"' in made
    assert html("![a cat](b.png)") == "<p>a cat</p>"


def test_a_status_that_begins_a_sentence_is_no_list() -> None:
    assert html("410. It is gone.") == "<p>410. It is gone.</p>"
    assert html("1. First\n2. Second").startswith("<ol>")


def test_comments_are_not_shown() -> None:
    assert html("<!-- table begins -->\nx\n<!-- table ends -->") == "<p>x</p>"


def test_code_and_tables_scroll_by_keyboard_too() -> None:
    assert html("    a <b>\n      c") == (
        '<div class="code"><pre tabindex="0">'
        "<code>a &lt;b&gt;\n  c\n</code></pre></div>"
    )
    assert '<code class="language-js">' in html("```js\nx\n```")
    assert html("| a |\n|---|\n| b |").startswith('<div class="table" tabindex="0">')


def test_a_heading_of_a_table_that_says_nothing_is_none() -> None:
    made = html("| | a |\n|---|---|\n| b | c |")
    assert "<td></td>\n<th>a</th>" in made


def test_the_parts_of_a_document_are_its_headings_with_their_text() -> None:
    parts = document("one `two`\n\n## Part\n\n- three\n\n```\nfour\n```").parts
    assert [(part.heading.text, part.text.split()) for part in parts] == [
        ("Title", ["one", "two"]),
        ("Part", ["three", "four"]),
    ]


def test_a_document_begins_with_its_title() -> None:
    with pytest.raises(ValueError, match="title"):
        read("no title", PLACES)

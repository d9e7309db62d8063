"""Our own pages' Markdown as HTML: what is known is marked up, all else is text."""

import pytest

from transport.pages.markdown import to_html


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("", "<p></p>"),
        ("one\ntwo\n\nthree", "<p>one two</p>\n<p>three</p>"),
        ("# A", "<h1>A</h1>"),
        ("## A b", "<h2>A b</h2>"),
        ("### a_b", '<h3 id="a_b">a_b</h3>'),
        ("- one\n  more\n- two", "<ul><li>one more</li><li>two</li></ul>"),
        ("    a <b>\n      c", "<pre><code>a &lt;b&gt;\n  c</code></pre>"),
        ("say `a < b`, *now*", "<p>say <code>a &lt; b</code>, *now*</p>"),
        ("<script>`</script>", "<p>&lt;script&gt;`&lt;/script&gt;</p>"),
        ('### "x', '<h3 id="&quot;x">"x</h3>'),
    ],
)
def test_a_block_is_marked_up(text: str, html: str) -> None:
    assert to_html(text) == html

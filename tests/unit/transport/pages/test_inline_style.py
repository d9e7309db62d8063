"""A sheet in the page itself: no byte more than it needs, and allowed by its hash."""

import base64
import hashlib
import re

import pytest

from tests.unit.transport.pages.page_server import FakeGateway, getter, payment
from transport.pages.assets import FOLDER
from transport.pages.inline_style import inline_style


@pytest.mark.parametrize(
    ("sheet", "short"),
    [
        ("a { b: c; }\n\nd,\ne { f: g h; }\n", "a{b: c;}d,e{f: g h;}"),
        ("/* a { } */ a { b: c /* d */; }", "a{b: c ;}"),
        ('a::after { content: "  { } /* ; */ " / ""; }', None),
        ("a :hover { margin: calc(1px + 2px) -3px; }", None),
        ("@media (a: b) and (c: d), print { e > f { g: h(i, j) } }", None),
    ],
)
def test_comments_and_blanks_go_and_nothing_else(sheet: str, short: str | None) -> None:
    text = inline_style(sheet.encode()).text
    if short is None:  # as it was, but for blanks round brackets and the like
        assert re.sub(r"\s", "", text) == re.sub(r"\s", "", sheet)
        assert '"  { } /* ; */ "' in text or '"' not in sheet
        assert "a :hover" in text or ":hover" not in sheet
        assert "(1px + 2px) -3px" in text or "calc" not in sheet
        assert "(a: b) and (c: d),print{e > f{" in text or "@" not in sheet
    else:
        assert text.replace(" }", "}") == short


def test_sheets_stand_in_their_order() -> None:
    assert inline_style(b"a { b: c; }", b"a { b: d; }").text == "a{b: c;}a{b: d;}"


def test_a_sheet_that_would_end_its_element_is_a_mistake_of_ours() -> None:
    with pytest.raises(AssertionError):
        inline_style(b'a { content: "</style><script>"; }')


def test_the_policy_allows_the_sheet_of_the_page_and_no_other() -> None:
    answer = getter(FakeGateway(payment()))("/pay/pay_1")
    (style,) = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = answer.headers["content-security-policy"].split("; ")
    assert f"style-src 'self' 'sha256-{digest}'" in policy
    assert style == inline_style((FOLDER / "pay.css").read_bytes()).text


def test_other_pages_have_no_sheet_in_them() -> None:
    get = getter(FakeGateway(payment()))
    for path in ("/pay/none", "/docs", "/docs/api"):
        answer = get(path)
        assert "<style" not in answer.text, path
        assert "style-src 'self';" in answer.headers["content-security-policy"], path


def test_a_page_that_waits_needs_no_second_request_to_be_seen() -> None:
    """What holds the first frame back: sheets above its parts, scripts that are neither
    deferred nor below."""
    text = getter(FakeGateway(payment()))("/pay/pay_1").text
    head, _, body = text.partition("</head>")
    assert 'rel="stylesheet"' not in head
    assert "<script" not in head
    above, _, below = body.partition('<script type="application/json"')
    assert 'rel="stylesheet"' not in above
    assert 'id="freshness"' in above
    assert "pay-stages" in below
    assert len(re.findall(r"<script src=[^>]* defer>", below)) == 2


def test_in_every_other_stage_its_sheet_comes_before_its_parts() -> None:
    """Else a sign would be drawn without its form."""
    cancelled = payment(status="cancelled")
    head, _, body = getter(FakeGateway(cancelled))("/pay/pay_1").text.partition(
        "</head>"
    )
    assert "pay-stages" in head
    assert "pay-stages" not in body

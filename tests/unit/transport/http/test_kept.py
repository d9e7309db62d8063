"""Answers that are made once."""

import pytest

from transport.http.kept import Kept, etag_of, is_known


def test_who_has_it_already_gets_a_304_without_a_body_or_a_length() -> None:
    kept = Kept(b'{"a":1}')
    first = kept.answer({})
    headers = dict(first.headers)
    assert (first.line, first.body) == ("200 OK", b'{"a":1}')
    assert headers["Content-Length"] == "7"
    again = kept.answer({"HTTP_IF_NONE_MATCH": headers["ETag"]})
    assert (again.line, again.body) == ("304 Not Modified", b"")
    assert "Content-Length" not in dict(again.headers)
    assert dict(again.headers)["ETag"] == headers["ETag"]


@pytest.mark.parametrize(
    ("known", "is_it"),
    [
        ("{tag}", True),
        ("W/{tag}", True),
        ('"other", {tag}', True),
        ("*", True),
        ('"other"', False),
        ("", False),
    ],
)
def test_if_none_match_names_tags(known: str, is_it: bool) -> None:
    tag = etag_of(b"body")
    environ = {"HTTP_IF_NONE_MATCH": known.format(tag=tag)}
    assert is_known(environ, tag) is is_it

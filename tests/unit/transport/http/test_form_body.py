"""Bodies as web sites send them, and as nobody should."""

import io
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tools import children
from tests.unit.test_packaging import ROOT
from transport.http.form_body import BODY_BYTES, MAX_FIELDS, fields_of
from transport.http.problems import Problem

#: As Chromium and curl make theirs.
CHROMIUM = b"----WebKitFormBoundary7MA4YWxkTrZu0gW0"
CURL = b"------------------------d74496d66958873e"


class Source(io.BytesIO):
    def set_deadline(self, after_s: float | None) -> None:
        """Everything is there."""


def read(body: bytes) -> dict[str, Any]:
    environ = {"wsgi.input": Source(body), "CONTENT_LENGTH": str(len(body))}
    return fields_of(environ)[0]


def refused(body: bytes) -> bool:
    with pytest.raises(Problem) as told:
        read(body)
    return told.value.status == 400


def part(name: str, value: str, more: str = "") -> bytes:
    head = f'Content-Disposition: form-data; name="{name}"{more}'
    return f"{head}\r\n\r\n{value}".encode()


def form(*parts: bytes, boundary: bytes = CHROMIUM, end: bytes = b"--\r\n") -> bytes:
    line = b"--" + boundary
    return b"".join(line + b"\r\n" + each + b"\r\n" for each in parts) + line + end


@pytest.mark.parametrize("boundary", [CHROMIUM, CURL, b"b"])
@pytest.mark.parametrize("end", [b"--\r\n", b"--"])
def test_a_form_in_parts_is_read(boundary: bytes, end: bytes) -> None:
    parts = [part("address", "bc1q"), part("note", ""), part("größe", "Zoë ☕\r\n--x")]
    assert read(form(*parts, boundary=boundary, end=end)) == {
        "address": "bc1q",
        "note": "",
        "größe": "Zoë ☕\r\n--x",
    }


@pytest.mark.parametrize(
    "more",
    [
        "\r\nContent-Type: text/plain; charset=utf-8",
        '; filename="a.txt"\r\nContent-Type: application/octet-stream',
        "\r\nContent-Transfer-Encoding: 8bit",
    ],
)
def test_what_else_a_part_says_of_itself_does_no_harm(more: str) -> None:
    assert read(form(part("a", "1", more))) == {"a": "1"}


def test_other_lines_may_come_before_the_name_and_its_quotes_may_be_left_out() -> None:
    of_dotnet = b"Content-Type: text/plain\r\ncontent-disposition: form-data; name=a"
    assert read(form(of_dotnet + b"\r\n\r\n1")) == {"a": "1"}


def test_a_form_has_at_most_so_many_fields() -> None:
    most = [part(f"n{n}", str(n)) for n in range(MAX_FIELDS)]
    assert len(read(form(*most))) == MAX_FIELDS
    assert refused(form(*most, part("more", "")))
    assert refused(form(*[b""] * 1_000, boundary=b"b"))


@pytest.mark.parametrize(
    "body",
    [
        b"--",
        b"--\r\n\r\n",
        b"--b\r\n",
        b"--" + b"b" * 71 + b"\r\n",
        form(part("a", "1"), end=b""),
        form(part("a", "1"), end=b"--more"),
        form(part("a", "1")).replace(b"\r\n", b"\n"),
        form(part("a", "1"), part("a", "2")),
        form(b"\r\n\r\nno head"),
        form(b"Content-Type: text/plain\r\n\r\nno name"),
        form(b'Content-Disposition: attachment; name="a"\r\n\r\n1'),
        form(b"Content-Disposition: form-data; name=\r\n\r\n1"),
        form(part('a"b', "1")),
        form(part("a" * 500, "1")),
        form(part("a", "MQ==", "\r\nContent-Transfer-Encoding: base64")),
        form(part("a", "1").replace(b"1", b"\xff")),
    ],
)
def test_anything_else_is_refused(body: bytes) -> None:
    assert refused(body)


@pytest.mark.parametrize(
    "said",
    [
        b"form-data; name=" + b"(" * 16_000,
        b"form-data; name=a" + b"(a)" * 5_000,
        b"form-data" + b";" * 16_000,
        b"form-data; name=" + b'""' * 8_000,
        b'form-data; name="' + b'\\"' * 8_000,
        b'form-data; name="' + b" " * 16_000,
        b'form-data; name="' + b"=?utf-8?q?a?= " * 1_100 + b'"',
        b"form-data" + b"".join(b";n*%d=a" % n for n in range(1_500)),
    ],
)
def test_heads_that_a_grammar_of_mail_would_ponder_are_refused(said: bytes) -> None:
    body = form(b"Content-Disposition: " + said + b"\r\n\r\nx", boundary=b"b")
    assert len(body) <= BODY_BYTES
    assert refused(body)


def test_nothing_of_pythons_mail_package_reads_what_strangers_send() -> None:
    """In a program of its own, which reads a form in parts: the package is in none of
    its modules afterwards."""
    program = f"""
import io, sys
from transport.http.form_body import fields_of

class Source(io.BytesIO):
    def set_deadline(self, after_s): ...

body = {form(part("a", "1"))!r}
print(fields_of({{"wsgi.input": Source(body), "CONTENT_LENGTH": str(len(body))}}))
print(sorted(name for name in sys.modules if name.split(".")[0] == "email"))
"""
    ran = children.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True
    )
    assert ran.stdout.splitlines() == ["({'a': '1'}, False)", "[]"], ran.stderr


@given(
    st.binary(max_size=400)
    | st.binary(max_size=300).map(lambda more: b"--b\r\n" + more)
    | st.binary(max_size=300).map(lambda more: form(more, boundary=b"b"))
    | st.binary(max_size=300).map(lambda more: form(part("a", "") + more))
)
def test_any_bytes_give_fields_or_are_refused(body: bytes) -> None:
    try:
        fields = read(body)
    except Problem as problem:
        assert problem.status == 400
    else:
        assert len(fields) <= MAX_FIELDS


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_characters='"\r\n'), max_size=100),
        st.text(st.characters(codec="utf-8"), max_size=200),
        min_size=1,
        max_size=8,
    )
)
def test_what_a_browser_puts_in_comes_out(fields: dict[str, str]) -> None:
    parts = [part(name, value) for name, value in fields.items()]
    assert read(form(*parts)) == fields

"""Pages and their files go out compressed to who takes it, as they are to others."""

import gzip

import pytest

from tests.unit.transport.pages.page_server import FakeGateway, getter, payment
from transport.pages.assets import Assets


@pytest.mark.parametrize("path", ["/pay/pay_1", "/pay/pay_1.json"])
def test_a_page_is_the_same_compressed_and_not(path: str) -> None:
    get = getter(FakeGateway(payment()))
    plain, small = get(path), get(path, HTTP_ACCEPT_ENCODING="br, gzip;q=0.8")
    assert "content-encoding" not in plain.headers
    assert small.headers["content-encoding"] == "gzip"
    assert gzip.decompress(small.body) == plain.body
    assert len(small.body) * 2 < len(plain.body)
    assert small.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize("taken", ["", "br", "gzip;q=0", "gzip; q=0.000", "identity"])
def test_who_takes_no_gzip_gets_none(taken: str) -> None:
    get = getter(FakeGateway(payment()))
    for path in ("/pay/pay_1", "/web/pay.css"):
        answer = get(path, HTTP_ACCEPT_ENCODING=taken)
        assert "content-encoding" not in answer.headers, path


def test_a_compressed_file_has_a_tag_of_its_own_and_is_kept_by_it() -> None:
    get = getter(FakeGateway(payment()))
    path = Assets().by_name["pay.css"].url
    plain, small = get(path), get(path, HTTP_ACCEPT_ENCODING="gzip")
    assert gzip.decompress(small.body) == plain.body
    assert small.headers["etag"] != plain.headers["etag"]
    known = {"HTTP_IF_NONE_MATCH": small.headers["etag"]}
    again = get(path, HTTP_ACCEPT_ENCODING="gzip", **known)
    assert (again.status, again.body) == (304, b"")
    assert "content-encoding" not in again.headers
    assert get(path, **known).status == 200, "that client would not understand it"


def test_a_slow_line_shows_the_code_after_a_few_kilobytes() -> None:
    """At 50 kbit/s a second is 6,250 bytes. The page needs nothing else for its code to
    be seen (test_inline_style.py); the head of the answer is some 600 more."""
    get = getter(FakeGateway(payment()))
    page = get("/pay/pay_1", HTTP_ACCEPT_ENCODING="gzip")
    assert len(page.body) < 4_900

"""The pages as the server writes them: what they say, what they hide, how they load."""

import base64
import hashlib
import json
import re
from types import SimpleNamespace
from typing import Any
from urllib.parse import urljoin

import pytest
import segno
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.errors import EngineBusy
from engine.errors.codes import Code
from engine.money.amount import sat_to_btc
from engine.payment.model import Payment, Status
from tests.tools.qrcode import read_svg
from tests.unit.transport.pages.page_server import (
    ADDRESS,
    NOW,
    FakeGateway,
    Get,
    getter,
    payment,
    receipt,
)
from transport.http import strangers
from transport.pages.assets import FOLDER, Assets
from transport.pages.checkout import grouped
from transport.pages.language import words_for
from transport.pages.pages import embedded_json
from transport.pages.ways import qr_segments

TAPROOT = "bcrt1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqc8gma6"
EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&\u2028"


@pytest.fixture
def get() -> Get:
    return getter(FakeGateway(payment()))


def test_the_page_shows_amount_address_and_code_without_any_script(get: Get) -> None:
    page = get("/pay/pay_1").text
    assert "<b>0.0005</b> BTC" in page
    assert "50,000 sat" in page
    shown = re.search(r'<code id="address">(.*?)</code>', page)
    assert shown is not None
    assert re.sub("<[^>]+>", "", shown[1]) == ADDRESS
    assert '<noscript><meta http-equiv="refresh"' in page
    assert "reloads every 20 seconds" in page


def test_the_code_holds_the_uri_in_capitals_as_far_as_that_is_safe(get: Get) -> None:
    page = get("/pay/pay_1").text
    expected: Any = ["bitcoin:", ADDRESS.upper(), "?amount=0.0005"]
    code = segno.make(expected, error="m", micro=False)
    assert code.svg_inline(omitsize=True, border=2) in page
    whole = segno.make(f"bitcoin:{ADDRESS}?amount=0.0005", error="m", micro=False)
    assert int(code.version) < int(whole.version)


@pytest.mark.parametrize("amount", [None, 1, 50_000, 2_099_999_999_999_999])
@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (ADDRESS, ADDRESS.upper()),
        (TAPROOT, TAPROOT.upper()),
        ("2N8hwP1WmJrFF5QWABn38y63uYLhnJYJYTF", "2N8hwP1WmJrFF5QWABn38y63uYLhnJYJYTF"),
    ],
)
def test_a_phone_reads_the_uri_from_the_code(
    amount: int | None, address: str, shown: str
) -> None:
    known = payment(amount_sat=amount, address=address)
    page = getter(FakeGateway(known))("/pay/pay_1").text
    svg = re.search(r"<svg.*?</svg>", page)
    assert svg is not None
    query = "" if amount is None else f"?amount={sat_to_btc(amount)}"
    assert read_svg(svg[0]) == f"bitcoin:{shown}{query}"


@pytest.mark.parametrize("error", ["l", "m", "q", "h"])
@given(text=st.text("0123456789ABCxyz?=", min_size=1, max_size=60))
def test_the_reader_of_codes_reads_what_was_written(error: str, text: str) -> None:
    code = segno.make(text, error=error, micro=False, boost_error=False)
    assert read_svg(code.svg_inline(omitsize=True, border=2)) == text


def test_only_bech32_addresses_are_written_in_capitals() -> None:
    assert qr_segments("bitcoin:bc1qxy?amount=1") == (
        "bitcoin:",
        "BC1QXY",
        "?amount=1",
    )
    assert qr_segments("bitcoin:bc1qxy") == ("bitcoin:", "BC1QXY")
    base58 = "bitcoin:1BoatSLRHtKNngkdXEeobR76b53LETtpyT?amount=1"
    assert qr_segments(base58) == (base58,)


def test_amounts_and_addresses_are_written_for_people() -> None:
    btc = words_for("en").btc
    shown = [btc(1), btc(50_000), btc(100_000_000), btc(123_456_700_000_000)]
    assert shown == ["0.00000001", "0.0005", "1.00", "1,234,567.00"]
    assert grouped("abcdefghij") == ("abcd", "efgh", "ij")


def test_nothing_that_a_shop_wrote_becomes_markup() -> None:
    known = payment(external_id=EVIL, description=EVIL)
    get = getter(FakeGateway(known))
    page = get("/pay/pay_1").text
    assert 'id="description"' in page
    assert 'id="description"' not in getter(FakeGateway(payment()))("/pay/pay_1").text
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "&lt;/script&gt;" in page
    paid = replace(known, status=Status.CONFIRMED, receipts=(receipt(50_000, 3),))
    state = json.loads(getter(FakeGateway(paid))("/pay/pay_1.json").body)
    assert "<img" not in "".join(state["parts"].values())


@given(st.recursive(st.text() | st.integers(), st.lists))
def test_embedded_json_reads_back_and_cannot_leave_its_element(value: Any) -> None:
    text = embedded_json({"value": value, "evil": EVIL})
    assert json.loads(text) == {"value": value, "evil": EVIL}
    assert not re.search("[<>&\u2028\u2029]", text)


def test_the_state_in_the_page_is_the_state_the_script_asks_for(get: Get) -> None:
    page = get("/pay/pay_1").text
    found = re.search(r'id="state">(.*?)</script>', page)
    assert found is not None
    state = json.loads(get("/pay/pay_1.json").body)
    parts = state.pop("parts")
    embedded = json.loads(found[1])
    assert embedded.pop("words")["live"] == "Live: this page updates by itself"
    assert embedded.pop("frames") == [], "once, too: they do not change"
    assert embedded == state
    assert state["source"] == {
        "live": True,
        "since": NOW - 5,
        "standing": None,
        "own": False,
    }
    for part in parts.values():
        assert part in page


def test_the_page_tells_nothing_that_is_the_shops_own(get: Get) -> None:
    for path in ("/pay/pay_1", "/pay/pay_1.json"):
        text = get(path).text
        assert "Ada of the metadata" not in text
        assert "hidden-merchant" not in text


def test_the_page_may_load_nothing_from_elsewhere_and_run_nothing_inline(
    get: Get,
) -> None:
    for path in ("/pay/pay_1", "/pay/none", "/docs", "/docs/errors", "/docs/api"):
        answer = get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
        assert "frame-ancestors 'self'" in policy
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert "unsafe" not in policy
        assert not re.search(r"\son[a-z]+=|\sstyle=|<style[^>]", answer.text)
        sheets = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
        for sheet in sheets:  # allowed by its hash
            digest = hashlib.sha256(sheet.encode()).digest()
            assert f" 'sha256-{base64.b64encode(digest).decode()}'" in policy
        assert len(sheets) == policy.count("'sha256-") == (path == "/pay/pay_1")
        scripts = re.findall(r"<script([^>]*)>", answer.text)
        assert all("src=" in s or "application/json" in s for s in scripts)


def test_the_type_of_a_problem_leads_to_its_explanation(get: Get) -> None:
    answer = get("/pay/none", "application/json")
    page, _, anchor = json.loads(answer.body)["type"].partition("#")
    assert json.loads(answer.body)["code"] == anchor == "payment_not_found"
    explained = get(page)
    assert explained.status == 200
    for code in Code:
        assert f'<h3 id="{code}"><a href="#{code}">{code}</a></h3>' in explained.text


def test_who_may_frame_the_page_is_configurable() -> None:
    get = getter(FakeGateway(payment()), frame_ancestors="https://shop.example")
    policy = get("/pay/pay_1").headers["content-security-policy"]
    assert policy.endswith("frame-ancestors https://shop.example")
    with pytest.raises(ValueError, match="frame_ancestors"):
        getter(FakeGateway(), frame_ancestors="'self'; script-src *")


def test_an_unknown_payment_is_a_page_for_people_and_a_problem_for_programs(
    get: Get,
) -> None:
    for path in ("/pay/pay_2", "/pay/%00", "/pay/" + "x" * 500):
        page = get(path)
        assert page.status == 404
        assert "There is no such payment" in page.text
        for accept in ("application/json", "*/*", "", "application/json, text/html"):
            problem = get(path, accept)
            assert problem.status == 404
            assert problem.headers["content-type"] == "application/problem+json"
            assert json.loads(problem.body)["status"] == 404
    assert get("/pay/pay_2.json").headers["content-type"] == "application/problem+json"


def test_a_node_that_is_too_busy_says_so_kindly_and_when_to_come_back() -> None:
    gateway = FakeGateway(payment())
    gateway.error = EngineBusy("too much to do", 7)
    get = getter(gateway)
    page = get("/pay/pay_1")
    assert (page.status, page.headers["retry-after"]) == (503, "7")
    assert "Your payment is safe" in page.text
    for problem in (get("/pay/pay_1", "application/json"), get("/pay/pay_1.json")):
        assert (problem.status, problem.headers["retry-after"]) == (503, "7")
        assert problem.headers["content-type"] == "application/problem+json"


def test_so_does_one_that_cannot_say_whether_there_is_a_newer_payment() -> None:
    class Busy:
        def successor(self, _payment: Payment) -> None:
            raise EngineBusy("too much to do", 7)

    get = getter(FakeGateway(payment(status=Status.EXPIRED)), reorders=Busy())
    page = get("/pay/pay_1")
    assert (page.status, page.headers["retry-after"]) == (503, "7")
    assert "Your payment is safe" in page.text


def test_who_asks_too_often_is_told_to_wait_and_nobody_else(
    get: Get, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(strangers, "time", SimpleNamespace(monotonic=lambda: now[0]))
    asked = [get("/pay/pay_1.json", REMOTE_ADDR="192.0.2.1") for _ in range(301)]
    assert {answer.status for answer in asked[:300]} == {200}
    assert asked[300].status == 429
    assert int(asked[300].headers["retry-after"]) >= 1
    page = get("/pay/pay_1", REMOTE_ADDR="192.0.2.1")
    assert (page.status, "Temporarily unavailable" in page.text) == (429, True)
    assert get("/pay/pay_1", REMOTE_ADDR="192.0.2.2").status == 200
    now[0] += float(asked[300].headers["retry-after"])
    assert get("/pay/pay_1", REMOTE_ADDR="192.0.2.1").status == 200


def files_of(page: str, place: str = "/pay/pay_1") -> list[str]:
    """What a page loads, as a browser finds it from where the page stands."""
    links = re.findall(r'(?:src|href)="([^"]*web/[^"]+)"', page)
    assert links
    return [urljoin(place, link) for link in links]


@pytest.mark.parametrize("base", ["", "/shop/pay"])
@pytest.mark.parametrize(
    "place", ["/pay/pay_1", "/pay/none", "/docs", "/docs/errors", "/docs/api"]
)
def test_files_of_a_page_are_found_below_the_path_of_a_proxy(
    get: Get, base: str, place: str
) -> None:
    for path in files_of(get(place).text, base + place):
        assert path.startswith(f"{base}/web/")
        assert get(path.removeprefix(base)).status == 200


def test_files_are_kept_for_ever_under_a_name_that_changes_with_them(get: Get) -> None:
    for path in files_of(get("/pay/pay_1").text):
        answer = get(path)
        assert answer.status == 200
        assert "immutable" in answer.headers["cache-control"]
    plain = get("/web/paybell.js")
    assert plain.headers["access-control-allow-origin"] == "*"  # for import
    for name in ("paybell.mjs", "paybell-react.mjs"):
        assert get(f"/web/{name}").headers["content-type"].startswith("text/javascript")
    assert plain.headers["cache-control"] == "public, max-age=300"
    again = get("/web/paybell.js", HTTP_IF_NONE_MATCH=plain.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    for path in ("/web/pay.html", "/web/nothing.js", "/web/..%2Fserver.py"):
        assert get(path).status == 404


def test_the_first_visit_loads_less_than_60_kilobytes(get: Get) -> None:
    page = get("/pay/pay_1").text
    files = files_of(page)
    assert len(page.encode()) + sum(len(get(f).body) for f in files) < 60_000


def test_no_file_names_another_host() -> None:
    for path in FOLDER.rglob("*.*"):
        text = path.read_bytes().decode("latin-1")  # also of pictures
        hosts = set(re.findall(r"(?:https?:)?//([a-z0-9.-]+\.[a-z]+)", text))
        own_home = {"github.com"} if path.parent.name == "vendor" else set()
        assert hosts <= {"www.w3.org", "pay.example"} | own_home, path.name


def test_an_asset_that_is_not_there_is_an_error_at_start() -> None:
    with pytest.raises(KeyError):
        Assets().from_top("absent.js")


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [
        p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_can_be_read_against_their_ground(scheme: str) -> None:
    css = (FOLDER / "pay.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    colours: dict[str, str] = {}
    for block in blocks[: 1 if scheme == "light" else 2]:
        colours.update(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block))
    for ink, ground in (
        ("ink", "card"),
        ("quiet", "card"),
        ("accent", "card"),
        ("accent", "tint"),
        ("on-accent", "accent"),
        ("warn", "card"),
        ("warn", "warn-tint"),
        ("bad", "card"),
    ):
        one, other = sorted((luminance(colours[ink]), luminance(colours[ground])))
        assert (other + 0.05) / (one + 0.05) >= 4.5, f"{ink} on {ground}"

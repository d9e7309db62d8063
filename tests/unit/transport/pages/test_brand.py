"""A merchant's colour: whatever it is, what stands on it and in it can be read."""

import base64
import hashlib
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.merchants.record import Merchant
from tests.unit.transport.pages.page_server import FakeGateway, getter, payment
from transport.pages.assets import FOLDER
from transport.pages.brand import brand_css, brand_url, contrast

#: What text in the colour stands on: the card, and its tinted parts.
GROUNDS = (("#ffffff", "#e9f2ee"), ("#1b211e", "#20312a"))


class Branded(FakeGateway):
    def merchant(self, name: str) -> Merchant:
        return Merchant(name=name, brand_color="#FFCC00")


def schemes(color: str) -> list[dict[str, str]]:
    css = brand_css(brand_url(color).removeprefix("web/"))
    assert css is not None
    return [
        dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block))
        for block in re.findall(r":root \{(.*?)\}", css.decode())
    ]


@given(st.integers(0, 0xFFFFFF))
@example(0x777777)  # as far from black as from white
@example(0xFFFF00)
@example(0x0000FF)
@example(0x1B211E)  # the dark card itself
def test_every_colour_can_be_read(number: int) -> None:
    color = f"#{number:06x}"
    for (card, tint), scheme in zip(GROUNDS, schemes(color), strict=True):
        assert scheme["brand"] == color, "the shop's own, unchanged"
        for ink, ground in (
            (scheme["on-brand"], color),
            (scheme["on-accent"], scheme["accent"]),
            (scheme["accent"], card),
            (scheme["accent"], tint),
        ):
            assert contrast(ink, ground) >= 4.5, (ink, ground)


def test_a_colour_that_can_be_read_stays_as_it_is() -> None:
    light, _ = schemes("#1f5d4c")
    assert light["accent"] == "#1f5d4c"
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


def test_the_address_follows_from_the_colour_and_the_way_it_is_made() -> None:
    """Browsers keep it for ever: another way to make it wants another address."""
    assert brand_url("#1F5D4C") == "web/brand-2-1f5d4c.css"
    assert brand_url("") == ""


def test_the_grounds_are_those_of_the_page() -> None:
    css = (FOLDER / "pay.css").read_text(encoding="utf-8")
    for name, place in (("card", 0), ("tint", 1)):
        found = re.findall(rf"--{name}: (#[0-9a-f]{{6}});", css)
        assert found == [grounds[place] for grounds in GROUNDS]


def test_the_page_has_its_colour_in_the_sheet_that_its_policy_allows() -> None:
    page = getter(Branded(payment()))("/pay/pay_1")
    (style,) = re.findall(r"<style>(.*?)</style>", page.text)
    assert "--brand: #ffcc00;" in style
    assert style.index("--accent: #1f5d4c;") < style.index("--brand: #ffcc00;")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert (
        f"style-src 'self' 'sha256-{digest}';"
        in page.headers["content-security-policy"]
    )


def test_the_other_pages_of_payers_have_it_by_a_sheet_of_its_own() -> None:
    get = getter(Branded(payment(status="confirmed", confirmed_at=1)))
    found = re.search(r'href="[./]+(web/brand[^"]+)"', get("/pay/pay_1/receipt").text)
    assert found is not None
    sheet = get(f"/{found[1]}")
    assert sheet.status == 200
    assert sheet.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in sheet.headers["cache-control"]
    assert "--brand: #ffcc00;" in sheet.text
    plain = getter(FakeGateway(payment()))("/pay/pay_1").text
    assert "--brand:" not in plain
    assert "web/brand" not in plain


@pytest.mark.parametrize(
    "name", ["brand-2-12345.css", "brand-2-GGGGGG.css", "brand-1-123456.css", "x" * 999]
)
def test_what_is_no_colour_is_no_file(name: str) -> None:
    get = getter(FakeGateway(payment()))
    assert get(f"/web/{name}").status == 404

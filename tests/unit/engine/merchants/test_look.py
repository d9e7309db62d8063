"""Which URLs of an explorer and of a contact, and which colours, a record takes."""

import msgspec
import pytest

from engine.merchants.record import MerchantSettings
from engine.merchants.rules import wrong_profile


def wrong(**words: object) -> str | None:
    """The field that is refused, by its type or by a rule."""
    try:
        asked = msgspec.convert(words, MerchantSettings)
    except msgspec.ValidationError as error:
        return str(error).partition("$.")[2].rstrip("`")
    found = wrong_profile(asked, "regtest")
    return None if found is None else found[0]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://explorer.example/tx/{txid}",
        "https://explorer.example:8443/?tx={txid}&lang=de",
        "https://explorer.example/#/tx/{txid}",
    ],
)
def test_an_explorer_has_a_page_of_each_transaction(url: str) -> None:
    assert wrong(explorer_url=url) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://explorer.example/tx/",
        "https://explorer.example/{txid}/{txid}",
        "https://explorer.example/{other}/{txid}",
        "https://{txid}.example/",
        "https://ann@explorer.example/{txid}",
        "https://explorer.example/../{txid}",
        "http://explorer.example/{txid}",
        "javascript:alert(1)//{txid}",
        "https://explorer.example/{txid}\n",
        "https://" + "x" * 3_000 + "/{txid}",
    ],
)
def test_what_is_no_explorer_is_refused(url: str) -> None:
    assert wrong(explorer_url=url) == "explorer_url"


@pytest.mark.parametrize(
    "url", ["", "https://shop.example/help", "mailto:help+pay@shop.example"]
)
def test_a_contact_is_a_page_or_an_address(url: str) -> None:
    assert wrong(support_url=url) is None


@pytest.mark.parametrize(
    "url",
    [
        "mailto:",
        "mailto:help",
        "mailto:help@shop",
        "mailto:a@b.example,c@d.example",
        "mailto:a@b.example?bcc=c@d.example",
        "mailto:a%40x@b.example",
        "http://shop.example/help",
        "javascript:alert(1)",
        "https://ann@shop.example/",
        "tel:+123",
    ],
)
def test_what_is_no_contact_is_refused(url: str) -> None:
    assert wrong(support_url=url) == "support_url"


@pytest.mark.parametrize("color", ["", "#1f5d4c", "#FFCC00"])
def test_a_colour_has_six_digits(color: str) -> None:
    assert wrong(brand_color=color) is None


@pytest.mark.parametrize("color", ["red", "#fff", "#1f5d4c80", "#1f5d4c\n", "1f5d4c"])
def test_what_is_no_colour_is_refused(color: str) -> None:
    assert wrong(brand_color=color) == "brand_color"

"""Where a payer may be sent back to: the list is of places, never of pieces of text."""

import pytest

from engine.merchants.web_places import (
    is_allowed_return,
    read_place,
    return_urls_mistake,
)

LIST = ("https://shop.example/orders/", "https://shop.example/done", "http://[::1]:81/")


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example/orders/",
        "https://shop.example/orders/7?ok=1#top",
        "https://SHOP.example:443/orders/7",
        "HTTPS://shop.example/orders/7",
        "https://shop.example./orders/7",
        "https://shop.example/done",
        "https://shop.example/done?order=https://evil.example/",
        "http://[::1]:81/anything",
    ],
)
def test_a_place_of_the_list_is_allowed(url: str) -> None:
    assert is_allowed_return(url, LIST)


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example/orders/7",  # another scheme
        "https://shop.example:444/orders/7",
        "https://shop.example/orders",  # not below /orders/
        "https://shop.example/ordersX/",
        "https://shop.example/done/7",
        "https://shop.example/",
        "https://shop.example.evil.example/orders/7",
        "https://evilshop.example/orders/7",
        "https://evil.example/https://shop.example/orders/7",
        "https://evil.example/?https://shop.example/orders/",
        "https://evil.example#https://shop.example/orders/",
        "http://[::1]/anything",
    ],
)
def test_another_place_is_not(url: str) -> None:
    assert not is_allowed_return(url, LIST)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "javascript:alert(1)",
        "data:text/html,x",
        "//evil.example/orders/",
        "/orders/7",
        "https:shop.example/orders/",
        "https:/shop.example/orders/",
        "https:///shop.example/orders/",
        "https:\\\\evil.example/orders/",
        "https://shop.example\\@evil.example/orders/",
        "https://evil.example\\.shop.example/orders/",
        "https://shop.example@evil.example/orders/",
        "https://shop.example:x@evil.example/orders/",
        "https://@shop.example/orders/",
        "https://shop.example/orders/../admin",
        "https://shop.example/orders/%2e%2E/admin",
        "https://shop.example/orders/.",
        "https://shop.example:99999/orders/",
        "https://shop.example:x/orders/",
        "https://shop.example/orders/\r\nSet-Cookie: a=b",
        "https://shop.example/or ders/",
        "\thttps://shop.example/orders/",
        "java\nscript:alert(1)",
        "https://shöp.example/orders/",
        "https://shop%2eexample/orders/",
        "https://[::1/orders/",
        "https://[shop.example]/orders/",
        "ftp://shop.example/orders/",
        "https://shop.example/" + "a" * 2_048,
    ],
)
def test_what_a_browser_may_read_otherwise_is_no_place(url: str) -> None:
    with pytest.raises(ValueError, match=r"must|is not"):
        is_allowed_return(url, LIST)


@pytest.mark.parametrize("entry", ["https://a.example/?x", "https://a.example/#", "x"])
def test_an_entry_is_a_place_without_query(entry: str) -> None:
    assert return_urls_mistake(["https://a.example/", entry]) is not None
    assert return_urls_mistake(["https://a.example/"]) is None


def test_the_origin_leaves_the_usual_port_out() -> None:
    assert read_place("https://A.example:443/x").origin == "https://a.example"
    assert read_place("http://a.example:8080").origin == "http://a.example:8080"
    assert read_place("http://[::1]").origin == "http://[::1]"

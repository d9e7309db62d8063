"""Settings that are origins, URLs, seeds and mail servers: what is one."""

import pytest

from engine.config import (
    load,
    read_file,
)
from engine.errors import ConfigError
from tests.unit.engine.test_config import fails


@pytest.mark.parametrize(
    "value",
    [
        "https://shop.example",
        "http://localhost:3000,https://b.example/",
        "http://localhost:*",
        "*",
    ],
)
def test_origins_are_a_scheme_a_host_and_a_port(value: str) -> None:
    assert load({"allowed_origins": value}, {}, {}).allowed_origins == tuple(
        value.split(",")
    )


@pytest.mark.parametrize(
    "value", ["https://shop.example/page", "https://u@shop.example", "https://a?b"]
)
def test_an_origin_with_more_than_that_is_refused(value: str) -> None:
    assert repr(value) in fails(allowed_origins=value)


def test_a_seed_names_the_merchant_for_whom_its_routes_act() -> None:
    assert load({}, {}, {}).seeds == {}
    text = "paybutton=default, phoenixd = cafe"
    assert load({"seeds": text}, {}, {}).seeds == {
        "paybutton": "default",
        "phoenixd": "cafe",
    }
    file = read_file('[seeds]\nsalon = "rose"', "f.toml")
    assert load({}, {}, file).seeds == {"salon": "rose"}
    assert load({}, {"PAYBELL_SEEDS": "salon=ann"}, file).seeds == {"salon": "ann"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("lnbits=default", "'lnbits' is none of bitcoin, blink, paybutton, ph"),
        ("salon", "salon: the name of a merchant must be 1 to 64"),
        ("salon=a b", "salon: the name of a merchant must be 1 to 64"),
        ("salon=a,salon=b", "salon is given more than once"),
    ],
)
def test_a_seed_or_a_merchant_that_cannot_be_is_refused(text: str, why: str) -> None:
    assert f"--seed: {text!r} is not valid ({why}" in fails(seeds=text)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://shop.example/pay", "https://shop.example/pay"),
        ("https://Shop.Example/pay/", "https://shop.example/pay"),
        ("http://10.0.0.1:8080", "http://10.0.0.1:8080"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
    ],
)
def test_a_public_url_is_kept_so_that_a_path_can_follow(text: str, url: str) -> None:
    assert load({"public_url": text}, {}, {}).public_url == url


@pytest.mark.parametrize(
    "text",
    [
        "shop.example",
        "ftp://shop.example",
        "https://u@shop.example",
        "https://shop.example/a b",
        "https://shop.example/a//b",
        "https:///pay",
        "https://shop.example/#x",
        "https://shop.example/p%61y",
    ],
)
def test_what_cannot_stand_before_a_path_is_no_public_url(text: str) -> None:
    assert "--public-url" in fails(public_url=text)


def test_apps_and_pages_without_an_origin_can_be_allowed_by_name() -> None:
    named = ("capacitor://localhost", "ionic://localhost", "app://.", "null")
    text = ", ".join(("https://shop.example", *named))
    assert load({"allowed_origins": text}, {}, {}).allowed_origins[1:] == named


@pytest.mark.parametrize("text", ["file:///", "capacitor://", "localhost", "data://x"])
def test_what_no_page_has_as_its_origin_is_refused(text: str) -> None:
    assert "--allowed-origins" in fails(allowed_origins=text)


MAIL = {"smtp": "smtps://ann@mail.example", "mail_from": "pay@shop.example"}


def test_the_mail_server_has_its_password_from_the_environment() -> None:
    config = load(MAIL, {"PAYBELL_SMTP_PASSWORD": "opensesame"}, {})
    assert config.mail_server is not None
    assert config.mail_server.password == "opensesame"
    assert "opensesame" not in repr(config)
    assert load({}, {}, {}).mail_server is None


@pytest.mark.parametrize(
    ("options", "environ", "why"),
    [
        ({"smtp": "smtp://localhost"}, {}, "--smtp: requires --mail-from"),
        ({"mail_from": "a@b.example"}, {}, "--mail-from: is of no use without --smtp"),
        ({}, {"PAYBELL_SMTP_PASSWORD": "x"}, "is of no use without --smtp"),
        (MAIL, {}, "names a user and no password"),
        ({**MAIL, "smtp": "smtps://mail.example"}, {"PAYBELL_SMTP_PASSWORD": "secret"},
         "names no user"),
    ],
)  # fmt: skip
def test_settings_of_mail_that_do_not_fit_together_are_refused(
    options: dict[str, str], environ: dict[str, str], why: str
) -> None:
    with pytest.raises(ConfigError, match=why) as refused:
        load(options, environ, {})
    assert "secret" not in str(refused.value)

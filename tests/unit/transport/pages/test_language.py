"""The catalogues of words: complete in each language, chosen as the browser asks."""

import re
from string import Formatter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.transport.pages.page_server import FakeGateway, getter, payment
from transport.pages.language import Words, all_words, words_for

EN = all_words()["en"]
OTHERS = [words for tag, words in all_words().items() if tag != "en"]
FEBRUARY = 1_771_286_705_000  # 2026-02-17 00:05:05 UTC


def placeholders(text: str) -> list[str]:
    return sorted(name for _, name, _, _ in Formatter().parse(text) if name is not None)


@pytest.mark.parametrize("words", all_words().values(), ids=lambda words: words.tag)
def test_each_language_has_the_keys_and_placeholders_of_english(words: Words) -> None:
    assert words.keys == EN.keys
    for key in EN.keys:
        text = words.raw(key)
        assert text.strip() == text != "", key
        assert placeholders(text) == placeholders(EN.raw(key)), key
        assert all(re.fullmatch(r"[a-z_]+", name) for name in placeholders(text)), key
        assert not re.search(r"[<>&]", text), f"{key}: no markup in words"


def test_a_key_has_a_singular_if_it_has_a_plural() -> None:
    stems = {key.rpartition("_")[0] for key in EN.keys if key.endswith("_one")}
    assert stems == {k.rpartition("_")[0] for k in EN.keys if k.endswith("_other")}


@pytest.mark.parametrize(
    ("query", "header", "tag"),
    [
        (None, "", "en"),
        (None, "de-AT, en;q=0.9", "de"),
        (None, "ja, fr;q=0.8, de;q=0.9", "de"),
        (None, "ja, zh", "en"),
        (None, "en;q=0.1, es", "es"),
        (None, "de;q=0, es;q=0.5", "es"),
        (None, "de;q=0.5, es;q=0.5", "de"),  # of equals, the first
        (None, "DE-de", "de"),
        (None, "*", "en"),
        (None, "de;q=nan, es;q=0.3", "es"),
        (None, "de;q=1.0.0, es;q=0.3", "es"),
        (None, "de;q=., es;q=0.3", "es"),
        (None, "de;q=1.0001, es;q=0.3", "es"),
        (None, "de;level=1, fr", "fr"),
        (None, "de;q=¹, fr", "fr"),
        ("pt-BR", "de", "pt"),
        ("tlh", "de", "de"),
        ("../en", "fr", "fr"),
        ("", "fr", "fr"),
    ],
)
def test_the_address_decides_and_else_the_browser(
    query: str | None, header: str, tag: str
) -> None:
    assert words_for(query, header).tag == tag


@given(st.text(max_size=60), st.text("deqs;=,.*-0159 \t", max_size=80))
@example("x" * 100_000, "de;q=0.5," * 100_000)
def test_whatever_is_asked_for_some_language_is_given(query: str, header: str) -> None:
    assert words_for(query, header).tag in all_words()


def test_only_the_beginning_of_a_long_wish_is_read() -> None:
    assert words_for(None, "ja," * 40 + "de").tag == "en"
    assert words_for(None, "ja" + " " * 600 + ",de").tag == "en"


@pytest.mark.parametrize(
    ("tag", "number", "btc", "money", "moment"),
    [
        ("en", "1,234,567", "0.0005", "1,234.50 EUR", "17 February 2026, 00:05 UTC"),
        ("de", "1.234.567", "0,0005", "1.234,50 EUR", "17. Februar 2026, 00:05 UTC"),
        (
            "es",
            "1.234.567",
            "0,0005",
            "1234,50 EUR",
            "17 de febrero de 2026, 00:05 UTC",
        ),
        (
            "fr",
            "1\u202f234\u202f567",
            "0,0005",
            "1\u202f234,50 EUR",
            "17 février 2026, 00:05 UTC",
        ),
        (
            "pt",
            "1.234.567",
            "0,0005",
            "1.234,50 EUR",
            "17 de fevereiro de 2026, 00:05 UTC",
        ),
    ],
)
def test_numbers_sums_and_dates_are_the_languages_own(
    tag: str, number: str, btc: str, money: str, moment: str
) -> None:
    words = words_for(tag)
    assert words.number(1_234_567) == number
    assert words.btc(50_000) == btc
    assert words.money(123_450, "EUR", 2) == money
    assert words.date_time(FEBRUARY) == moment


def test_small_and_negative_numbers_and_those_without_decimals() -> None:
    assert [EN.number(n) for n in (0, 999, 1_000, -1_000)] == [
        "0",
        "999",
        "1,000",
        "-1,000",
    ]
    assert EN.decimal("-0.05") == "-0.05"
    assert EN.money(1_234, "JPY", 0) == "1,234 JPY"
    assert words_for("es").number(9_999) == "9999"
    assert words_for("es").number(10_000) == "10.000"


@pytest.mark.parametrize(
    ("tag", "one", "other"),
    [
        ("en", "1 of 1 confirmation", "0 of 0 confirmations"),
        ("fr", "1 confirmation sur 1", "0 confirmation sur 0"),
    ],
)
def test_which_numbers_are_one_is_the_languages_own(
    tag: str, one: str, other: str
) -> None:
    words = words_for(tag)
    assert words.count("step_confirmations", 1, count=1, required=1) == one
    assert words.count("step_confirmations", 0, count=0, required=0) == other


def test_a_value_is_never_read_as_a_placeholder() -> None:
    said = EN.say("back_to", shop="{0.__class__} {x}")
    assert said == "Back to {0.__class__} {x}"


@pytest.mark.parametrize("words", all_words().values(), ids=lambda words: words.tag)
def test_the_page_is_in_the_language_and_says_which(words: Words) -> None:
    get = getter(FakeGateway(payment()))
    for answer in (
        get("/pay/pay_1", HTTP_ACCEPT_LANGUAGE=f"{words.tag}-XX"),
        get("/pay/pay_1", QUERY_STRING=f"lang={words.tag}"),
    ):
        assert f'<html lang="{words.tag}">' in answer.text
        assert answer.headers["content-language"] == words.tag
        assert words.say("waiting") in answer.text
    twin = get("/pay/pay_1.json", QUERY_STRING=f"lang={words.tag}").text
    assert words.say("waiting") in twin
    unknown = get("/pay/pay_9", HTTP_ACCEPT_LANGUAGE=words.tag).text
    assert words.say("unknown") in unknown


@pytest.mark.parametrize("words", OTHERS, ids=lambda words: words.tag)
def test_what_a_wallet_reads_never_changes_with_the_language(words: Words) -> None:
    get = getter(FakeGateway(payment()))
    english, other = (
        get("/pay/pay_1", QUERY_STRING=f"lang={tag}").text for tag in ("en", words.tag)
    )
    for pattern in (r'href="bitcoin:[^"]*"', r'data-copy="[^"]*"', r"<svg.*?</svg>"):
        assert re.findall(pattern, english) == re.findall(pattern, other) != []
    assert 'data-copy="0.0005"' in other, "a machine's point"

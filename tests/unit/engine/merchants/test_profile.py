"""What is said of a merchant beside limits and secrets: kept whole, checked whole."""

import msgspec
import pytest

from engine.config import load, read_merchants
from engine.errors import ConfigError
from engine.merchants.packages import Package, package_mistake
from engine.merchants.payment_defaults import Band, PaymentDefaults, bands_mistake
from engine.merchants.profile import Profile
from engine.merchants.record import (
    Limits,
    Merchant,
    MerchantSettings,
    decode_state,
    encode_state,
)
from engine.merchants.rules import (
    is_sensitive,
    replaced,
    wants_operator,
    wrong_profile,
)
from tests.unit.engine.wallet.wallet_cases import VPUB

NOBODY = Merchant(name="ann")
ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
EVERYTHING = {
    "display_name": "Ann's",
    "identify_without_secret": True,
    "logo_url": "https://ann.example/logo.svg",
    "defaults": {
        "confirmations": 6,
        "bands": [
            {"below_sat": 10_000, "confirmations": 0},
            {"below_sat": 1_000_000, "confirmations": 1},
        ],
        "expires_in_s": 900,
        "tolerance_sat": 20,
    },
    "return_urls": ["https://ann.example/orders/"],
    "packages": {
        "small": {"amount": "4.99", "currency": "EUR", "credits": 100},
        "large": {"amount_sat": 90_000, "credits": 2_500},
    },
    "descriptor": VPUB,
    "accounting_currency": "EUR",
    "forward_to": ADDRESS,
    "methods": ["lightning", "onchain"],
    "lightning_max_sat": 50_000,
    "onchain_min_sat": 1_000,
    "bip321": "unified",
    "on_warning": "refuse",
    "lightning_address": {"name": "ann", "max_sat": 5_000, "comment_length": 80},
    "till": {"currency": "CHF", "tips": [10, 20]},
    "brand_color": "#1F5d4c",
    "explorer_url": "https://explorer.example/tx/{txid}",
    "support_url": "mailto:help@ann.example",
    "reorder": True,
}


def said(**words: object) -> MerchantSettings:
    return msgspec.convert(words, MerchantSettings)


def after(before: Merchant, **words: object) -> Merchant:
    return replaced(before, said(**words), lambda s, _: s.decode(), Limits(), 5)


def test_all_that_is_said_is_kept_and_read_back() -> None:
    assert set(EVERYTHING) == set(Profile.__struct_fields__)
    made = after(NOBODY, **EVERYTHING)
    again = decode_state("ann", 1, 5, encode_state(made), Limits())
    assert again == made
    assert msgspec.to_builtins(made.profile())["packages"]["small"] == {
        "credits": 100,
        "amount_sat": None,
        "amount": "4.99",
        "currency": "EUR",
    }
    assert after(made, **EVERYTHING) is made


@pytest.mark.parametrize("field", sorted(EVERYTHING))
def test_each_word_by_itself_makes_a_version(field: str) -> None:
    empty = after(NOBODY)
    made = after(empty, **{field: EVERYTHING[field]})
    assert made.version == 2
    assert getattr(made, field) != getattr(empty, field)
    assert after(made).version == 3  # what is not said is gone


def test_a_row_from_before_these_fields_is_a_merchant_without_them() -> None:
    old = decode_state("ann", 3, 5, b'{"display_name":"Ann\'s"}', Limits())
    assert not old.is_damaged
    assert old.profile() == Profile(display_name="Ann's").profile()


@pytest.mark.parametrize("field", ["descriptor", "forward_to"])
def test_where_money_goes_wants_the_operator_and_a_person_is_told(field: str) -> None:
    empty = after(NOBODY)
    made = after(empty, **{field: EVERYTHING[field]})
    assert wants_operator(empty, made)
    assert is_sensitive(empty, made)
    assert wants_operator(made, empty)
    assert is_sensitive(made, empty)


def test_a_shop_sets_its_own_defaults_and_fewer_confirmations_are_told() -> None:
    empty = after(NOBODY)
    for field in ("confirmations", "bands"):
        defaults = {field: EVERYTHING["defaults"][field]}  # type: ignore[index]
        made = after(empty, defaults={"confirmations": 6} | defaults)
        assert not wants_operator(empty, made)
        assert is_sensitive(empty, made) == ("the confirmations that its payments need")
    quiet = after(empty, defaults={"expires_in_s": 900}, packages={}, logo_url="")
    assert not is_sensitive(empty, quiet)


def test_a_payment_needs_what_the_band_of_its_sum_says() -> None:
    defaults = said(**EVERYTHING).defaults
    for amount, needed in (
        (1, 0),
        (9_999, 0),
        (10_000, 1),
        (999_999, 1),
        (1_000_000, 6),
        (None, 6),
    ):
        assert defaults.confirmations_of(amount) == needed, amount
    assert PaymentDefaults().confirmations_of(1) == 3


@pytest.mark.parametrize(
    ("bands", "beyond", "wrong"),
    [
        ([(10, 0), (20, 1)], 2, None),
        ([(10, 0), (20, 0)], 0, None),
        ([(10, 3)], None, None),
        ([(10, 0), (10, 1)], 3, "order"),
        ([(20, 0), (10, 1)], 3, "order"),
        ([(10, 1), (20, 0)], 3, "fewer"),
        ([(10, 4)], None, "beyond"),
        ([(10, 2)], 1, "beyond"),
    ],
)
def test_more_money_never_needs_fewer_confirmations(
    bands: list[tuple[int, int]], beyond: int | None, wrong: str | None
) -> None:
    of = tuple(Band(below_sat=sat, confirmations=depth) for sat, depth in bands)
    found = bands_mistake(PaymentDefaults(confirmations=beyond, bands=of))
    assert (found is None) if wrong is None else (wrong in (found or "")), found


@pytest.mark.parametrize(
    ("package", "field"),
    [
        ({"amount_sat": 1}, None),
        ({"amount": "19.90", "currency": "EUR"}, None),
        ({"amount": "500", "currency": "JPY"}, None),
        ({}, "amount_sat"),
        ({"credits": 5}, "amount_sat"),
        ({"amount_sat": 1, "amount": "1", "currency": "EUR"}, "amount"),
        ({"amount_sat": 1, "currency": "EUR"}, "currency"),
        ({"amount": "1"}, "currency"),
        ({"amount": "1", "currency": "XXX"}, "currency"),
        ({"amount": "1", "currency": "QQQ"}, "currency"),
        ({"amount": "19,90", "currency": "EUR"}, "amount"),
        ({"amount": "1e3", "currency": "EUR"}, "amount"),
        ({"amount": "-1", "currency": "EUR"}, "amount"),
        ({"amount": "0", "currency": "EUR"}, "amount"),
        ({"amount": "0.001", "currency": "EUR"}, "amount"),
        ({"amount": "1.5", "currency": "JPY"}, "amount"),
    ],
)
def test_a_package_has_one_price(package: dict[str, object], field: str | None) -> None:
    wrong = package_mistake(msgspec.convert(package, Package))
    assert (wrong and wrong[0]) == field


def test_a_price_in_a_currency_is_known_in_its_smallest_unit() -> None:
    assert Package(amount="19.90", currency="EUR").minor == 1990
    assert Package(amount="500", currency="JPY").minor == 500


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (EVERYTHING, None),
        ({"packages": {"small": {"credits": 1}}}, "packages/small/amount_sat"),
        ({"defaults": {"bands": [{"below_sat": 9, "confirmations": 9}]}}, "bands"),
        ({"return_urls": ["https://a.example/", "http://u@a.example/"]}, "urls/1"),
        ({"logo_url": "https://u:p@a.example/l.png"}, "logo_url"),
        ({"descriptor": "xprv9s21ZrQH143K"}, "descriptor"),
        ({"descriptor": VPUB[:-1]}, "descriptor"),
        ({"descriptor": "wpkh(tprv8ZgxMBicQKsPd)"}, "descriptor"),
        ({"accounting_currency": "XXX"}, "accounting_currency"),
        ({"forward_to": "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"}, "forward_to"),
        ({"forward_to": ADDRESS[:-1] + "q"}, "forward_to"),
    ],
)
def test_what_no_type_can_say_is_checked(
    words: dict[str, object], field: str | None
) -> None:
    wrong = wrong_profile(said(**words), "regtest")
    if field is None:
        assert wrong is None
    else:
        assert wrong is not None
        assert field in wrong[0]
        assert "prv" not in wrong[1]


@pytest.mark.parametrize(
    "words",
    [
        {"packages": {"Small": {"amount_sat": 1}}},
        {"packages": {"small": {"amount_sat": 1.5}}},
        {"packages": {"small": {"amount_sat": 0}}},
        {"packages": {"small": {"amount_sat": 1, "credits": -1}}},
        {"packages": {"small": {"amount_sat": 1, "credit": 1}}},
        {"packages": {f"p{n}": {"amount_sat": 1} for n in range(101)}},
        {"defaults": {"confirmations": 101}},
        {"defaults": {"confirmations": -1}},
        {"defaults": {"expires_in_s": 0}},
        {"defaults": {"bands": [{"below_sat": 1, "confirmations": 0}] * 11}},
        {"logo_url": "http://ann.example/logo.png"},
        {"logo_url": "javascript:alert(1)"},
        {"logo_url": "https://ann.example/\n"},
        {"return_urls": ["javascript:alert(1)"]},
        {"return_urls": ["https://a.example/"] * 51},
        {"accounting_currency": "euro"},
        {"accounting_currency": "EUR\n"},
        {"descriptor": "x" * 4_001},
    ],
)
def test_what_types_can_say_is_refused(words: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        said(**words)


TABLES = """
[merchants.cafe]
logo_url = "https://cafe.example/logo.png"
accounting_currency = "EUR"
return_urls = ["https://cafe.example/"]
[merchants.cafe.defaults]
confirmations = 2
bands = [{below_sat = 10000, confirmations = 0}]
[merchants.cafe.packages]
small = {amount = "4.99", currency = "EUR", credits = 100}
large = {amount_sat = 90000, credits = 2500}
"""


def test_a_table_of_the_file_says_the_same() -> None:
    cafe = read_merchants(TABLES, "paybell.toml")["cafe"]
    assert cafe.packages["small"].minor == 499
    assert cafe.defaults.confirmations_of(9_999) == 0
    assert cafe.return_urls == ("https://cafe.example/",)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("[merchants.cafe.packages.small]\ncredits = 1", "packages.small.amount_sat"),
        ('[merchants.cafe]\nforward_to = "nowhere"', "forward_to"),
        ('[merchants.cafe]\nreturn_urls = ["http://u@h/"]', "return_urls.0"),
    ],
)
def test_a_wrong_table_is_named(line: str, named: str) -> None:
    merchants = read_merchants(line, "paybell.toml")
    options = {"network": "regtest"}
    with pytest.raises(ConfigError, match=f"merchants.cafe.{named}"):
        load(options, {}, {}, merchants=merchants)

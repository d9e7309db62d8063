"""The doctor's word on Lightning Addresses."""

from typing import Any

import pytest

from engine.config import load
from engine.lightning.account import Account
from engine.merchants.lightning_address import LightningAddress
from engine.merchants.record import Merchant, MerchantSettings
from transport.cli.lnurl_check import check_addresses

CAFE = Merchant(name="cafe", version=1, lightning_address=LightningAddress(name="cafe"))
PHOENIXD = Account(name="till", kind="phoenixd", url="http://n", secret="password")
ELECTRUM = Account(name="till", kind="electrum", url="http://n", user="u", secret="pw")


def told(
    account: Account | None,
    *merchants: Merchant,
    tables: dict[str, MerchantSettings] | None = None,
    **settings: str,
) -> list[tuple[bool, str]]:
    accounts = {} if account is None else {account.name: account}
    config = load(settings, {}, {}, merchants=tables, lightning=accounts)
    return list(check_addresses(config, merchants))


def test_nothing_is_said_where_nobody_has_one() -> None:
    assert told(PHOENIXD, Merchant(name="ann", version=1)) == []


def test_one_that_is_offered_says_by_which_account() -> None:
    url = "https://shop.example"
    assert told(PHOENIXD, CAFE, public_url=url) == [
        (True, "Lightning Address cafe@shop.example of cafe: invoices by till")
    ]


def test_a_table_of_the_file_counts_where_there_is_no_row() -> None:
    tables = {"bar": MerchantSettings(lightning_address=LightningAddress(name="bar"))}
    (found,) = told(PHOENIXD, tables=tables, public_url="https://shop.example/pay")
    assert found == (
        True,
        "Lightning Address bar@shop.example of bar: invoices by till",
    )


@pytest.mark.parametrize(
    ("account", "settings", "why"),
    [
        (PHOENIXD, {}, "set --public-url"),
        (PHOENIXD, {"public_url": "http://shop.example"}, "https URLs or .onion"),
        (None, {"public_url": "https://shop.example"}, "has no Lightning account"),
        (ELECTRUM, {"public_url": "https://shop.example"}, "hash of a description"),
    ],
)
def test_one_that_is_not_offered_says_why(
    account: Account | None, settings: dict[str, Any], why: str
) -> None:
    well, text = told(account, CAFE, **settings)[0]
    assert not well
    assert why in text

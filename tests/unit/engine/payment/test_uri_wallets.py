"""Our URIs before the parsers of several kinds of wallets: what each would pay.

The table is that of docs/lightning.md. A wallet that knows no Lightning takes the
address of a unified URI; none takes another address, sum or invoice than ours.
"""

import re
from pathlib import Path
from typing import Final

import pytest

from engine.money.amount import payment_uri
from engine.payment.uri import invoice_uri, unified_uri
from tests.tools.invoices import make_invoice
from tests.unit.engine.payment.uri_wallets import WALLETS
from transport.pages.ways import Way, qr_segments

ADDRESS: Final = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
AT_S: Final = 1_790_000_000
INVOICE: Final = make_invoice("ab" * 32, amount_msat=50_000_000, at_s=AT_S)
OPEN: Final = make_invoice("ab" * 32, amount_msat=None, at_s=AT_S)

FORMS: Final = {
    "chain": payment_uri(ADDRESS, 50_000, None),
    "lightning": invoice_uri(INVOICE),
    "unified": unified_uri(ADDRESS, 50_000, INVOICE),
    "unified, any amount": unified_uri(ADDRESS, None, OPEN),
}
CHAIN, LIGHTNING = "chain", "Lightning"
TABLE: Final = {
    "core": (CHAIN, None, CHAIN, CHAIN),
    "old": (CHAIN, None, CHAIN, CHAIN),
    "electrum": (CHAIN, LIGHTNING, LIGHTNING, LIGHTNING),
    "rust": (CHAIN, LIGHTNING, LIGHTNING, LIGHTNING),
    "breez": (CHAIN, LIGHTNING, LIGHTNING, LIGHTNING),
    "blue_of_the_chain": (CHAIN, None, CHAIN, CHAIN),
    "blue_of_lightning": (None, LIGHTNING, LIGHTNING, LIGHTNING),
    "phoenix": (CHAIN, LIGHTNING, LIGHTNING, LIGHTNING),
}


def expected(form: str, way: str | None) -> object:
    amount = None if "any" in form else "0.0005"
    invoice = OPEN if "any" in form else INVOICE
    return {
        CHAIN: ("onchain", ADDRESS, amount),
        LIGHTNING: ("lightning", invoice, None),
        None: None,
    }[way]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("wallet", WALLETS)
def test_each_wallet_pays_what_the_table_says(wallet: str, form: str) -> None:
    way = TABLE[wallet][list(FORMS).index(form)]
    uri = FORMS[form]
    assert WALLETS[wallet](uri) == expected(form, way)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("wallet", WALLETS)
def test_the_capitals_of_a_qr_code_change_nothing(wallet: str, form: str) -> None:
    uri = FORMS[form]
    scanned = "".join(qr_segments(uri))
    assert WALLETS[wallet](scanned) == WALLETS[wallet](uri)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("wallet", WALLETS)
def test_nor_do_the_small_letters_of_a_link(wallet: str, form: str) -> None:
    uri = FORMS[form]
    opened = Way(name="any", label="Any", uri=uri).link
    assert opened == uri.replace(INVOICE.upper(), INVOICE).replace(OPEN.upper(), OPEN)
    assert WALLETS[wallet](opened) == WALLETS[wallet](uri)


@pytest.mark.parametrize(
    ("wallet", "uri"),
    [
        # The forms that we do not make, and why.
        ("old", FORMS["unified"].replace("bitcoin:", "BITCOIN:")),
        ("blue_of_lightning", FORMS["unified"].replace("lightning=", "LIGHTNING=")),
        ("electrum", unified_uri(ADDRESS, 50_000, OPEN)),
        ("rust", unified_uri(ADDRESS, 50_000, OPEN)),
        ("core", f"bitcoin:?lightning={INVOICE.upper()}"),
        ("core", FORMS["unified"].replace("lightning=", "req-lightning=")),
    ],
)
def test_a_form_that_we_do_not_make_fails_at_some_wallet(wallet: str, uri: str) -> None:
    assert WALLETS[wallet](uri) is None


def test_the_page_has_this_table() -> None:
    page = Path(__file__).parents[4] / "docs" / "lightning.md"
    rows = re.findall(r"^\| `(\w+)`[^|]*\|(.+)\|$", page.read_text(), re.MULTILINE)
    told = {
        name: tuple(cell.strip() for cell in cells.split("|"))
        for name, cells in rows
        if name in WALLETS
    }
    assert told == {
        name: tuple(way or "—" for way in ways[:3]) for name, ways in TABLE.items()
    }

"""`POST /api/invoice` over a real socket: what callers without a key learn, and how
many of the merchant's places they take."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import gevent
import pytest
import requests
from gevent.event import Event
from msgspec.structs import replace

from engine.errors import EngineBusy, NodeRefused, NodeUnavailable
from engine.lightning.node import Balance, InvoiceAsked, InvoiceMade
from engine.payment.model import Payment, Terms
from tests.tools.serving import serving
from tests.tools.wait import wait_until
from tests.unit.transport.control.lightning_shop import LightningShop
from transport.http.auth import Principal
from transport.http.bottle_app import Api, ApiSettings
from transport.seeds.admission import Admission, SeedLimits
from transport.seeds.phoenixd_invoice import STRANGERS_AT_ONCE, routes

WAIT_S = 30.0


class Shop(LightningShop):
    """Nothing that it makes is found again, but for what is `kept`."""

    def __init__(self, **record: Any) -> None:
        super().__init__(**record)
        self.hangs: Event | None = None
        self.sold: list[Payment] = []
        self.kept: list[Payment] = []

    def payments_of(self, _external_id: str, _merchant: str) -> list[Payment]:
        return self.kept

    def counted_outpoints(self, _addresses: Sequence[str]) -> dict[str, Any]:
        return {}

    def create(self, terms: Sequence[Terms]) -> list[Payment]:  # type: ignore[override]
        self.sold += [Payment(terms=one) for one in terms]
        return self.sold[-len(terms) :]

    def make_invoice(
        self, account: str, merchant: str, asked: InvoiceAsked
    ) -> InvoiceMade:
        made = super().make_invoice(account, merchant, asked)
        if self.hangs is not None:
            self.hangs.wait()
        return made


class _Keys:
    """In place of `Auth`: each key is that of the merchant it names."""

    def require(self, env: dict[str, Any]) -> Principal:
        name = env["HTTP_AUTHORIZATION"].removeprefix("Bearer ")
        return Principal("key", "test", name, ("read", "create"))


class Page:
    """What asks for invoices."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/api/invoice"

    def asks(
        self, order: str = "1", description: str = "", **headers: str
    ) -> requests.Response:
        body = {"amountSat": 5_000, "externalId": order, "description": description}
        return requests.post(self._url, json=body, headers=headers, timeout=WAIT_S)


@contextmanager
def page_of(shop: Shop) -> Iterator[Page]:
    app = Api()
    settings = ApiSettings(network="regtest", version="0", sender=None)  # type: ignore[arg-type]
    gateway: Any = shop
    auth: Any = _Keys()
    admission = Admission(SeedLimits(per_minute=1_000))
    routes(app, gateway, auth, settings, "default", admission)
    with serving(app) as server:
        yield Page(f"http://127.0.0.1:{server.port}")


OWN = {"Authorization": "Bearer default"}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NodeUnavailable("till: /createinvoice could not be reached"), 503),
        (NodeRefused("till: /createinvoice refuses our key (401)", "key"), 503),
        (NodeRefused("till: /createinvoice wants less", "amount"), 422),
        (NodeRefused("till: /createinvoice wants less"), 422),
        (EngineBusy("till has too many invoices to make", 1), 503),
    ],
)
def test_s3_1_who_has_no_key_reads_nothing_of_the_node(
    error: Exception, status: int
) -> None:
    shop = Shop()
    shop.error = error
    with page_of(shop) as page:
        told = page.asks()
        assert told.status_code == status, told.text
        assert told.headers["Content-Type"] == "application/problem+json"
        assert ("Retry-After" in told.headers) == (status == 503)
        for word in ("till", "createinvoice", "401", "default", "amount_sat"):
            assert word not in told.text
        assert "till" in page.asks(**OWN).text, "the shop reads why"


def test_s3_1_who_has_no_key_reads_no_balance_and_no_merchants_name() -> None:
    shop = Shop(on_warning="refuse")
    shop.balance = Balance(spendable_msat=0, receivable_msat=4_321_000)
    with page_of(shop) as page:
        told = page.asks()
        assert told.status_code == 503
        assert "4321" not in told.text
        assert "4321" in page.asks(**OWN).text
        shop.account = None
        told = page.asks()
        assert told.status_code == 422
        assert "default" not in told.text
        assert "[lightning." not in told.text


def test_s3_1_a_sum_out_of_bounds_is_named_as_the_page_knows_it() -> None:
    with page_of(Shop(lightning_max_sat=4_321)) as page:
        told = page.asks()
        assert told.status_code == 422
        assert [one["path"] for one in told.json()["errors"]] == ["/amountSat"]


def test_s3_1_a_neighbours_key_makes_and_reads_no_invoices_here() -> None:
    shop = Shop()
    with page_of(shop) as page:
        assert page.asks(Authorization="Bearer ann").status_code == 403
        assert not shop.asked


def test_s3_1_a_flood_without_a_key_leaves_the_shop_its_places() -> None:
    shop = Shop()
    shop.hangs = Event()
    with page_of(shop) as page:
        flood = [
            gevent.spawn(page.asks, f"order {number}")
            for number in range(STRANGERS_AT_ONCE)
        ]
        wait_until(lambda: len(shop.asked) == STRANGERS_AT_ONCE, WAIT_S, "the flood")
        refused = page.asks("one more")
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) > 0
        own = gevent.spawn(page.asks, "own", **OWN)
        wait_until(lambda: len(shop.asked) > STRANGERS_AT_ONCE, WAIT_S, "the shop's")
        shop.hangs.set()
        gevent.joinall([*flood, own], timeout=WAIT_S, raise_error=True)
        assert {call.get().status_code for call in (*flood, own)} == {200}
        assert page.asks("after").status_code == 200


@pytest.mark.parametrize("char", "\u061c\u200e\u200f\u202a\u202e\u2066\u2069\u0085\n")
def test_bad_input_what_turns_text_round_comes_to_no_wallet(char: str) -> None:
    shop = Shop()
    with page_of(shop) as page:
        told = page.asks(description=f"1{char}2")
        assert told.status_code == 422
        assert [one["path"] for one in told.json()["errors"]] == ["/description"]
        assert not shop.asked
        assert page.asks(description="für Kaffee ☕ قهوة").status_code == 200


def test_what_the_shop_writes_into_its_metadata_makes_no_second_invoice() -> None:
    """By a change of the payment, or as it is a successor: the first could be paid
    beside the second."""
    shop = Shop()
    with page_of(shop) as page:
        first = page.asks(description="Tea").json()
        (made,) = shop.sold
        noted = {**made.terms.metadata, "table": 7}
        shop.kept = [replace(made, terms=replace(made.terms, metadata=noted))]
        assert page.asks(description="Tea").json() == first
        assert len(shop.sold) == 1
        assert page.asks(description="Cake").status_code == 200
        assert page.asks().status_code == 200
        assert len(shop.sold) == 3

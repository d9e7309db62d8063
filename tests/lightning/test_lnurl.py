"""A wallet pays to a Lightning Address: a whole node, phoenixd's double behind it."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.lightning.lightning_node import LightningNode, lightning_node
from tests.unit.transport.lnurl.lnurl_shop import PUBLIC, Refused, Wallet

ADDRESS = "tips@shop.example"


@pytest.fixture(scope="module")
def shop() -> Iterator[LightningNode]:
    with lightning_node(web={"public_url": PUBLIC}) as running:
        said = {"name": "tips", "min_sat": 10, "max_sat": 9_000, "comment_length": 40}
        record = {"lightning_address": said, "display_name": "Café Lisboa"}
        put = running.node.call("PUT", "/v1/merchants/default", json=record)
        assert put.ok, put.text
        yield running


@pytest.fixture
def wallet(shop: LightningNode) -> Iterator[Wallet]:
    opened = Wallet(shop.node.url)
    yield opened
    opened.session.close()


def payments(shop: LightningNode) -> list[dict[str, Any]]:
    """Newest first."""
    found: list[dict[str, Any]] = shop.node.get("/v1/payments").json()["data"]
    return found


def test_a_wallet_pays_and_the_shop_is_told_like_of_every_other_payment(
    shop: LightningNode, wallet: Wallet
) -> None:
    found = wallet.look(ADDRESS)
    answer = wallet.pay(found, 2_100_000, "für zwei Kaffee ☕")
    made = payments(shop)[0]
    assert (made["method"], made["amount_sat"]) == ("lightning", 2_100)
    assert made["metadata"] == {"lnurl": ADDRESS, "comment": "für zwei Kaffee ☕"}
    assert made["lightning"]["bolt11"] == answer["pr"]
    assert wallet.get(answer["verify"])["settled"] is False
    shop.pay(made)
    shop.node.wait_for_status(made["id"], "confirmed")
    assert wallet.get(answer["verify"]) == {
        "status": "OK",
        "settled": True,
        "preimage": None,
        "pr": answer["pr"],
    }
    assert shop.types(made) == ["created", "detected", "confirmed"]


def test_each_callback_is_a_payment_of_its_own(
    shop: LightningNode, wallet: Wallet
) -> None:
    before = {one["id"] for one in payments(shop)}
    found = wallet.look(ADDRESS)
    invoices = {wallet.pay(found, 10_000)["pr"] for _ in range(3)}
    new = [one for one in payments(shop) if one["id"] not in before]
    assert {one["lightning"]["bolt11"] for one in new} == invoices
    assert len(invoices) == 3


def test_bad_input_a_sum_out_of_range_makes_nothing(
    shop: LightningNode, wallet: Wallet
) -> None:
    found, before = wallet.look(ADDRESS), len(payments(shop))
    for msat in (0, 9_999, 9_000_001, 21 * 10**17):
        with pytest.raises(Refused, match="amount must be"):
            wallet.pay(found, msat)
    with pytest.raises(Refused, match="at most 40 characters"):
        wallet.pay(found, 10_000, "x" * 41)
    assert len(payments(shop)) == before


def test_a_node_that_refuses_us_is_told_to_the_wallet_without_its_words(
    shop: LightningNode, wallet: Wallet
) -> None:
    found, password = wallet.look(ADDRESS), shop.phoenixd.password
    shop.phoenixd.password = "another"
    try:
        with pytest.raises(Refused, match="in a minute") as refused:
            wallet.pay(found, 10_000)
        assert "till" not in str(refused.value)
    finally:
        shop.reconnect("purse", password)  # it may have been asked meanwhile
    wallet.pay(found, 10_000)


def test_one_name_is_of_one_merchant_and_anothers_is_the_operators_to_give(
    shop: LightningNode,
) -> None:
    node = shop.node
    ann = {"Authorization": f"Bearer {node.add_key('ann')}"}

    def put(name: str, **headers: str) -> tuple[int, str]:
        record = {"lightning_address": {"name": name}}
        answer = node.call("PUT", "/v1/merchants/ann", json=record, headers=headers)
        return answer.status_code, answer.text

    status, text = put("tips")
    assert status == 422
    assert "another merchant" in text
    assert put("donate", **ann)[0] == 403, "a name of the operator's domain"
    assert put("ann", **ann)[0] == 200, "her own"
    assert put("donate")[0] == 200, "the operator gives it"
    assert put("donate", **ann)[0] == 200, "and she keeps it"
    assert put("tips", **ann)[0] in {403, 422}


def test_a_key_reads_what_the_code_of_an_address_holds(shop: LightningNode) -> None:
    told = shop.node.get("/v1/merchants/default/lightning_address").json()
    assert told["offered"] is True
    assert told["address"] == ADDRESS
    assert told["uri"].startswith("lightning:LNURL1")
    other = {"Authorization": f"Bearer {shop.node.add_key('bob')}"}
    path = "/v1/merchants/default/lightning_address"
    assert shop.node.get(path, **other).status_code == 404

"""The adapter against a real Electrum, with money that really moves (on regtest)."""

import time

import pytest

from engine.errors.lightning import NodeRefused, NodeUnavailable
from engine.lightning.invoice import check_invoice
from engine.lightning.node import (
    InvoiceAsked,
    InvoiceMade,
    InvoiceSeen,
    InvoiceStatus,
    PayoutStatus,
)
from tests.lightning.electrum_rig import adapter
from tests.tools.wait import wait_until
from transport.devnet.electrum import ElectrumError
from transport.devnet.network import LightningNetwork
from transport.lightning.electrum import Electrum

PATIENCE_S = 20.0
KEY = "5f0c6f3c-7c7f-4f0e-9f53-5f1c2a4b8f11"


@pytest.fixture
def shop(network: LightningNetwork) -> Electrum:
    return adapter(network.shop)


@pytest.fixture
def payer(network: LightningNetwork) -> Electrum:
    return adapter(network.payer)


def asked(sat: int | None, expires_in_s: int = 600) -> InvoiceAsked:
    return InvoiceAsked(
        payment_id="pay_1",
        amount_msat=None if sat is None else sat * 1_000,
        description="Zwei Brötchen",
        expires_in_s=expires_in_s,
    )


def settled(shop: Electrum, made: InvoiceMade) -> InvoiceSeen:
    """Once the node says that it is paid."""

    def paid() -> InvoiceSeen | None:
        seen = shop.lookup(made.payment_hash)
        return seen if seen.status is InvoiceStatus.PAID else None

    seen = wait_until(paid, PATIENCE_S, "it to be paid")
    assert seen is not None
    return seen


def test_an_invoice_is_what_was_asked_for(shop: Electrum) -> None:
    wanted = asked(1_234)
    made = shop.create(wanted)
    now = int(time.time() * 1_000)
    invoice = check_invoice(made, wanted, "regtest", now, "till")
    assert invoice.amount_msat == 1_234_000
    assert shop.lookup(made.payment_hash).status is InvoiceStatus.OPEN


def test_a_paid_invoice_is_found_with_its_sum_and_listed_once(
    network: LightningNetwork, shop: Electrum
) -> None:
    cursor = shop.paid_since("").cursor
    made = shop.create(asked(2_000))
    assert shop.paid_since(cursor).paid == ()
    network.payer.pay(made.bolt11)
    seen = settled(shop, made)
    assert (seen.received_msat, seen.fee_msat, seen.credit_msat) == (2_000_000, 0, 0)
    assert seen.settled_at is not None
    assert abs(seen.settled_at - time.time() * 1_000) < 600_000
    page = shop.paid_since(cursor)
    assert [one.payment_hash for one in page.paid] == [made.payment_hash]
    assert page.paid[0].received_msat == 2_000_000
    assert shop.paid_since(page.cursor).paid == ()
    assert adapter(network.shop).paid_since(page.cursor).paid == ()


def test_an_invoice_that_it_never_made_is_unknown(shop: Electrum) -> None:
    assert shop.lookup("00" * 32).status is InvoiceStatus.UNKNOWN
    assert shop.payout("00" * 32).status is PayoutStatus.UNKNOWN


def test_an_unpaid_invoice_expires_by_its_own_time(shop: Electrum) -> None:
    made = shop.create(asked(1_000, expires_in_s=1))
    wait_until(
        lambda: shop.lookup(made.payment_hash).status is InvoiceStatus.EXPIRED,
        PATIENCE_S,
        "it to expire",
    )


def test_an_amountless_invoice_is_made(shop: Electrum) -> None:
    wanted = asked(None)
    made = shop.create(wanted)
    now = int(time.time() * 1_000)
    assert check_invoice(made, wanted, "regtest", now, "till").amount_msat is None
    assert shop.lookup(made.payment_hash).status is InvoiceStatus.OPEN


def test_parts_of_a_satoshi_are_refused(shop: Electrum) -> None:
    odd = InvoiceAsked(payment_id="pay_1", amount_msat=1_001, expires_in_s=60)
    with pytest.raises(NodeRefused) as refused:
        shop.create(odd)
    assert refused.value.why == "amount"


def test_no_invoice_is_made_that_names_an_address_of_the_chain(
    network: LightningNetwork, shop: Electrum
) -> None:
    network.shop.rpc("setconfig", key="bolt11_fallback", value="true")
    try:
        with pytest.raises(NodeRefused, match="setconfig bolt11_fallback false"):
            shop.create(asked(1_000))
    finally:
        network.shop.rpc("setconfig", key="bolt11_fallback", value="false")
    shop.create(asked(1_000))


def test_it_pays_once_and_knows_what_became_of_it(
    network: LightningNetwork, shop: Electrum, payer: Electrum
) -> None:
    made = shop.create(asked(3_000))
    before = payer.balance()
    payout = payer.pay(made.bolt11, max_fee_msat=0, key=KEY)
    assert (payout.status, payout.fee_msat) == (PayoutStatus.PAID, 0)
    assert len(payout.preimage) == 64
    assert payer.payout(made.payment_hash) == payout
    assert payer.pay(made.bolt11, max_fee_msat=0, key=KEY) == payout
    assert settled(shop, made).received_msat == 3_000_000
    wait_until(
        lambda: payer.balance().spendable_msat == before.spendable_msat - 3_000_000,
        PATIENCE_S,
        "3,000 sat less to be there",
    )


def test_what_is_more_than_the_channel_holds_is_not_paid(
    network: LightningNetwork, shop: Electrum, payer: Electrum
) -> None:
    made = shop.create(asked(15_900_000))
    payout = payer.pay(made.bolt11, max_fee_msat=10**9, key=KEY)
    assert payout.status is PayoutStatus.FAILED
    assert payer.payout(made.payment_hash).status is PayoutStatus.FAILED
    assert shop.lookup(made.payment_hash).status is InvoiceStatus.OPEN


def test_invoices_that_cannot_be_paid_are_refused_with_a_reason(
    shop: Electrum, payer: Electrum
) -> None:
    amountless = shop.create(asked(None)).bolt11
    with pytest.raises(NodeRefused) as refused:
        payer.pay(amountless, max_fee_msat=0, key=KEY)
    assert refused.value.why == "amount"
    broken = shop.create(asked(1_000)).bolt11[:-1] + "!"
    with pytest.raises(NodeRefused):
        payer.pay(broken, max_fee_msat=0, key=KEY)


def test_what_can_be_spent_and_received_is_what_the_channel_holds(
    network: LightningNetwork, shop: Electrum, payer: Electrum
) -> None:
    def told() -> tuple[list[int | None], list[int | None]]:
        """What the channel says, and the two adapters."""
        [channel] = network.shop.rpc("list_channels")
        mine = channel["local_balance"] - channel["local_reserve"]
        other = channel["remote_balance"] - channel["remote_reserve"]
        balance = shop.balance()
        found = [balance.spendable_msat, balance.receivable_msat]
        return (
            [mine * 1_000, other * 1_000, mine * 1_000],
            [*found, payer.balance().receivable_msat],
        )

    def agree() -> bool:  # soon: what was paid before may still be on its way
        said, found = told()
        return said == found

    wait_until(agree, PATIENCE_S, lambda: str(told()))
    [channel] = network.shop.rpc("list_channels")
    with pytest.raises(ElectrumError):
        network.payer.pay(network.shop.invoice(channel["remote_balance"] + 1))


def test_a_wrong_password_is_a_refusal_and_stands_in_no_error(
    network: LightningNetwork,
) -> None:
    with pytest.raises(NodeRefused) as refused:
        adapter(network.shop, secret="hunter2hunter2").balance()
    assert refused.value.why == "key"
    assert "hunter2" not in str(refused.value)


def test_a_wallet_that_is_not_loaded_is_a_node_that_does_not_answer(
    network: LightningNetwork,
) -> None:
    with pytest.raises(NodeUnavailable, match="load_wallet"):
        adapter(network.shop, wallet="/nowhere/wallet").balance()

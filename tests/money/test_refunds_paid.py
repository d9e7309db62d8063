"""Refunds that the node pays itself: coins, signatures, sums to the satoshi.

The dev chain checks each transaction as a node does; what it holds is what counts.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from engine.bitcoin.address import parse_address
from engine.bitcoin.transaction import parse_tx
from engine.wallet.coin import SpendKind
from engine.wallet.fees import FeeRules
from engine.wallet.forward_policy import ForwardPolicy
from tests.money.test_refunds import Refunding
from tests.tools.node import running_node
from tests.tools.seed_wallets import Seeds
from tests.tools.wait import wait_until

OWNER = "bcrt1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qzf4jry"
POLICY = ForwardPolicy(
    destinations=frozenset({OWNER}), every_s=0.2, fees=FeeRules(absent_sat_kvb=1_000)
)
KINDS: list[SpendKind] = ["p2pkh", "p2sh-p2wpkh", "p2wpkh", "p2tr"]


class Paying(Refunding):
    """A node that holds its merchants' keys."""

    seeds: Seeds

    def staying(self, merchant: str) -> str:
        """A payment whose money is not sent on by itself; what is left of it is."""
        self.seeds.say(self.node, merchant)
        payment = self.paid(merchant=merchant)
        self.seeds.say(self.node, merchant, forward_to=OWNER)
        return payment

    def settled(self, payment: str, count: int = 1) -> list[dict[str, Any]]:
        """The refunds of the payment, once so many are paid; blocks are mined."""

        def are_paid() -> list[dict[str, Any]] | None:
            self.node.chain.mine(1)
            found: list[dict[str, Any]] = self.of(payment)["data"]
            paid = [one for one in found if one["state"] == "paid"]
            return paid if len(paid) >= count else None

        return wait_until(are_paid, 20, f"{count} refunds to be paid") or []

    def sent_on(self, payment: str) -> list[dict[str, Any]]:
        """What was told of the rest that went on to its owner, once it was."""

        def told() -> list[dict[str, Any]]:
            found = self.events(payment)
            return [e["data"] for e in found if e["type"] == "payment.forwarded"]

        return wait_until(told, 10, "the rest to be told")

    def waits(self) -> list[str]:
        """What refunds wait for, by the alerts."""
        found = self.node.get("/v1/alerts").json()["data"]
        return [one["detail"] for one in found if one["kind"] == "refund.waits"]

    def arrived(self, txid: str, address: str) -> int:
        """What the transaction pays the address, by the chain."""
        script = parse_address(address, "regtest").script
        entry = self.node.chain.contents.entries[txid]
        tx = parse_tx(entry.tx.raw)
        return sum(out.amount_sat for out in tx.outputs if out.script == script)


@pytest.fixture(scope="module")
def desk() -> Iterator[Paying]:
    seeds = Seeds(POLICY)
    with running_node(forwards=seeds.forwards, web={"forwarding": POLICY}) as node:
        for kind in KINDS:
            seeds.give(node, kind, kind)
        seeds.give(node, "stays")
        desk = Paying(node)
        desk.seeds = seeds
        yield desk


@pytest.mark.parametrize("kind", KINDS)
def test_a_refund_is_paid_from_keys_that_are_held(desk: Paying, kind: str) -> None:
    payment, to = desk.staying(kind), desk.fresh()
    desk.made(payment, amount_sat=20_000, address=to)
    (shown,) = desk.settled(payment)
    assert desk.arrived(shown["txid"], to) == 20_000
    (told,) = desk.told(payment)
    assert (told["amount_sat"], told["txid"], told["is_ours"]) == (
        20_000, shown["txid"], True,
    )  # fmt: skip


def test_the_rest_of_a_coin_goes_on_to_its_owner_to_the_satoshi(desk: Paying) -> None:
    payment, to = desk.staying("p2wpkh"), desk.fresh()
    desk.made(payment, amount_sat=20_000, address=to)
    (shown,) = desk.settled(payment)
    rest = desk.arrived(shown["txid"], OWNER)
    (last,) = desk.sent_on(payment)
    assert last["swept_sat"] == 30_000
    assert rest == 30_000 - last["swept_fee_sat"]


def test_a_whole_coin_goes_back_less_the_fee(desk: Paying) -> None:
    payment, to = desk.paid(merchant="stays"), desk.fresh()
    desk.made(payment, address=to, fee_from="refund")
    (shown,) = desk.settled(payment)
    (told,) = desk.told(payment)
    assert desk.arrived(shown["txid"], to) == told["amount_sat"]
    assert told["amount_sat"] + told["fee_sat"] == 50_000
    assert desk.of(payment)["left_sat"] == 0


def test_the_books_say_where_each_satoshi_went(desk: Paying) -> None:
    """What came in is what was refunded, paid to miners, and sent on."""
    payment = desk.staying("p2wpkh")
    desk.made(payment, amount_sat=20_000, address=desk.fresh())
    desk.settled(payment)
    desk.sent_on(payment)
    store = desk.node.gateway._store
    sums: dict[str, int] = {}
    for record in store.postings_of(payment):
        posting = record.posting
        for account, sign in ((posting.target, 1), (posting.source, -1)):
            sums[account] = sums.get(account, 0) + sign * posting.amount
    assert sums["sales"] == -50_000
    assert sums["refunds"] == 20_000
    assert sums["own"] + sums["fees"] == 30_000
    assert sums["onchain"] == 0


def test_without_coins_it_waits_and_says_so(desk: Paying) -> None:
    """The fee of one coin that is all the refund is nobody's to pay."""
    payment = desk.paid(merchant="stays")
    desk.made(payment, address=desk.fresh())

    wait_until(
        lambda: any("50000 sat" in detail for detail in desk.waits()),
        10,
        lambda: f"an alert: {desk.waits()}",
    )
    (shown,) = desk.of(payment)["data"]
    assert shown["state"] == "pending"
    path = f"/v1/payments/{payment}/refunds/{shown['id']}/cancel"
    assert desk.call("POST", path).status_code == 200


def test_claims_that_are_said_again_and_again_pay_once(desk: Paying) -> None:
    payments = [desk.staying("p2tr") for _ in range(3)]
    links = [desk.made(payment, amount_sat=5_000) for payment in payments]
    addresses = [desk.fresh() for _ in links]
    for link, address in zip(links, addresses, strict=True):
        for _ in range(3):
            assert desk.claim(link, address).status_code == 200
    for payment, address in zip(payments, addresses, strict=True):
        (shown,) = desk.settled(payment)
        assert desk.arrived(shown["txid"], address) == 5_000
        (told,) = desk.told(payment)
        assert told["amount_sat"] == 5_000


def test_when_the_coins_have_gone_on_their_owner_pays(desk: Paying) -> None:
    payment = desk.staying("p2wpkh")
    first, second = desk.fresh(), desk.fresh()
    desk.made(payment, amount_sat=20_000, address=first)
    desk.settled(payment)
    desk.made(payment, amount_sat=10_000, address=second)
    wait_until(
        lambda: any("gone on" in detail for detail in desk.waits()), 10, "an alert"
    )
    desk.node.chain.pay(second, 10_000)
    desk.settled(payment, 2)
    assert [told.get("is_ours", False) for told in desk.told(payment)] == [True, False]
    assert desk.of(payment)["refunded_sat"] == 30_000

"""Refunds over real sockets: sums, addresses, claim links, races, what is told."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from gevent.pool import Pool

from engine.errors import Refused
from engine.merchants.scopes import Scope
from engine.money.rates import Policy
from engine.payment.refund_rules import claimed
from engine.store.writes import ApiKey
from tests.tools.node import RunningNode, running_node
from tests.tools.wait import PATIENCE, wait_until
from transport.http.auth import hash_key, new_key
from transport.rates.providers import FixedRates

SEGWIT = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
OTHERS = "bcrt1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qzf4jry"


class Refunding:
    """A node with a key that may refund."""

    def __init__(self, node: RunningNode) -> None:
        self.node = node
        self.key = self._key(None, *Scope)

    def _key(self, merchant: str | None, *scopes: Scope) -> str:
        key = new_key()
        name = f"key_{hash_key(key).hex()[:12]}"
        now = self.node.gateway.now()
        row = ApiKey(name, "test", merchant, hash_key(key), now, tuple(scopes))
        self.node.gateway.save_key(row)
        return key

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        said = {"Authorization": f"Bearer {self.key}", **headers}
        return self.node.call(method, path, json=body, headers=said)

    def refund(self, payment: str, body: Any = None, **headers: str) -> Any:
        return self.call("POST", f"/v1/payments/{payment}/refund", body, **headers)

    def made(self, payment: str, **body: Any) -> dict[str, Any]:
        answer = self.refund(payment, body)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def refused(self, payment: str, status: int, code: str, **body: Any) -> str:
        answer = self.refund(payment, body)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        return str(answer.json()["detail"])

    def paid(self, *sats: int, **fields: Any) -> str:
        """A payment that these outputs pay, deep enough; its id."""
        fields = {"amount_sat": 50_000, "confirmations": 2, **fields}
        if "amount" in fields:
            del fields["amount_sat"]
        made = self.node.post("/v1/payments", fields)
        assert made.status_code == 201, made.text
        payment = made.json()
        for sat in sats or (payment["amount_sat"],):
            self.node.chain.pay(payment["address"], sat)
        self.node.chain.mine(2)
        total = sum(sats) or payment["amount_sat"]
        wait_until(
            lambda: self.node.payment(payment["id"])["confirmed_sat"] == total,
            10,
            "the money to be deep enough",
        )
        return str(payment["id"])

    def of(self, payment: str) -> dict[str, Any]:
        answer = self.call("GET", f"/v1/payments/{payment}/refunds")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def events(self, payment: str) -> list[dict[str, Any]]:
        answer = self.node.get(f"/v1/payments/{payment}/events")
        found: list[dict[str, Any]] = answer.json()["data"]
        return found

    def told(self, payment: str) -> list[dict[str, Any]]:
        found = self.events(payment)
        return [e["data"]["refund"] for e in found if e["type"] == "payment.refunded"]

    def claim(self, refund: dict[str, Any], address: str) -> requests.Response:
        _, token = claim_link(refund)
        path = f"{self.node.url}/v1/refunds/{refund['id']}/claim"
        body = {"token": token, "address": address}
        return requests.post(path, json=body, timeout=30 * PATIENCE)

    def fresh(self) -> str:
        """An address that is nobody's here."""
        return str(self.node.chain.new_address())


def claim_link(refund: dict[str, Any]) -> tuple[str, str]:
    found = re.fullmatch(
        r"(/refund/ref_\w{22})\?token=(rc_[\w-]{32})", refund["claim_url"]
    )
    assert found is not None, refund
    return found[1], found[2]


@pytest.fixture(scope="module")
def desk() -> Iterator[Refunding]:
    rates = FixedRates({"EUR": Decimal(50_000)})
    with running_node(rates=([rates], Policy())) as node:
        wait_until(lambda: node.get("/v1/rates").json()["data"], 10, "rates")
        yield Refunding(node)


@pytest.fixture(scope="module")
def priced(desk: Refunding) -> str:
    return desk.paid(amount="50", currency="EUR")


# -- how much -------------------------------------------------------------------------


def test_without_a_sum_all_that_came_in_goes_back(desk: Refunding) -> None:
    payment = desk.paid(40_000, 25_000)  # overpaid, in two parts
    refund = desk.made(payment, address=desk.fresh())
    assert (refund["amount_sat"], refund["state"]) == (65_000, "pending")
    assert desk.of(payment)["left_sat"] == 0
    detail = desk.refused(payment, 409, "refund_too_large", amount_sat=600)
    assert "0 sat can be refunded" in detail


def test_parts_never_exceed_what_was_received(desk: Refunding) -> None:
    payment = desk.paid()
    desk.made(payment, amount_sat=30_000, address=desk.fresh())
    desk.refused(payment, 409, "refund_too_large", amount_sat=20_001)
    desk.made(payment, amount_sat=20_000)
    assert desk.of(payment)["left_sat"] == 0


def test_50_racing_refunds_come_to_what_was_received(desk: Refunding) -> None:
    payment = desk.paid()
    with ThreadPoolExecutor(50) as pool:
        body = {"amount_sat": 10_000}
        answers = list(pool.map(lambda _: desk.refund(payment, body), range(50)))
    assert sorted(a.status_code for a in answers) == [201] * 5 + [409] * 45
    assert len(desk.of(payment)["data"]) == 5


def test_what_is_not_there_is_not_refunded(desk: Refunding) -> None:
    unpaid = desk.node.create(amount_sat=50_000)["id"]
    desk.refused(unpaid, 409, "refund_too_large", amount_sat=1_000)
    by_hand = desk.node.create(amount_sat=50_000)["id"]
    desk.node.post(f"/v1/payments/{by_hand}/confirm")
    desk.refused(by_hand, 409, "refund_too_large", amount_sat=1_000)
    shallow = desk.node.create(amount_sat=50_000, confirmations=3)
    desk.node.chain.pay(shallow["address"], 50_000)
    desk.node.chain.mine(1)
    desk.node.wait_for_status(shallow["id"], "confirming")
    desk.refused(shallow["id"], 409, "refund_too_large", amount_sat=1_000)


def test_late_money_of_a_cancelled_payment_goes_back(desk: Refunding) -> None:
    payment = desk.node.create(amount_sat=50_000, confirmations=1)
    desk.node.post(f"/v1/payments/{payment['id']}/cancel")
    desk.node.chain.pay(payment["address"], 20_000)
    desk.node.chain.mine(1)
    wait_until(lambda: desk.node.payment(payment["id"])["confirmed_sat"], 10, "it")
    assert desk.made(payment["id"], address=desk.fresh())["amount_sat"] == 20_000


def test_a_double_spent_payment_has_nothing_to_refund(desk: Refunding) -> None:
    """Not even by a link that was given out while its money seemed to be there."""
    payment = desk.node.create(amount_sat=50_000, confirmations=1)
    tx = desk.node.chain.pay(payment["address"], 50_000)
    desk.node.chain.mine(1)
    desk.node.wait_for_status(payment["id"], "confirmed")
    refund = desk.made(payment["id"])
    desk.node.chain.reorg(1, drop=[tx])
    desk.node.chain.mine(2)
    wait_until(lambda: not desk.node.payment(payment["id"])["confirmed_sat"], 20, "it")
    desk.refused(payment["id"], 409, "refund_too_large", amount_sat=1_000)
    answer = desk.claim(refund, desk.fresh())
    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_payment_state")


def test_a_sum_in_money_goes_back_at_the_rate_of_then_or_now(desk: Refunding) -> None:
    payment = desk.paid(amount="19.90", currency="EUR")  # 39,800 sat
    for rate in ("then", "now"):
        refund = desk.made(payment, amount="5.00", currency="EUR", rate=rate)
        assert (refund["amount_sat"], refund["rate"]) == (10_000, rate)
        assert refund["worth"]["minor"] == 500
    assert desk.made(payment, rate="now")["amount_sat"] == 19_800
    in_sat = desk.paid()
    detail = desk.refused(
        in_sat, 422, "invalid_request", amount="1", currency="EUR", rate="then"
    )
    assert "/rate" in detail
    assert (
        desk.made(in_sat, amount="1", currency="EUR", rate="now")["amount_sat"] == 2_000
    )


@pytest.mark.parametrize(
    "body",
    [
        {"amount_sat": 545}, {"amount_sat": 0}, {"amount_sat": -1}, {"amount_sat": 1.5},
        {"amount_sat": 1_000, "rate": "now"}, {"amount": "5"}, {"currency": "EUR"},
        {"amount": "19,90", "currency": "EUR"}, {"amount": "1e3", "currency": "EUR"},
        {"amount": "-5", "currency": "EUR"}, {"amount": "5", "currency": "XXX"},
        {"amount": "9" * 40, "currency": "EUR"}, {"rate": "tomorrow"}, {"to": SEGWIT},
        {"address": "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"}, {"address": "x"},
        {"claim_expires_in_s": 59}, {"fee_from": "nobody"},
    ],
)  # fmt: skip
def test_bad_input_is_refused(
    desk: Refunding, priced: str, body: dict[str, Any]
) -> None:
    desk.refused(priced, 422, "invalid_request", **body)


def test_no_refund_to_an_address_of_this_node(desk: Refunding) -> None:
    payment, other = desk.paid(), desk.node.create(amount_sat=1_000)
    for address in (other["address"], desk.node.payment(payment)["address"]):
        desk.refused(payment, 422, "invalid_request", address=address)


# -- who may --------------------------------------------------------------------------


def test_money_moves_with_a_key_that_has_that_right_only(desk: Refunding) -> None:
    payment = desk.paid()
    answer = desk.node.post(f"/v1/payments/{payment}/refund", {})
    assert answer.status_code == 403
    assert "refund" in answer.headers["WWW-Authenticate"]
    anns = desk._key("ann", Scope.REFUND, Scope.READ)
    said = {"Authorization": f"Bearer {anns}"}
    assert desk.refund(payment, {}, **said).status_code == 404, "another's payment"


def test_an_idempotency_key_makes_one_refund(desk: Refunding) -> None:
    payment = desk.paid()
    said = {"Idempotency-Key": "refund-1"}
    first = desk.refund(payment, {"amount_sat": 10_000}, **said)
    again = desk.refund(payment, {"amount_sat": 10_000}, **said)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json() == first.json(), "with its link"
    other = desk.refund(payment, {"amount_sat": 10_001}, **said)
    assert other.status_code == 422
    assert len(desk.of(payment)["data"]) == 1


def test_there_is_an_end_to_refunds_of_one_payment(desk: Refunding) -> None:
    desk.node.call("PUT", "/v1/merchants/few", json={
        "limits": {"refunds_per_payment": 1, "refunds_open": 2}})  # fmt: skip
    ones = [desk.paid(merchant="few") for _ in range(3)]
    desk.made(ones[0], amount_sat=1_000)
    answer = desk.refund(ones[0], {"amount_sat": 1_000})
    assert answer.json()["limit"] == "refunds_per_payment"
    desk.made(ones[1], amount_sat=1_000)
    assert "refunds_open" in desk.refused(ones[2], 409, "wrong_payment_state")


# -- the claim link -------------------------------------------------------------------


def test_50_racing_claims_of_one_link_are_one_address(desk: Refunding) -> None:
    payment = desk.paid()
    refund = desk.made(payment)
    assert refund["state"] == "open"
    addresses = [desk.fresh() for _ in range(50)]
    engine = desk.node.gateway  # where no attempt is one too many
    stored = engine.refund(refund["id"])
    assert stored is not None

    def take(address: str) -> str | None:
        try:
            engine.move_refund(stored, claimed(stored, address, 0, engine.now()))
        except Refused:
            return None
        return address

    won = [address for address in Pool(50).map(take, addresses) if address]
    assert len(won) == 1
    (shown,) = desk.of(payment)["data"]
    assert (shown["address"], shown["state"]) == (won[0], "pending")


def test_a_payer_names_the_address_once(desk: Refunding) -> None:
    refund = desk.made(desk.paid())
    mine = desk.fresh()
    for _ in range(2):
        answer = desk.claim(refund, mine.upper())  # as QR codes have it
        assert answer.status_code == 200, answer.text
        assert answer.json()["address"] == mine
    answer = desk.claim(refund, desk.fresh())
    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_payment_state")


def test_a_wrong_token_is_told_nothing(desk: Refunding) -> None:
    refund, other = desk.made(desk.paid()), desk.made(desk.paid())
    path = f"{desk.node.url}/v1/refunds/{refund['id']}/claim"
    for token in (claim_link(other)[1], "rc_", "x" * 99, "ü"):
        body = {"token": token, "address": SEGWIT}
        answer = requests.post(path, json=body, timeout=30 * PATIENCE)
        assert (answer.status_code, answer.json()["code"]) == (404, "refund_not_found")


def test_attempts_at_a_claim_are_limited(
    desk: Refunding, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No time passes meanwhile, after which one more would be allowed."""
    monkeypatch.setattr("transport.http.claims.time", SimpleNamespace(monotonic=int))
    refund = desk.made(desk.paid())
    answers = [desk.claim(refund, "nonsense") for _ in range(7)]
    assert [a.status_code for a in answers] == [422] * 6 + [429]
    assert answers[-1].json()["limit"] == "refund_claims_per_minute"
    assert int(answers[-1].headers["Retry-After"]) > 0


def test_a_link_is_withdrawn_and_its_sum_is_free_again(desk: Refunding) -> None:
    payment = desk.paid()
    refund = desk.made(payment)
    path = f"/v1/payments/{payment}/refunds/{refund['id']}"
    for _ in range(2):
        answer = desk.call("POST", f"{path}/cancel")
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    assert desk.claim(refund, desk.fresh()).status_code == 409
    assert desk.of(payment)["left_sat"] == 50_000
    assert "claim_url" not in desk.call("GET", path).json()


# -- paid -----------------------------------------------------------------------------


def test_what_the_merchants_own_wallet_pays_is_seen(desk: Refunding) -> None:
    payment = desk.paid()
    refund = desk.made(payment, amount_sat=20_000)
    address = desk.fresh()
    assert desk.claim(refund, address).status_code == 200
    tx = desk.node.chain.pay(address, 20_000)
    desk.node.chain.mine(1)
    (told,) = wait_until(lambda: desk.told(payment), 10, "it to be told") or [{}]
    assert told["amount_sat"] == 20_000
    assert told["txid"] == tx
    (shown,) = desk.of(payment)["data"]
    assert (shown["state"], shown["txid"]) == ("paid", tx)
    assert desk.of(payment)["refunded_sat"] == 20_000
    assert desk.node.payment(payment)["refunded_sat"] == 20_000


def test_one_output_pays_one_refund(desk: Refunding) -> None:
    payment, address = desk.paid(), desk.fresh()
    for _ in range(2):
        desk.made(payment, amount_sat=20_000, address=address)
    desk.node.chain.pay(address, 20_000)
    desk.node.chain.mine(1)
    wait_until(lambda: desk.told(payment), 10, "one to be told")
    desk.node.chain.pay(address, 19_999)  # of another sum
    desk.node.chain.mine(3)
    assert [r["state"] for r in desk.of(payment)["data"]].count("paid") == 1
    desk.node.chain.pay(address, 20_000)
    desk.node.chain.mine(1)
    wait_until(lambda: len(desk.told(payment)) == 2, 10, "the other to be told")
    assert len({told["txid"] for told in desk.told(payment)}) == 2


def test_a_person_says_that_it_was_paid_by_other_means(desk: Refunding) -> None:
    payment = desk.paid()
    refund = desk.made(payment, address=desk.fresh())
    path = f"/v1/payments/{payment}/refunds/{refund['id']}/paid"
    for _ in range(2):
        answer = desk.call("POST", path, {"txid": "ab" * 32})
        assert (answer.status_code, answer.json()["state"]) == (200, "paid")
    (told,) = desk.told(payment)
    assert told["amount_sat"] == 50_000
    assert desk.events(payment)[-1]["data"]["by"] == "api"


def test_a_refund_of_a_payment_that_is_over_is_told_all_the_same(
    desk: Refunding,
) -> None:
    payment = desk.paid()
    address = desk.node.payment(payment)["address"]
    assert desk.node.gateway.release(address, "test") is not None
    refund = desk.made(payment, amount_sat=20_000, address=desk.fresh())
    desk.node.chain.pay(refund["address"], 20_000)
    desk.node.chain.mine(1)
    wait_until(lambda: desk.told(payment), 10, "it to be told")
    assert desk.of(payment)["refunded_sat"] == 20_000

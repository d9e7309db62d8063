"""Refunds of merchants whose keys are not here: a PSBT, signed by their wallet."""

from base64 import b64decode
from collections.abc import Iterator

import pytest
from embit import bip32, bip39
from embit.finalizer import finalize_psbt
from embit.psbt import PSBT

from tests.money.test_refunds_paid import KINDS, OWNER, POLICY, Paying
from tests.tools.node import running_node
from tests.tools.seed_wallets import WORDS, Seeds
from tests.tools.wait import wait_until


@pytest.fixture(scope="module")
def desk() -> Iterator[Paying]:
    seeds = Seeds(POLICY)
    with running_node(forwards=seeds.forwards, web={"forwarding": POLICY}) as node:
        seeds.give(node, "moved", "p2tr")
        seeds.give(node, "watched")
        for kind in KINDS:
            seeds.give(node, kind, kind)
        seeds.forget()
        desk = Paying(node)
        desk.seeds = seeds
        yield desk


def signed(text: str) -> bytes:
    """What the merchant's wallet makes of it."""
    psbt = PSBT.parse(b64decode(text))
    root = bip32.HDKey.from_seed(bip39.mnemonic_to_seed(WORDS))
    assert psbt.sign_with(root) == len(psbt.inputs)
    made = finalize_psbt(psbt)
    assert made is not None
    raw: bytes = made.serialize()
    return raw


@pytest.mark.parametrize("kind", KINDS)
def test_a_watched_wallet_signs_and_the_chain_shows_it(desk: Paying, kind: str) -> None:
    payment, to = desk.staying(kind), desk.fresh()
    refund = desk.made(payment, amount_sat=20_000, address=to)
    path = f"/v1/payments/{payment}/refunds/{refund['id']}"
    answer = desk.call("GET", f"{path}/psbt")
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert said["amount_sat"] == 20_000
    assert said["onward_sat"] + said["fee_sat"] == 30_000
    assert desk.call("POST", f"{path}/cancel").status_code == 409, "it may be signed"
    again = desk.call("GET", f"{path}/psbt").json()
    assert again["inputs"][0] == said["inputs"][0], "only one of both can be mined"
    txid = desk.node.chain.broadcast(signed(said["psbt"]))
    (shown,) = desk.settled(payment)
    assert shown["txid"] == txid
    assert desk.arrived(txid, to) == 20_000
    assert desk.arrived(txid, OWNER) == said["onward_sat"]
    assert len(desk.told(payment)) == 1
    gone = desk.call("GET", f"{path}/psbt")
    assert (gone.status_code, gone.json()["code"]) == (409, "wrong_payment_state")


def test_a_psbt_whose_fee_is_more_than_a_tenth_of_a_small_sum_pays_it(
    desk: Paying,
) -> None:
    payment, to = desk.staying("watched"), desk.fresh()
    refund = desk.made(payment, amount_sat=600, address=to, fee_from="refund")
    said = desk.call(
        "GET", f"/v1/payments/{payment}/refunds/{refund['id']}/psbt"
    ).json()
    assert said["amount_sat"] == 600 - said["fee_sat"] < 540
    txid = desk.node.chain.broadcast(signed(said["psbt"]))
    (shown,) = desk.settled(payment)
    assert shown["txid"] == txid
    assert desk.arrived(txid, to) == said["amount_sat"]


def test_a_psbt_that_is_destroyed_leaves_the_refund_to_be_withdrawn(
    desk: Paying,
) -> None:
    payment = desk.staying("watched")
    refund = desk.made(payment, amount_sat=20_000, address=desk.fresh())
    path = f"/v1/payments/{payment}/refunds/{refund['id']}"
    assert desk.call("GET", f"{path}/psbt").status_code == 200
    answer = desk.call("POST", f"{path}/cancel", {"psbt_destroyed": True})
    assert answer.json()["state"] == "cancelled"


def test_what_a_wallet_may_have_signed_is_not_paid_by_the_node_too(
    desk: Paying,
) -> None:
    """The merchant gets a wallet whose keys are here, after a PSBT was given out."""
    old = desk.paid(merchant="moved")
    desk.seeds.give(desk.node, "moved", "p2wpkh", forward_to=OWNER)
    assert desk.call("PUT", "/v1/forwarding", {"paused": True}).ok
    try:
        held = desk.paid(merchant="moved")
        first = desk.made(old, amount_sat=10_000, address=desk.fresh())
        second = desk.made(held, amount_sat=10_000, address=desk.fresh())
        path = f"/v1/payments/{old}/refunds/{first['id']}"
        given = desk.call("GET", f"{path}/psbt")
        assert given.status_code == 200, given.text
    finally:
        assert desk.call("PUT", "/v1/forwarding", {"paused": False}).ok
    assert desk.settled(held)[0]["id"] == second["id"]
    assert desk.of(old)["data"][0]["state"] == "pending"


def test_a_coin_that_its_owner_has_spent_is_in_no_psbt(desk: Paying) -> None:
    payment = desk.staying("watched")
    first = desk.made(payment, amount_sat=10_000, address=desk.fresh())
    path = f"/v1/payments/{payment}/refunds"
    said = desk.call("GET", f"{path}/{first['id']}/psbt").json()
    desk.node.chain.broadcast(signed(said["psbt"]))
    waits = desk.call("GET", f"{path}/{first['id']}/psbt")
    assert waits.status_code == 409, "the one that was given out was signed"
    desk.settled(payment)
    second = desk.made(payment, amount_sat=10_000, address=desk.fresh())

    def answered() -> bool:
        other = desk.call("GET", f"{path}/{second['id']}/psbt")
        spent = said["inputs"][0] in other.json().get("inputs", [])
        return other.status_code in {200, 409} and not spent

    wait_until(answered, 10, "another coin, or none")


def test_a_key_that_only_reads_gets_none(desk: Paying) -> None:
    payment = desk.staying("watched")
    refund = desk.made(payment, amount_sat=10_000, address=desk.fresh())
    path = f"/v1/payments/{payment}/refunds/{refund['id']}/psbt"
    assert desk.node.get(path).status_code == 403

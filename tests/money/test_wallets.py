"""A merchant's wallet, over real sockets: addresses of payments come from it."""

from collections.abc import Iterator

import pytest
from gevent.pool import Pool

from engine.wallet.descriptor import read_descriptor
from tests.tools.node import RunningNode, running_node
from tests.unit.engine.wallet.wallet_cases import (
    MAIN,
    TPRV,
    TPUB,
    VPUB,
    YPUB,
    ZPUB,
)

WIF = "cTpB4YiyKiBcPxnefsDpbnDxFDffjqJob8wGCEDXxgQ7zQoMXJdH"


@pytest.fixture(scope="module")
def node() -> Iterator[RunningNode]:
    with running_node() as running:
        yield running


def put(node: RunningNode, merchant: str, descriptor: str) -> None:
    path = f"/v1/merchants/{merchant}"
    answer = node.call("PUT", path, json={"descriptor": descriptor})
    assert answer.status_code == 200, answer.text


def expected(count: int, first: int = 0) -> list[str]:
    return read_descriptor(VPUB, "regtest").addresses(first, count)


def test_addresses_are_drawn_in_order_and_shown_with_their_path(
    node: RunningNode,
) -> None:
    put(node, "cafe", VPUB)
    made = [node.create(merchant="cafe", amount_sat=1_000) for _ in range(3)]
    assert [one["address"] for one in made] == expected(3)
    wallets = {one["derived"]["wallet"] for one in made}
    assert len(wallets) == 1
    assert [one["derived"]["index"] for one in made] == [0, 1, 2]
    assert made[1]["derived"]["path"] == "m/84'/1'/0'/0/1"
    assert node.payment(made[1]["id"])["derived"] == made[1]["derived"]
    assert made[0]["uri"].startswith(f"bitcoin:{made[0]['address']}")
    other = node.create(merchant="somebody", amount_sat=1_000)
    assert "derived" not in other, "on the dev chain its own wallet is the default"


def test_two_merchants_with_one_xpub_share_one_index(node: RunningNode) -> None:
    """Written in two ways, they are the same wallet all the same."""
    account = f"wpkh([d34db33f/84h/1h/0h]{TPUB}/7/*)"
    put(node, "ann", account)
    put(node, "bob", f"wpkh({TPUB}/7/*)")
    names = ["ann", "bob"] * 25
    pool = Pool(50)
    made = pool.map(lambda name: node.create(merchant=name, amount_sat=1_000), names)
    assert len({one["address"] for one in made}) == 50
    assert sorted(one["derived"]["index"] for one in made) == list(range(50))
    wallets = {(one["merchant"], one["derived"]["wallet"]) for one in made}
    assert len(wallets) == 2


def test_a_batch_draws_one_for_each(node: RunningNode) -> None:
    put(node, "batch", f"tr({TPUB}/3/*)")
    asked = [{"merchant": "batch", "amount_sat": 500}] * 20
    wrong = {"merchant": "batch", "amount_sat": -1}
    answer = node.post("/v1/payments/batch", {"payments": [*asked, wrong, *asked]})
    entries = answer.json()["data"]
    drawn = [e["payment"]["derived"]["index"] for e in entries if "payment" in e]
    assert drawn == list(range(40)), "what is wrong draws none"


def test_an_address_that_a_caller_brings_is_not_drawn_for_another(
    node: RunningNode,
) -> None:
    put(node, "mixed", f"pkh({TPUB}/4/*)")
    first = node.create(merchant="mixed", amount_sat=500)
    ahead = read_descriptor(f"pkh({TPUB}/4/*)", "regtest").addresses(1, 2)
    node.create(merchant="mixed", amount_sat=500, address=ahead[0])
    second = node.create(merchant="mixed", amount_sat=500)
    assert first["derived"]["index"] == 0
    assert second["address"] == ahead[1]


def test_an_address_that_was_drawn_for_one_is_refused_to_another(
    node: RunningNode,
) -> None:
    put(node, "owner", f"wpkh({TPUB}/5/*)")
    given = node.create(merchant="owner", amount_sat=500)
    released = node.post(f"/v1/watchers/{given['address']}/release", {})
    assert released.json()["status"] == "cancelled"
    asked = {"amount_sat": 500, "address": given["address"]}
    refused = node.post("/v1/payments", {**asked, "merchant": "squatter"})
    assert (refused.status_code, refused.json()["code"]) == (409, "address_taken")
    assert "another merchant's wallet" in refused.json()["detail"]
    batch = {"payments": [{**asked, "merchant": "squatter"}]}
    (entry,) = node.post("/v1/payments/batch", batch).json()["data"]
    assert entry["problem"]["code"] == "address_taken"
    again = node.post("/v1/payments", {**asked, "merchant": "owner"})
    assert again.status_code == 201


def test_another_descriptor_goes_on_where_it_was_when_it_comes_back(
    node: RunningNode,
) -> None:
    one, two = f"wpkh({TPUB}/8/*)", f"wpkh({TPUB}/9/*)"
    put(node, "moved", one)
    first = node.create(merchant="moved", amount_sat=500)["derived"]
    put(node, "moved", two)
    other = node.create(merchant="moved", amount_sat=500)["derived"]
    put(node, "moved", one)
    again = node.create(merchant="moved", amount_sat=500)["derived"]
    assert (first["index"], other["index"], again["index"]) == (0, 0, 1)
    assert again["wallet"] == first["wallet"] != other["wallet"]
    put(node, "moved", "")
    assert "derived" not in node.create(merchant="moved", amount_sat=500)


def test_a_private_key_is_refused_and_nowhere_kept(
    node: RunningNode, caplog: pytest.LogCaptureFixture
) -> None:
    for text in (TPRV, f"wpkh({TPRV}/0/*)"):
        answer = node.call("PUT", "/v1/merchants/leak", json={"descriptor": text})
        assert answer.status_code == 422
        assert "private key" in answer.text
        assert TPRV[:30] not in answer.text
    assert TPRV[:30] not in caplog.text
    for file in node.database.parent.iterdir():
        assert TPRV[:30].encode() not in file.read_bytes()
    assert node.get("/v1/merchants/leak").json()["descriptor"] == ""


@pytest.mark.parametrize("text", [WIF, TPRV, "abandon " * 11 + "about"])
def test_a_private_key_in_the_place_of_an_address_is_never_quoted_or_kept(
    node: RunningNode, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    put(node, "pasted", VPUB)
    answers = [
        node.post("/v1/payments", {"amount_sat": 1_000, "address": text}),
        node.post(
            "/v1/payments",
            {"amount_sat": 1_000, "merchant": "pasted", "forward_to": text},
        ),
        node.call("PUT", "/v1/merchants/pasted", json={"forward_to": text}),
    ]
    for answer in answers:
        assert answer.status_code == 422, answer.text
        assert text[:30] not in answer.text
    assert "private key" in answers[0].text
    assert text[:30] not in caplog.text
    for file in node.database.parent.iterdir():
        assert text[:30].encode() not in file.read_bytes()


def test_what_is_no_wallet_is_refused_with_its_reason_and_changes_nothing(
    node: RunningNode,
) -> None:
    put(node, "careful", VPUB)
    for text, why in (
        (ZPUB, "its key is of mainnet, and this node is on regtest"),
        (YPUB, "its key is of mainnet, and this node is on regtest"),
        (f"tr({MAIN[86]}/0/*)", "its key is of mainnet, and this node is on regtest"),
        (TPUB, "does not say which addresses"),
        (f"wpkh({TPUB}/0/*)#aaaaaaaa", "checksum (behind #)"),
        (VPUB[:-1] + ("A" if VPUB[-1] != "A" else "B"), "checksum of its key"),
        (f"wpkh({TPUB}/0h/*)", "hardened steps"),
        (f"wpkh({TPUB}/<0;1>/*)", "several paths"),
        (f"wpkh({TPUB}/0)", "one address only"),
        (f"pkh({VPUB}/0/*)", "it is for wpkh"),
    ):
        answer = node.call(
            "PUT", "/v1/merchants/careful", json={"descriptor": text, "reorder": True}
        )
        assert answer.status_code == 422, text
        (error,) = answer.json()["errors"]
        assert error["path"] == "/descriptor"
        assert why in error["message"]
        assert text not in answer.text
    kept = node.get("/v1/merchants/careful").json()
    assert (kept["descriptor"], kept["reorder"]) == (VPUB, False)


def test_only_an_operator_changes_it_and_a_person_hears_of_it(
    node: RunningNode,
) -> None:
    key = node.add_key("guarded")
    answer = node.call(
        "PUT",
        "/v1/merchants/guarded",
        json={"descriptor": VPUB},
        headers={"Authorization": f"Bearer {key}"},
    )
    assert answer.status_code == 403
    put(node, "guarded", VPUB)
    alerts = node.get("/v1/alerts").json()["data"]
    told = [one for one in alerts if one["subject"] == "guarded"]
    assert [one["kind"] for one in told] == ["merchant.changed"]

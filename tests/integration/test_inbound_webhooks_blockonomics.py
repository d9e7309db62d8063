"""Callbacks of Blockonomics over real sockets: who is believed, what is answered."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.integration.inbound_calls import TXID, callback, detected, kept
from tests.tools.livenode import SECRET, LiveNode, live_node
from transport.server.limits import CallLimits


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hooks")


@pytest.fixture(scope="module")
def node(folder: Path) -> Iterator[LiveNode]:
    lenient = CallLimits(failure_rate_per_s=1_000, failure_burst=1_000)
    with live_node(folder, webhook={"limits": lenient}) as running:
        yield running


def test_the_callback_of_blockonomics_is_a_claim(node: LiveNode) -> None:
    payment = node.create()
    answer = callback(node, addr=payment.address, rbf=1)
    assert answer.json == {"status": "accepted", "payment_id": payment.id}
    found = node.gateway.payment(payment.id)
    assert found is not None
    (claim,) = found.claims
    assert (claim.provider, claim.txid, claim.amount_sat, claim.replaceable) == (
        "blockonomics",
        TXID,
        1_000,
        True,
    )
    for status in (1, 2):
        again = callback(node, addr=payment.address, status=status)
        assert again.json["status"] == "accepted"
    assert callback(node, addr=payment.address, status=2).json["status"] == "duplicate"
    assert detected(node, payment.id) == 1


@pytest.mark.parametrize("secret", [None, "", "wrong", "é", SECRET + "x"])
def test_a_callback_with_another_secret_is_401(
    node: LiveNode, secret: str | None
) -> None:
    payment = node.create()
    assert callback(node, addr=payment.address, secret=secret).status == 401
    assert detected(node, payment.id) == 0


@pytest.mark.parametrize("status", [-1, -2, "x", "", None, "1.5", "9" * 20])
def test_a_status_that_nobody_knows_is_no_mistake(node: LiveNode, status: Any) -> None:
    payment = node.create()
    answer = callback(node, addr=payment.address, status=status)
    assert (answer.status, answer.json["status"]) == (200, "noted")
    assert detected(node, payment.id) == 0


@pytest.mark.parametrize(
    "txid", ["WarningThisIsAGeneratedTestPaymentAndNotARealBitcoinTransaction", "zz"]
)
def test_the_test_bench_of_blockonomics_is_answered_200_and_noted(
    node: LiveNode, folder: Path, txid: str
) -> None:
    payment = node.create()
    answer = callback(node, addr=payment.address, txid=txid, status=2)
    assert (answer.status, answer.json["status"]) == (200, "noted")
    assert detected(node, payment.id) == 0
    assert any(txid.encode() in body for *_, body in kept(folder))


@pytest.mark.parametrize(
    "wrong",
    [
        {"addr": None},
        {"addr": "a b"},
        {"txid": "z" * 201},
        {"value": "1.5"},
        {"value": "-1"},
        {"value": "9" * 17},
        {"value": "²"},
    ],
)
def test_a_callback_that_is_malformed_is_422(
    node: LiveNode, wrong: dict[str, Any]
) -> None:
    payment = node.create()
    assert callback(node, **{"addr": payment.address, **wrong}).status == 422


def test_an_address_unknown_to_us_is_answered_200_so_that_it_is_not_repeated(
    node: LiveNode, folder: Path
) -> None:
    address = node.chain.new_address()
    answer = callback(node, addr=address)
    assert (answer.status, answer.json["status"]) == (200, "ignored")
    assert any(address.encode() in body for *_, body in kept(folder))


def test_the_secret_of_a_callback_is_kept_nowhere(
    node: LiveNode, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    payment = node.create()
    assert callback(node, addr=payment.address, extra=SECRET).status == 200
    assert callback(node, addr=payment.address, secret=SECRET + "!").status == 401
    for *_, body in kept(folder):
        assert SECRET.encode() not in body
        assert urlencode({"": SECRET}).encode() not in body
    assert SECRET not in caplog.text


def test_a_parameter_twice_is_400(node: LiveNode) -> None:
    path = f"/webhook/btc?{urlencode({'secret': SECRET})}&addr=x&addr=y"
    assert node.ask(path).status == 400

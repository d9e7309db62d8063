"""Webhooks of merchants who have a secret of their own: whose word counts for whom."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.merchants.record import Limits, MerchantSettings, OwnLimits
from engine.merchants.rules import replaced
from tests.integration.inbound_calls import TXID, callback, detected, kept
from tests.tools.livenode import SECRET, LiveNode, live_node
from transport.server.limits import CallLimits

OWN = "ann's own secret"
LENIENT = CallLimits(failure_rate_per_s=1_000, failure_burst=1_000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hooks")


@pytest.fixture(scope="module")
def node(folder: Path) -> Iterator[LiveNode]:
    with live_node(folder, webhook={"limits": LENIENT}) as running:
        said = MerchantSettings(
            limits=OwnLimits(claims=2),
            webhook_secrets={"btc": OWN, "blockonomics": OWN},
        )
        before = running.gateway.merchant("ann")
        seal = running.vault.seal
        ann = replaced(before, said, seal, Limits(), running.gateway.now())
        running.gateway.save_merchant(ann)
        yield running


def claim(address: str, number: int = 0) -> dict[str, Any]:
    return {"address": address, "value": 1_000, "txid": f"{number:02x}" * 32}


def test_only_its_own_secret_announces_money_to_a_merchant_who_has_one(
    node: LiveNode,
) -> None:
    """The node's secret is known to its other merchants: what one of them signs must
    not be told to another's customers."""
    hers, his = node.create(merchant="ann"), node.create(merchant="bob")
    assert node.tell_webhook(claim(hers.address), secret=SECRET).status == 401
    assert node.tell_webhook(claim(hers.address), secret=OWN).status == 200
    assert node.tell_webhook(claim(his.address), secret=OWN).status == 401
    assert node.tell_webhook(claim(his.address), secret=SECRET).status == 200
    assert detected(node, hers.id) == detected(node, his.id) == 1


def test_so_it_is_with_blockonomics(node: LiveNode) -> None:
    hers, his = node.create(merchant="ann"), node.create(merchant="bob")
    assert callback(node, addr=hers.address, secret=SECRET).status == 401
    assert callback(node, addr=hers.address, secret=OWN).status == 200
    assert callback(node, addr=his.address, secret=OWN).status == 401
    assert callback(node, addr=his.address, secret=SECRET).status == 200
    assert detected(node, hers.id) == detected(node, his.id) == 1


def test_an_address_that_nobody_knows_is_the_nodes(node: LiveNode) -> None:
    nobodys = node.chain.new_address()
    assert node.tell_webhook(claim(nobodys), secret=OWN).status == 401
    assert node.tell_webhook(claim(nobodys), secret=SECRET).status == 404
    assert callback(node, addr=nobodys, secret=OWN).status == 401
    assert callback(node, addr=nobodys, secret=SECRET).status == 200


def test_what_cannot_be_read_is_not_explained_to_strangers(node: LiveNode) -> None:
    assert node.tell_webhook(b"[]", secret="a wrong secret").status == 401
    assert node.tell_webhook(b"[]", secret=OWN).status == 401
    assert node.tell_webhook(b"[]", secret=SECRET).status == 422
    assert callback(node, addr="?", secret=OWN).status == 401
    assert callback(node, addr="?", secret=SECRET).status == 422


def test_no_secret_is_kept_with_what_was_heard(node: LiveNode, folder: Path) -> None:
    hers = node.create(merchant="ann")
    body = claim(hers.address) | {"note": f"{OWN} and {SECRET}"}
    assert node.tell_webhook(body, secret=OWN).status == 200
    stored = b"".join(row[-1] for row in kept(folder))
    assert hers.address.encode() in stored
    assert OWN.encode() not in stored
    assert SECRET.encode() not in stored


def test_a_merchant_has_its_own_number_of_claims(node: LiveNode) -> None:
    hers = node.create(merchant="ann")
    for number in range(4):
        body = claim(hers.address, number)
        assert node.tell_webhook(body, secret=OWN).status == 200
    assert detected(node, hers.id) == 2


def test_without_a_secret_of_the_node_those_of_merchants_count(tmp_path: Path) -> None:
    with live_node(tmp_path, secret=None, webhook={"limits": LENIENT}) as node:
        his = node.create(merchant="bob")
        assert node.tell_webhook(claim(his.address), secret=OWN).status == 404
        said = MerchantSettings(webhook_secrets={"btc": OWN})
        before, seal = node.gateway.merchant("ann"), node.vault.seal
        node.gateway.save_merchant(replaced(before, said, seal, Limits(), 1))
        hers = node.create(merchant="ann")
        assert node.tell_webhook(claim(hers.address), secret=OWN).status == 200
        assert node.tell_webhook(claim(his.address), secret=OWN).status == 401
        assert callback(node, addr=hers.address, txid=TXID).status == 404

"""A whole node with a quorum, and two explorers of different operators."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.explorer_shop import Order, Shop, explorer_shop
from tests.tools import fake_upstream as fake
from tests.tools.esplora_chain import ChainTx, FakeChain
from tests.tools.esplora_double import EsploraDouble, Server
from tests.tools.paybell import paybell
from tests.tools.wait import wait_until


@pytest.fixture
def first() -> Iterator[EsploraDouble]:
    with EsploraDouble() as double:
        double.chain.mine(499)
        yield double


@pytest.fixture
def second(first: EsploraDouble) -> Iterator[EsploraDouble]:
    """Another explorer, of the same chain."""
    with EsploraDouble(chain=first.chain) as second:
        yield second


@pytest.fixture
def shop(tmp_path: Path, first: EsploraDouble, second: EsploraDouble) -> Iterator[Shop]:
    with explorer_shop(
        tmp_path, first, second, more=["--quorum-above", "30000"]
    ) as shop:
        yield shop


def asked(double: EsploraDouble, order: Order) -> bool:
    return any(path.startswith(f"/address/{order.address}") for path in double.asked)


def watcher(shop: Shop, order: Order) -> Any:
    return shop.node.get(f"/v1/watchers/{order.address}").json()


def test_above_the_sum_both_are_asked_and_below_it_the_first_alone(
    shop: Shop, first: EsploraDouble, second: EsploraDouble
) -> None:
    large = shop.order(confirmations=2)
    small = shop.order(confirmations=2, amount_sat=30_000)
    strict = shop.order(confirmations=2, amount_sat=30_000, quorum_above_sat=29_999)
    for order, sat in ((large, 40_000), (small, 30_000), (strict, 30_000)):
        first.chain.pay(order.script, sat)
    first.chain.mine()
    shop.wait_for(large, "confirming")
    assert not asked(second, large), "it is not deep enough yet"
    first.chain.mine()
    for order in (large, small, strict):
        shop.wait_for(order, "confirmed")
    assert [asked(second, order) for order in (large, small, strict)] == [
        True, False, True,
    ]  # fmt: skip
    assert shop.node.payment(strict.id)["quorum_above_sat"] == 29_999


def test_while_the_second_is_down_the_payment_waits_and_says_why(
    shop: Shop, first: EsploraDouble, second: EsploraDouble
) -> None:
    second.serve(Server(down=fake.reset()))
    order = shop.order(confirmations=1)
    first.chain.pay(order.script, 40_000)
    first.chain.mine()
    wait_until(
        lambda: "second, independent" in (watcher(shop, order)["last_error"] or ""),
        20,
        lambda: f"its reason: {watcher(shop, order)}",
    )
    shop.look(order)
    assert shop.told(order) == ["created", "detected", "confirming"]
    second.serve(Server())
    shop.wait_for(order, "confirmed")


def test_two_sources_of_one_operator_are_refused(tmp_path: Path) -> None:
    refused = paybell(
        "serve",
        *("--quorum-above", "30000"),
        *("--source", "esplora=http://127.0.0.1:1/a?name=acme"),
        *("--source", "esplora=http://127.0.0.1:1/b?name=acme"),
        cwd=tmp_path,
    )
    assert refused.returncode == 2
    assert "requires two independent sources" in refused.stderr
    assert "there is one: acme" in refused.stderr


@pytest.fixture
def other_chain(first: EsploraDouble) -> FakeChain:
    """A branch beside the first one's, of blocks of its own from the next one on."""
    return FakeChain(best=list(first.chain.best), made=10_000)


def paid_on_both(order: Order, one: FakeChain, other: FakeChain) -> None:
    """One transaction, two deep on each chain: in a block that the other one denies."""
    paid = one.pay(order.script, 40_000)
    other.mempool.append(ChainTx(paid.txid, list(paid.outputs)))
    for chain in (one, other):
        chain.mine(2)


def alerts(shop: Shop, subject: str) -> list[str]:
    standing = shop.node.get("/v1/alerts").json()["data"]
    return [alert["kind"] for alert in standing if alert["subject"] == subject]


def test_of_two_that_contradict_one_another_nothing_is_confirmed_and_a_person_is_told(
    shop: Shop, first: EsploraDouble, second: EsploraDouble, other_chain: FakeChain
) -> None:
    second.chain = other_chain
    order = shop.order(confirmations=2)
    paid_on_both(order, first.chain, other_chain)
    shop.wait_for(order, "confirming")
    wait_until(
        lambda: alerts(shop, order.id) == ["payment.contradicted"],
        20,
        lambda: f"the alert: {shop.node.get('/v1/alerts').json()}",
    )
    (alert,) = shop.node.get("/v1/alerts").json()["data"]
    assert alert["detail"] in (
        "operator-1 contradicts operator-2",
        "operator-2 contradicts operator-1",
    )
    shop.look(order, times=6)
    assert shop.told(order) == ["created", "detected", "confirming"]
    assert alerts(shop, order.id) == ["payment.contradicted"]

    second.chain = first.chain
    shop.wait_for(order, "confirmed")
    wait_until(lambda: alerts(shop, order.id) == [], 20, "the alert to be over")
    assert shop.told(order) == ["created", "detected", "confirming", "confirmed"]


@pytest.mark.parametrize("liar", [0, 1], ids=["the first", "the second"])
def test_of_three_the_liar_is_named_and_set_aside_and_the_other_two_confirm(
    tmp_path: Path,
    first: EsploraDouble,
    second: EsploraDouble,
    other_chain: FakeChain,
    liar: int,
) -> None:
    chain = first.chain
    with EsploraDouble(chain=chain) as third:
        doubles = (first, second, third)
        quorum = ["--quorum-above", "30000"]
        with explorer_shop(tmp_path, *doubles, more=quorum) as shop:
            doubles[liar].chain = other_chain
            order = shop.order(confirmations=2)
            paid_on_both(order, chain, other_chain)
            shop.wait_for(order, "confirmed")
            paid = shop.node.payment(order.id)
            blocks = [receipt["block_hash"] for receipt in paid["receipts"]]
            assert blocks == [chain.best[-2].hash]
            name = f"operator-{liar + 1}"
            wait_until(
                lambda: alerts(shop, name) == ["source.contradicts"],
                20,
                lambda: f"the alert: {shop.node.get('/v1/alerts').json()}",
            )

            def others() -> dict[str, Any]:
                """Of the sources, once the liar is left."""
                sources = {source["name"]: source for source in shop.sources()}
                return {} if sources.pop(name)["active"] else sources

            wait_until(others, 20, lambda: f"another to be asked: {shop.sources()}")
            (liars,) = [one for one in shop.sources() if one["name"] == name]
            assert "set aside: it contradicts" in liars["reason"]
            assert liars["standing"] == "behind"
            sources = others()
            assert len(sources) == 2
            assert {s["standing"] for s in sources.values()} == {"current"}
            assert alerts(shop, order.id) == []
            assert "reversed" not in shop.told(order)

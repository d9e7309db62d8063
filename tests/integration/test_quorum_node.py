"""A whole node with a quorum, and two explorers of different operators."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.explorer_shop import Order, Shop, explorer_shop
from tests.tools import fake_upstream as fake
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

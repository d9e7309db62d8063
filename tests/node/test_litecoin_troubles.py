"""Honest nodes in trouble, and Paybells that believe them no more than is right.

One node is left alone. Beside it, nodes are killed, rolled back, restarted, read anew
and cut off, all at the same time; each has a Paybell with the same orders. While the
troubles last, an order is paid and another one runs out of time, as those on the
healthy node are told. In the end each Paybell must have told what the one on the
healthy node told, and nothing else.

One more Paybell has two sources: the node that is cut off, and the healthy one.
"""

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.node.litecoin import LitecoinNode
from tests.node.paybell import Paybell
from tests.node.shop import fresh_address
from tests.node.troubles import TROUBLES, Shop
from tests.tools.wait import WaitedTooLong, wait_until

AHEAD = 50  # blocks that come while the troubles last
LOOKS = 3  # requests of a Paybell: it has asked its node anew
DUE = ("in time", "open")  # while the troubles last, which do until that is over
ORDERS: dict[str, dict[str, Any]] = {
    # Paid before the troubles, and deep enough for its shop.
    "confirmed": {"amount_sat": 50_001, "confirmations": 2},
    # Paid before, and on its way.
    "confirming": {"amount_sat": 50_002, "confirmations": 6},
    # In the mempool, which is enough for its shop.
    "at once": {"amount_sat": 50_003, "confirmations": 0},
    # In the mempool, in time: its deadline comes in the troubles.
    "in time": {"amount_sat": 50_004, "confirmations": 1},
    # Not paid at all; so is its deadline.
    "open": {"amount_sat": 50_005},
    # Paid while the troubles last.
    "meanwhile": {"amount_sat": 50_006, "confirmations": 1},
    # Ordered while the troubles last, and not paid.
    "new": {"amount_sat": 50_007, "expires_in_s": 2},
}
BEFORE = {
    "confirmed": "confirmed",
    "confirming": "confirming",
    "at once": "confirmed",
    "in time": "detected",
    "open": "created",
    "meanwhile": "created",
}

each_trouble = pytest.mark.parametrize("name", TROUBLES)


@dataclass
class World:
    """The nodes and their shops, once the troubles are over."""

    healthy: Shop
    troubled: dict[str, Shop]
    with_two: Shop
    during: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    """What each was told from the beginning of its trouble to the end, by order."""

    standing: dict[str, str] = field(default_factory=dict)
    """What each said of its source then."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("paybell")
        made = opened(stack, folder)
        ordered(made)
        suffered(made)
        yield made
        for shop in (made.healthy, made.with_two, *made.troubled.values()):
            assert shop.paybell.trouble == []


def opened(stack: ExitStack, folder: Path) -> World:
    """All nodes with one chain, on disk, and a Paybell on each."""
    alone = stack.enter_context(LitecoinNode())
    alone.fund_wallet()
    nodes = {}
    for name in TROUBLES:
        nodes[name] = stack.enter_context(LitecoinNode("-disablewallet"))
        nodes[name].connect(alone)
    for node in nodes.values():
        node.wait_for_tip(alone.tip())
        node.flush()

    def shop_at(node: LitecoinNode, name: str, *fallbacks: str) -> Shop:
        place = folder / name
        place.mkdir()
        paybell = Paybell(node.url, place, fallbacks=fallbacks)
        stack.push(paybell)
        paybell.launch()
        return Shop(node, paybell)

    healthy = shop_at(alone, "healthy")
    troubled = {name: shop_at(node, name) for name, node in nodes.items()}
    with_two = shop_at(nodes["cut off"], "with two", alone.url)
    for shop in (healthy, with_two, *troubled.values()):
        shop.paybell.wait_until_ready()
    return World(healthy, troubled, with_two)


def ordered(world: World) -> None:
    """The orders, and what is paid before the troubles."""
    shops = (world.healthy, world.with_two, *world.troubled.values())
    miner = world.healthy.node
    terms = {name: {**t, "address": fresh_address()} for name, t in ORDERS.items()}
    early = {name: terms[name] for name in ("confirmed", "confirming")}
    for shop in shops:
        shop.take(early)
    for t in early.values():
        miner.pay(t["address"], t["amount_sat"])
    mined = miner.generate(2)
    for shop in shops:
        shop.take({o: t for o, t in terms.items() if o in BEFORE and o not in early})
    waiting = [
        miner.pay(terms[name]["address"], terms[name]["amount_sat"])
        for name in ("at once", "in time")
    ]
    for shop in shops:
        shop.node.wait_for_tip(mined[-1])
        shop.node.wait_for_mempool(*waiting)
        for name, end in BEFORE.items():
            shop.wait_for(name, end)


def suffered(world: World) -> None:
    """All troubles at once, from their beginning to their end."""
    healthy = world.healthy
    began = {}
    with ExitStack() as troubles:
        for name, shop in world.troubled.items():
            troubles.enter_context(TROUBLES[name](shop.node, healthy.node))
            began[name] = datetime.now(UTC)
        new = {"new": {**ORDERS["new"], "address": fresh_address()}}
        # The healthy one last: what is over there is over everywhere.
        for shop in (world.with_two, *world.troubled.values(), healthy):
            for order in DUE:
                shop.due_soon(order)
            shop.take(new)
        meanwhile = healthy.payments["meanwhile"]
        healthy.node.pay(meanwhile["address"], meanwhile["amount_sat"])
        healthy.node.generate(AHEAD)
        healthy.wait_for("meanwhile", "confirmed")
        for order in ("open", "new"):
            healthy.wait_for(order, "expired")
        asked_anew(world)
        # One that starts anew on a node that is behind knows no more of it.
        doubting = world.troubled["rolled back"].paybell
        doubting.kill()
        doubting.start()
        asked_anew(world)
        with suppress(WaitedTooLong):  # a test of its own judges that
            world.with_two.wait_for("meanwhile", "confirmed")
            for order in ("open", "new"):
                world.with_two.wait_for(order, "expired")
        for name, shop in world.troubled.items():
            world.during[name] = {o: shop.told(o, began[name]) for o in ORDERS}
            world.standing[name] = shop.paybell.source()["standing"]
        world.during["with two"] = stories_of(world.with_two)
    (last,) = healthy.node.generate(1)
    for shop in world.troubled.values():
        shop.node.wait_for_tip(last)


def asked_anew(world: World) -> None:
    """Each has looked at its node in trouble since, whatever came of it."""
    wanted = {name: s.looks() + LOOKS for name, s in world.troubled.items()}
    for name, shop in world.troubled.items():
        shop.wait_for_looks(wanted[name])


@each_trouble
def test_while_its_node_is_in_trouble_a_shop_is_told_nothing_that_takes_away(
    world: World, name: str
) -> None:
    told = world.during[name]
    wrong = {"reorged", "replaced", "reversed", "late"}
    if name != "cut off":  # who hears of nobody cannot know that others have more
        wrong.add("expired")
    assert {o: told[o] for o in ORDERS if wrong & set(told[o])} == {}


def test_whoever_asks_is_told_what_a_source_is_worth_meanwhile(world: World) -> None:
    assert world.standing == {
        **dict.fromkeys(TROUBLES, "behind"),
        "warming up": "failing",
        "cut off": "current",  # as far as it and its Paybell can know
    }


@each_trouble
def test_in_the_end_a_shop_on_a_node_in_trouble_was_told_what_the_healthy_one_was(
    world: World, name: str
) -> None:
    shop = world.troubled[name]
    for order in ORDERS:
        unheard_of = set(shop.told(order)) - set(world.healthy.told(order))
        assert unheard_of == set(), shop.told(order)
        shop.wait_to_be_as(world.healthy, order)
    assert stories_of(shop) == stories_of(world.healthy)


def stories_of(shop: Shop) -> dict[str, list[str]]:
    return {order: shop.told(order) for order in ORDERS}


def test_the_healthy_one_tells_what_happened(world: World) -> None:
    """Else the comparison would compare nothing."""
    mined = ["created", "detected", "confirming", "confirmed"]
    assert stories_of(world.healthy) == {
        "confirmed": mined,
        "confirming": mined,
        "at once": ["created", "detected", "confirmed", "confirming"],
        "in time": ["created", "detected", "updated", "confirming", "confirmed"],
        "open": ["created", "updated", "expired"],
        "meanwhile": mined,
        "new": ["created", "expired"],
    }


def test_with_a_second_source_a_shop_is_told_all_while_the_first_one_is_behind(
    world: World,
) -> None:
    assert world.during["with two"] == stories_of(world.healthy)


def test_a_first_source_that_has_caught_up_is_gone_back_to(world: World) -> None:
    shop = world.with_two
    wait_until(
        lambda: shop.paybell.sources()[0]["active"],
        20,
        lambda: f"the first source to be asked: {shop.paybell.sources()}",
    )
    assert stories_of(shop) == stories_of(world.healthy)

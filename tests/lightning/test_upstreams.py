"""A node and its phoenixd, over real sockets: nothing that is paid is missed, whatever
fails between them, and nothing is told twice. The node is a process of its own, as an
operator starts it; phoenixd is the double of tests/tools/phoenixd_double.py."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.seeds.phoenixd_shop import Shop, phoenixd_shop
from tests.tools.paybell import serving
from tests.tools.wait import PATIENCE, wait_until

STEP_S = 20.0
PAID = ["created", "detected", "confirmed"]
SILENCE_S = 5
"""A busy machine keeps a shorter one by itself: then it is not live for a while."""


class Watched:
    """A shop whose account is watched by the test."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.node, self.phoenixd = shop, shop.node, shop.phoenixd
        self.password = shop.phoenixd.password

    def order(self) -> tuple[str, str]:
        """The payment's id, and its invoice's hash."""
        made = self.node.create(method="lightning", amount_sat=1_000)
        return made["id"], made["lightning"]["payment_hash"]

    def upstream(self) -> dict[str, Any]:
        (one,) = self.node.get("/v1/upstreams").json()["data"]
        found: dict[str, Any] = one
        return found

    def until(self, state: str) -> dict[str, Any]:
        def reached() -> dict[str, Any] | None:
            seen = self.upstream()
            return seen if seen["state"] == state else None

        seen = wait_until(reached, STEP_S, lambda: f"{state}: {self.upstream()}")
        assert seen is not None
        return seen

    def story(self, payment_id: str) -> list[str]:
        page = self.node.get(f"/v1/payments/{payment_id}/events").json()["data"]
        assert [one["seq"] for one in page] == [*range(1, len(page) + 1)]
        return [one["type"].removeprefix("payment.") for one in page]

    def until_told(self, *payments: str) -> None:
        for payment_id in payments:
            self.node.wait_for_status(payment_id, "confirmed")
            assert self.story(payment_id) == PAID

    def metric(self, name: str) -> float:
        lines = self.node.get("/metrics").text.splitlines()
        (line,) = [one for one in lines if one.startswith(f"paybell_{name}_total ")]
        return float(line.rpartition(" ")[2])


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("upstreams")
    with phoenixd_shop(folder, silence_s=SILENCE_S) as shop:
        yield Watched(shop)


@pytest.fixture
def shop(one: Watched) -> Watched:
    """As it was at the beginning: live, whatever the test before left."""
    one.phoenixd.password = one.password
    one.phoenixd.speak_again()
    one.node.post("/v1/upstreams/till/reconnect")
    one.until("live")
    return one


def alerts(shop: Watched) -> set[str]:
    """The kinds that stand. An upstream's state is known before they are raised."""
    return {one["kind"] for one in shop.node.get("/v1/alerts").json()["data"]}


def test_paid_while_the_socket_was_down_is_read_before_it_is_live(
    shop: Watched,
) -> None:
    (first, hash_1), (second, hash_2) = shop.order(), shop.order()
    shop.phoenixd.receive(hash_1, push=False)  # a push that is lost
    shop.phoenixd.break_streams()
    shop.phoenixd.receive(hash_2, push=False)
    shop.until_told(first, second)
    assert shop.until("live")["reason"] is None


def test_a_black_hole_is_found_and_nothing_is_told_twice_after(shop: Watched) -> None:
    (before, hash_1), (during, hash_2) = shop.order(), shop.order()
    shop.phoenixd.receive(hash_1)
    shop.until_told(before)
    dead = list(shop.phoenixd.peers)
    shop.phoenixd.fall_silent()  # no reset, no end
    shop.phoenixd.receive(hash_2)
    wait_until(lambda: shop.upstream()["state"] != "live", STEP_S, "it to be noticed")
    shop.phoenixd.speak_again()
    shop.until("live")
    shop.until_told(during)
    wait_until(
        lambda: not any(peer in dead for peer in shop.phoenixd.peers),
        STEP_S,
        "the dead connection to be given up",
    )
    for payment_hash in (hash_1, hash_2):
        shop.phoenixd.push(payment_hash, times=3)
    after, hash_3 = shop.order()
    shop.phoenixd.receive(hash_3)
    shop.until_told(after, before, during)


def test_the_same_invoice_by_all_ways_is_one_event(shop: Watched) -> None:
    payment, payment_hash = shop.order()
    shop.phoenixd.receive(payment_hash)
    shop.phoenixd.push(payment_hash, times=5)
    shop.node.post("/v1/upstreams/till/reconnect")  # and by a page
    shop.until_told(payment)
    shop.until("live")
    shop.until_told(payment)


def test_a_key_that_is_revoked_in_flight_is_told_with_its_reason(
    shop: Watched,
) -> None:
    payment, payment_hash = shop.order()
    key, shop.phoenixd.password = shop.phoenixd.password, "another-key"
    shop.phoenixd.receive(payment_hash, push=False)
    shop.phoenixd.break_streams()
    failing = shop.until("failing")
    assert failing["reason"]
    assert key not in shop.node.get("/v1/upstreams").text + shop.node.err
    raised = {"upstream.failing", "upstream.key_refused"}
    wait_until(lambda: raised <= alerts(shop), STEP_S, "both alerts")
    wait_until(
        lambda: shop.node.get("/health").json()["status"] == "degraded",
        STEP_S,
        "health to be asked anew",
    )
    refused = shop.node.post("/v1/payments", method="lightning", amount_sat=5)
    assert refused.status_code == 503, refused.text
    assert refused.json()["code"] == "lightning_unavailable"
    shop.phoenixd.password = key
    assert shop.node.post("/v1/upstreams/till/reconnect").status_code == 202
    shop.until("live")
    shop.until_told(payment)
    wait_until(lambda: not raised & alerts(shop), STEP_S, "the end of the alerts")


def test_a_flood_of_payments_that_are_not_ours_is_counted_and_passed(
    shop: Watched,
) -> None:
    before = shop.metric("lightning_not_ours")
    payment, payment_hash = shop.order()
    for _ in range(150):
        form = {"amountSat": "7", "description": "of somebody else"}
        made = requests.post(
            f"{shop.phoenixd.url}/createinvoice",
            data=form,
            auth=("", shop.phoenixd.password),
            timeout=STEP_S * PATIENCE,
        ).json()
        shop.phoenixd.receive(made["paymentHash"], push=False)
    shop.phoenixd.receive(payment_hash, push=False)
    shop.phoenixd.break_streams()
    shop.until_told(payment)
    shop.until("live")
    wait_until(
        lambda: shop.metric("lightning_not_ours") >= before + 150,
        STEP_S,
        lambda: f"150 more than {before}: {shop.metric('lightning_not_ours')}",
    )


def test_kill_9_under_payments_and_a_restart_lose_none_and_tell_none_twice(
    tmp_path: Path,
) -> None:
    with phoenixd_shop(tmp_path, silence_s=SILENCE_S) as running:
        shop = Watched(running)
        orders = [shop.order() for _ in range(40)]
        with ThreadPoolExecutor(1) as pool:
            killed = pool.submit(shop.node.kill)
            for _payment, payment_hash in orders[:30]:
                shop.phoenixd.receive(payment_hash)  # before, amid and after it
            killed.result()
        for _payment, payment_hash in orders[30:]:
            shop.phoenixd.receive(payment_hash)  # while it is away: nobody is told
        config = str(tmp_path / "paybell.toml")
        with serving(tmp_path, "--config", config) as node:
            running.node = shop.node = node
            shop.until_told(*(payment for payment, _hash in orders))
            shop.until("live")

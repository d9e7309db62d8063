"""What is asked from outside waits for the database by itself; orders go on beside."""

from collections.abc import Callable
from typing import Any

import gevent
from gevent import monkey

from tests.tools.node import running_node
from tests.tools.receiver import Receiver
from tests.tools.wait import PATIENCE, wait_until

NativeEvent = monkey.get_original("threading", "Event")  # of the readers' threads


def test_however_many_ask_from_outside_a_shop_orders_and_is_told() -> None:
    """Every thread in which edges and sessions read is held, and much more waits; what
    the node reads for itself, to watch and to deliver, does not wait behind it."""
    begun: list[int] = []
    let_go = NativeEvent()

    def held(_sql: object) -> None:
        begun.append(1)
        let_go.wait(300)

    with Receiver() as shop, running_node() as node:
        made = node.post("/v1/channels", {"url": shop.url("/hook")})
        assert made.status_code == 201, made.text
        node.create(amount_sat=1_000)  # what is read once was read
        first = len(shop.wait_for(1, 30 * PATIENCE))
        address, answers = node.chain.new_address(), list[object]()
        asking = [gevent.spawn(node._store.reader._run, held) for _ in range(100)]
        for _ in range(100):  # as a session does for its client
            node.node.read_for_client(_held(held), answers.append)
        try:
            wait_until(lambda: len(begun) > 1, 30 * PATIENCE, "its threads to be held")
            order = {"amount_sat": 1_000, "address": address}
            payment = node.post(
                "/v1/payments", order, **{"Idempotency-Key": "once"}
            ).json()
            node.chain.pay(address, 1_000)
            told = shop.wait_for(first + 2, 30 * PATIENCE)[first:]
            assert all(payment["id"].encode() in request.body for request in told[:2])
            assert b"payment.detected" in told[1].body
            assert len(begun) == 2, (
                "and of those who ask from outside nobody had a turn"
            )
        finally:
            let_go.set()
            gevent.joinall(asking, timeout=60 * PATIENCE, raise_error=True)
        wait_until(lambda: len(answers) == 100, 60 * PATIENCE, "all to be answered")


def _held(held: Callable[[object], None]) -> Callable[[Any], None]:
    return lambda store: store._run(held)

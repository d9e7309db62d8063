"""In each round of the hub a few requests of each address begin."""

from collections import Counter

import gevent

from engine.runtime.yielding import yield_to_hub
from tests.tools.serving import until
from transport.server.turns import ServerTurns


def test_a_crowd_of_one_address_begins_a_few_in_each_round() -> None:
    turns, begun = ServerTurns(per_round=4), Counter[int]()
    loop = gevent.get_hub().loop

    def request() -> None:
        turns.wait("crowd")
        begun[loop.iteration] += 1

    crowd = [gevent.spawn(request) for _ in range(50)]
    gevent.joinall(crowd, raise_error=True)
    assert sum(begun.values()) == 50
    assert max(begun.values()) <= 4


def test_another_address_need_not_wait_for_a_crowd() -> None:
    turns, order = ServerTurns(per_round=4), list[str]()

    def request(key: str) -> None:
        turns.wait(key)
        order.append(key)

    crowd = [gevent.spawn(request, "crowd") for _ in range(50)]
    yield_to_hub()
    shop = gevent.spawn(request, "shop")
    gevent.joinall([*crowd, shop], raise_error=True)
    assert order.index("shop") <= 8


def test_who_is_alone_does_not_wait() -> None:
    turns = ServerTurns(per_round=2)
    before = gevent.get_hub().loop.iteration
    for key in ("a", "b", "a", "b"):
        turns.wait(key)
    assert gevent.get_hub().loop.iteration == before


def test_who_gives_up_in_the_line_holds_up_nobody() -> None:
    turns, done = ServerTurns(per_round=1), list[int]()

    def request(number: int) -> None:
        turns.wait("crowd")
        done.append(number)

    crowd = [gevent.spawn(request, number) for number in range(6)]
    gevent.sleep(0)
    for gone in crowd[2:5]:
        gone.kill(block=False)
    gevent.joinall(crowd, raise_error=False)
    assert done[-1] == 5
    until(lambda: turns._pump is None)
    assert not turns._lines


def test_the_same_order_in_which_they_came() -> None:
    turns, order = ServerTurns(per_round=3), list[int]()

    def request(number: int) -> None:
        turns.wait("crowd")
        order.append(number)

    gevent.joinall([gevent.spawn(request, number) for number in range(20)])
    assert order == list(range(20))

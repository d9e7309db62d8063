"""Many who claim one refund at one moment, over real sockets: the chain pays one."""

from collections.abc import Iterator

import gevent
import pytest

from tests.money.test_refunds import claim_link
from tests.money.test_refunds_paid import POLICY, Paying
from tests.tools.node import running_node
from tests.tools.seed_wallets import Seeds

RACERS = 50


@pytest.fixture(scope="module")
def desk() -> Iterator[Paying]:
    """It holds its merchants' keys, and refuses no claim for being one too many."""
    seeds = Seeds(POLICY)
    web = {"forwarding": POLICY, "refund_claims_per_minute": 600}
    with running_node(forwards=seeds.forwards, web=web) as node:
        seeds.give(node, "p2wpkh")
        desk = Paying(node)
        desk.seeds = seeds
        yield desk


def paid_to(desk: Paying, addresses: list[str]) -> list[int]:
    """What lies at these addresses, by all transactions of the chain."""
    found = []
    for txid in list(desk.node.chain.contents.entries):
        found += [sat for to in addresses if (sat := desk.arrived(txid, to))]
    return found


def test_50_racing_claims_with_addresses_of_their_own_pay_one(desk: Paying) -> None:
    payment = desk.staying("p2wpkh")
    refund = desk.made(payment, amount_sat=20_000)
    addresses = [desk.fresh() for _ in range(RACERS)]
    calls = [gevent.spawn(desk.claim, refund, address) for address in addresses]
    gevent.joinall(calls, raise_error=True)
    answers = [call.value for call in calls]
    codes = [one.status_code for one in answers if one is not None]
    assert sorted(codes) == [200] + [409] * (RACERS - 1)
    won = addresses[codes.index(200)]
    (shown,) = desk.settled(payment)
    assert (shown["address"], shown["amount_sat"]) == (won, 20_000)
    desk.node.chain.mine(2)
    assert paid_to(desk, addresses) == [20_000]
    assert len(desk.told(payment)) == 1


def test_50_racing_claims_of_one_address_are_answered_alike_and_pay_once(
    desk: Paying,
) -> None:
    """A payer whose click was sent many times, by the page and by a shop's own."""
    payment, to = desk.staying("p2wpkh"), desk.fresh()
    refund = desk.made(payment, amount_sat=20_000)
    path, token = claim_link(refund)

    def claim(number: int) -> int:
        if number % 2:
            return desk.claim(refund, to).status_code
        form = {"token": token, "address": to, "step": "send"}
        nobody = {"Authorization": None}
        answer = desk.node.call("POST", path, data=form, headers=nobody)
        return answer.status_code

    calls = [gevent.spawn(claim, number) for number in range(RACERS)]
    gevent.joinall(calls, raise_error=True)
    assert {call.value for call in calls} <= {200, 303}
    desk.settled(payment)
    desk.node.chain.mine(2)
    assert paid_to(desk, [to]) == [20_000]
    assert len(desk.told(payment)) == 1

"""A bump on a node of Core's lineage: the same inputs, and the first one gives way.

Each transaction is judged by Bitcoin Core's own script code before the node sees it.
"""

from collections.abc import Iterator

import pytest

from engine.bitcoin.address import script_to_address
from engine.bitcoin.transaction import parse_tx
from engine.chain.broadcast import Verdict
from engine.wallet.bump import plan_bump
from engine.wallet.coin import Coin
from engine.wallet.fees import FeeRules
from engine.wallet.plan import Plan
from engine.wallet.signing import Signed, sign
from engine.wallet.spend import plan_sweep
from tests.node.litecoin import LitecoinNode
from tests.tools.wait import PATIENCE
from tests.unit.engine.wallet.coins import KINDS, TestKeys, judge, key
from transport.chain.bitcoind_broadcast import BitcoindBroadcaster

OWNER = b"\x00\x14" + b"\x07" * 20
RULES = FeeRules(max_percent=50)


@pytest.fixture
def node() -> Iterator[LitecoinNode]:
    with LitecoinNode() as node:
        node.fund_wallet()
        yield node


def test_a_bump_takes_the_place_of_what_it_bumps(node: LitecoinNode) -> None:
    way = BitcoindBroadcaster(node.url, "core", 30 * PATIENCE)
    tip = int(node.rpc("getblockcount")) + 1
    coins = [paid(node, number, tip) for number in range(len(KINDS))]
    node.generate(1)
    block = str(node.rpc("getblockhash", tip))
    made = {coin.txid: way.raw_transaction(coin.txid, block) for coin in coins}
    plan = plan_sweep(coins, OWNER, 2_000, RULES, tip).plan
    assert plan is not None
    first = judged(plan, made)
    assert way.send(first.raw).verdict is Verdict.TAKEN
    assert way.send(first.raw).verdict is Verdict.TAKEN, "the same bytes once more"
    higher = plan_bump(plan, 2_500, RULES)
    bump = judged(higher, made)
    assert parse_tx(bump.raw).spends == parse_tx(first.raw).spends
    assert way.send(bump.raw).verdict is Verdict.TAKEN
    assert node.mempool() == {bump.txid}
    assert way.sighting(bump.raw, tip).in_mempool
    assert not way.sighting(first.raw, tip).is_known
    assert way.send(first.raw).verdict is Verdict.LOW_FEE
    node.generate(1)
    assert way.sighting(bump.raw, tip).depth == 1
    assert way.send(first.raw).verdict is Verdict.CONFLICT
    spent = way.spenders([coin.outpoint for coin in coins], tip)
    assert {spender.txid for spender in spent.values()} == {bump.txid}
    assert len(spent) == len(KINDS)
    paid_out = sum(out.amount_sat for out in parse_tx(bump.raw).outputs)
    assert paid_out + higher.fee_sat == sum(coin.amount_sat for coin in coins)
    way.close()


def paid(node: LitecoinNode, number: int, height: int) -> Coin:
    """A coin of a key of ours, of each kind one; the next block will have it."""
    script = key("wal_test", number).script(KINDS[number])
    amount_sat = 40_000 + number
    txid = node.pay(script_to_address(script, "regtest") or "", amount_sat)
    outputs = parse_tx(bytes.fromhex(node.rpc("getrawtransaction", txid))).outputs
    return Coin(
        txid=txid,
        vout=next(n for n, out in enumerate(outputs) if out.script == script),
        amount_sat=amount_sat,
        script=script,
        wallet="wal_test",
        index=number,
        payment_id=f"pay_{number}",
        merchant="shop",
        height=height,
    )


def judged(plan: Plan, made: dict[str, bytes]) -> Signed:
    signed = sign(plan, TestKeys(), made)
    spent = [parse_tx(made[name]).outputs[n] for name, n in parse_tx(signed.raw).spends]
    assert judge(signed, spent), signed.txid
    return signed

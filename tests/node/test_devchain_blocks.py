"""A real node judges what the dev chain makes: every block, signature and reorg."""

import json
from pathlib import Path
from typing import Any

from bit import PrivateKeyTestnet
from bit.network.meta import Unspent

from engine.bitcoin.address import parse_address
from tests.tools import children
from tests.tools.wait import PATIENCE
from transport.devchain.chain import DevChain

HERE = Path(__file__).parent
KEY = PrivateKeyTestnet("cU6s7jckL3bZUUkb3Q2CD9vNu8F1o58K5R5a3JFtidoccMbhEGKZ")


def judged(blocks: list[bytes], txs: list[bytes]) -> Any:
    given = {"blocks": [b.hex() for b in blocks], "txs": [tx.hex() for tx in txs]}
    done = children.run(
        ["node", "-r", str(HERE / "preload.js"), str(HERE / "judge_blocks.js")],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=60 * PATIENCE,
        cwd=HERE,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    return json.loads(done.stdout)


def blocks_from(chain: DevChain, height: int) -> list[bytes]:
    return [chain.contents.blocks[name].raw for name in chain.contents.best[height:]]


def sweep(chain: DevChain) -> None:
    """A shop's customer moves on, signed by somebody else's code."""
    txid = chain.pay(KEY.address, 100_000)
    script = parse_address(KEY.address, "regtest").script.hex()
    raw = KEY.create_transaction(
        [(chain.new_address(), 50_000, "satoshi")],
        fee=500,
        absolute_fee=True,
        unspents=[Unspent(100_000, 1, script, txid, 0, "p2pkh")],
    )
    chain.broadcast(bytes.fromhex(raw))


def test_a_node_accepts_every_block_of_a_dev_chain_that_lived_through_everything() -> (
    None
):
    chain = DevChain(seed=1)
    for kind in ("p2pkh", "p2sh", "p2wpkh", "p2wsh", "p2tr"):
        chain.pay(chain.new_address(kind), 50_000)
    chain.mine(2)
    chain.replace(chain.pay(chain.new_address(), 30 * 100_000_000))
    chain.pay_many([(chain.new_address(), 1_000)] * 300)
    sweep(chain)
    chain.mine(3)
    before = blocks_from(chain, 1)
    dropped = chain.pay(chain.new_address(), 7_000)
    chain.reorg(3, [dropped])
    for number in range(20):
        chain.pay(chain.new_address("p2tr"), 1_000 * (number + 1))
    chain.mine(45)
    waiting = [chain.pay(chain.new_address(), 5_000) for _ in range(3)]
    txs = [chain.contents.entries[txid].tx.raw for txid in waiting]

    verdict = judged(before + blocks_from(chain, 113), txs)

    assert verdict["refused"] == []
    assert verdict["height"] == chain.status().tip.height == 161
    assert verdict["tip"] == chain.status().tip.hash


def test_the_judge_does_refuse_a_forged_signature() -> None:
    chain = DevChain(seed=1)
    txid = chain.pay(chain.new_address(), 50_000)
    tx = chain.contents.entries[txid].tx
    raw = bytearray(tx.raw)
    at = raw.index(tx.inputs[0].witness[0]) + 20
    raw[at] ^= 1
    verdict = judged(blocks_from(chain, 1), [bytes(raw)])
    assert verdict["height"] == 110
    assert "script-verify-flag" in verdict["refused"][0]

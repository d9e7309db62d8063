"""What the dev chain accepts from others, and that nothing it is told breaks it.

The foreign transactions are made and signed by `bit`, so that two independent
implementations agree on what is right.
"""

from collections.abc import Callable

import pytest
from bit import PrivateKeyTestnet
from bit.network.meta import Unspent
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.bitcoin.address import parse_address
from engine.bitcoin.signed_tx import (
    Digests,
    TxIn,
    check_signature,
    decode_tx,
    make_tx,
)
from engine.chain.feed import TxOut
from tests.unit.transport.devchain.chain_checks import Clock, assert_whole, height_of
from transport.devchain.chain import DevChain, DevChainError, Rejected
from transport.devchain.wallet import dust_sat

KEY = PrivateKeyTestnet("cU6s7jckL3bZUUkb3Q2CD9vNu8F1o58K5R5a3JFtidoccMbhEGKZ")
GONE = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"

# The signed P2WPKH example of BIP 143; its second input spends 6 BTC.
BIP143 = bytes.fromhex(
    "01000000000102fff7f7881a8099afa6940d42d1e7f6362bec38171ea3edf433541db4e4ad969f"
    "00000000494830450221008b9d1dc26ba6a9cb62127b02742fa9d754cd3bebf337f7a55d114c8e"
    "5cdd30be022040529b194ba3f9281a99f2b1c0a19c0489bc22ede944ccf4ecbab4cc618ef3ed01"
    "eeffffffef51e1b804cc89d182d279655c3aa89e815b1b309fe287d9b2b55d57b90ec68a010000"
    "0000ffffffff02202cb206000000001976a9148280b37df378db99f66f85c95a783a76ac7a6d59"
    "88ac9093510d000000001976a9143bde42dbee7e4dbe6a21b2d50ce2f0167faa815988ac000247"
    "304402203609e17b84f6a7d30c80bfa610b5b4542f32a8a0d5447a12fb1366d7f01cc44a022057"
    "3a954c4518331561406f90300e8f3358f51928d43c212a8caed02de67eebee0121025476c2e831"
    "88368da1ff3e292e7acafcdb3566bb0ad253f62fc70f07aeee635711000000"
)


@pytest.fixture
def chain() -> DevChain:
    return DevChain(seed=7, now=Clock())


def fund(chain: DevChain, segwit: bool = False, amount_sat: int = 100_000) -> Unspent:
    address = KEY.segwit_address if segwit else KEY.address
    txid = chain.pay(address, amount_sat)
    script = parse_address(address, "regtest").script
    kind = "np2wkh" if segwit else "p2pkh"
    return Unspent(amount_sat, 1, script.hex(), txid, 0, kind)


def spend(
    *coins: Unspent, amount_sat: int = 50_000, fee_sat: int = 1_000, to: str = GONE
) -> bytes:
    made: str = KEY.create_transaction(
        [(to, amount_sat, "satoshi")],
        fee=fee_sat,
        absolute_fee=True,
        unspents=list(coins),
        leftover=KEY.address,
    )
    return bytes.fromhex(made)


@pytest.mark.parametrize("segwit", [False, True])
@pytest.mark.parametrize("confirmed", [False, True])
def test_a_transaction_that_bit_signed_is_accepted_and_mined(
    chain: DevChain, segwit: bool, confirmed: bool
) -> None:
    coin = fund(chain, segwit)
    if confirmed:
        chain.mine()
    txid = chain.broadcast(spend(coin))
    assert txid in chain.mempool()
    chain.mine()
    assert height_of(chain, txid) == chain.status().tip.height
    assert_whole(chain)


@pytest.mark.parametrize("segwit", [False, True])
def test_a_forged_signature_or_amount_is_refused(chain: DevChain, segwit: bool) -> None:
    raw = bytearray(spend(fund(chain, segwit)))
    at = raw.index(bytes.fromhex("50c3000000000000"))  # 50,000 satoshi
    raw[at] -= 1
    with pytest.raises(Rejected, match="script-verify-flag-failed"):
        chain.broadcast(bytes(raw))
    assert len(chain.mempool()) == 1


def test_the_example_of_bip143_verifies_and_only_with_its_amount() -> None:
    tx = decode_tx(BIP143)
    assert tx.raw == BIP143
    key_hash = bytes.fromhex("1d0f172a0ecb48aee1be1f2687d2963ae33f71a1")
    script = b"\x00\x14" + key_hash
    assert check_signature(Digests(tx), tx, 1, TxOut(script, 600_000_000)) is None
    assert check_signature(Digests(tx), tx, 1, TxOut(script, 600_000_001)) is not None


def test_bytes_that_are_no_transaction_are_refused(chain: DevChain) -> None:
    with pytest.raises(Rejected, match="TX decode failed"):
        chain.broadcast(b"")
    with pytest.raises(Rejected, match="TX decode failed"):
        chain.broadcast(spend(fund(chain)) + b"\0")


def test_a_coin_that_is_unknown_or_spent_in_a_block_is_refused(chain: DevChain) -> None:
    coin = fund(chain)
    chain.broadcast(spend(coin))
    chain.mine()
    with pytest.raises(Rejected, match="missingorspent"):
        chain.broadcast(spend(coin, amount_sat=60_000))
    coin.txid = "ab" * 32
    with pytest.raises(Rejected, match="missingorspent"):
        chain.broadcast(spend(coin))


def test_a_known_transaction_is_refused_as_a_node_does(chain: DevChain) -> None:
    raw = spend(fund(chain))
    chain.broadcast(raw)
    with pytest.raises(Rejected, match="already in mempool"):
        chain.broadcast(raw)
    chain.mine()
    with pytest.raises(Rejected, match="already in block chain"):
        chain.broadcast(raw)


def test_fee_and_dust_limits_hold_for_everybody(chain: DevChain) -> None:
    coin = fund(chain)
    with pytest.raises(Rejected, match="min relay fee"):
        chain.broadcast(spend(coin, fee_sat=10))
    with pytest.raises(Rejected, match="dust"):
        chain.broadcast(spend(coin, amount_sat=293))
    coin.amount += 1_000_000
    with pytest.raises(Rejected, match="in-belowout"):
        chain.broadcast(spend(coin, amount_sat=500_000))


def test_a_young_coinbase_cannot_be_spent(chain: DevChain) -> None:
    coinbase = chain.block(chain.status().tip.hash).txs[0]
    tx = make_tx([TxIn(coinbase.txid, 0)], [TxOut(b"\x00\x14" + bytes(20), 1_000)])
    with pytest.raises(Rejected, match="premature-spend"):
        chain.broadcast(tx.raw)


@pytest.mark.parametrize(
    ("kind", "why"),
    [("p2wsh", "are understood"), ("p2tr", "Invalid Schnorr signature")],
)
def test_what_it_cannot_verify_is_refused_not_waved_through(
    chain: DevChain, kind: str, why: str
) -> None:
    txid = chain.pay(chain.new_address(kind), 50_000)  # type: ignore[arg-type]
    out = TxOut(parse_address(GONE, "regtest").script, 40_000)
    tx = make_tx([TxIn(txid, 0, witness=(bytes(64),))], [out])
    with pytest.raises(Rejected, match=why):
        chain.broadcast(tx.raw)


def test_a_double_spend_replaces_only_if_it_pays_more(chain: DevChain) -> None:
    coin = fund(chain)
    first = chain.broadcast(spend(coin, fee_sat=1_000))
    with pytest.raises(Rejected, match="insufficient fee"):
        chain.broadcast(spend(coin, amount_sat=40_000, fee_sat=1_001))
    second = chain.broadcast(spend(coin, amount_sat=40_000, fee_sat=2_000))
    assert first not in chain.mempool()
    assert second in chain.mempool()


def test_a_replaced_payment_takes_what_was_built_on_it_along(chain: DevChain) -> None:
    coin = fund(chain)
    child = chain.broadcast(spend(coin))
    with pytest.raises(DevChainError, match="does not spend the dev chain's coins"):
        chain.replace(child)
    new = chain.replace(coin.txid, to=GONE)
    assert chain.mempool() == {new}
    assert_whole(chain)
    paid = chain.contents.entries[new]
    assert paid.fee_sat > 1_000  # more than parent and child together paid


def test_a_chain_of_unconfirmed_transactions_ends_where_core_ends_it(
    chain: DevChain,
) -> None:
    coin = fund(chain, amount_sat=1_000_000)
    for _ in range(24):
        raw = spend(coin, amount_sat=300, fee_sat=500)
        tx = decode_tx(raw)
        chain.broadcast(raw)
        (vout,) = (i for i, out in enumerate(tx.outputs) if out.amount_sat != 300)
        left = tx.outputs[vout]
        coin = Unspent(left.amount_sat, 0, left.script.hex(), tx.txid, vout, "p2pkh")
    with pytest.raises(Rejected, match="too-long-mempool-chain"):
        chain.broadcast(spend(coin, amount_sat=300, fee_sat=500))
    assert len(chain.evict(next(iter(chain.contents.mempool)))) == 25
    assert_whole(chain)


def test_a_transaction_before_its_lock_time_is_refused(chain: DevChain) -> None:
    coin = fund(chain)
    out = TxOut(parse_address(GONE, "regtest").script, 40_000)
    for locktime in (112, 1_900_000_000):
        tx = make_tx([TxIn(coin.txid, 0, sequence=0)], [out], locktime=locktime)
        with pytest.raises(Rejected, match="non-final"):
            chain.broadcast(tx.raw)


@pytest.mark.parametrize(
    ("kind", "dust"),
    [("p2pkh", 546), ("p2sh", 540), ("p2wpkh", 294), ("p2wsh", 330), ("p2tr", 330)],
)
def test_dust_begins_where_core_has_it(chain: DevChain, kind: str, dust: int) -> None:
    address = chain.new_address(kind)  # type: ignore[arg-type]
    assert dust_sat(parse_address(address, "regtest").script) == dust
    with pytest.raises(DevChainError, match=f"no less than {dust} sat"):
        chain.pay(address, dust - 1)
    assert chain.pay(address, dust)


Step = tuple[str, int]

ACTS: dict[str, Callable[[DevChain, str, int], object]] = {
    "pay": lambda chain, address, n: chain.pay(address, 1_000 + n * 90_000),
    "sweep": lambda chain, address, n: chain.broadcast(
        spend(fund(chain, n % 2 == 0), fee_sat=500 + n)
    ),
    "mine": lambda chain, address, n: chain.mine(n % 3 + 1),
    "reorg": lambda chain, address, n: chain.reorg(
        n % 4 + 1, _some(chain, n), remine=n % 2 == 0
    ),
    "replace": lambda chain, address, n: chain.replace(
        _some(chain, n)[0], address if n % 2 else None
    ),
    "evict": lambda chain, address, n: chain.evict(_some(chain, n)[0]),
}


def _some(chain: DevChain, n: int) -> list[str]:
    txids = list(chain.contents.entries)[-8:]
    return [txids[n % len(txids)]]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(ACTS)), st.integers(0, 1_000)), max_size=25
    )
)
def test_whatever_happens_in_whatever_order_the_chain_stays_whole(
    steps: list[Step],
) -> None:
    chain = DevChain(seed=1, now=Clock())
    address = chain.new_address()
    for act, number in steps:
        before = chain.status().tip, chain.mempool()
        try:
            ACTS[act](chain, address, number)
        except DevChainError:
            if act != "sweep":  # which pays first
                assert (chain.status().tip, chain.mempool()) == before
    assert_whole(chain)
    ready = dict(chain._node.coins.offer(0))
    chain._node.coins.clear()
    chain._node.rewind(0)
    assert dict(chain._node.coins.offer(0)) == ready

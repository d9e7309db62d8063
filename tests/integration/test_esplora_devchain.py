"""The Esplora adapter and the dev chain's explorer, which must agree on the wire."""

from collections.abc import Iterator

import pytest
from bottle import Bottle
from gevent.pywsgi import WSGIServer

from engine.bitcoin.address import parse_address
from engine.chain.feed import Output
from transport.chain.esplora import Esplora
from transport.devchain.chain import DevChain
from transport.devchain.http_api import devchain_routes


@pytest.fixture
def chain() -> DevChain:
    return DevChain(seed=11, now=lambda: 1_800_000_000.0)


@pytest.fixture
def esplora(chain: DevChain) -> Iterator[Esplora]:
    app = Bottle()
    app.merge(devchain_routes(chain))
    server = WSGIServer(("127.0.0.1", 0), app, log=None, error_log=None)
    server.start()
    port = server.address[1]
    source = Esplora(f"http://127.0.0.1:{port}/dev/esplora", "regtest", deadline_s=60)
    yield source
    source.close()
    server.stop(timeout=2)


def outputs(esplora: Esplora, address: str) -> tuple[Output, ...]:
    return esplora.outputs(address, parse_address(address, "regtest").script)


def test_a_payment_is_told_from_mempool_to_block_and_back(
    chain: DevChain, esplora: Esplora
) -> None:
    address = chain.new_address()
    assert outputs(esplora, address) == ()
    txid = chain.pay(address, 5_000)
    [output] = outputs(esplora, address)
    assert (output.txid, output.amount_sat, output.block_hash) == (txid, 5_000, None)
    [mined] = chain.mine()
    [output] = outputs(esplora, address)
    tip = esplora.status().tip
    assert (output.block_hash, output.block_height) == (mined, tip.height)
    assert tip.hash == mined
    assert esplora.in_best_chain(mined) is True
    chain.reorg(1)
    assert esplora.in_best_chain(mined) is False
    assert esplora.in_best_chain("ab" * 32) is None


def test_a_restarted_adapter_can_tell_stale_from_unknown(
    chain: DevChain, esplora: Esplora
) -> None:
    [mined] = chain.mine()
    height = len(chain.contents.best) - 1
    chain.reorg(1)
    assert esplora.in_best_chain(mined) is False, "its transactions are still known"
    assert esplora.in_best_chain(mined, height) is False
    assert esplora.in_best_chain(mined, height + 5) is None, "above its tip: it lags"
    assert esplora.in_best_chain("ab" * 32) is None
    assert esplora.in_best_chain("ab" * 32, height) is False, "another stands there"


def test_block_after_block_and_a_reorg_are_believed(
    chain: DevChain, esplora: Esplora
) -> None:
    for step in (1, 1, 5, 300):
        chain.mine(step)
        status = esplora.status()
        assert status.tip.hash == chain.contents.tip.hash
        assert status.doubt is None
    chain.reorg(3)
    status = esplora.status()
    assert (status.tip.hash, status.doubt) == (chain.contents.tip.hash, None)
    assert status.tip_time_s is not None


def test_an_address_with_many_payments_is_read_to_the_end(
    chain: DevChain, esplora: Esplora
) -> None:
    address = chain.new_address()
    for amount in range(1_000, 1_060):
        chain.pay(address, amount)
        if amount % 3 == 0:
            chain.mine()
    chain.pay(address, 2_000)
    amounts = sorted(output.amount_sat for output in outputs(esplora, address))
    assert amounts == [*range(1_000, 1_060), 2_000]

"""The dev chain's explorer over real sockets, as Esplora tells things."""

import socket
from collections.abc import Iterator

import pytest
from bit import PrivateKeyTestnet
from bit.network.meta import Unspent
from bottle import Bottle
from gevent.pywsgi import WSGIServer

from engine.bitcoin.address import parse_address
from engine.bitcoin.transaction import parse_tx
from tests.integration.devchain_client import ADDRESS, UNKNOWN, Client, Clock
from tests.tools.whole_block import parse_block
from transport.devchain.chain import DevChain
from transport.devchain.http_api import devchain_routes


@pytest.fixture
def client() -> Iterator[Client]:
    clock = Clock()
    chain = DevChain(seed=7, now=clock)
    app = Bottle()
    app.merge(devchain_routes(chain))
    server = WSGIServer(("127.0.0.1", 0), app, log=None, error_log=None)
    server.start()
    client = Client(int(server.address[1]), chain, clock)
    yield client
    client.close()
    server.stop(timeout=2)


# The explorer.


def test_blocks_are_told_as_esplora_tells_them(client: Client) -> None:
    client.act("pay", address=ADDRESS, amount_sat=50_000)
    first, second = client.act("mine", blocks=2)["blocks"]
    assert client.text("/blocks/tip/height") == "112"
    assert client.text("/blocks/tip/hash") == second
    assert client.text("/block-height/111") == first
    raw = client.get(f"/block/{first}/raw")
    assert raw.headers["Content-Type"] == "application/octet-stream"
    block = parse_block(raw.content, 111)
    assert block == client.chain.block(first)
    assert client.text(f"/block/{first}/header") == raw.content[:80].hex()
    shape = client.json(f"/block/{first}")
    assert shape["id"] == first
    assert shape["previousblockhash"] == block.header.prev_hash
    assert (shape["height"], shape["tx_count"]) == (111, 2)
    assert shape["size"] == len(raw.content)
    assert (shape["bits"], shape["timestamp"]) == (0x207FFFFF, block.header.time_s)
    txids = [tx.txid for tx in block.txs]
    assert client.json(f"/block/{first}/txids") == txids
    assert [tx["txid"] for tx in client.json(f"/block/{first}/txs")] == txids
    assert client.text(f"/block/{first}/txid/1") == txids[1]
    assert client.get(f"/block/{first}/txid/2").status_code == 404
    assert client.get("/blocks/999").text == "Block not found"
    assert client.get(f"/block/{first}/txs/25").status_code == 400
    assert client.get(f"/block/{first}/txs/7").status_code == 400
    heights = [block["height"] for block in client.json("/blocks")]
    assert heights == list(range(112, 102, -1))
    assert [block["height"] for block in client.json("/blocks/1")] == [1, 0]


def test_a_stale_or_unknown_block_is_not_in_the_best_chain(client: Client) -> None:
    stale, _ = client.act("mine", blocks=2)["blocks"]
    first, second, third = client.act("reorg", depth=2)["blocks"]
    assert client.json(f"/block/{stale}/txids"), "it was indexed once"
    assert client.get(f"/block/{UNKNOWN}/txids").status_code == 404
    for name in (stale, UNKNOWN):
        assert client.json(f"/block/{name}/status")["in_best_chain"] is False
        assert client.get(f"/block/{name}").status_code == 404
        assert client.get(f"/block/{name}/raw").text == "Block not found"
    status = client.json(f"/block/{first}/status")
    assert status == {"in_best_chain": True, "height": 111, "next_best": second}
    assert client.json(f"/block/{third}/status")["next_best"] is None


def test_a_transaction_is_told_as_esplora_tells_it(client: Client) -> None:
    txid = client.act("pay", address=ADDRESS, amount_sat=50_000)["txid"]
    tx = client.json(f"/tx/{txid}")
    raw = client.get(f"/tx/{txid}/raw").content
    assert parse_tx(raw).txid == txid
    assert client.text(f"/tx/{txid}/hex") == raw.hex()
    assert (tx["txid"], tx["size"], tx["version"]) == (txid, len(raw), 2)
    assert tx["status"] == {"confirmed": False}
    script = parse_address(ADDRESS, "regtest").script.hex()
    assert tx["vout"][0] == {
        "scriptpubkey": script,
        "scriptpubkey_asm": f"OP_0 OP_PUSHBYTES_20 {script[4:]}",
        "scriptpubkey_type": "v0_p2wpkh",
        "scriptpubkey_address": ADDRESS,
        "value": 50_000,
    }
    (vin,) = tx["vin"]
    assert vin["prevout"]["scriptpubkey_type"] == "v0_p2wpkh"
    assert len(vin["witness"]) == 2
    assert not vin["is_coinbase"]
    paid = sum(out["value"] for out in tx["vout"])
    assert tx["fee"] == vin["prevout"]["value"] - paid
    spends = client.json(f"/tx/{vin['txid']}/outspends")[vin["vout"]]
    assert spends == {
        "spent": True,
        "txid": txid,
        "vin": 0,
        "status": {"confirmed": False},
    }
    assert client.json(f"/tx/{txid}/outspend/0") == {"spent": False}
    (name,) = client.act("mine")["blocks"]
    coinbase = client.json(f"/block/{name}/txs")[0]
    assert coinbase["vin"][0]["is_coinbase"]
    assert coinbase["vin"][0]["prevout"] is None
    assert coinbase["vout"][-1]["scriptpubkey_type"] == "op_return"


def test_an_address_is_told_with_what_came_in_and_what_went_out(client: Client) -> None:
    key = PrivateKeyTestnet("cU6s7jckL3bZUUkb3Q2CD9vNu8F1o58K5R5a3JFtidoccMbhEGKZ")
    txid = client.act("pay", address=key.address, amount_sat=100_000)["txid"]
    client.act("mine")
    (coin,) = client.json(f"/address/{key.address}/utxo")
    assert (coin["txid"], coin["vout"], coin["value"]) == (txid, 0, 100_000)
    assert coin["status"]["confirmed"] is True
    script = parse_address(key.address, "regtest").script.hex()
    raw = key.create_transaction(
        [(ADDRESS, 60_000, "satoshi")],
        fee=1_000,
        absolute_fee=True,
        leftover=ADDRESS,
        unspents=[Unspent(100_000, 1, script, txid, 0, "p2pkh")],
    )
    answer = client.post("/dev/esplora/tx", data=raw)
    assert answer.status_code == 200
    assert client.json(f"/tx/{answer.text}/status") == {"confirmed": False}
    stats = client.json(f"/address/{key.address}")
    assert stats["chain_stats"] == {
        "funded_txo_count": 1,
        "funded_txo_sum": 100_000,
        "spent_txo_count": 0,
        "spent_txo_sum": 0,
        "tx_count": 1,
    }
    assert stats["mempool_stats"]["spent_txo_sum"] == 100_000
    assert client.json(f"/address/{key.address}/utxo") == []
    txids = [tx["txid"] for tx in client.json(f"/address/{key.address}/txs")]
    assert txids == [answer.text, txid]
    again = client.post("/dev/esplora/tx", data=raw)
    assert again.status_code == 400
    assert again.text.startswith('sendrawtransaction RPC error: {"code":-26')


def test_transactions_of_an_address_come_in_pages_newest_first(client: Client) -> None:
    mined = []
    for _ in range(6):
        mined += [client.chain.pay(ADDRESS, 1_000) for _ in range(10)]
        client.act("mine")
    waiting = [client.chain.pay(ADDRESS, 1_000) for _ in range(55)]
    page = client.json(f"/address/{ADDRESS}/txs")
    newest_first = waiting[::-1][:50] + mined[::-1][:25]
    assert [tx["txid"] for tx in page] == newest_first
    seen: list[str] = []
    path = f"/address/{ADDRESS}/txs/chain"
    while page := client.json(path):
        assert len(page) <= 25
        seen += [tx["txid"] for tx in page]
        path = f"/address/{ADDRESS}/txs/chain/{seen[-1]}"
    assert seen == mined[::-1]
    assert client.json(f"/address/{ADDRESS}/txs/chain/{UNKNOWN}") == []
    in_mempool = client.json(f"/address/{ADDRESS}/txs/mempool")
    assert [tx["txid"] for tx in in_mempool] == waiting[::-1][:50]


def test_an_address_with_too_many_coins_is_refused_as_by_a_public_explorer(
    client: Client,
) -> None:
    client.chain.pay_many([(ADDRESS, 1_000)] * 501)
    answer = client.get(f"/address/{ADDRESS}/utxo")
    assert answer.status_code == 400
    assert "Too many unspent" in answer.text


def test_the_mempool_and_fees_are_told(client: Client) -> None:
    txids = [client.chain.pay(ADDRESS, 1_000 + number) for number in range(12)]
    assert client.json("/mempool/txids") == txids
    recent = client.json("/mempool/recent")
    assert [tx["txid"] for tx in recent] == txids[::-1][:10]
    assert set(recent[0]) == {"txid", "fee", "vsize", "value"}
    totals = client.json("/mempool")
    assert totals["count"] == 12
    assert totals["total_fee"] >= totals["vsize"]
    fees = client.json("/fee-estimates")
    assert {"1", "25", "144", "504", "1008"} <= set(fees)


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/block-height/111", 404, "Block not found"),
        ("/block-height/x", 400, "Invalid number"),
        ("/block/xyz", 400, "Invalid hex string"),
        (f"/block/{UNKNOWN}", 404, "Block not found"),
        (f"/tx/{UNKNOWN}", 404, "Transaction not found"),
        (f"/tx/{UNKNOWN}/hex", 404, "Transaction not found"),
        ("/tx/xyz", 400, "Invalid hex string"),
        ("/address/xyz", 400, "Invalid Bitcoin address"),
        ("/address/bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", 400, "Invalid Bitcoin"),
    ],
)
def test_what_the_explorer_does_not_know_is_refused_as_esplora_does(
    client: Client, path: str, status: int, text: str
) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert answer.text.startswith(text)


def test_an_unknown_transaction_is_unconfirmed_for_esplora(client: Client) -> None:
    assert client.json(f"/tx/{UNKNOWN}/status") == {"confirmed": False}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("", '{"code":-22'),
        ("zz", "Invalid hex string"),
        ("00", '{"code":-22'),
        (b"\xff", "Invalid hex string"),
    ],
)
def test_what_is_no_transaction_is_not_broadcast(
    client: Client, body: str | bytes, text: str
) -> None:
    answer = client.post("/dev/esplora/tx", data=body)
    assert answer.status_code == 400
    assert text in answer.text


def test_a_transaction_over_the_size_that_nodes_relay_is_not_read(
    client: Client,
) -> None:
    with socket.create_connection(("127.0.0.1", client.port), timeout=60) as wire:
        head = "POST /dev/esplora/tx HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n"
        wire.sendall(f"{head}Connection: close\r\n\r\n".encode())
        assert wire.recv(100).startswith(b"HTTP/1.1 413 ")

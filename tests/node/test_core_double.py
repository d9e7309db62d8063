"""The double of Bitcoin Core answers as a real node of its lineage does.

Both are asked the same over HTTP, in the same situation: litecoind, which is Core 0.21
with other coins, and `CoreDouble(version=21)`. Status, code and words must be equal,
and all that the double tells of must be told by the real one, with the same types.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.node.litecoin import LitecoinNode
from tests.tools.core_double import CoreDouble
from tests.tools.wait import wait_until
from transport.chain.bitcoind import METHODS

HEIGHT = 6
ALLOWED = (
    *METHODS, "getblockcount", "getbestblockhash", "generatetoaddress",
    "invalidateblock", "reconsiderblock", "nosuchmethod",
)  # fmt: skip
Both = tuple[LitecoinNode, CoreDouble]


@pytest.fixture(scope="module")
def both() -> Iterator[Both]:
    whitelist = f"-rpcwhitelist=__cookie__:{','.join(ALLOWED)}"
    with (
        LitecoinNode("-disablewallet", whitelist) as real,
        CoreDouble(version=21, height=HEIGHT) as double,
    ):
        real.generate(HEIGHT)
        double.wire.whitelist = {"shop": set(ALLOWED)}
        yield real, double


def answers(both: Both, body: Any, path: str = "/", *, known: bool = True) -> Any:
    """(status, body) of the real node and of the double; of hashes, the height."""
    real, double = both
    user, _, password = double.secret.partition(":")
    found = []
    for port, auth in (
        (real.port, real._credentials()),
        (double.port, (user, password)),
    ):
        answer = requests.post(
            f"http://127.0.0.1:{port}{path}",
            data=body if isinstance(body, str) else json.dumps(body),
            auth=auth if known else None,
            headers={"Connection": "close"},
            timeout=60,
        )
        text = answer.text
        found.append((answer.status_code, json.loads(text) if text else text))
    return found


def call(method: str, *params: object, **more: object) -> dict[str, object]:
    return {"id": 1, "method": method, "params": params, **more}


@pytest.mark.parametrize(
    "body",
    [
        call("getblockcount"),
        call("getblockhash", HEIGHT + 1),
        call("getblockhash", -1),
        call("getblockheader", "ab" * 32),
        call("getblockheader", "ab"),
        call("getblockheader", "x" * 64),
        call("getblock", "ab" * 32, False),
        call("getrawtransaction", "ab" * 32),
        call("getrawtransaction", "ab"),
        call("getrawmempool"),
        call("getrawmempool", False, True),
        call("getrawmempool", True, True),
        call("nosuchmethod"),
        call("getzmqnotifications"),
        call("getnettotals"),
        call("getblockhash", 99, jsonrpc="2.0"),
        call("getblockcount", jsonrpc="2.0"),
        {"id": 1},
        [],
        [call("getblockcount"), call("nosuchmethod"), call("getblockhash", 99)],
        [call("getblockcount"), call("getnettotals")],
        "{",
        "5",
    ],
    ids=lambda body: json.dumps(body)[:60],
)
def test_status_code_and_words_are_the_same(both: Both, body: Any) -> None:
    real, double = answers(both, body)
    assert double == real


def test_who_is_not_let_in_is_told_the_same(both: Both) -> None:
    for path, known in (("/", False), ("/token", True), ("/token", False)):
        real, double = answers(both, call("getblockcount"), path, known=known)
        assert double == real


@pytest.mark.parametrize("method", ["getblockchaininfo", "getmempoolinfo"])
def test_all_that_the_double_tells_of_itself_is_told(both: Both, method: str) -> None:
    (_, real), (_, double) = answers(both, call(method))
    real, double = real["result"], double["result"]
    assert double.keys() <= real.keys()
    for key, value in double.items():
        kinds = [float if type(v) is int else type(v) for v in (value, real[key])]
        assert kinds[0] is kinds[1], key
    for key in ("blocks", "headers", "loaded", "pruned"):
        assert double.get(key) == real.get(key)


def test_how_long_it_has_run_is_told_in_seconds(both: Both) -> None:
    (status, real), (as_told, double) = answers(both, call("uptime"))
    assert status == as_told == 200
    assert type(real["result"]) is type(double["result"]) is int
    assert 0 <= double["result"] <= real["result"] + 1, "the real one was first"


def test_blocks_above_the_tip_are_known_by_hash_alone(both: Both) -> None:
    """And best header and tip are the same after `invalidateblock`."""
    real, double = both
    tips = real.tip(), double.tip.hash
    lower = real.block_hash(HEIGHT - 1), double.blocks[HEIGHT - 1].hash
    real.rpc("invalidateblock", lower[0])
    double.chain.invalidate(lower[1])
    for hashes in (tips, lower):
        headers = [
            answers(both, call("getblockheader", block_hash))[number][1]["result"]
            for number, block_hash in enumerate(hashes)
        ]
        assert headers[0].keys() == headers[1].keys()
        assert [h["confirmations"] for h in headers] == [-1, -1]
        assert headers[0]["height"] == headers[1]["height"]
        assert headers[0]["nTx"] == headers[1]["nTx"]
    for body in (call("getblockhash", HEIGHT), call("getblockcount")):
        first, second = answers(both, body)
        assert first == second
    (_, first), (_, second) = answers(both, call("getblockchaininfo"))
    for key in ("blocks", "headers"):
        assert first["result"][key] == second["result"][key] == HEIGHT - 2
    real.rpc("reconsiderblock", lower[0])
    double.chain.reconsider(lower[1])
    assert (real.tip(), double.tip.hash) == tips


def test_the_mempool_is_not_loaded_while_blocks_are(both: Both) -> None:
    """As it is in the middle of a start; the sequence number begins anew."""
    real, double = both
    real.stop()
    real.start(held=True)
    double.stop()
    double.chain.held = True
    double.start()
    (_, first), (_, second) = answers(both, call("getmempoolinfo"))
    assert first["result"]["loaded"] is second["result"]["loaded"] is False
    (_, first), (_, second) = answers(both, call("getblockchaininfo"))
    key = "initialblockdownload"
    assert first["result"][key] is second["result"][key] is True
    real.release()
    double.chain.advance()
    double.read_mempool()

    def loaded() -> bool:
        first, second = answers(both, call("getmempoolinfo"))
        told = [answer["result"]["loaded"] for _, answer in (first, second)]
        assert told[1]
        return bool(told[0])

    wait_until(loaded, 20, "the mempool to be read back")
    first, second = answers(both, call("getrawmempool", False, True))
    assert first == second

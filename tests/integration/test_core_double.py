"""The double of Bitcoin Core says what Core says.

Each of these is a sentence of Core's functional tests or documentation (named with it),
asked with a plain HTTP client. Our adapter has no part in it.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.tools.core_double import CoreDouble, make_block, payment_tx

ALICE = b"\x00\x14" + b"a" * 20


@pytest.fixture
def node() -> Iterator[CoreDouble]:
    with CoreDouble() as double:
        yield double


def post(node: CoreDouble, body: object, **headers: str) -> requests.Response:
    session = requests.Session()
    session.trust_env = False
    user, _, password = node.secret.partition(":")
    return session.post(
        f"http://127.0.0.1:{node.port}/",
        data=json.dumps(body),
        auth=(user, password),
        headers=headers,
        timeout=60,
    )


def ask(node: CoreDouble, method: str, *params: object) -> Any:
    """The result; the error where there is one."""
    reply = post(node, {"id": 1, "method": method, "params": params}).json()
    return reply["error"] or reply["result"]


# -- interface_rpc.py ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "status", "code"),
    [
        ({"method": "getblockhash", "params": [9_999]}, 500, -8),
        ({"method": "invalidmethod"}, 404, -32601),
        ({"id": 1}, 400, -32600),
        ("text", 500, -32700),
    ],
)
def test_a_single_call_of_version_1_fails_with_an_http_status(
    node: CoreDouble, call: object, status: int, code: int
) -> None:
    answer = post(node, call)
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == code
    assert answer.json()["result"] is None


def test_a_call_of_version_2_fails_with_200_from_core_28_on(node: CoreDouble) -> None:
    call = {"jsonrpc": "2.0", "id": 7, "method": "getblockhash", "params": [9_999]}
    answer = post(node, call)
    error = {"code": -8, "message": "Block height out of range"}
    assert answer.status_code == 200
    assert answer.json() == {"jsonrpc": "2.0", "error": error, "id": 7}
    node.version = 27
    answer = post(node, call)
    assert answer.status_code == 500
    assert answer.json() == {"result": None, "error": error, "id": 7}


def test_a_batch_never_fails_as_a_whole(node: CoreDouble) -> None:
    answer = post(
        node,
        [
            {"id": 1, "method": "getblockcount"},
            {"id": 2, "method": "invalidmethod"},
            {"jsonrpc": "2.0", "id": 3, "method": "getblockcount"},
            {"jsonrpc": "2.0", "method": "getblockcount"},
        ],
    )
    assert answer.status_code == 200
    first, second, third = answer.json()
    assert first == {"result": 10, "error": None, "id": 1}
    assert second["error"]["code"] == -32601
    assert third == {"jsonrpc": "2.0", "result": 10, "id": 3}


# -- interface_http.py, rpc_whitelist.py, rpc_bind.py ----------------------------------


def test_who_is_refused_before_a_call_is_made_gets_no_json(node: CoreDouble) -> None:
    call = {"id": 1, "method": "getblockcount"}
    right, node.secret = node.secret, "other:secret"
    assert post(node, call).status_code == 200
    bare = requests.post(f"http://127.0.0.1:{node.port}/", json=call, timeout=60)
    assert (bare.status_code, bare.text) == (401, "")
    assert bare.headers["WWW-Authenticate"] == 'Basic realm="jsonrpc"'
    node.secret = right
    node.wire.whitelist = {"shop": {"getblockcount"}}
    assert post(node, call).status_code == 200
    batch = [call, {"id": 2, "method": "getmempoolinfo"}]
    for refused in (post(node, batch[1]), post(node, batch)):
        assert (refused.status_code, refused.text) == (403, "")
    node.wire.whitelist, node.wire.whitelist_default = {}, True
    assert post(node, call).status_code == 403
    node.wire.whitelist_default, node.wire.rpcallowip = False, False
    assert post(node, call).status_code == 403


@pytest.mark.parametrize(("version", "status"), [(21, 500), (28, 503)])
def test_a_full_work_queue_is_said_in_text(version: int, status: int) -> None:
    with CoreDouble(version=version) as node:
        node.wire.threads = node.wire.work_queue = 0
        answer = post(node, {"id": 1, "method": "getblockcount"})
        assert (answer.status_code, answer.text) == (
            status,
            "Work queue depth exceeded",
        )


def test_warm_up_answers_every_call_with_minus_28(node: CoreDouble) -> None:
    node.stop()
    node.start(warming_up="Loading block index…")
    error = {"code": -28, "message": "Loading block index…"}
    assert ask(node, "getblockcount") == error
    (reply,) = post(node, [{"id": 1, "method": "getblockcount"}]).json()
    assert reply["error"] == error
    node.warmed_up()
    assert ask(node, "getblockcount") == 10


def test_the_cookie_is_another_one_after_each_start(tmp_path: Path) -> None:
    cookie = tmp_path / ".cookie"
    with CoreDouble(cookie=cookie) as node:
        first = cookie.read_text()
        assert first.startswith("__cookie__:")
        node.stop()
        assert not cookie.exists()
        node.start()
        assert cookie.read_text() != first


# -- rpc_blockchain.py, rpc_invalidateblock.py -----------------------------------------


def test_blocks_above_the_tip_are_known_by_hash_and_not_by_height(
    node: CoreDouble,
) -> None:
    top = node.tip
    node.kill()
    node.chain.rewind(8)
    node.start()
    header = ask(node, "getblockheader", top.hash)
    assert (header["height"], header["confirmations"]) == (10, -1)
    assert "nextblockhash" not in header
    assert header["nTx"] == 1
    assert ask(node, "getblockhash", 10)["code"] == -8
    assert ask(node, "getblock", top.hash, 0) == top.raw.hex()
    info = ask(node, "getblockchaininfo")
    assert (info["blocks"], info["headers"]) == (8, 10)
    assert info["bestblockhash"] == node.tip.hash
    assert info["initialblockdownload"] is True, "blocks are being loaded"
    assert not node.chain.advance(1)
    assert node.chain.advance()
    assert node.tip is top
    assert ask(node, "getblockchaininfo")["initialblockdownload"] is False


def test_a_block_that_is_invalidated_takes_the_best_header_with_it(
    node: CoreDouble,
) -> None:
    """#16974; before Core 28 (#30666) it could even be too low afterwards."""
    ninth, tenth = node.blocks[-2:]
    node.chain.invalidate(ninth.hash)
    info = ask(node, "getblockchaininfo")
    assert (info["blocks"], info["headers"]) == (8, 8)
    assert info["initialblockdownload"] is False
    assert ask(node, "getblockheader", tenth.hash)["confirmations"] == -1
    other = node.mine()
    assert node.tip is other
    assert other.height == 9
    node.chain.reconsider(ninth.hash)
    assert node.tip is tenth


def test_more_work_wins_and_the_first_of_equals_stays(node: CoreDouble) -> None:
    fork, old = node.blocks[-2], node.tip
    rival = make_block(fork, time_s=old.time_s)
    node.receive(rival)
    assert node.tip is old
    longer = make_block(rival, time_s=old.time_s + 1)
    node.receive(longer)
    assert node.tip is longer
    assert ask(node, "getblockheader", old.hash)["confirmations"] == -1
    assert ask(node, "getblockhash", 10) == rival.hash


def test_the_first_download_ends_for_good_with_a_tip_younger_than_a_day() -> None:
    clock = [1_700_000_000.0]
    with CoreDouble(now=lambda: clock[0]) as node:
        node.stop()
        clock[0] += 30 * 3_600
        node.start()
        assert ask(node, "getblockchaininfo")["initialblockdownload"] is True
        node.mine()
        assert ask(node, "getblockchaininfo")["initialblockdownload"] is False
        clock[0] += 30 * 3_600
        assert ask(node, "getblockchaininfo")["initialblockdownload"] is False


def test_blocks_that_are_not_there_are_named_as_core_names_them(
    node: CoreDouble,
) -> None:
    node.chain.prune(5)
    pruned = node.blocks[5]
    gone = {"code": -1, "message": "Block not available (pruned data)"}
    assert ask(node, "getblock", pruned.hash, 0) == gone
    assert ask(node, "getblockheader", pruned.hash)["nTx"] == 1
    info = ask(node, "getblockchaininfo")
    assert (info["pruned"], info["pruneheight"]) == (True, 6)
    ahead = make_block(node.tip, time_s=node.tip.time_s + 1)
    node.chain.accept_header(ahead)
    missing = {"code": -1, "message": "Block not available (not fully downloaded)"}
    assert ask(node, "getblock", ahead.hash, 0) == missing
    assert ask(node, "getblockheader", ahead.hash)["nTx"] == 0
    assert ask(node, "getblock", "ab" * 32, 0)["code"] == -5
    assert ask(node, "getblock", "ab", 0)["code"] == -8


# -- mempool_persist.py, interface_zmq.py, mempool_accept.py ---------------------------


def test_the_mempool_comes_back_after_a_clean_stop_and_only_then(
    node: CoreDouble,
) -> None:
    saved = [node.add(payment_tx([(ALICE, 1)])) for _ in range(3)]
    node.stop()
    node.start()
    assert ask(node, "getmempoolinfo")["loaded"] is False
    assert ask(node, "getrawmempool") == []
    node.read_mempool(2)
    assert ask(node, "getrawmempool") == saved[:2]
    assert ask(node, "getmempoolinfo")["loaded"] is False
    node.read_mempool()
    assert ask(node, "getrawmempool") == saved
    assert ask(node, "getmempoolinfo")["loaded"] is True


def test_a_replacement_takes_its_place_and_the_sequence_counts_both(
    node: CoreDouble,
) -> None:
    first = node.add(payment_tx([(ALICE, 1)], [("ab" * 32, 0)]))
    before = ask(node, "getrawmempool", False, True)
    assert before["txids"] == [first]
    second = node.add(payment_tx([(ALICE, 2)], [("ab" * 32, 0)]))
    after = ask(node, "getrawmempool", False, True)
    assert after["txids"] == [second]
    assert after["mempool_sequence"] == before["mempool_sequence"] + 2
    node.mine()
    mined = ask(node, "getrawmempool", False, True)
    assert mined == {"txids": [], "mempool_sequence": after["mempool_sequence"]}
    assert ask(node, "getrawtransaction", second)["code"] == -5

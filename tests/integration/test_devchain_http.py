"""The dev chain over real sockets: its commands, and failing on command."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from bottle import Bottle
from gevent.pywsgi import WSGIServer

from tests.integration.devchain_client import ADDRESS, UNKNOWN, Client, Clock
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


def assert_problem(answer: requests.Response, status: int, detail: str) -> Any:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == f"/docs/errors#{problem['code']}"
    assert set(problem) == {"type", "title", "status", "detail", "code", "errors"}
    assert problem["status"] == status
    assert detail in problem["detail"] + str(problem["errors"])
    return problem


# The commands.


def test_a_payment_is_made_mined_replaced_and_reorganised_over_http(
    client: Client,
) -> None:
    txid = client.act("pay", address=ADDRESS, amount_sat=50_000, fee_rate=2)["txid"]
    assert client.json("/mempool/txids") == [txid]
    replaced = client.act("replace", txid=txid, to=ADDRESS)
    assert replaced["replaced"] == txid
    mined = client.act("mine", blocks=2)
    assert mined["height"] == 112
    assert client.json(f"/tx/{replaced['txid']}/status") == {
        "confirmed": True,
        "block_height": 111,
        "block_hash": mined["blocks"][0],
        "block_time": 1_800_000_000,
    }
    after = client.act("reorg", depth=2, drop=[replaced["txid"]])
    assert (len(after["blocks"]), after["height"]) == (3, 113)
    assert client.get(f"/tx/{replaced['txid']}").status_code == 404


def test_a_payment_is_evicted_over_http(client: Client) -> None:
    address = client.act("address", kind="p2tr")["address"]
    assert address.startswith("bcrt1p")
    txid = client.act("pay", address=address, amount_sat=50_000)["txid"]
    assert client.act("evict", txid=txid) == {"evicted": [txid]}
    assert client.json("/mempool/txids") == []


def test_mining_without_a_body_mines_one_block(client: Client) -> None:
    assert client.post("/dev/mine").json()["height"] == 111


def test_the_state_of_the_dev_chain_is_told(client: Client) -> None:
    client.act("down", seconds=5, status=429)
    state = requests.get(f"http://127.0.0.1:{client.port}/dev", timeout=60).json()
    assert (state["height"], state["mempool"]) == (110, 0)
    assert state["down"] == {"status": 429, "seconds": 5.0}


@pytest.mark.parametrize(
    ("path", "body", "status", "detail"),
    [
        ("pay", {"amount_sat": 5_000}, 422, "address"),
        ("pay", {"address": ADDRESS, "amount_sat": "5000"}, 422, "/amount_sat"),
        ("pay", {"address": ADDRESS, "amount_sat": 0.5}, 422, "/amount_sat"),
        ("pay", {"address": ADDRESS, "amount_sat": True}, 422, "/amount_sat"),
        ("pay", {"address": ADDRESS, "amount_sat": 10**30}, 422, "/amount_sat"),
        ("pay", {"address": ADDRESS, "amount_sat": 5, "fe": 1}, 422, "fe"),
        ("pay", {"address": ADDRESS, "amount_sat": 5}, 422, "dust"),
        ("pay", {"address": "bc1q", "amount_sat": 5_000}, 422, "/address"),
        ("pay", {"address": ADDRESS, "amount_sat": 10**14}, 409, "Mine a block"),
        ("pay", [], 422, "object"),
        ("mine", {"blocks": 0}, 422, "/blocks"),
        ("mine", {"blocks": 10**9}, 422, "/blocks"),
        ("reorg", {"depth": 100}, 422, "/depth"),
        ("reorg", {"depth": 1, "drop": ["x"]}, 422, "/drop/0"),
        ("reorg", {"depth": 1, "drop": [UNKNOWN]}, 404, "does not know"),
        ("replace", {"txid": UNKNOWN}, 404, "does not know"),
        ("evict", {"txid": UNKNOWN}, 404, "does not know"),
        ("down", {"seconds": -1}, 422, "/seconds"),
        ("down", {"seconds": 1, "status": 200}, 422, "/status"),
        ("address", {"kind": "p2pk"}, 422, "/kind"),
    ],
)
def test_a_wrong_command_is_a_problem_that_says_what_is_wrong_and_changes_nothing(
    client: Client, path: str, body: object, status: int, detail: str
) -> None:
    assert_problem(client.post(f"/dev/{path}", body), status, detail)
    assert client.text("/blocks/tip/height") == "110"
    assert client.json("/mempool/txids") == []


def test_a_body_that_is_no_json_or_not_said_to_be_is_refused(client: Client) -> None:
    headers = {"Content-Type": "application/json"}
    answer = client.post("/dev/pay", data="{", headers=headers)
    assert_problem(answer, 400, "not JSON")
    answer = client.post("/dev/pay", data=b'{"address":"\xff"}', headers=headers)
    assert_problem(answer, 400, "not JSON")
    answer = client.post("/dev/mine", data='{"blocks":1}')
    assert_problem(answer, 415, "application/json")


def test_a_body_over_64_kib_is_refused_also_when_its_length_is_not_said(
    client: Client,
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = client.post("/dev/pay", data=b" " * 65_537, headers=headers)
    assert_problem(answer, 413, "65536")
    pieces = (b" " * 10_000 for _ in range(10))
    assert_problem(client.post("/dev/mine", data=pieces, headers=headers), 413, "65536")
    chunked = (piece for piece in (b'{"blo', b'cks":2}'))
    answer = client.post("/dev/mine", data=chunked, headers=headers)
    assert answer.json()["height"] == 112


# Failing on command.


@pytest.mark.parametrize(
    ("status", "retry_after"), [(429, "5"), (503, "5"), (500, None), (404, None)]
)
def test_while_it_is_down_the_explorer_answers_that_status_and_commands_go_on(
    client: Client, status: int, retry_after: str | None
) -> None:
    client.act("down", seconds=5, status=status)
    for path in ("/blocks/tip/height", f"/address/{ADDRESS}", "/mempool/txids"):
        answer = client.get(path)
        assert answer.status_code == status
        assert answer.headers.get("Retry-After") == retry_after
    assert client.act("pay", address=ADDRESS, amount_sat=5_000)["txid"]
    client.clock.now_s += 5
    assert client.text("/blocks/tip/height") == "110"

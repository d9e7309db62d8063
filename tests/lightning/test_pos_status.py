"""How a till's accounts stand, over HTTP and live; and which keys may ask."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from engine.lightning.upstream import UpstreamState
from engine.money.rates import Policy
from tests.lightning.till_node import TillAccounts
from tests.tools.node import RunningNode, running_node
from tests.tools.wait import wait_until
from tests.tools.wsclient import Closed, WsClient, connect
from transport.pages.qr import picture
from transport.rates.providers import FixedRates


@pytest.fixture(scope="module")
def node() -> Iterator[RunningNode]:
    fixed = FixedRates({"EUR": Decimal("49999.99"), "JPY": Decimal(7_500_000)})
    with running_node(rates=([fixed], Policy())) as running:
        yield running


@pytest.fixture
def accounts(node: RunningNode) -> TillAccounts:
    return TillAccounts(node)


@pytest.fixture
def key(node: RunningNode) -> str:
    return node.add_till_key("cafe")


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def opened(node: RunningNode, key: str) -> WsClient:
    client = connect("127.0.0.1", node.server.port, "/ws/pos")
    client.send_json({"type": "open", "key": key})
    return client


def states(message: dict[str, Any]) -> list[tuple[str, str, str]]:
    assert message["type"] == "till"
    return [(a["role"], a["label"], a["state"]) for a in message["accounts"]]


def test_a_till_sees_its_two_accounts(
    node: RunningNode, accounts: TillAccounts, key: str
) -> None:
    accounts.balance("user", 2_100)
    told = node.get("/v1/pos", **bearer(key))
    assert told.status_code == 200
    assert "key-of-the-node" not in told.text
    found = told.json()
    assert (found["merchant"], found["network"]) == ("cafe", "regtest")
    assert states({"type": "till", **found}) == [
        ("till", "BlinkPOS", "live"),
        ("user", "User", "live"),
    ]
    assert [one["balance_sat"] for one in found["accounts"]] == [None, 2_100]


def test_the_balance_of_an_account_that_others_use_too_is_not_told(
    node: RunningNode, key: str
) -> None:
    def balances(*merchants: str) -> list[int | None]:
        shared = TillAccounts(node, merchants=merchants)
        shared.balance("till", 10)
        shared.balance("user", 20)
        found = node.get("/v1/pos", **bearer(key)).json()["accounts"]
        return [one["balance_sat"] for one in found]

    assert balances("cafe") == [10, 20]
    node.add_till_key("bar")
    assert balances() == [None, None], "two have keys, and neither has a record"
    assert balances("cafe", "bar") == [None, None]
    assert node.call("PUT", "/v1/merchants/cafe", json={}).ok
    assert balances() == [10, 20], "nobody else is here"
    assert node.call("PUT", "/v1/merchants/bar", json={}).ok
    assert balances() == [None, None], "an account for all of them"
    assert balances("cafe") == [10, 20]


def test_a_till_is_told_what_it_can_sell_by_and_the_rate_of_its_currency(
    node: RunningNode, accounts: TillAccounts
) -> None:
    record = {
        "till": {"currency": "JPY", "tips": [7]},
        "lightning_max_sat": 50_000,
        "onchain_min_sat": 1_000,
    }
    assert node.call("PUT", "/v1/merchants/cafe", json=record).ok
    asked = bearer(node.add_till_key("cafe"))
    wait_until(lambda: node.get("/v1/pos", **asked).json()["rate"]["rate"], 10, "one")
    told = node.get("/v1/pos", **asked).json()
    assert (told["till"], told["tips"]) == ("till", [7])
    assert told["methods"] == [
        {"name": "lightning", "min_sat": 1, "max_sat": 50_000},
        {"name": "onchain", "min_sat": 1_000, "max_sat": None},
    ]
    rate = {"currency": "JPY", "decimals": 0, "rate": "7500000", "at": None}
    assert told["rate"] == {**rate, "reason": None}
    # What happens from now on comes after its cursor, and nothing else does.
    made = node.create(merchant="cafe", amount_sat=2_000)
    path = f"/v1/events?after={told['cursor']}"
    events = node.get(path, **asked).json()["data"]
    assert {event["payment_id"] for event in events} == {made["id"]}


def test_a_till_has_no_rate_of_what_nobody_quotes_and_none_without_a_currency(
    node: RunningNode, accounts: TillAccounts, key: str
) -> None:
    def told(**record: Any) -> Any:
        assert node.call("PUT", "/v1/merchants/cafe", json=record).ok
        return node.get("/v1/pos", **bearer(key)).json()

    found = told(till={"currency": "USD", "tips": []})
    assert found["tips"] == []
    assert found["rate"]["rate"] is None
    assert "quotes it" in found["rate"]["reason"]
    assert told()["rate"] is None
    assert told()["tips"] == [5, 10, 15]
    # That of the books, where the till has none of its own.
    assert told(accounting_currency="EUR")["rate"]["rate"] == "49999.99"
    for wrong in ({"currency": "XXX"}, {"tips": [0]}, {"tips": [1, 2, 3, 4, 5]}):
        answer = node.call("PUT", "/v1/merchants/cafe", json={"till": wrong})
        assert answer.status_code == 422, answer.text


def test_a_till_is_told_of_another_rate_and_of_the_time(
    node: RunningNode, accounts: TillAccounts, key: str
) -> None:
    eur = {"accounting_currency": "EUR"}
    assert node.call("PUT", "/v1/merchants/cafe", json=eur).ok
    client = opened(node, key)
    told = client.recv_json(10)
    assert told["rate"]["rate"] == "49999.99"
    assert told["now"].endswith("Z")
    assert node.call("PUT", "/v1/merchants/cafe", json={}).ok
    assert client.recv_json(10)["rate"] is None
    client.close()


def test_a_shop_without_lightning_has_a_till_without_accounts(
    node: RunningNode, accounts: TillAccounts
) -> None:
    told = node.get("/v1/pos", **bearer(node.add_till_key("bar"))).json()
    assert told["accounts"] == []
    # Bitcoin on the chain is left, above what no wallet sends.
    onchain = {"name": "onchain", "min_sat": 546, "max_sat": None}
    assert told["methods"] == [onchain]


def test_a_key_that_can_do_more_than_a_till_opens_none(
    node: RunningNode, accounts: TillAccounts
) -> None:
    for key in (node.api_key, node.add_key("cafe"), node.add_key()):
        answer = node.get("/v1/pos", **bearer(key))
        assert answer.status_code == 403
        assert "--merchant NAME --role cashier" in answer.json()["detail"]
        client = opened(node, key)
        assert client.recv_json(10)["code"] == "not_allowed"
        with pytest.raises(Closed) as closed:
            client.recv_json(10)
        assert closed.value.code == 1008


@pytest.mark.parametrize(
    "said",
    [
        *("", "{}", "[]", '{"type":"open"}', '{"type":"open","key":7}', "\x00"),
        *('{"type":"open","key":"pbk_wrong"}', '{"type":"ping"}', "[" * 9_000),
    ],
)
def test_whatever_else_is_said_ends_the_connection(
    node: RunningNode, said: str
) -> None:
    client = connect("127.0.0.1", node.server.port, "/ws/pos")
    client.send_text(said)
    assert client.recv_json(10)["type"] == "error"
    with pytest.raises(Closed) as closed:
        client.recv_json(10)
    assert closed.value.code == 1008


def test_what_changes_is_told_at_once_and_nothing_twice(
    node: RunningNode, accounts: TillAccounts, key: str
) -> None:
    clients = [opened(node, key) for _ in range(2)]
    for client in clients:
        assert states(client.recv_json(10))[1] == ("user", "User", "live")
    accounts.set("user", UpstreamState.FAILING)
    for client in clients:
        told = client.recv_json(10)
        assert states(told)[1] == ("user", "User", "failing")
        assert "bad secret" not in str(told)
    accounts.balance("till", 7)
    for client in clients:
        told = client.recv_json(10)
        assert told["accounts"][0]["balance_sat"] == 7, "the next message is the next"
        client.close()


def test_a_till_that_is_gone_leaves_nothing_behind(
    node: RunningNode, accounts: TillAccounts, key: str
) -> None:
    wait_until(lambda: node.live.open == 0, 10, "those before to be forgotten")
    client = opened(node, key)
    client.recv_json(10)
    assert node.live.open == 1
    client.close()
    wait_until(lambda: node.live.open == 0, 10, "the till to be forgotten")
    assert node.live.salon.leases.held == 0


def test_a_key_that_is_revoked_closes_the_till(
    node: RunningNode, accounts: TillAccounts
) -> None:
    wanted = {"name": "till", "merchant": "cafe", "scopes": ["read", "create"]}
    made = node.post("/v1/keys", wanted).json()
    client = opened(node, made["key"])
    client.recv_json(10)
    assert node.call("DELETE", f"/v1/keys/{made['id']}").ok
    with pytest.raises(Closed) as closed:
        client.recv_json(60)
    assert (closed.value.code, closed.value.reason) == (1008, "the API key was revoked")


def test_another_origins_page_opens_no_till(node: RunningNode) -> None:
    client = connect(
        "127.0.0.1", node.server.port, "/ws/pos", origin="https://evil.example"
    )
    assert not client.accepted
    assert client.status == 403


def test_the_page_holds_nothing_and_no_other_site_may_frame_it(
    node: RunningNode,
) -> None:
    page = node.session.get(f"{node.url}/pos")
    assert page.status_code == 200
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert "<script>" not in page.text
    assert " style=" not in page.text


def test_the_code_of_a_receipt_leads_to_where_the_till_reaches_the_node(
    node: RunningNode,
) -> None:
    def code(name: str, **headers: str) -> tuple[int, bytes]:
        path = f"{node.url}/pos/receipt/{name}.svg"
        answer = node.session.get(path, headers=headers)
        return answer.status_code, answer.content

    here = f"http://127.0.0.1:{node.server.port}/pay/pay_1/receipt"
    assert code("pay_1") == (200, picture("svg", (here,)))
    for name, host in (("pay.1", ""), ("a" * 81, ""), ("pay_1", "x'y")):
        assert code(name, **({"Host": host} if host else {}))[0] in {400, 404}

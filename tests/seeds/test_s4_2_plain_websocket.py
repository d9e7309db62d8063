"""S4.2: the salon's events over a plain WebSocket, driven as its page would."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.seeds.salon_page import (
    SALON,
    SUBSCRIBE,
    end_of_tokens,
    ends_soon,
    held,
    in_order,
    page,
    pay,
    subscribe,
    subscribed,
    told,
)
from tests.tools.node import RunningNode, running_node
from tests.tools.site_token import SECRET, claims, token
from tests.tools.wait import Process, wait_until

HS256 = {"jwt": {"algorithm": "HS256", "secret": SECRET}}


@pytest.fixture(scope="module")
def node() -> Iterator[RunningNode]:
    with running_node(web={"seeds": {"salon": "default"}}) as started:
        for name in ("rose", "lily"):
            put = started.call("PUT", f"/v1/merchants/{name}", json=HS256)
            assert put.status_code == 200, put.text
        yield started


def test_s4_2_a_page_subscribes_and_is_told_of_its_payment(node: RunningNode) -> None:
    before = time.time() * 1_000
    payment = node.create(amount_sat=1_000, external_id="inv-1")
    client = page(node)
    subscribe(client, "inv-1")
    in_order(client)  # no PENDING: this page drops its callback after the first message
    pay(node, payment)
    update, completed = told(client)
    assert [*update] == ["type", "invoiceId", "status", "timestamp", "data"]
    assert update["type"] == "payment:status-update"
    data = update["data"] | {"since": completed["data"]["since"]}
    assert completed == {**update, "type": "payment:completed", "data": data}
    assert (update["invoiceId"], update["status"]) == ("inv-1", "SUCCESS")
    assert isinstance(update["timestamp"], int)
    assert before <= update["timestamp"] <= time.time() * 1_000 + 1
    in_order(client)
    client.close()


def test_s4_2_an_invoice_that_there_is_not_yet_is_waited_for(node: RunningNode) -> None:
    client = page(node)
    assert subscribed(client, "inv-later")["state"] is None
    payment = node.create(amount_sat=1_000, external_id="inv-later")
    pay(node, payment)
    assert [one["status"] for one in told(client)] == ["SUCCESS", "SUCCESS"]
    client.close()


def test_s4_2_a_page_that_comes_when_it_is_paid_is_told_so(node: RunningNode) -> None:
    payment = node.create(amount_sat=1_000, external_id="inv-paid")
    pay(node, payment)
    client = page(node)
    subscribe(client, "inv-paid")
    update, completed = told(client)
    names = ["payment:status-update", "payment:completed"]
    assert [update["type"], completed["type"]] == names
    assert update["status"] == "SUCCESS"
    # The same page again: it was told.
    subscribe(client, "inv-paid")
    in_order(client)
    client.close()


def test_s4_2_what_failed_is_told_when_it_does_and_not_to_who_comes_later(
    node: RunningNode,
) -> None:
    """A visitor who tries once more subscribes to the same invoice again."""
    payment = node.create(amount_sat=1_000, external_id="inv-failed")
    client = page(node)
    subscribed(client, "inv-failed")
    node.post(f"/v1/payments/{payment['id']}/cancel")
    update = client.recv_json()
    assert (update["type"], update["status"]) == ("payment:status-update", "FAILED")
    in_order(client)
    other = page(node)
    subscribe(other, "inv-failed")
    in_order(other)
    assert subscribed(other, "inv-failed")["state"]["status"] == "FAILED"
    again = node.create(amount_sat=1_000, external_id="inv-failed")
    pay(node, again)
    for each in (client, other):
        assert [one["status"] for one in told(each)] == ["SUCCESS", "SUCCESS"]
        each.close()


def test_s4_2_each_step_is_told_to_who_asks_for_it(node: RunningNode) -> None:
    payment = node.create(amount_sat=1_000, external_id="inv-steps", confirmations=1)
    client = page(node)
    subscribed(client, "inv-steps", steps=True)
    node.chain.pay(payment["address"], 1_000)
    step = client.recv_json()
    assert (step["type"], step["status"]) == ("payment:status-update", "PENDING")
    assert step["data"]["type"] == "payment.detected"
    node.chain.mine(1)
    found = [client.recv_json()]
    while found[-1]["type"] != "payment:completed":
        found.append(client.recv_json())
    seqs = [one["data"]["seq"] for one in found]
    assert seqs == sorted(seqs)
    client.close()


def test_s4_2_several_tabs_hear_the_same_and_what_one_leaves_the_other_keeps(
    node: RunningNode,
) -> None:
    payment = node.create(amount_sat=1_000, external_id="inv-tabs")
    tabs = [page(node) for _ in range(3)]
    for tab in tabs:
        subscribed(tab, "inv-tabs")
    left = tabs.pop()
    left.send_json({"type": "unsubscribe:payment-events", "invoiceId": "inv-tabs"})
    in_order(left)
    pay(node, payment)
    first, second = [told(tab) for tab in tabs]
    assert first == second
    in_order(left)
    for tab in (*tabs, left):
        tab.close()


def test_s4_2_no_event_comes_twice_however_often_it_subscribes(
    node: RunningNode,
) -> None:
    payment = node.create(amount_sat=1_000, external_id="inv-twice")
    client = page(node)
    for _ in range(3):
        subscribed(client, "inv-twice", since=0)
    pay(node, payment)
    both = update, completed = told(client)
    for since in (0, None, 1):
        subscribed(client, "inv-twice", since=since)
    client.send_json({"type": "unsubscribe:payment-events", "invoiceId": "inv-twice"})
    subscribed(client, "inv-twice", since=0)
    in_order(client)
    # Another socket goes on from where the first one was, and hears what it asks for.
    end, between = completed["data"]["since"], update["data"]["since"]
    other = page(node)
    subscribed(other, "inv-twice", since=end)
    in_order(other)
    other.close()
    # Where the line broke between the two, the page is told both again.
    its = update["data"]["paymentId"]
    for at in (between, f"{end.split('-')[0]}-1"):
        missed = page(node)
        subscribed(missed, "inv-twice", since=at, paymentId=its)
        assert told(missed) == both
        in_order(missed)
        missed.close()
    client.close()


def test_s4_2_a_visitor_is_told_what_is_on_the_list_and_nothing_else(
    node: RunningNode,
) -> None:
    metadata = {"customer": "canary", "note": "canary"}
    payment = node.create(amount_sat=1_000, external_id="inv-list", metadata=metadata)
    client = page(node)
    answer = subscribed(client, "inv-list")
    pay(node, payment)
    heard = json.dumps([answer, *told(client)])
    assert "canary" not in heard
    for name in ("metadata", "merchant", "checkout_url", "client_secret", '"source"'):
        assert name not in heard
    client.close()


def test_s4_2_an_invoice_of_another_merchant_is_as_one_that_there_is_not(
    node: RunningNode,
) -> None:
    theirs = node.create(amount_sat=1_000, external_id="inv-x", merchant="rose")
    client = page(node)
    for invoice in ("inv-x", theirs["id"]):
        assert subscribed(client, invoice)["state"] is None
    pay(node, theirs)
    in_order(client)
    client.close()


def test_s4_2_a_payment_of_another_salon_is_not_told(node: RunningNode) -> None:
    theirs = node.create(
        amount_sat=1_000, external_id="inv-s2", metadata={"salonId": "s2"}
    )
    ours = page(node)
    assert subscribed(ours, "inv-s2")["state"] is None
    other = page(node, "/ws/payments/salon/s2")
    assert subscribed(other, "inv-s2")["state"]["status"] == "PENDING"
    pay(node, theirs)
    assert told(other)[0]["status"] == "SUCCESS"
    in_order(ours)
    # One that is made later, too.
    subscribed(ours, "inv-s2-later")
    node.create(
        amount_sat=1_000, external_id="inv-s2-later", metadata={"salonId": "s2"}
    )
    in_order(ours)
    ours.close()
    other.close()


# -- tokens ----------------------------------------------------------------------------


def test_s4_3_a_token_opens_its_own_merchants_payments_only(node: RunningNode) -> None:
    payment = node.create(amount_sat=1_000, external_id="inv-rose", merchant="rose")
    other = node.create(amount_sat=1_000, external_id="inv-lily", merchant="lily")
    client = page(node, "/ws/payments/rose", token=token(claims()))
    subscribed(client, "inv-rose")
    assert subscribed(client, "inv-lily")["state"] is None
    assert subscribed(client, other["id"])["state"] is None
    pay(node, other)
    pay(node, payment)
    assert [one["invoiceId"] for one in told(client)] == ["inv-rose", "inv-rose"]
    in_order(client)
    client.close()


BAD: dict[str, Callable[[], str]] = {
    "expired": lambda: token(claims(exp=1_000_000_000)),
    "wrong audience": lambda: token(claims(aud="somebody")),
    "another key": lambda: token(claims(), SECRET[::-1]),
    "no token at all": lambda: "canary",
    "huge": lambda: "a" * 5_000,
}


@pytest.mark.parametrize("kind", BAD)
def test_s4_3_a_wrong_token_is_refused_as_the_query_and_as_a_message(
    node: RunningNode, kind: str
) -> None:
    is_refused(node, "/ws/payments/rose", BAD[kind]())


def is_refused(node: RunningNode, path: str, wrong: str) -> None:
    refused = page(node, path, token=wrong)
    assert refused.status == 401
    assert refused.problem["code"] == "unauthorized"
    assert wrong not in json.dumps(refused.problem)
    client = page(node, path)
    subscribe(client, "inv-1", token=wrong)
    error = client.recv_json()
    assert (error["type"], error["code"]) == ("error", "not_allowed")
    assert wrong not in json.dumps(error)
    assert client.expect_close() == 1_008


def test_s4_3_a_token_opens_its_own_salon_only() -> None:
    with running_node(web={"seeds": {"salon": "rose"}}) as node:
        assert node.call("PUT", "/v1/merchants/rose", json=HS256).status_code == 200
        is_refused(node, SALON, token(claims(salonId="s9")))
        for said in (claims(), claims(salonId=None)):
            client = page(node, token=token(said))
            subscribed(client, "inv-1")
            client.close()


def test_s4_3_a_token_is_wanted_where_the_merchant_has_rules_for_it(
    node: RunningNode,
) -> None:
    client = page(node, "/ws/payments/rose")
    subscribe(client, "inv-1")
    assert client.recv_json()["code"] == "not_allowed"
    assert client.expect_close() == 1_008


@pytest.mark.parametrize("first", ["authenticate", SUBSCRIBE])
def test_s4_3_the_token_may_come_in_the_first_message(
    node: RunningNode, first: str
) -> None:
    payment = node.create(amount_sat=1_000, external_id=f"by-{first}", merchant="rose")
    client = page(node, "/ws/payments/rose")
    if first == "authenticate":
        client.send_json({"type": "authenticate", "token": token(claims())})
        assert client.recv_json()["type"] == "authenticated"
        subscribed(client, f"by-{first}")
    else:
        subscribed(client, f"by-{first}", token=token(claims()))
    pay(node, payment)
    assert told(client)[0]["status"] == "SUCCESS"
    client.close()


def test_s4_3_a_stream_ends_with_the_token_that_opened_it(
    node: RunningNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = page(node, "/ws/payments/rose", token=token(claims(exp=ends_soon())))
    subscribed(client, "inv-end")
    end_of_tokens(node, monkeypatch)
    closed = client.expect_close(), client.close_reason
    assert closed == (1_008, "the token has expired")


@pytest.mark.parametrize(
    "path", ["/ws/payments/cafe", "/ws/payments/-", "/ws/payments/", "/ws/payments/a/b"]
)
def test_s4_2_nobody_has_a_door_without_tokens_or_the_setting(
    node: RunningNode, path: str
) -> None:
    assert page(node, path).status == 404


def test_s4_2_it_is_off_without_the_setting() -> None:
    with running_node() as node:
        assert page(node).status == 404
        assert page(node, "/ws/payments/default").status == 404


# -- bad input -------------------------------------------------------------------------


def test_s4_2_ten_thousand_subscribes_on_one_socket_are_refused(
    node: RunningNode,
) -> None:
    client = page(node)
    with suppress(OSError):
        for number in range(10_000):
            subscribe(client, f"many-{number}")
    assert client.expect_close() == 1_008
    wait_until(lambda: not held(node), 10, "what it followed to be forgotten")


def test_s4_2_more_invoices_than_a_socket_may_follow_are_refused_with_the_limit(
    node: RunningNode,
) -> None:
    client = page(node)
    most = node.live.salon.most_followed
    for number in range(most):
        subscribed(client, number)
    subscribe(client, "one too many", ack=2)
    error = client.recv_json()
    assert (error["code"], error["invoiceId"]) == ("too_many", "one too many")
    assert "ws_topics" in error["message"]
    subscribed(client, most - 1)  # what it follows already takes no more room
    client.close()
    wait_until(lambda: not held(node), 10, "what it followed to be forgotten")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[]", "bad_message"),
        ("{", "bad_json"),
        ('{"type":"subscribe"}', "unknown_type"),
        ('{"type":"subscribe:payment-events"}', "bad_message"),
        ('{"type":"subscribe:payment-events","invoiceId":""}', "bad_message"),
        ('{"type":"subscribe:payment-events","invoiceId":[]}', "bad_message"),
        ('{"type":"subscribe:payment-events","invoiceId":-1}', "bad_message"),
        (
            '{"type":"subscribe:payment-events","invoiceId":"a","since":"x"}',
            "bad_message",
        ),
        ('{"type":"subscribe:payment-events","invoiceId":"%s"}' % ("x" * 257), "bad_"),
        ('{"type":"ping","a":' + "[" * 5_000, "bad_json"),
    ],
)
def test_s4_2_what_is_no_message_is_answered_so(
    node: RunningNode, text: str, code: str
) -> None:
    client = page(node)
    client.send_text(text)
    error = client.recv_json()
    assert error["type"] == "error"
    assert error["code"].startswith(code)
    client.send_binary(b"{}")
    assert client.recv_json()["code"] == "bad_message"
    client.close()


def test_s4_2_the_documents_service_gets_its_paid_unchanged(node: RunningNode) -> None:
    payment = node.create(amount_sat=1_000, external_id="TEST123", confirmations=1)
    url = node.url.replace("http", "ws", 1)
    script = Path(__file__).with_name("salon_service.js")
    packages = script.parents[1] / "node" / "package.json"
    command: list[str | Path] = ["node", script, packages, url, "s1", "TEST123"]
    with Process(command, ready="subscribed") as service:
        node.chain.pay(payment["address"], 1_000)
        node.wait_for_status(payment["id"], "confirming")
        node.chain.mine(1)
        assert service.wait() == 0, "it disconnects"
        (heard,) = [line for line in service.output.splitlines() if "invoiceId" in line]
    status = json.loads(heard)
    assert (status["invoiceId"], status["status"]) == ("TEST123", "SUCCESS")

"""Credits over a real socket: given once, spent once, taken back, never too many."""

import csv
import hashlib
import hmac
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest

from engine.store.sqlite.ledger_file import open_ledger
from tests.tools.node import PATIENCE_S, RunningNode, running_node
from tests.tools.wait import PATIENCE, wait_until

SECRET = "a secret of this test"

PACKAGES = {
    "small": {"amount_sat": 1_000, "credits": 40},
    "large": {"amount_sat": 9_000, "credits": 400},
    "plain": {"amount_sat": 500},
}


@pytest.fixture(scope="module")
def node() -> Iterator[RunningNode]:
    with running_node() as running:
        record = {"display_name": "Shop", "packages": PACKAGES}
        answer = running.call("PUT", "/v1/merchants/default", json=record)
        assert answer.status_code == 200, answer.text
        yield running


def bought(node: RunningNode, account: str, package: str = "small") -> dict[str, Any]:
    """A payment of this package, confirmed."""
    answer = node.post(
        "/v1/payments", {"account": account, "package": package, "confirmations": 1}
    )
    assert answer.status_code == 201, answer.text
    payment: dict[str, Any] = answer.json()
    payment["txid"] = node.chain.pay(payment["address"], payment["amount_sat"])
    node.chain.mine(1)
    node.wait_for_status(payment["id"], "confirmed")
    return payment


def balance(node: RunningNode, account: str) -> int:
    return int(node.get(f"/v1/accounts/{account}").json()["balance"])


def events(node: RunningNode, payment_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = node.get(f"/v1/payments/{payment_id}/events").json()[
        "data"
    ]
    return found


def racing(count: int, act: Callable[[int], Any]) -> list[Any]:
    tasks = [gevent.spawn(act, number) for number in range(count)]
    gevent.joinall(tasks, timeout=60 * PATIENCE, raise_error=True)
    return [task.value for task in tasks]


def test_s5_3_a_confirmation_credits_the_account_once_only(node: RunningNode) -> None:
    payment = bought(node, "alice")
    assert (payment["account"], payment["package"]) == ("alice", "small")
    assert payment["amount_sat"] == 1_000
    told = [event["type"] for event in events(node, payment["id"])]
    assert told[-2:] == ["payment.confirmed", "payment.credited"]
    assert events(node, payment["id"])[-1]["data"]["credits"] == 40
    assert balance(node, "alice") == 40
    node.chain.mine(2)
    entries = node.get("/v1/accounts/alice/entries").json()["data"]
    assert [(e["kind"], e["credits"], e["payment_id"]) for e in entries] == [
        ("payment.credited", 40, payment["id"])
    ]


def test_what_a_package_costs_is_the_merchants_word(node: RunningNode) -> None:
    for body, where in (
        ({"package": "huge", "account": "a"}, "/package"),
        ({"package": "small"}, "/account"),
        ({"package": "small", "account": "a", "amount_sat": 1}, "/amount_sat"),
        ({"package": "small", "account": "a", "any_amount": True}, "/any_amount"),
        ({"account": "=1+1", "amount_sat": 1}, "/account"),
        ({"account": "export.csv", "amount_sat": 1}, "/account"),
        ({"account": "a" * 129, "amount_sat": 1}, "/account"),
    ):
        answer = node.post("/v1/payments", body)
        assert answer.status_code == 422, answer.text
        assert [error["path"] for error in answer.json()["errors"]] == [where]
    plain = node.post("/v1/payments", {"package": "plain"}).json()
    assert plain["amount_sat"] == 500
    assert "account" not in plain


def test_of_fifty_debits_at_once_as_many_succeed_as_there_are_credits(
    node: RunningNode,
) -> None:
    bought(node, "racer")

    def spend(number: int) -> int:
        body = {"credits": 3, "reference": f"song {number}"}
        return node.post("/v1/accounts/racer/debit", body).status_code

    assert Counter(racing(50, spend)) == {201: 13, 409: 37}
    assert balance(node, "racer") == 1


def test_one_debit_that_is_sent_fifty_times_is_made_once(node: RunningNode) -> None:
    bought(node, "again")

    def spend(_: int) -> Any:
        headers = {"Idempotency-Key": "one-and-only"}
        return node.post("/v1/accounts/again/debit", {"credits": 5}, **headers)

    answers = racing(50, spend)
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    replayed = [a.headers.get("Idempotent-Replayed") == "true" for a in answers]
    assert replayed.count(False) == 1
    assert balance(node, "again") == 35
    other = {"Idempotency-Key": "one-and-only"}
    answer = node.post("/v1/accounts/again/debit", {"credits": 6}, **other)
    assert answer.status_code == 422
    assert answer.json()["code"] == "idempotency_key_reused"


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "7", 2**53, None])
def test_a_debit_of_anything_but_whole_credits_is_refused(
    node: RunningNode, wrong: object
) -> None:
    answer = node.post("/v1/accounts/alice/debit", {"credits": wrong})
    assert answer.status_code == 422


def test_too_large_a_debit_says_what_there_is(node: RunningNode) -> None:
    answer = node.post("/v1/accounts/nobody/debit", {"credits": 1})
    assert answer.status_code == 409
    assert answer.json()["code"] == "insufficient_funds"
    assert "0 credits" in answer.json()["detail"]
    assert node.get("/v1/accounts/nobody/entries").json()["data"] == []


def test_a_reorg_after_the_credit_takes_it_back_and_a_new_confirmation_gives_it_again(
    node: RunningNode,
) -> None:
    payment = bought(node, "reorged")
    node.post("/v1/accounts/reorged/debit", {"credits": 30})
    assert balance(node, "reorged") == 10
    node.chain.reorg(1, [payment["txid"]])
    wait_until(lambda: balance(node, "reorged") == -30, PATIENCE_S, "the reversal")
    answer = node.post("/v1/accounts/reorged/debit", {"credits": 1})
    assert answer.status_code == 409
    node.chain.pay(payment["address"], 1_000)
    node.chain.mine(1)
    node.wait_for_status(payment["id"], "confirmed")
    assert balance(node, "reorged") == 10
    entries = node.get("/v1/accounts/reorged/entries").json()["data"]
    assert [(e["kind"], e["credits"]) for e in entries] == [
        ("payment.credited", 40),
        ("payment.reversed", -40),
        ("debit", -30),
        ("payment.credited", 40),
    ]


def test_the_books_are_zero_in_sum_and_come_in_pages(node: RunningNode) -> None:
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = node.get(f"/v1/accounts?limit=2{cursor}").json()
        found += page["data"]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    sums: Counter[str] = Counter()
    for one in found:
        sums[one["unit"]] += one["balance"]
    assert set(sums) == {"sat", "credit"}
    assert not any(sums.values())
    assert {"onchain", "sales", "issued", "spent", "user:alice"} <= {
        one["account"] for one in found
    }


@pytest.mark.parametrize("name", ["a%0Ab", "ab%0A", "%C3%A8", "a%22b", "a" * 65, "*"])
def test_a_merchant_in_a_query_is_called_as_merchants_are(
    name: str, node: RunningNode
) -> None:
    """It is part of the name of the file, and so of a header."""
    for path in ("", "/export.csv", "/export.jsonl", "/x", "/x/export.jsonl"):
        answer = node.get(f"/v1/accounts{path}?merchant={name}")
        assert answer.status_code == 422, (path, answer.text)


def test_what_is_exported_is_what_was_posted_and_no_formula(node: RunningNode) -> None:
    bought(node, "sheet")
    evil = '=HYPERLINK("http://evil","x")'
    body = {"credits": 2, "reference": evil}
    assert node.post("/v1/accounts/sheet/debit", body).status_code == 201
    answer = node.get("/v1/accounts/sheet/export.csv")
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert "attachment" in answer.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert [(r["kind"], r["amount"], r["note"]) for r in rows] == [
        ("payment.credited", "40", ""),
        ("debit", "2", f"'{evil}"),
    ]
    lines = node.get("/v1/accounts/export.jsonl").text.splitlines()
    posted = [json.loads(line) for line in lines]
    assert posted[-1]["note"] == evil
    assert [one["id"] for one in posted] == sorted(one["id"] for one in posted)
    sums: Counter[tuple[str, str]] = Counter()
    for one in posted:
        sums[one["unit"], one["to_account"]] += one["amount"]
        sums[one["unit"], one["from_account"]] -= one["amount"]
    shown = node.get("/v1/accounts?limit=200").json()["data"]
    assert {(b["unit"], b["account"]): b["balance"] for b in shown} == sums
    last = posted[-2]["id"]
    rest = node.get(f"/v1/accounts/export.jsonl?after={last}").text.splitlines()
    assert [json.loads(line) for line in rest] == posted[-1:]


def test_a_merchants_accounts_are_its_own(node: RunningNode) -> None:
    bought(node, "mine")
    key = node.add_key("other")
    for path in ("/v1/accounts/mine", "/v1/accounts/mine/entries", "/v1/accounts"):
        other = node.get(path, Authorization=f"Bearer {key}")
        assert other.status_code == 200
        assert other.json().get("data", []) == []
        assert other.json().get("balance", 0) == 0
        asked = node.get(f"{path}?merchant=default", Authorization=f"Bearer {key}")
        assert asked.status_code == 403
    assert node.get("/v1/accounts/mine", Authorization="Bearer x").status_code == 401


def test_fifty_confirmations_debits_and_webhooks_at_once_make_one_credit() -> None:
    """Whoever is first confirms it, and everybody else finds it confirmed."""
    with running_node(web={"webhook_btc_secret": SECRET}) as node:
        record = {"packages": PACKAGES}
        node.call("PUT", "/v1/merchants/default", json=record)
        asked = {"account": "crowd", "package": "small", "confirmations": 1}
        payment = node.post("/v1/payments", asked).json()
        txid = node.chain.pay(payment["address"], 1_000)
        node.chain.mine(1)

        def one(number: int) -> int:
            if number % 3 == 0:
                path = f"/v1/payments/{payment['id']}/confirm"
                return node.post(path).status_code
            if number % 3 == 1:
                body = {"credits": 7}
                return node.post("/v1/accounts/crowd/debit", body).status_code
            said = {"address": payment["address"], "value": 1_000, "txid": txid}
            raw = json.dumps(said | {"status": 2}).encode()
            signature = hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()
            headers = {"X-Signature": signature, "Content-Type": "application/json"}
            return node.call(
                "POST", "/webhook/btc", data=raw, headers=headers
            ).status_code

        codes = racing(50, one)
        assert set(codes[0::3]) <= {200}
        assert set(codes[1::3]) <= {201, 409}
        assert set(codes[2::3]) <= {200, 202}
        node.wait_for_status(payment["id"], "confirmed")
        told = Counter(event["type"] for event in events(node, payment["id"]))
        assert (told["payment.confirmed"], told["payment.credited"]) == (1, 1)
        spent = 7 * codes[1::3].count(201)
        assert balance(node, "crowd") == 40 - spent >= 0
        assert list(findings_of(node)) == []


def findings_of(node: RunningNode) -> list[str]:
    """What `run.py ledger check` would say, beside the running node."""
    with open_ledger(node.database) as book:
        return list(book.findings())


def test_after_all_of_this_the_ledger_is_right(node: RunningNode) -> None:
    assert findings_of(node) == []

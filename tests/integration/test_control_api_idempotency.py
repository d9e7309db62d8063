"""Idempotency-Key and batches: whatever is sent twice is done once."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from gevent.event import AsyncResult
from msgspec.structs import replace

from actors.facts.published import JournalReport, Published
from engine.errors import EngineBusy
from engine.store.writes import Committed, KeptAnswer, Write
from tests.tools.node import RunningNode, running_node
from tests.tools.wait import PATIENCE

KEY = "Idempotency-Key"


@pytest.fixture(scope="module")
def node() -> Iterator[RunningNode]:
    with running_node() as running:
        yield running


def commit(node: RunningNode, row: KeptAnswer) -> None:
    outcome: AsyncResult[Any] = AsyncResult()
    node.node.append(Write(rows=(row,)), outcome.set)
    assert isinstance(outcome.get(timeout=60), Committed)


ANY = {"any_amount": True}


def create(node: RunningNode, body: Any, key: str, **headers: str) -> Any:
    return node.post("/v1/payments", body, **{KEY: key}, **headers)


def test_the_same_key_gets_the_first_answer_again_secret_and_all(
    node: RunningNode,
) -> None:
    body = {"amount_sat": 1_000, "external_id": "once"}
    first = create(node, body, "first-1")
    again = create(node, dict(reversed(body.items())), "first-1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert again.json()["client_secret"] == first.json()["client_secret"]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Location"] == first.headers["Location"]
    found = node.get("/v1/payments?external_id=once").json()["data"]
    assert len(found) == 1


def test_the_first_answer_is_replayed_as_it_was_also_when_the_payment_moved_on(
    node: RunningNode,
) -> None:
    first = create(node, ANY, "moved-on").json()
    node.post(f"/v1/payments/{first['id']}/cancel")
    assert create(node, ANY, "moved-on").json() == first


def test_the_same_key_with_another_body_is_refused(node: RunningNode) -> None:
    create(node, {"amount_sat": 1_000}, "reused")
    response = create(node, {"amount_sat": 1_001}, "reused")
    assert response.status_code == 422
    assert "another body" in response.json()["detail"]


def bearer(node: RunningNode, merchant: str | None = None) -> dict[str, str]:
    return {"Authorization": f"Bearer {node.add_key(merchant)}"}


@pytest.mark.parametrize("merchant", [None, "cafe"])
def test_the_same_key_with_a_rotated_api_key_makes_no_second_payment(
    node: RunningNode, merchant: str | None
) -> None:
    old, new = bearer(node, merchant), bearer(node, merchant)
    for name, value in (("external_id", "r"), ("merchant", merchant or "shop")):
        body = {**ANY, name: value}
        key = f"rotated-{merchant}-{name}"
        first, again = create(node, body, key, **old), create(node, body, key, **new)
        assert again.json() == first.json()
        assert again.headers["Idempotent-Replayed"] == "true"
        asked = {"payments": [body, body]}
        headers = {KEY: key}
        one = node.post("/v1/payments/batch", asked, **headers, **old)
        two = node.post("/v1/payments/batch", asked, **headers, **new)
        assert two.json() == one.json()
        assert two.headers["Idempotent-Replayed"] == "true"


def test_a_merchants_own_key_repeats_what_the_operators_began(
    node: RunningNode,
) -> None:
    body = {**ANY, "merchant": "cafe"}
    first = create(node, body, "handed-over")
    again = create(node, body, "handed-over", **bearer(node, "cafe"))
    assert again.json() == first.json()


@pytest.mark.parametrize("merchant", [{}, [], 7, True, "*", "a b"])
def test_what_is_no_merchant_is_refused_under_a_key_too(
    node: RunningNode, merchant: object
) -> None:
    response = create(node, {**ANY, "merchant": merchant}, "no-merchant")
    assert response.status_code == 422
    assert response.json()["errors"][0]["path"] == "/merchant"
    batch = {"payments": [{**ANY, "merchant": merchant}]}
    response = node.post("/v1/payments/batch", batch, **{KEY: "no-merchant"})
    assert response.json()["data"][0]["problem"]["status"] == 422


def test_nobody_is_given_anothers_answer_by_naming_him(node: RunningNode) -> None:
    body = {**ANY, "merchant": "cafe"}
    assert create(node, body, "named").status_code == 201
    refused = create(node, body, "named", **bearer(node, "thief"))
    assert refused.status_code == 403
    both = {"payments": [body, {**ANY, "merchant": "bar"}]}
    assert node.post("/v1/payments/batch", both, **{KEY: "named"}).status_code == 200
    thief = {KEY: "named", **bearer(node, "thief")}
    entries = node.post("/v1/payments/batch", both, **thief).json()["data"]
    assert [entry["problem"]["status"] for entry in entries] == [403, 403]


def test_an_answer_from_before_keys_were_the_merchants_is_given_again(
    node: RunningNode,
) -> None:
    """Sent before an upgrade, and again after it: the day that it is kept goes on."""
    first = create(node, {**ANY, "external_id": "upgrade"}, "upgrade")
    kept = node.gateway.idempotent_answer("default /v1/payments", "upgrade")
    assert kept is not None
    old = ("bootstrap /v1/payments", "before", kept.request_hash, kept.status)
    commit(node, KeptAnswer(*old, kept.body, node.gateway.now()))
    again = create(node, {**ANY, "external_id": "upgrade"}, "before")
    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"


def test_keys_of_different_merchants_and_paths_do_not_meet(node: RunningNode) -> None:
    mine = create(node, ANY, "shared").json()
    for merchant in ("ann", "bob"):
        theirs = create(node, ANY, "shared", **bearer(node, merchant))
        assert theirs.status_code == 201
        assert theirs.json()["id"] != mine["id"]
        assert theirs.json()["merchant"] == merchant
    batch = node.post("/v1/payments/batch", {"payments": [ANY]}, **{KEY: "shared"})
    assert batch.status_code == 200


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "caf\u00e9", "tab\t"])
def test_a_key_must_be_visible_ascii_of_1_to_255_characters(
    node: RunningNode, key: str
) -> None:
    headers = {KEY: key.encode("utf-8")}
    response = node.call("POST", "/v1/payments", json=ANY, headers=headers)
    if key == "tab\t":  # white space around a value is no part of it
        assert response.status_code == 201
    else:
        assert response.status_code == 400
        assert "visible ASCII" in response.json()["detail"]


def test_a_refused_request_may_be_corrected_under_its_key(node: RunningNode) -> None:
    assert create(node, {"amount_sat": -1}, "corrected").status_code == 422
    taken = node.create()["address"]
    assert create(node, {**ANY, "address": taken}, "corrected").status_code == 409
    assert create(node, {"amount_sat": 1}, "corrected").status_code == 201


def test_ten_requests_with_one_key_at_once_make_one_payment(node: RunningNode) -> None:
    body = {**ANY, "external_id": "at once"}
    tasks = [gevent.spawn(create, node, body, "at-once") for _ in range(10)]
    gevent.joinall(tasks, timeout=60 * PATIENCE, raise_error=True)
    answers: list[Any] = [task.value for task in tasks]
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    replayed = ["Idempotent-Replayed" in answer.headers for answer in answers]
    assert sorted(replayed) == [False] + [True] * 9
    assert len(node.get("/v1/payments?external_id=at%20once").json()["data"]) == 1


def test_a_key_that_another_process_used_first_is_replayed_from_the_database() -> None:
    """Between the look and the commit somebody else may be faster."""
    with running_node() as node:
        known = node.gateway.idempotent_answer
        create(node, {"amount_sat": 5}, "raced")
        blind = [True]

        def first_look_finds_nothing(
            scope: str, key: str, former: str | None = None
        ) -> Any:
            return None if blind and blind.pop() else known(scope, key, former)

        node.gateway.idempotent_answer = first_look_finds_nothing  # type: ignore[method-assign]
        again = create(node, {"amount_sat": 5}, "raced")
        assert again.status_code == 201
        assert again.headers["Idempotent-Replayed"] == "true"
        assert len(node.get("/v1/payments").json()["data"]) == 1


def test_a_key_may_be_used_anew_after_a_day() -> None:
    with running_node() as node:
        yesterday = node.gateway.now() - 86_400_001
        row = KeptAnswer("bootstrap /v1/payments", "old", b"x", 201, b"{}", yesterday)
        commit(node, row)
        assert create(node, ANY, "old").status_code == 201
        assert create(node, ANY, "old").headers["Idempotent-Replayed"] == "true"


def test_a_node_may_keep_answers_for_longer_than_a_day() -> None:
    with running_node() as node:
        node.node.settings = replace(node.node.settings, keep_answers_h=168)
        first = create(node, ANY, "weekly")
        now, days_later = node.gateway.now, 6 * 86_400_000
        node.gateway.now = lambda: now() + days_later  # type: ignore[method-assign]
        assert create(node, ANY, "another").status_code == 201
        again = create(node, ANY, "weekly")
        assert again.headers["Idempotent-Replayed"] == "true"
        assert again.json()["id"] == first.json()["id"]
        node.gateway.now = lambda: now() + 8 * 86_400_000  # type: ignore[method-assign]
        assert "Idempotent-Replayed" not in create(node, ANY, "weekly").headers


def test_a_batch_answer_of_a_version_whose_problems_had_no_code_is_replayed() -> None:
    with running_node() as node:
        asked = {"payments": [ANY, {"amount_sat": -1}]}
        first = node.post("/v1/payments/batch", asked, **{KEY: "now"}).json()["data"]
        payment = {k: v for k, v in first[0]["payment"].items() if k != "client_secret"}
        told = {"type": "about:blank", "title": "x", "status": 422, "detail": "no"}
        kept = {"data": [{"payment": payment}, {"problem": {**told, "errors": []}}]}
        row = KeptAnswer(
            "bootstrap /v1/payments/batch",
            "before",
            hashlib.sha256(json.dumps(asked, separators=(",", ":")).encode()).digest(),
            200,
            json.dumps(kept).encode(),
            node.gateway.now(),
        )
        commit(node, row)
        again = node.post("/v1/payments/batch", asked, **{KEY: "before"})
        assert again.headers["Idempotent-Replayed"] == "true"
        assert again.json()["data"] == [first[0], kept["data"][1]]


def test_no_secret_lies_in_the_database(node: RunningNode) -> None:
    made = create(node, ANY, "secret").json()
    batch = node.post("/v1/payments/batch", {"payments": [ANY]}, **{KEY: "secret"})
    secrets = [
        made["client_secret"],
        batch.json()["data"][0]["payment"]["client_secret"],
    ]
    written = b"".join(
        path.read_bytes() for path in node.database.parent.iterdir()
        if path.name.startswith(node.database.name)
    )  # fmt: skip
    assert made["id"].encode() in written, "this reads what is stored"
    assert not any(secret.encode() in written for secret in secrets)
    assert node.api_key.encode() not in written


def test_an_engine_that_cannot_write_says_503_and_when_to_come_again() -> None:
    with running_node() as node:
        trouble = JournalReport("the disk is full: free space")
        node.node.journal_report = Published(trouble)
        response = create(node, {"amount_sat": 5}, "busy")
        assert response.status_code == 503
        assert response.headers["Retry-After"] == "5"
        assert "disk is full" in response.json()["detail"]
        assert node.get("/health").json()["status"] == "degraded"
        ready = node.get("/ready")
        assert (ready.status_code, ready.headers["Retry-After"]) == (503, "2")
        node.node.journal_report = Published(JournalReport())
        assert create(node, {"amount_sat": 5}, "busy").status_code == 201


def test_an_answer_that_did_not_come_in_time_says_that_nobody_knows() -> None:
    with running_node() as node:

        def too_late(*_args: Any) -> Any:
            raise EngineBusy("no answer within 10 s", unknown=True)

        node.gateway.create = too_late  # type: ignore[method-assign,assignment]
        response = create(node, ANY, "late")
        assert response.status_code == 503
        assert "it is not known whether" in response.json()["detail"]


# -- batches ---------------------------------------------------------------------------


def test_a_batch_answers_each_payment_by_itself_and_in_order(node: RunningNode) -> None:
    address = node.chain.new_address()
    taken = node.create()["address"]
    response = node.post(
        "/v1/payments/batch",
        {
            "payments": [
                {"amount_sat": 1, "address": address},
                {"amount_sat": 2.5},
                {"amount_sat": 3, "address": address.upper()},
                {**ANY, "address": taken},
                "text",
                {"amount_sat": 4, "merchant": "shop"},
            ]
        },
    )
    assert response.status_code == 200
    entries = response.json()["data"]
    assert [list(entry) for entry in entries] == [
        ["payment"], ["problem"], ["problem"], ["problem"], ["problem"], ["payment"],
    ]  # fmt: skip
    statuses = [entry["problem"]["status"] for entry in entries if "problem" in entry]
    assert statuses == [422, 409, 409, 422]
    assert entries[1]["problem"]["errors"][0]["path"] == "/amount_sat"
    assert entries[2]["problem"]["errors"][0]["path"] == "/address"
    for entry in (entries[0], entries[5]):
        shown = dict(entry["payment"])
        assert node.vault.is_client_secret(shown["id"], shown.pop("client_secret"))
        assert shown == node.payment(shown["id"])


def test_a_batch_of_a_thousand_is_one_commit(node: RunningNode) -> None:
    before = node.node.counters["journal.writes"]
    body = {"payments": [{"amount_sat": n + 1} for n in range(1_000)]}
    entries = node.post("/v1/payments/batch", body).json()["data"]
    assert [entry["payment"]["amount_sat"] for entry in entries] == list(
        range(1, 1_001)
    )
    created = node.node.counters["journal.writes"] - before
    assert 1 <= created <= 50, "beside it only what the source notes"


def test_a_batch_sent_twice_with_a_key_is_done_once(node: RunningNode) -> None:
    body = {"payments": [{**ANY, "external_id": "batched"}, {"amount_sat": 0}]}
    first = node.post("/v1/payments/batch", body, **{KEY: "batch-1"})
    again = node.post("/v1/payments/batch", body, **{KEY: "batch-1"})
    assert first.json() == again.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(node.get("/v1/payments?external_id=batched").json()["data"]) == 1


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"payments": []}, "/payments"),
        ({"payments": [{}] * 1_001}, "/payments"),
        ({"payments": None}, "/payments"),
        ({"payments": {}}, "/payments"),
        ({}, "/payments"),
        ({"payments": [{}], "more": 1}, "/more"),
        ([], ""),
    ],
)
def test_a_batch_that_is_none_is_a_422(node: RunningNode, body: Any, path: str) -> None:
    response = node.post("/v1/payments/batch", body)
    assert response.status_code == 422
    assert [error["path"] for error in response.json()["errors"]] == [path]


def test_a_batch_may_have_1_mib_and_no_more(node: RunningNode) -> None:
    headers = {"Content-Type": "application/json"}
    body = b'{"payments":[{}]' + b" " * (1024 * 1024 - 17) + b"}"
    for extra, status in ((b"", 200), (b" ", 413)):
        response = node.call(
            "POST", "/v1/payments/batch", data=body + extra, headers=headers
        )
        assert response.status_code == status


def test_a_merchants_key_may_not_slip_others_payments_into_a_batch(
    node: RunningNode,
) -> None:
    key = {"Authorization": f"Bearer {node.add_key('mine')}"}
    body = {"payments": [{**ANY, "merchant": "theirs"}, ANY]}
    entries = node.post("/v1/payments/batch", body, **key).json()["data"]
    assert entries[0]["problem"]["status"] == 403
    assert entries[1]["payment"]["merchant"] == "mine"

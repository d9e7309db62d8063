"""S4.4, in: what another program puts into the stream in the wrong order.

The journal's rules decide, as for a webhook that comes by HTTP (the same table): a paid
invoice does not become pending again, and each word is taken once.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.seeds.gateway_calls import IN_ANY_ORDER
from tests.seeds.redis_kills import CONFIG, notification, signature
from tests.seeds.test_s4_4_through_redis import STREAM, add, dead, page, shown
from tests.tools.paybell import Paybell, serving
from tests.tools.redis_server import RedisServer
from tests.tools.wait import wait_until


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


@pytest.fixture(scope="module")
def node(
    redis: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Paybell]:
    folder = tmp_path_factory.mktemp("redis")
    config = folder / "paybell.toml"
    config.write_text(CONFIG.format(redis=redis.url))
    with serving(folder, "--config", config) as running:
        yield running


def say(redis: RedisServer, invoice: str, word: str) -> None:
    body = notification(invoice, word)
    add(redis, body, **{"X-Signature": signature(body)})


def say_as_backend(redis: RedisServer, invoice: str, word: str, at_ms: int) -> None:
    """In the document's own shape."""
    said = ("eventType", "PAYMENT", "timestamp", str(at_ms), "salonId", "s1",
            "invoiceId", invoice, "paymentData", f'{{"status":"{word}"}}',
            "tokenData", "", "gateway", "backend")  # fmt: skip
    redis.call("XADD", STREAM, "*", *said)


def wait_until_taken(node: Paybell, redis: RedisServer) -> None:
    """All of them: read, committed, acknowledged."""

    def is_taken() -> bool:
        (group,) = redis.call("XINFO", "GROUPS", STREAM)
        flat = dict(zip(group[::2], group[1::2], strict=True))
        return bool(flat[b"pending"] == flat[b"lag"] == 0)

    wait_until(is_taken, 10, lambda: f"all to be taken: {shown(node)}")


def found(node: Paybell, invoice: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = node.get(
        f"/v1/payments?external_id={invoice}&merchant=salon"
    ).json()["data"]
    return listed


def story(node: Paybell, payment_id: str) -> list[str]:
    events = node.get(f"/v1/payments/{payment_id}/events").json()["data"]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    return [event["type"].removeprefix("payment.") for event in events]


@pytest.mark.parametrize(("words", "status", "expected"), IN_ANY_ORDER)
def test_s4_4_words_of_an_invoice_in_any_order(
    node: Paybell,
    redis: RedisServer,
    words: list[str],
    status: str | None,
    expected: list[str],
) -> None:
    invoice = "-".join(words)
    for word in words:
        say(redis, invoice, word)
    wait_until_taken(node, redis)
    payments = found(node, invoice)
    assert [one["status"] for one in payments] == ([status] if status else [])
    if payments:
        assert story(node, payments[0]["id"]) == expected
    assert dead(redis) == []


def test_s4_4_an_earlier_word_that_comes_behind_a_later_one_tells_a_page_nothing(
    node: Paybell, redis: RedisServer
) -> None:
    """Each of them twice, and in between those of another invoice, the other way
    round; the times in them are of no account."""
    client = page(node, "late-1")
    for word, at_ms in (("SUCCESS", 1_760_000_009_000), ("PENDING", 1_760_000_001_000)):
        for _ in range(2):
            say_as_backend(redis, "late-1", word, at_ms)
            other = "PENDING" if word == "SUCCESS" else "SUCCESS"
            say_as_backend(redis, "late-2", other, at_ms)
    wait_until_taken(node, redis)
    told = [client.recv_json(), client.recv_json()]
    assert [one["type"] for one in told] == [
        "payment:status-update",
        "payment:completed",
    ]
    assert {one["status"] for one in told} == {"SUCCESS"}
    client.send_json({"type": "ping"})
    assert client.recv_json()["type"] == "pong"
    client.close()
    stories = [story(node, found(node, f"late-{n}")[0]["id"]) for n in (1, 2)]
    assert stories == [["created", "confirmed"], ["created", "detected", "confirmed"]]
    assert dead(redis) == []

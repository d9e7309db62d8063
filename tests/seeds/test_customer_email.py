"""S1.7: a payment knows where its payer wants mail, and tells nobody."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.tools.node import RunningNode, running_node

ANN = "ann.payer@example.com"


@pytest.fixture(scope="module")
def node() -> Iterator[RunningNode]:
    with running_node() as started:
        yield started


def bytes_on_disk(node: RunningNode) -> bytes:
    files = sorted(node.database.parent.iterdir())
    return b"".join(file.read_bytes() for file in files)


def test_s1_7_the_customers_email_is_sealed_and_shown_to_nobody(
    node: RunningNode,
) -> None:
    made = node.post(
        "/v1/payments",
        {"amount_sat": 1_000, "customer_email": ANN},
        **{"Idempotency-Key": "a"},
    )
    assert made.status_code == 201
    payment = made.json()
    assert node.gateway.customer_email(payment["id"]) == ANN
    answers = [
        made.text,
        node.get(f"/v1/payments/{payment['id']}").text,
        node.get(f"/v1/payments/{payment['id']}/events").text,
        node.get("/v1/events?after=0").text,
        node.get(f"/pay/{payment['id']}").text,
    ]
    assert not any(ANN in text for text in answers)
    assert ANN.encode() not in bytes_on_disk(node)


def test_s1_7_of_a_batch_each_payment_has_its_own(node: RunningNode) -> None:
    asked: list[dict[str, Any]] = [
        {"amount_sat": 1_000, "customer_email": ANN},
        {"amount_sat": 1_000, "customer_email": "no address"},
        {"amount_sat": 1_000},
        {"amount_sat": 1_000, "customer_email": "bob@example.com"},
    ]
    answer = node.post("/v1/payments/batch", {"payments": asked})
    ann, wrong, nobody, bob = answer.json()["data"]
    email = node.gateway.customer_email
    assert email(ann["payment"]["id"]) == ANN
    assert email(nobody["payment"]["id"]) is None
    assert email(bob["payment"]["id"]) == "bob@example.com"
    assert wrong["problem"]["errors"][0]["path"] == "/customer_email"


@pytest.mark.parametrize(
    "email", ["ann", "a@b.example\nBcc: c@d.example", "x" * 250 + "@b.example", 7, {}]
)
def test_s1_7_what_is_no_address_is_a_422_that_does_not_repeat_it(
    node: RunningNode, email: Any
) -> None:
    answer = node.post("/v1/payments", {"amount_sat": 1_000, "customer_email": email})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["path"] == "/customer_email"
    assert "Bcc" not in answer.text

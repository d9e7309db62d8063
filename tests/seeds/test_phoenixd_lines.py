"""S3: the rest of the document's lines, as they stand, and how often they may come."""

import hashlib
import hmac
import http.client
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.browser.chromium import Chromium
from tests.seeds.documents import (
    PHOENIXD_CONNECT,
    PHOENIXD_CURL_SHORT,
    PHOENIXD_HEALTH,
)
from tests.tools import children
from tests.tools.node import RunningNode, running_node
from tests.tools.paybell import Paybell
from tests.tools.wait import PATIENCE
from tests.tools.wsclient import connect
from transport.seeds import phoenixd
from transport.server.limits import CallLimits

STEP_S = 15.0
SECRET = "phoenixd-webhook-secret"
LIMITS = CallLimits(rate_per_s=0.5, burst=3, failure_rate_per_s=0.5, failure_burst=2)


def curl(line: str, url: str) -> Any:
    """What the line prints, which has the document's host in it."""
    said = line.replace("http://localhost:4000", url).replace("\\\n", " ")
    done = children.run(
        shlex.split(said),
        capture_output=True,
        text=True,
        check=True,
        timeout=STEP_S * PATIENCE,
    )
    return json.loads(done.stdout)


def test_s3_5_the_documents_curl_line_of_health(seeded: Paybell) -> None:
    """As the document shows its answer; it may have more."""
    client = connect("127.0.0.1", seeded.port, "/ws")
    assert client.recv_json(STEP_S)["type"] == "connected"
    health = curl(PHOENIXD_HEALTH, seeded.url)
    assert health["status"] == "ok"
    assert isinstance(health["service"], str)
    assert health["websocket"]["enabled"] is True
    assert health["websocket"]["clients"] >= 1
    client.close()


def test_s3_3_the_documents_curl_line_without_an_amount(seeded: Paybell) -> None:
    made = seeded.create(amount_sat=50_000, external_id="test")
    assert curl(PHOENIXD_CURL_SHORT, seeded.url)["status"] == "noted"
    assert seeded.payment(made["id"])["status"] == "pending"
    assert curl(PHOENIXD_CURL_SHORT, seeded.url)["status"] == "duplicate"


def test_s3_2_the_documents_page_does_not_run_in_any_browser_as_it_stands(
    seeded: Paybell, chromium: Chromium, tmp_path: Path
) -> None:
    """Why documents.py changes one line of it: the browser throws, no server does."""
    file = tmp_path / "shop.html"
    file.write_text("<!doctype html><title>shop</title>", encoding="utf-8")
    page = chromium.page()
    page.goto(file.as_uri())
    url = seeded.url.removeprefix("http://")
    script = json.dumps(PHOENIXD_CONNECT.replace("localhost:4000", url))
    thrown = (
        f"(() => {{ try {{ (0, eval)({script}) }} catch (e) {{ return e.name }} }})()"
    )
    assert page.evaluate(thrown) == "InvalidStateError"
    page.wait_for_js("ws.readyState === 1")
    page.close()


# -- S3.7, "Rate limiting on webhook endpoint" -----------------------------------------


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningNode]:
    """Whose merchant `cafe` has a secret for phoenixd. Its clock stands, or a busy
    machine would give calls back."""
    monkeypatch.setattr(phoenixd, "time", SimpleNamespace(monotonic=lambda: 1_000.0))
    web = {"seeds": {"phoenixd": "cafe"}, "webhook_limits": LIMITS}
    with running_node(web=web) as started:
        body = {"webhook_secrets": {"phoenixd": SECRET}}
        put = started.call("PUT", "/v1/merchants/cafe", json=body)
        assert put.status_code == 200, put.text
        yield started


def tell(
    node: RunningNode, number: int, source: str = "127.0.0.1", secret: str = SECRET
) -> tuple[int, dict[str, Any], str | None]:
    """A webhook about an order; its status, its answer, and its Retry-After."""
    claim = {"externalId": f"order-{number}", "paymentHash": "ab" * 32}
    body = json.dumps(claim).encode()
    made = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    link = http.client.HTTPConnection(
        "127.0.0.1", node.server.port, STEP_S * PATIENCE, (source, 0)
    )
    try:
        link.request("POST", "/api/webhook", body, {"X-Phoenix-Signature": made})
        answer = link.getresponse()
        return answer.status, json.loads(answer.read()), answer.getheader("Retry-After")
    finally:
        link.close()


def test_s3_7_signed_webhooks_are_limited_by_address(node: RunningNode) -> None:
    for number in range(3):
        assert tell(node, number)[0] == 200
    status, problem, retry_after = tell(node, 3)
    assert (status, problem["code"]) == (429, "rate_limited")
    assert problem["limit"] == "webhooks_per_s"
    assert retry_after == "2"
    assert tell(node, 4, "127.0.0.2")[0] == 200, "another address has its own"


def test_s3_7_wrong_signatures_are_limited_and_cost_who_signs_nothing(
    node: RunningNode,
) -> None:
    """From another address: what phoenixd says gets through."""
    stranger = "127.0.0.3"
    codes = [tell(node, n, stranger, "a guess")[0] for n in range(3)]
    assert codes == [401, 401, 429]
    assert tell(node, 1)[0] == 200

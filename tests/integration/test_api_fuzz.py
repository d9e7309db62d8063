"""schemathesis tries the whole OpenAPI document against a running node.

Right and wrong data to every operation, in sequences along the document's links: no
answer may be a 5xx of ours, a status or a content type that the document does not
name, or a body that its schema does not allow. schemathesis runs as a program of its
own: it is written for threads, not for gevent.

PAYBELL_FUZZ_REQUESTS sets how many requests (5,000), PAYBELL_FUZZ_SEED which: the same
each time, but in `make soak`. Of so few, three operations or four may have bad luck
with what is made up, as they want what another call has made. Every 7,500 are a test
and a node of their own.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.delivery.attempt import AttemptOutcome, SendResult
from tests.tools import children
from tests.tools.node import RunningNode, running_node
from tests.tools.tally import Tally
from transport.http.auth import KeyLimits
from transport.http.strangers import StrangerLimits
from transport.live.sinks import StreamQueue
from transport.seeds.admission import SeedLimits
from transport.server.limits import CallLimits

REQUESTS = int(os.environ.get("PAYBELL_FUZZ_REQUESTS", "5000"))
SEED = int(os.environ.get("PAYBELL_FUZZ_SEED", "1"))

AT_A_TIME = 7_500
"""Requests to one node, in one test: before the run's second net ends it."""

EDGES = 4_200
"""Requests that the edges of all schemas need, about, whatever else is asked for."""

PER_EXAMPLE = 75
"""Requests for one more example of each operation."""

PER_SEQUENCE = 6
"""Requests for one more sequence of calls along the links."""

DATA = "examples,coverage,fuzzing"
SEQUENCES = "stateful"

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)

OFTEN: dict[str, Any] = {"rate_per_s": 1e6, "burst": 1_000_000}
OFTEN_WRONG: dict[str, Any] = {"failure_rate_per_s": 1e6, "failure_burst": 1_000_000}

_REFUND = "/v1/payments/{payment_id}/refunds/{refund_id}"

OF_MONEY = {
    "POST /v1/accounts/{account}/debit",
    "POST /v1/payments/{payment_id}/forward",
    "POST /v1/payments/{payment_id}/refund",
    "POST /v1/refunds/{refund_id}/claim",
    "POST /v1/forwarding/lightning/{forward_id}/resume",
    "POST /v1/forwarding/lightning/{forward_id}/give_up",
    f"GET {_REFUND}",
    f"GET {_REFUND}/psbt",
    f"POST {_REFUND}/cancel",
    f"POST {_REFUND}/paid",
}
"""What succeeds only after money came in, which no made-up data brings. Their refusals
are judged here; that they succeed is seen in tests/money."""

OF_A_KEY = {"POST /session"}
"""What wants a key that no made-up data holds: see tests/pages/test_sessions.py."""

OF_LIGHTNING = {
    "GET /v1/pos",
    "POST /api/invoice",
    "GET /events/upstreams/{merchant}",
    "POST /v1/upstreams/{name}/reconnect",
}
"""What succeeds only where there is a Lightning account: see tests/lightning."""

HOOK_SECRET = "secret-of-the-webhooks-that-are-made-up"


class Silent:
    """Sends nothing: what is made up must not be looked up or called."""

    def send(self, *_args: object, **_options: object) -> SendResult:
        return SendResult(
            AttemptOutcome.RETRY, None, "not sent in this test", None, 1.0
        )


def fuzz(
    url: str, api_key: str, folder: Path, *options: str, timeout_s: float = 600
) -> str:
    """The report of a run; fails with it if anything was found."""
    program = Path(sys.executable).with_name("st")
    document = folder / "openapi.json"
    command = [
        str(program), "run", str(document), "--url", url,
        "--header", f"Authorization: Bearer {api_key}",
        "--checks", ",".join(CHECKS),
        "--continue-on-failure", "--no-shrink", "--no-color",
        "--generation-database", "none",
        "--request-timeout", "120",  # the machine may be busy
        *options,
    ]  # fmt: skip
    done = children.run(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=timeout_s,
    )  # fmt: skip
    report: str = done.stdout.decode()
    assert done.returncode == 0, report
    return report


class Impatient(StreamQueue):
    """Of `GET /v1/events`, which waits a minute for an event when it is asked to."""

    def take(self, timeout_s: float) -> bytes:
        return super().take(min(timeout_s, 0.01))


@pytest.fixture(autouse=True)
def _nobody_waits_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Data made up asks for it a few times in a run, by chance."""
    monkeypatch.setattr("transport.live.journal_stream.StreamQueue", Impatient)


def write_document(node: RunningNode, folder: Path, *, without: str = "") -> None:
    """For schemathesis; perhaps without a field of a new payment."""
    document = node.get("/openapi.json").json()
    wanted = document["components"]["schemas"]["PaymentRequest"]["properties"]
    wanted.pop(without, None)
    (folder / "openapi.json").write_bytes(msgspec.json.encode(document))


@pytest.mark.timeout_s(500)
@pytest.mark.parametrize("number", range(-(-REQUESTS // AT_A_TIME)))
def test_no_data_right_or_wrong_gets_an_answer_that_is_not_documented(
    number: int, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    sys.stdout.write(f"PAYBELL_FUZZ_SEED={SEED} PAYBELL_FUZZ_REQUESTS={REQUESTS}\n")
    wanted, seed = min(REQUESTS, AT_A_TIME), SEED + 1_000 * number
    tallies: list[Tally] = []

    def tallied(app: Any) -> Tally:
        tallies.append(Tally(app, HOOK_SECRET))
        return tallies[0]

    web = {
        "auth_limits": KeyLimits(rate_per_s=1e6, burst=1_000_000, **OFTEN_WRONG),
        "webhook_limits": CallLimits(**OFTEN, **OFTEN_WRONG),
        "stranger_limits": StrangerLimits(**OFTEN),
        "webhook_btc_secret": HOOK_SECRET,
        "seeds": {"paybutton": "default", "phoenixd": "default"},
        "seed_limits": SeedLimits(per_minute=1_000_000, per_hour=1_000_000),
        "broadcasts_per_minute": 10_000,
    }
    with running_node(sender=Silent(), web=web, wrap=tallied) as node:
        (tally,) = tallies
        tally.address = node.create(amount_sat=1_000)["address"]
        links, runs = "", 0
        while (left := wanted - tally.total()) > wanted // 20 or runs < 2:
            runs += 1
            is_first = runs == 1
            many = (
                (left // 2 - EDGES) // PER_EXAMPLE if is_first else left // PER_SEQUENCE
            )
            # It takes external_id for the id of something that had to be made before,
            # and without that it never begins a sequence with a payment.
            write_document(node, tmp_path, without="" if is_first else "external_id")
            report = fuzz(
                node.url, node.api_key, tmp_path,
                "--phases", DATA if is_first else SEQUENCES,
                "--max-examples", str(max(10, many)),
                "--seed", str(seed + runs),
            )  # fmt: skip
            cases = re.search(r"(\d+) generated, (\d+) passed", report)
            assert cases is not None, report
            assert cases[1] == cases[2], report
            if found := re.search(r"API Links: +(\d.*)", report):
                links = found[1]
        lines = [f"seed {seed}", *tally.lines(), f"links of the last run: {links}"]
        record_property("figures", "\n".join(lines))
        assert node.get("/ready").status_code == 200
        assert node.gave_up == []
        assert node.gateway.counters().get("watchers.crashes", 0) == 0
        node.wait_for_status(node.create(amount_sat=1_000)["id"], "pending")
    assert tally.share(429) < 0.02, "limits answered in place of what is behind them"
    # One or two may have had bad luck with what was made up.
    unlucky = tally.without_success() - OF_MONEY - OF_LIGHTNING - OF_A_KEY
    assert len(unlucky) < 3, unlucky


@pytest.mark.timeout_s(500)
def test_without_a_key_every_answer_is_documented_too(tmp_path: Path) -> None:
    limits = KeyLimits(failure_rate_per_s=10_000, failure_burst=10_000)
    with running_node(sender=Silent(), auth_limits=limits) as node:
        write_document(node, tmp_path)
        fuzz(
            node.url, "pbk_wrong", tmp_path,
            "--max-examples", "12", "--phases", "coverage",
        )  # fmt: skip
        assert node.gateway.health().last_offset == 0, "a stranger made an event"

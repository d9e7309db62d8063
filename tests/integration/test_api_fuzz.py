"""schemathesis tries the whole OpenAPI document against a running node.

Right and wrong data to every operation, in sequences along the document's links: no
answer may be a 5xx of ours, a status or a content type that the document does not
name, or a body that its schema does not allow. schemathesis runs as a program of its
own: it is written for threads, not for gevent.
"""

import re
import sys
from pathlib import Path

import pytest
from gevent import subprocess

from engine.retry import Outcome, SendResult
from tests.tools.node import running_node
from transport.auth import AuthLimits

EXAMPLES = 12
"""Generated cases of each operation, beside those that cover the schema's edges."""

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)

#: Answer for as long as they are listened to.
STREAMS = "^/(v1/events|events/)"


class Silent:
    """Sends nothing: what is made up must not be looked up or called."""

    def send(self, *_args: object, **_options: object) -> SendResult:
        return SendResult(Outcome.RETRY, None, "not sent in this test", None, 1.0)


def fuzz(url: str, api_key: str, folder: Path, *options: str) -> str:
    """The report of a run; fails with it if anything was found."""
    program = Path(sys.executable).with_name("st")
    command = [
        str(program), "run", f"{url}/openapi.json",
        "--header", f"Authorization: Bearer {api_key}",
        "--checks", ",".join(CHECKS),
        "--exclude-path-regex", STREAMS,
        "--max-examples", str(EXAMPLES),
        "--continue-on-failure", "--no-shrink", "--no-color",
        "--generation-database", "none",
        "--request-timeout", "20",
        *options,
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=110,
    )  # fmt: skip
    report: str = done.stdout.decode()
    assert done.returncode == 0, report
    return report


@pytest.mark.timeout_s(118)
def test_no_data_right_or_wrong_gets_an_answer_that_is_not_documented(
    tmp_path: Path,
) -> None:
    with running_node(sender=Silent()) as node:
        report = fuzz(node.url, node.api_key, tmp_path)
        cases = re.search(r"(\d+) generated, (\d+) passed", report)
        assert cases is not None, report
        assert int(cases[1]) > 300, report
        assert cases[1] == cases[2], report
        assert node.get("/ready").status_code == 200
        assert node.gave_up == []
        assert node.gateway.counters().get("watchers.crashes", 0) == 0
        node.wait_for_status(node.create(amount_sat=1_000)["id"], "pending")


def test_without_a_key_every_answer_is_documented_too(tmp_path: Path) -> None:
    limits = AuthLimits(failure_rate_per_s=10_000, failure_burst=10_000)
    with running_node(sender=Silent(), auth_limits=limits) as node:
        fuzz(node.url, "pbk_wrong", tmp_path, "--phases", "coverage")
        assert node.gateway.health().last_offset == 0, "a stranger made an event"

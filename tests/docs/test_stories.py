"""The pages that tell a story, run from their first command to the last.

In a folder where `.venv/bin` has this version's command, with ports of its own. What a
story starts in the background is waited for where a reader is told to wait, and ends
with the story.
"""

import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tests.docs.runs import Runs
from tests.docs.snippets import ROOT, Block, blocks
from tests.tools import children
from tests.tools.ports import free_ports
from tests.tools.wait import PATIENCE, wait_until
from transport.outbound.webhook import new_secret

NOT_RUN = {
    "make setup-python": "the tests stand on what it installs; tests/integration/"
    "test_setup.py tries it",
}
"""Commands of a story that are left out, each with its reason. It may only shrink."""

RUN = Runs()
FIRST_PAYMENT = RUN.all("first-payment.md", "bash")
README = [
    RUN.take("README.md", "bash", each) for each in ("setup-python", "curl", " pay ")
]
API_EXAMPLES = RUN.all("api-examples.md", "bash")
SHOP = RUN.take("README.md", "python")

READY = """
for try in $(seq 3000); do
    curl --silent --output /dev/null http://127.0.0.1:8080/ready && break
    sleep 0.1
done
"""
STRICT = """
set -euo pipefail
curl() { command curl --fail-with-body "$@"; }
"""


class Walkthrough:
    """One page's blocks, as one shell's text."""

    def __init__(self, page: list[Block], folder: Path) -> None:
        self.folder = folder
        self.ports = dict(zip(("8080", "9000"), map(str, free_ports(2)), strict=True))
        tools = folder / ".venv" / "bin"
        tools.mkdir(parents=True)
        url = f"http://127.0.0.1:{self.ports['8080']}"
        asks = f"case $1 in pay|payments|watch) export PAYBELL_URL={url};; esac\n"
        for name, first, command in (
            ("paybell", asks, f"{ROOT}/run.py "),
            ("python", "", ""),
        ):
            tool = tools / name
            tool.write_text(f'#!/bin/sh\n{first}exec {sys.executable} {command}"$@"\n')
            tool.chmod(0o755)
        text = STRICT
        for block in page:
            text += self._here(block.text)
            text += self._here(READY) if " serve " in block.text else ""
        self.text = text

    def _here(self, text: str) -> str:
        lines = [
            line for line in text.splitlines() if not line.startswith(tuple(NOT_RUN))
        ]
        text = "\n".join(lines) + "\n"
        for port, ours in self.ports.items():
            text = re.sub(rf"\b{port}\b", ours, text)
        return text

    @contextmanager
    def told(self) -> Iterator[str]:
        """What it prints. What it has started runs as long as this."""
        environ = {k: v for k, v in os.environ.items() if not k.startswith("PAYBELL_")}
        environ["PAYBELL_PORT"] = self.ports["8080"]
        with (self.folder / "printed").open("w+") as printed:
            process = children.start(
                ["bash", "-c", self.text],
                cwd=self.folder,
                env=environ,
                stdout=printed,
                stderr=printed,
            )
            try:
                status = process.wait(timeout=60 * PATIENCE)
                said = (self.folder / "printed").read_text(encoding="utf-8")
                assert status == 0, said
                yield said
            finally:
                with suppress(ProcessLookupError):  # it has started nothing
                    os.killpg(process.pid, signal.SIGKILL)


def test_the_first_payment_is_made_paid_and_told(tmp_path: Path) -> None:
    with Walkthrough(FIRST_PAYMENT, tmp_path).told() as said:
        assert "/pay/pay_" in said
        log = tmp_path / "shop.log"
        wait_until(
            lambda: "ship order-1" in log.read_text(encoding="utf-8"),
            30,
            lambda: f"the shop to ship: {log.read_text(encoding='utf-8')}\n{said}",
        )
        told = log.read_text(encoding="utf-8")
        assert re.search(
            r"payment\.detected order-1\n.*payment\.confirmed", told, re.DOTALL
        )


def test_the_commands_of_readme_take_a_payment(tmp_path: Path) -> None:
    with Walkthrough(README, tmp_path).told() as said:
        assert re.search(r"order-1|pay_", said)
        assert "50,000" in said or "50000" in said


def test_every_call_of_the_examples_does_what_it_says(tmp_path: Path) -> None:
    with Walkthrough(API_EXAMPLES, tmp_path).told() as said:
        assert '"status":"confirmed"' in said.replace(" ", "")


def test_the_shop_of_readme_ships_what_is_paid_and_believes_no_forger() -> None:
    """Its Python, with the official library and a webhook as we sign it."""
    secret = new_secret()
    event = {"type": "payment.confirmed", "flags": [], "external_id": "order-1"}
    body = json.dumps({"type": event["type"], "data": event}).encode()
    sent = datetime.now(UTC)
    signature = Webhook(secret).sign("evt_1", sent, body.decode())
    headers = {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(int(sent.timestamp())),
        "webhook-signature": signature,
    }
    shipped: list[str] = []
    names = {"secret": secret, "raw_body": body, "headers": headers}
    exec(SHOP.text, {**names, "ship": shipped.append})  # noqa: S102
    assert shipped == ["order-1"]
    with pytest.raises(WebhookVerificationError):
        exec(SHOP.text, {**names, "secret": new_secret()})  # noqa: S102
    assert shipped == ["order-1"]


@pytest.mark.parametrize("command", NOT_RUN)
def test_what_is_left_out_is_still_there(command: str) -> None:
    assert len(NOT_RUN) <= 1
    assert any(command in block.text for block in blocks("bash"))

"""S4.6: kill -9 under a gateway's traffic: what was answered 200 is there, once."""

import hashlib
import hmac
import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.tools.paybell import Paybell, paybell, serving
from tests.tools.wait import wait_until

PAGE = (Path(__file__).parents[2] / "docs/gateways.md").read_text(encoding="utf-8")
SECRET = "the-salons-secret"
INVOICES = 12
WORDS = ("PENDING", "SUCCESS")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (payable,) = re.findall(r"```toml\n(\[gateways\.payable\].*?)```", PAGE, re.DOTALL)
    secrets = f'[merchants.salon.webhook_secrets]\npayable = "{SECRET}"\n'
    limits = "webhooks_per_s = 1000000\n"
    (tmp_path / "paybell.toml").write_text(limits + secrets + payable, encoding="utf-8")
    return tmp_path


def tell(url: str, invoice: str, word: str) -> tuple[str, str] | None:
    """What was told, if it was answered as the site's backend answers."""
    body = json.dumps(
        {
            "invoiceNo": invoice,
            "statusMessage": word,
            "payableAmount": "100.00",
            "payableCurrency": "LKR",
            "payableTransactionId": f"{invoice}-{word}",
        }
    ).encode()
    made = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    try:
        answer = requests.post(
            f"{url}/webhook/payable",
            data=body,
            headers={"X-Signature": made},
            timeout=30,
        )
    except requests.RequestException:
        return None
    if answer.status_code != 200:
        assert answer.status_code == 503, answer.text
        return None
    assert answer.json() == {"Status": 200}
    return invoice, word


def stories(node: Paybell) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    after = "0"
    while True:
        page = node.get(f"/v1/events?after={after}&limit=1000").json()
        for event in page["data"]:
            story = found.setdefault(event["external_id"], [])
            assert event["seq"] == len(story) + 1
            story.append(event["type"].removeprefix("payment."))
        if not page["data"]:
            return found
        after = page["next"]


def test_s4_6_kill_9_under_traffic_loses_and_doubles_nothing(folder: Path) -> None:
    calls = [(f"INV-{n}", word) for n in range(INVOICES) for word in WORDS]
    answered: set[tuple[str, str]] = set()
    ends: dict[str, list[str]] = {}
    for rounds in range(2):
        with serving(folder, "--config", "paybell.toml") as node:
            before = stories(node)
            assert all("confirmed" in before[i] for i, w in answered if w == "SUCCESS")
            with ThreadPoolExecutor(8) as pool:
                told = [pool.submit(tell, node.url, *call) for call in calls]
                for number, one in enumerate(told):
                    if number == len(told) // 3 and rounds == 0:
                        node.process.kill()
                    if (done := one.result()) is not None:
                        answered.add(done)
            if rounds == 1:

                def all_told(url: str = node.url) -> bool:
                    """A gateway repeats what was not answered 200."""
                    for call in [one for one in calls if one not in answered]:
                        if (done := tell(url, *call)) is not None:
                            answered.add(done)
                    return answered == set(calls)

                wait_until(all_told, 30, "all to be told")
                ends = stories(node)
    assert len(ends) == INVOICES
    for story in ends.values():
        assert story.count("confirmed") == 1
        assert story[0] == "created"
        assert set(story) <= {"created", "detected", "confirmed"}
    checked = paybell("replay", "--db", "node.db", "--check", cwd=folder)
    assert checked.returncode == 0, checked.stdout + checked.stderr

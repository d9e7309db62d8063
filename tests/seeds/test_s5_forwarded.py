"""S5's flow to its end: pending, confirming, confirmed, forwarded; or expired.

`run.py serve` as an operator starts it, with a wallet whose keys are here and a
personal wallet that money goes on to. No page is open; the document's own lines run.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.wallet.coin import SpendKind
from tests.money.vault import PASSPHRASE, make_wallets
from tests.node.shop import fresh_address
from tests.seeds.test_s5_automatic import CONFIRM_CURL, STATUS_CURL, curl
from tests.tools.paybell import Paybell, serving
from tests.tools.site_token import SECRET, claims, token
from tests.tools.wait import wait_until

MERCHANT: SpendKind = "p2wpkh"
OWNER = fresh_address("p2wpkh")
CONFIG = f"""
[seeds]
bitcoin = "{MERCHANT}"
[merchants.{MERCHANT}]
forward_to = "{OWNER}"
jwt = {{algorithm = "HS256", secret = "{SECRET}"}}
[merchants.{MERCHANT}.packages]
large = {{amount_sat = 300000, credits = 400}}
"""
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Paybell]:
    folder: Path = tmp_path_factory.mktemp("s5")
    (folder / "paybell.toml").write_text(CONFIG, encoding="utf-8")
    make_wallets(folder / "node.db", (MERCHANT,))
    options = [
        f"--config={folder / 'paybell.toml'}",
        f"--forward-destinations={OWNER}",
        "--forward-every-s=1",
    ]
    secret = {"PAYBELL_WALLET_PASSPHRASE": PASSPHRASE}
    with serving(folder, *options, env=secret) as running:
        yield running


def buy(node: Paybell, user: str) -> dict[str, Any]:
    body = {"package": "large", "account": user, "merchant": MERCHANT}
    made = node.post("/v1/payments", **body)
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    return found


def asked(node: Paybell, payment: dict[str, Any], user: str = "") -> dict[str, Any]:
    """The document's status line; with the user's token, if one is named."""
    line = STATUS_CURL.replace("xxx", payment["id"])
    if user:
        line += f' -H "Authorization: Bearer {token(claims(userId=user))}"'
    return curl(node, line)


def confirmed(node: Paybell, payment: dict[str, Any], user: str) -> dict[str, Any]:
    line = CONFIRM_CURL.replace("{payment_id}", payment["id"])
    return curl(node, line.replace("{token}", token(claims(userId=user))))


def balance(node: Paybell, user: str) -> int:
    found: int = node.get(f"/v1/accounts/{user}?merchant={MERCHANT}").json()["balance"]
    return found


def test_with_the_browser_closed_a_payment_is_credited_and_forwarded_once(
    node: Paybell,
) -> None:
    made = buy(node, "bob")
    assert asked(node, made)["status"] == "pending"
    said = {"address": made["address"], "amount_sat": 300_000}
    incoming = node.post("/dev/pay", **said).json()["txid"]
    node.wait_for_status(made["id"], "confirming")
    assert asked(node, made)["status"] == "confirming"
    node.post("/dev/mine", blocks=3)
    node.wait_for_log("forward.seen")
    told = asked(node, made, "bob")
    assert told["status"] == "confirmed", "its forward is in no block"
    assert told["completed_at"] is None
    assert balance(node, "bob") == 400, "credits do not wait for the forward"
    node.post("/dev/mine", blocks=1)
    node.wait_for_status(made["id"], "forwarded")

    told = asked(node, made, "bob")
    (sent,) = node.get(f"/v1/forwarding?merchant={MERCHANT}").json()["outgoing"]
    assert told["status"] == "forwarded"
    assert (told["tx_hash"], told["forwarding_tx_hash"]) == (incoming, sent["txid"])
    assert told["confirmations"] >= 3
    assert re.fullmatch(TIME, told["confirmed_at"])
    assert re.fullmatch(TIME, told["completed_at"])
    assert told["confirmed_at"] <= told["completed_at"]
    assert asked(node, made)["forwarding_tx_hash"] is None, "no stranger's business"

    arrived = node.get(f"/dev/esplora/address/{OWNER}/utxo").json()
    assert [coin["value"] for coin in arrived] == [sent["sent_sat"]]
    assert sent["sent_sat"] + sent["fee_sat"] == 300_000
    again = confirmed(node, made, "bob")
    assert (again["message"], again["status"]) == ("Already processed", "forwarded")
    assert balance(node, "bob") == 400
    node.wait_for_log(f"TX: {sent['txid']}")
    (line,) = [line for line in node.err.splitlines() if "Successfully" in line]
    btc = f"{sent['sent_sat'] / 100_000_000:.8f}".rstrip("0")
    assert f"Successfully forwarded {btc} BTC. TX: {sent['txid']}" in line
    assert made["id"] in line
    page = node.get("/metrics").text
    assert "paybell_payments_forwarded_total 1.0\n" in page


def test_what_nobody_pays_is_expired_and_credits_nobody(node: Paybell) -> None:
    made = buy(node, "eve")
    path = f"/v1/payments/{made['id']}"
    assert node.call("PATCH", path, json={"expires_in_s": 1}).ok
    wait_until(
        lambda: asked(node, made)["status"] == "expired", 30, "its time to be over"
    )
    refused = confirmed(node, made, "eve")
    assert refused["code"] == "wrong_payment_state"
    assert balance(node, "eve") == 0

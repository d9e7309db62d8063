"""A whole node with keys: what it makes is signed and taken, and no secret comes out.

Wallets are made, addresses given out, paid and spent; the passphrase is right, wrong,
missing; the process is killed. Then every key, word and passphrase is looked for in all
that was printed, answered and stored, and in what other processes show of themselves.
"""

import base64
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from bit.format import bytes_to_wif
from click.testing import CliRunner, Result

from engine.bitcoin.address import parse_address
from engine.wallet.coin import Coin
from engine.wallet.fees import FeeRules
from engine.wallet.keyring import Keyring
from engine.wallet.sealed_wallet import decode_wallet
from engine.wallet.signing import sign
from engine.wallet.spend import plan_sweep
from tests.tools.paybell import Paybell, paybell, serving
from transport.cli.wallet import wallet

PASSPHRASE = "canary of wallets, 4f1c"
WRONG = "canary of nobody, 9d2e"
VARIABLE = "PAYBELL_WALLET_PASSPHRASE"
MERCHANTS = {
    "ann": ("seed", "p2wpkh"),
    "bob": ("seed", "p2tr"),
    "cid": ("keys", "p2sh-p2wpkh"),
    "dan": ("keys", "p2pkh"),
}
TO = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"


class Stage:
    """The folder of one node, and all that came out of its commands."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.db = folder, folder / "paybell.db"
        self.heard: list[str] = []
        self.words: list[str] = []  # of seeds

    def run(self, *arguments: str | Path, passphrase: str = PASSPHRASE) -> Result:
        """`run.py wallet …`, in this process: it is the same code, started sooner."""
        command = [*map(str, arguments), "--db", str(self.db)]
        done = CliRunner().invoke(wallet, command, env={VARIABLE: passphrase})
        self.heard += [done.stdout, done.stderr]
        return done

    def make(self, merchant: str, kind: str, addresses: str) -> None:
        words = self.folder / f"words of {merchant}"
        more: list[str | Path] = ["--words-to", words] if kind == "seed" else []
        done = self.run(
            *("new", "--kind", kind, "--addresses", addresses, "--merchant", merchant),
            *more,
        )
        assert done.exit_code == 0, done.output
        if kind == "seed":
            assert words.stat().st_mode & 0o777 == 0o600
            self.words.append(words.read_text().strip())
            words.unlink()

    def keyring(self) -> Keyring:
        """From the database as it is, beside a running node, which is not asked."""
        place = f"{self.db.as_uri()}?mode=ro"
        with closing(sqlite3.connect(place, uri=True)) as sql:
            states = sql.execute("SELECT state FROM wallet_secrets").fetchall()
            rows = sql.execute("SELECT wallet, script, sealed FROM wallet_keys")
            drawn = {(wallet, script): sealed for wallet, script, sealed in rows}
        ring = Keyring(lambda wallet, script: drawn.get((wallet, script)))
        ring.add(decode_wallet(state) for (state,) in states)
        assert ring.unlock(PASSPHRASE) == {}
        return ring


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    made = Stage(tmp_path_factory.mktemp("keys"))
    for merchant, (kind, addresses) in MERCHANTS.items():
        made.make(merchant, kind, addresses)
    return made


def coin_of(node: Paybell, payment: dict[str, Any]) -> tuple[Coin, bytes]:
    paid = node.post("/dev/pay", address=payment["address"], amount_sat=60_000)
    txid = paid.json()["txid"]
    node.post("/dev/mine")
    raw = node.get(f"/dev/esplora/tx/{txid}/raw").content
    script = parse_address(payment["address"], "regtest").script
    outputs = node.get(f"/dev/esplora/tx/{txid}").json()["vout"]
    scripts = [output["scriptpubkey"] for output in outputs]
    coin = Coin(
        txid=txid,
        vout=scripts.index(script.hex()),
        amount_sat=60_000,
        script=script,
        wallet=payment["derived"]["wallet"],
        index=payment["derived"]["index"],
        payment_id=payment["id"],
        merchant=payment["merchant"],
        height=1,
    )
    return coin, raw


def secrets_of(ring: Keyring, coins: list[Coin], words: list[str]) -> Iterator[bytes]:
    """Every form in which one might show."""
    for coin in coins:
        key = ring.key_of(coin).secret()
        yield from (key, key.hex().encode(), base64.b64encode(key))
        for network in ("main", "test"):
            yield bytes_to_wif(key, version=network, compressed=True).encode()
    for seed in words:
        split = seed.split()
        yield from (" ".join(split[n : n + 3]).encode() for n in range(22))
        yield from (",".join(split[n : n + 3]).encode() for n in range(22))
    for passphrase in (PASSPHRASE, WRONG):
        yield from (passphrase.encode(), base64.b64encode(passphrase.encode())[:-4])
    yield from (b"tprv", b"xprv")


def others(node: Paybell) -> Iterator[bytes]:
    """What any process shows of how it was started; of the node's own environment,
    nothing: with a passphrase in a file there is none in it."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            for what in ("cmdline", "environ"):
                if what == "environ" and _parent(name) != node.pid != int(name):
                    continue  # not of the node's family
                try:
                    yield Path(f"/proc/{name}/{what}").read_bytes()
                except OSError:
                    continue  # it ended, or is another's


def _parent(name: str) -> int:
    try:
        found = re.search(r"PPid:\s*(\d+)", Path(f"/proc/{name}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) if found else 0


@pytest.mark.timeout_s(120)
def test_money_is_spent_with_what_is_sealed_and_nothing_secret_shows(
    stage: Stage,
) -> None:
    file = stage.folder / "passphrase"
    file.touch(0o600)
    file.write_text(PASSPHRASE + "\n")
    answers: list[bytes] = []
    seen: list[bytes] = []
    coins: list[Coin] = []
    with serving(
        stage.folder, "--db", stage.db, "--wallet-passphrase-file", file
    ) as node:
        previous: dict[str, bytes] = {}
        for merchant in MERCHANTS:
            for _ in range(2):
                payment = node.create(merchant=merchant, amount_sat=60_000)
                coin, previous[coin.txid] = coin_of(node, payment)
                coins.append(coin)
        to = parse_address(TO, "regtest").script
        plan = plan_sweep(coins, to, 2_000, FeeRules(), 100).plan
        assert plan is not None
        assert len(plan.coins) == 8
        signed = sign(plan, stage.keyring().collected(plan.coins), previous)
        sent = node.call("POST", "/dev/esplora/tx", data=signed.raw.hex())
        assert (sent.status_code, sent.text) == (200, signed.txid)
        paths = ("/v1/payments", "/v1/alerts", "/health", "/metrics", "/v1/events")
        answers += [node.get(path).content for path in paths]
        seen += others(node)
        assert "wallet.locked" not in node.err
        node.kill()
        stage.heard += [node.out, node.err]
    with serving(
        stage.folder, "--db", stage.db, env={VARIABLE: WRONG}
    ) as node:  # a locked node sells on
        node.wait_for_log("wallet.locked")
        for merchant in MERCHANTS:
            payment = node.create(merchant=merchant, amount_sat=60_000)
            coin, _ = coin_of(node, payment)
            coins.append(coin)
        alerts = node.get("/v1/alerts")
        assert alerts.text.count("wallet.locked") == 4
        assert "the passphrase is wrong" in alerts.text
        answers.append(alerts.content)
        stage.heard += [node.out, node.err]
    wrong = stage.run("unlock", passphrase=WRONG)
    assert (wrong.exit_code, wrong.stdout.count("the passphrase is wrong")) == (1, 4)
    done = paybell("wallet", "unlock", "--db", stage.db, env={VARIABLE: PASSPHRASE})
    assert (done.returncode, done.stdout.count("opens")) == (0, 4)
    stage.heard += [done.stdout, done.stderr]
    stored = [p.read_bytes() for p in stage.folder.iterdir() if p != file]
    everything = [*answers, *seen, *stored, *(text.encode() for text in stage.heard)]
    assert any(stage.db.name.encode() in text for text in seen), "nothing was looked at"
    ring = stage.keyring()
    for secret in secrets_of(ring, coins, stage.words):
        found = [text for text in everything if secret in text]
        assert not found, f"{secret[:8]!r}… was found in {found[0][:80]!r}"

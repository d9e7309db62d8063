"""Money sent on by a process on the dev chain; a retry of what has not failed."""

from pathlib import Path

from tests.money.vault import PASSPHRASE, make_wallets
from tests.node.shop import fresh_address
from tests.tools.paybell import API_KEY, paybell, serving


def test_a_process_on_the_dev_chain_sends_money_on_and_retries_on_demand(
    tmp_path: Path,
) -> None:
    make_wallets(tmp_path / "node.db", ("p2wpkh",))
    owner = fresh_address("p2wpkh")
    options = [f"--forward-destinations={owner}", "--forward-every-s=1"]
    secret = {"PAYBELL_WALLET_PASSPHRASE": PASSPHRASE}
    with serving(tmp_path, *options, env=secret) as node:
        made = node.create(
            merchant="p2wpkh", amount_sat=50_000, confirmations=1, forward_to=owner
        )
        node.post("/dev/pay", address=made["address"], amount_sat=50_000)
        node.post("/dev/mine", blocks=1)
        node.wait_for_log("forward.seen")
        said = paybell(
            "forwarding", "retry", made["id"], f"--url={node.url}",
            env={"PAYBELL_API_KEY": API_KEY},
        )  # fmt: skip
        assert said.returncode == 1, "it is on its way"
        assert "has failed" in said.stderr
        node.post("/dev/mine", blocks=1)
        paid = node.wait_for_status(made["id"], "forwarded")
        (sent,) = node.get("/v1/forwarding?merchant=p2wpkh").json()["outgoing"]
        assert paid["forwarding_tx_hash"] == sent["txid"]
        assert (sent["to"], sent["state"]) == (owner, "confirmed")
        assert sent["sent_sat"] + sent["fee_sat"] == 50_000
        refused = node.post(f"/v1/payments/{made['id']}/forward")
        assert refused.status_code == 409
        assert refused.json()["code"] == "wrong_payment_state"
        assert node.post("/v1/payments/pay_none/forward").status_code == 404


def test_an_explorer_alone_is_way_in_and_way_out(tmp_path: Path) -> None:
    """The other node's dev chain stands for the explorer: it verifies what it is
    sent, and answers as Esplora does."""
    for name in ("chain", "shop"):
        (tmp_path / name).mkdir()
    make_wallets(tmp_path / "shop" / "node.db", ("p2tr",))
    owner = fresh_address("p2tr")
    secret = {"PAYBELL_WALLET_PASSPHRASE": PASSPHRASE}
    with serving(tmp_path / "chain") as chain:
        options = [
            f"--source=esplora={chain.url}/dev/esplora",
            f"--forward-destinations={owner}",
            "--forward-every-s=1",
        ]
        with serving(tmp_path / "shop", *options, env=secret) as node:
            made = node.create(
                merchant="p2tr", amount_sat=50_000, confirmations=1, forward_to=owner
            )
            chain.post("/dev/pay", address=made["address"], amount_sat=50_000)
            chain.post("/dev/mine", blocks=1)
            node.wait_for_log("forward.seen")
            (sent,) = node.get("/v1/forwarding?merchant=p2tr").json()["outgoing"]
            waiting = chain.get("/dev/esplora/mempool/txids").json()
            assert waiting == [sent["txid"]]
            chain.post("/dev/mine", blocks=1)
            paid = node.wait_for_status(made["id"], "forwarded")
            assert paid["forwarding_tx_hash"] == sent["txid"]
            at_owner = chain.get(f"/dev/esplora/address/{owner}/utxo").json()
            assert [coin["value"] for coin in at_owner] == [sent["sent_sat"]]
            assert sent["sent_sat"] + sent["fee_sat"] == 50_000

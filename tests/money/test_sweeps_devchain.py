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

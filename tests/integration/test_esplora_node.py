"""A whole node on an Esplora explorer: the dev chain's, served by another node."""

import time
from pathlib import Path

from tests.tools.paybell import serving
from tests.tools.wait import wait_until


def test_a_payment_is_seen_and_confirmed_through_an_explorer(tmp_path: Path) -> None:
    for name in ("chain", "shop"):
        (tmp_path / name).mkdir()
    with serving(tmp_path / "chain") as chain:
        source = ("--source", f"esplora={chain.url}/dev/esplora")
        budget = ("--esplora-per-minute", "6000", "--poll-by-hand-s", "0")
        with serving(tmp_path / "shop", *source, *budget) as shop:
            address = chain.post("/dev/address").json()["address"]
            payment = shop.create(
                address=address, amount_sat=40_000, confirmations=2, poll_interval_s=5
            )
            chain.post("/dev/pay", address=address, amount_sat=40_000)
            shop.post(f"/v1/watchers/{address}/poll")
            shop.wait_for_status(payment["id"], "confirming")
            chain.post("/dev/mine", blocks=2)
            shop.post(f"/v1/watchers/{address}/poll")
            shop.wait_for_status(payment["id"], "confirmed")
            events = shop.get(f"/v1/payments/{payment['id']}/events").json()["data"]
            chain.post("/dev/down", seconds=86_400, status=500)
            unpaid = shop.create(
                address=chain.post("/dev/address").json()["address"], expires_in_s=1
            )
            shop.post(f"/v1/watchers/{unpaid['address']}/poll")
            over = time.monotonic() + 1.5
            wait_until(lambda: time.monotonic() > over, 5, "the deadline to pass")
            shop.post(f"/v1/watchers/{unpaid['address']}/poll")
            wait_until(
                lambda: shop.get("/v1/sources").json()["data"][0]["errors"] >= 1,
                10,
                "the explorer to fail",
            )
            (state,) = shop.get("/v1/sources").json()["data"]
            assert shop.payment(unpaid["id"])["status"] == "pending", "an error expires"
    kinds = [event["type"].removeprefix("payment.") for event in events]
    assert kinds == ["created", "detected", "confirming", "confirmed"]
    assert state["name"] == "esplora"

"""S2.3, S2.4: what the till is paid goes on to the shop's own account, once, whatever
dies in between; then the client's animation plays (`payment.forwarded`).

Over real sockets: Blink's double has both accounts, Paybell is a process.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.seeds.till_stage import PATIENCE_S, TillStage, till_stage
from tests.tools.wait import wait_until
from tests.tools.wsclient import connect

KILLS = int(os.environ.get("TILL_KILLS", "2"))
STOPS = 24
"""In the life of a forward: commits, words and questions, each twice; and somewhat
more, for a forward that is looked at again."""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TillStage]:
    with till_stage(tmp_path_factory.mktemp("till")) as stage:
        stage.start()
        yield stage


def test_s2_3_what_the_till_is_paid_goes_on_to_the_shops_account(
    stage: TillStage,
) -> None:
    asked = len(stage.blink.asked_of(stage.till))
    payment = stage.sell(1_500)
    stage.wait_forwarded(payment)
    assert stage.sent_to_own() == [1_500], "the same amount"
    assert (stage.till.btc.balance, stage.own.btc.balance) == (0, 1_500)
    assert stage.types(payment)[-3:] == ["confirmed", "forwarding", "forwarded"]
    fields = stage.blink.asked_of(stage.till)[asked:]
    assert fields.count("lnInvoicePaymentSend") == 1
    forward = stage.forward(payment)
    assert (forward["state"], forward["payment_id"]) == ("paid", payment["id"])
    assert (forward["net_sat"], forward["amount_sat"]) == (1_500, 1_500)
    assert (forward["fee_sat"], forward["credit_sat"]) == (0, 0)
    last = stage.told(payment)[-1]["data"]
    assert last["swept_sat"] == 1_500
    assert last["forwarding_tx_hash"] == forward["payment_hash"]
    again = stage.node.post(f"/v1/forwarding/lightning/{forward['id']}/resume")
    assert again.status_code == 409
    assert again.json()["code"] == "wrong_payment_state"
    none = stage.node.post("/v1/forwarding/lightning/lnf_none/give_up")
    assert (none.status_code, none.json()["code"]) == (404, "forward_not_found")


def test_s2_4_the_client_hears_that_it_was_forwarded_and_the_till_is_cleared(
    stage: TillStage,
) -> None:
    payment = stage.node.create(method="lightning", amount_sat=700)
    client = connect("127.0.0.1", stage.node.port, "/ws")
    token = payment["client_secret"]
    wanted = {"type": "subscribe", "payment_id": payment["id"], "token": token}
    client.send_json(wanted)
    heard: list[dict[str, Any]] = [client.recv_json(30), client.recv_json(30)]
    assert heard[-1]["type"] == "subscribed"
    stage.blink.pay_from_outside(payment["lightning"]["payment_hash"])
    while heard[-1]["type"] != "payment.forwarded":
        heard.append(client.recv_json(30))
    types = [one["type"] for one in heard]
    assert types.index("payment.confirmed") < types.index("payment.forwarding")
    assert heard[-1]["status"] == "forwarded"
    assert stage.till.key not in str(heard), "credentials never leave the server"
    client.close()
    assert stage.till.btc.balance == 0, "cleared"


def test_s2_3_a_pause_holds_the_till_and_a_dead_target_waits(stage: TillStage) -> None:
    before = len(stage.sent_to_own())
    stage.node.call("PUT", "/v1/forwarding", json={"paused": True})
    payment = stage.sell(900)
    stage.node.wait_for_status(payment["id"], "confirmed")
    assert len(stage.sent_to_own()) == before
    old = stage.blink.revoke(stage.own)  # the target refuses us
    stage.node.call("PUT", "/v1/forwarding", json={"paused": False})

    def says_why() -> bool:
        mine = (f for f in stage.forwards() if f["payment_id"] == payment["id"])
        return any(forward["reason"] for forward in mine)

    wait_until(says_why, PATIENCE_S, "the forward to say what it waits for")
    forward = stage.forward(payment)
    assert forward["state"] in {"wanted", "waiting"}
    assert stage.node.payment(payment["id"])["status"] == "confirmed", "not failed"
    assert "till.stuck" not in stage.node.get("/health").json()["alerts"]
    stage.own.key = old
    stage.node.post(f"/v1/forwarding/lightning/{forward['id']}/resume")
    stage.wait_forwarded(payment)
    assert stage.sent_to_own()[before:] == [900]


@pytest.mark.timeout_s(120 + 20 * KILLS)
def test_s2_3_killed_at_every_step_the_till_pays_once(tmp_path: Path) -> None:
    sums = [1_000 + number for number in range(max(2, KILLS // 8))]
    with till_stage(tmp_path) as stage:
        stage.start()
        stage.node.call("PUT", "/v1/forwarding", json={"paused": True})
        sold = [stage.sell(sat) for sat in sums]
        for payment in sold:
            stage.node.wait_for_status(payment["id"], "confirmed")
        stage.node.call("PUT", "/v1/forwarding", json={"paused": False})
        stage.node.kill()  # at some step, or before the first
        killed = 0
        for number in range(KILLS):
            stage.start(1 + number * max(1, STOPS // KILLS) % STOPS)
            # All may have gone on before that first kill; the first stop comes anyway.
            enough = len(sold) if number else len(sold) + 1
            wait_until(
                lambda: stage.has_ended or len(stage.sent_to_own()) == enough,  # noqa: B023
                PATIENCE_S,
                lambda: stage.node.err[-3_000:],
            )
            killed += stage.has_ended
            stage.node.kill()
        stage.start()
        stage.wait_forwarded(*sold)
        assert sorted(stage.sent_to_own()) == sums
        assert stage.till.btc.balance == 0
        for payment in sold:
            assert stage.types(payment).count("forwarded") == 1
        assert killed, "it went through each time"

"""S1.7: PayButton's form ends in a message to the shop and mail to its customer."""

from pathlib import Path
from typing import Any

from tests.seeds.paybutton_site import FORM, made
from tests.tools.mailserver import mail_server
from tests.tools.paybell import Paybell, serving
from tests.tools.telegram_double import TelegramDouble

SHOP = "orders@lamps.example"
TYPES = ["payment.detected", "payment.confirmed"]


def channel(node: Paybell, kind: str, settings: dict[str, Any]) -> None:
    answer = node.post("/v1/channels", kind=kind, settings=settings, types=TYPES)
    assert answer.status_code == 201, answer.text


def test_s1_7_the_form_of_payment_fast_ends_in_telegram_and_in_mail(
    tmp_path: Path,
) -> None:
    with mail_server(tmp_path / "mail") as office, TelegramDouble() as telegram:
        env = {
            "PAYBELL_SMTP": f"smtp://localhost:{office.port}",
            "PAYBELL_MAIL_FROM": "paybell@node.example",
        }
        seed = "--seed", "paybutton=default", "--allow-private-webhooks"
        with serving(tmp_path, *seed, env=env) as node:
            channel(node, "telegram", telegram.settings("7"))
            channel(node, "email", {"to": SHOP})
            channel(node, "email", {"customer": True})
            address = made(node, "/payment-fast")["address"]
            node.post("/dev/pay", address=address, amount_sat=int(FORM["amount_sat"]))
            telegram.wait_for("7", 1)
            for reader in (SHOP, FORM["email"]):
                office.wait_for(1, reader)
            node.post("/dev/mine", blocks=3)
            messages = telegram.wait_for("7", 2)
            to_shop, to_ann = (
                [mail.message["subject"] for mail in office.wait_for(2, reader)]
                for reader in (SHOP, FORM["email"])
            )
    assert [message.headline for message in messages] == [
        "⚡ Payment detected (fast)",
        "⚡ Payment confirmed (fast)",
    ]
    assert "Fast: looked at every 15 s" in messages[0].text.split("\n")
    assert to_shop == [
        "Payment detected (0.0005 BTC, fast)",
        "Payment confirmed (0.0005 BTC, fast)",
    ]
    assert to_ann == [
        "node.example: Your payment was seen",
        "node.example: Your payment is confirmed",
    ]
    assert not any(FORM["email"] in message.text for message in messages)

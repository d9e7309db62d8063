"""The pages' blocks of HTTP, sent as they stand to one node: its rate is fixed, its
phoenixd a double, its mail server a real one.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from requests import Response

from tests.docs.runs import Runs, here
from tests.docs.shapes import same_shape
from tests.docs.snippets import Block, requests
from tests.tools.mailserver import MailServerProcess, mail_server
from tests.tools.paybell import Paybell, serving
from tests.tools.phoenixd_double import PhoenixdDouble
from tests.tools.receiver import Receiver

RUN = Runs()
IN_EUROS = [
    RUN.take("from-btcpay.md", "http"),
    RUN.take("from-satsale.md", "http"),
    RUN.take("rates.md", "http"),
]
PRICE = RUN.take("rates.md", "json")
INVOICES = [
    RUN.take("from-phoenixd.md", "http"),
    RUN.take("lightning.md", "http", "Two coffees"),
]
ADDRESS = RUN.take("lightning.md", "http", "lightning_address")
HOOKS = RUN.take("gateways.md", "http", "<merchant>")
BY_CARD = RUN.take("gateways.md", "http", "external")
PACKAGE = RUN.take("ledger.md", "http")
MAILS = RUN.take("mail.md", "http")
MERCHANT = RUN.take("merchants.md", "http", "display_name")
TOKENS = RUN.take("merchants.md", "http", "jwt")
SESSION = RUN.take("merchants.md", "http", "/session")
TILL = RUN.take("point-of-sale.md", "http")
REFUND = RUN.take("refunds.md", "http")
REFUSED = RUN.take("errors.md", "json")
TOLD = RUN.take("events.md", "json")
ORDER = RUN.take("states.md", "json")

STRIPE = RUN.take("gateways.md", "toml", "[gateways.stripe]")
PAYER = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"

CONFIG = """
public_url = "https://shop.example"
rates = ["fixed:EUR=49999.99"]
smtp = "smtp://localhost:{smtp}"
mail_from = "paybell@shop.example"

[merchants.default.packages]
small = {{amount = "19.90", currency = "EUR", credits = 40}}

[lightning.shop]
kind = "phoenixd"
url = "{phoenixd}"
secret = "{secret}"

{gateway}
"""


class Stage(NamedTuple):
    node: Paybell
    phoenixd: PhoenixdDouble
    mail: MailServerProcess

    def sent(
        self, block: Block, replaced: dict[str, str] | None = None, **headers: str
    ) -> list[Response]:
        """All that the block asks for, in order."""
        asked = list(requests(here(block.text, replaced or {})))
        assert asked
        return [
            self.node.call(
                one.method,
                one.path,
                data=one.body.encode() or None,
                headers={"Content-Type": "application/json", **headers},
            )
            for one in asked
        ]

    def done(self, block: Block, **headers: str) -> Any:
        """The same, where each is taken; the last answer."""
        answers = self.sent(block, None, **headers)
        for answer in answers:
            assert answer.ok, f"{block}: {answer.text}"
        return answers[-1].json()

    def confirmed(self, **fields: Any) -> str:
        """A payment that somebody has paid; its id."""
        made = self.node.create(confirmations=1, **fields)
        self.pay(made)
        return str(made["id"])

    def pay(self, made: dict[str, Any]) -> None:
        paid = {"address": made["address"], "amount_sat": made["amount_sat"]}
        self.node.post("/dev/pay", **paid)
        self.node.post("/dev/mine", blocks=made["confirmations_required"])
        self.node.wait_for_status(made["id"], "confirmed")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder: Path = tmp_path_factory.mktemp("calls")
    with mail_server(folder / "mail") as mail, PhoenixdDouble() as phoenixd:
        text = CONFIG.format(
            smtp=mail.port,
            phoenixd=phoenixd.url,
            secret=phoenixd.limited,
            gateway=STRIPE.text,
        )
        (folder / "paybell.toml").write_text(text, encoding="utf-8")
        options = ("--config", "paybell.toml", "--allow-private-webhooks")
        with serving(folder, *options) as node:
            yield Stage(node, phoenixd, mail)


def test_a_price_in_euros_is_asked_for_in_satoshi(stage: Stage) -> None:
    shown = json.loads("{" + PRICE.text + "}")
    for block in IN_EUROS:
        made = stage.done(block)
        assert made["amount_sat"] == shown["amount_sat"]
        assert same_shape(made["price"], shown["price"]) == []
        assert made["price"]["rate"] == shown["price"]["rate"]


def test_an_invoice_is_made_by_the_account_with_its_description(stage: Stage) -> None:
    for block in INVOICES:
        made = stage.done(block)
        row = stage.phoenixd.rows[-1]
        assert made["lightning"]["bolt11"] == row.serialized
        assert (row.requested_msat, row.description) == (5_000_000, "Two coffees")


def test_a_lightning_address_is_offered_as_the_page_says(stage: Stage) -> None:
    found = stage.done(ADDRESS)
    assert found["offered"] is True
    assert found["address"] == "cafe@shop.example"
    assert found["uri"].startswith("lightning:LNURL1")


def test_a_gateway_is_heard_at_both_of_its_paths_and_only_when_it_signs(
    stage: Stage,
) -> None:
    replaced = {"<gateway>": "stripe", "<merchant>": "cafe"}
    stage.node.call("PUT", "/v1/merchants/cafe", json={
        "webhook_secrets": {"stripe": "what-stripe-and-cafe-know"}
    })  # fmt: skip
    answers = stage.sent(HOOKS, replaced)
    assert [answer.status_code for answer in answers] == [401, 401]


def test_a_payment_by_card_waits_for_its_gateway(stage: Stage) -> None:
    key = stage.node.post("/v1/keys", name="shop", merchant="cafe").json()["key"]
    made = stage.done(BY_CARD, Authorization=f"Bearer {key}")
    assert (made["method"], made["gateway"]) == ("external", "stripe")
    assert made["status"] == "pending"


def test_a_package_of_credits_is_bought(stage: Stage) -> None:
    made = stage.done(PACKAGE)
    stage.pay(made)
    alice = stage.node.get("/v1/accounts/alice").json()
    assert alice["balance"] == 40, alice


def test_both_channels_of_mail_are_made_and_the_shops_is_written_to(
    stage: Stage,
) -> None:
    shops, customers = (answer.json() for answer in stage.sent(MAILS))
    assert customers["types"] == ["payment.detected", "payment.confirmed"]
    tried = stage.node.post(f"/v1/channels/{shops['id']}/test").json()
    assert tried["delivered"], tried
    (mail,) = stage.mail.wait_for(1)
    assert mail.to == "orders@shop.example"
    for channel in (shops, customers):
        stage.node.call("DELETE", f"/v1/channels/{channel['id']}")


def test_records_of_merchants_are_put(stage: Stage) -> None:
    cafe = stage.done(MERCHANT)
    assert cafe["limits"]["calls_per_s"] == 50
    assert cafe["webhook_secrets"]["btc"] is True
    assert stage.done(TOKENS)["jwt"]["algorithm"] == "HS256"
    assert stage.done(TILL)["till"] == {"currency": "EUR", "tips": [5, 10, 15]}


def test_a_browser_logs_in_with_a_key(stage: Stage) -> None:
    made = stage.node.post("/v1/keys", name="ada", merchant="cafe", role="cashier")
    key = made.json()["key"]
    (answer,) = stage.sent(SESSION, {"pbk_…": key}, Origin=stage.node.url)
    assert answer.ok, answer.text
    said = answer.json()
    assert (said["merchant"], said["role"]) == ("cafe", "cashier")
    assert "HttpOnly" in answer.headers["Set-Cookie"]


def test_every_way_to_refund_is_taken(stage: Stage) -> None:
    made = stage.node.post("/v1/keys", name="refunds", scopes=["refund", "read"])
    key = {"Authorization": f"Bearer {made.json()['key']}"}
    found = list(requests(REFUND.text.replace("bc1…", PAYER)))
    assert len(found) == 6
    refunds = []
    for number, one in enumerate(found):
        paid = stage.confirmed(amount="19.90", currency="EUR", amount_sat=None)
        answer = stage.node.call(
            one.method,
            one.path.replace("<id>", paid),
            json=json.loads(one.body),
            headers={**key, "Idempotency-Key": f"order-{number}-refund"},
        )
        assert answer.status_code == 201, f"{one.body}: {answer.text}"
        refunds.append(answer.json())
    whole, to_address, then, now, all_now, less_fee = refunds
    assert whole["amount_sat"] == 39_801
    assert "/refund/" in whole["claim_url"]
    assert (to_address["amount_sat"], to_address["address"]) == (10_000, PAYER)
    assert then["amount_sat"] == now["amount_sat"] == 10_001
    assert all_now["amount_sat"] == 39_801
    assert less_fee["fee_from"] == "refund"


def test_a_refusal_says_what_the_page_shows(stage: Stage) -> None:
    refused = stage.node.post("/v1/payments", amount_sat="x")
    shown = json.loads(REFUSED.text)
    assert refused.status_code == shown["status"]
    assert same_shape(refused.json(), shown) == []
    assert refused.json()["detail"] == shown["detail"]
    assert refused.json()["errors"] == shown["errors"]


def test_a_shop_is_told_what_the_page_shows(stage: Stage) -> None:
    with Receiver() as shop:
        wanted = {"url": shop.url(), "types": ["payment.confirmed"]}
        channel = stage.node.post("/v1/channels", **wanted).json()
        stage.confirmed(amount_sat=50_000, external_id="order-1")
        (told,) = shop.wait_for(1, timeout_s=30)
        stage.node.call("DELETE", f"/v1/channels/{channel['id']}")
    assert same_shape(json.loads(told.body), json.loads(TOLD.text)) == []


def test_an_order_of_two_payments_is_shown_as_the_page_does(stage: Stage) -> None:
    stage.node.create(amount_sat=50_000, external_id="order-of-two")
    paid = stage.confirmed(amount_sat=50_000, external_id="order-of-two")
    order, shown = stage.node.payment(paid)["order"], json.loads("{" + ORDER.text + "}")
    assert order == {**shown["order"], "paid_by": paid}

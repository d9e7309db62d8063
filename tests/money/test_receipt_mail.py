"""A receipt by mail: where the shop writes to customers, to a checked address, so many
for a payment, without what only the payment's link opens, and in no log."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from engine.mail.address import parse_address
from engine.mail.server import parse_server
from engine.merchants.record import Merchant
from tests.tools.mailserver import MailServerProcess, mail_server
from tests.tools.node import RunningNode, running_node
from tests.tools.wait import PATIENCE
from transport.outbound.email import MailNode
from transport.outbound.email_templates import read_folder
from transport.outbound.senders import make_senders

ANN = "ann.payer@home.example"


class Office:
    """The node, and where its mails go."""

    node: RunningNode
    server: MailServerProcess

    def paid(self, merchant: str = "cafe") -> str:
        made = self.node.create(
            amount_sat=50_000, confirmations=1, merchant=merchant, external_id="table-7"
        )
        self.node.chain.pay(made["address"], 50_000)
        self.node.chain.mine(1)
        self.node.wait_for_status(made["id"], "confirmed")
        return str(made["id"])

    def ask(self, payment: str, email: str, query: str = "") -> requests.Response:
        url = f"{self.node.url}/pay/{payment}/receipt{query}"
        return requests.post(url, data={"email": email}, timeout=30 * PATIENCE)


def record(office: Office, name: str) -> Merchant:
    """Asked when mail is sent; the node is there by then."""
    return office.node.gateway.merchant(name)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    office = Office()
    with mail_server(tmp_path_factory.mktemp("mail")) as server:
        mail = MailNode(
            server=parse_server(f"smtp://localhost:{server.port}"),
            mail_from=parse_address("pay@node.example"),
            texts=read_folder(None),
        )
        senders = make_senders(
            "0",
            mail=mail,
            merchant=lambda name: record(office, name),
            customer_email=lambda _payment: None,
        )
        with running_node(sender=senders) as node:
            office.node, office.server = node, server
            said = {"display_name": "Café Lisboa"}
            node.call("PUT", "/v1/merchants/cafe", json=said)
            channel = {"kind": "email", "settings": {"customer": True}}
            made = node.post("/v1/channels", {**channel, "merchant": "cafe"})
            assert made.status_code == 201, made.text
            yield office


@pytest.fixture(autouse=True)
def not_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    assert "home.example" not in caplog.text


def test_it_comes_in_the_readers_language(office: Office) -> None:
    payment = office.paid()
    page = requests.get(
        f"{office.node.url}/pay/{payment}/receipt", timeout=30 * PATIENCE
    ).text
    assert 'type="email"' in page
    answer = office.ask(payment, f" {ANN} ", "?lang=de")
    assert (answer.status_code, "per E-Mail unterwegs" in answer.text) == (200, True)
    (mail,) = office.server.wait_for(1, ANN)
    assert mail.message["Subject"] == "Beleg von Café Lisboa"
    assert "Café Lisboa" in mail.message["From"]
    txid = office.node.payment(payment)["receipts"][0]["txid"]
    for part in (mail.text, mail.html):
        assert "0,0005 BTC" in part
        assert txid in part
        assert "table-7" not in part, "nobody has checked whose address it is"
        assert payment not in part
        assert "/pay/" not in part


def test_there_is_an_end_for_each_payment(office: Office) -> None:
    payment = office.paid()
    to = [f"many-{n}@home.example" for n in range(4)]
    codes = [office.ask(payment, one).status_code for one in to]
    assert codes == [200, 200, 200, 429]
    assert not [mail for mail in office.server.mails if mail.to == to[3]]


@pytest.mark.parametrize(
    "email",
    ["ann", "ann@home.example\r\nBcc: x@y.example", "a@b.example, c@d.example", "@x"],
)
def test_what_is_no_address_is_not_written_to(office: Office, email: str) -> None:
    before = len(office.server.mails)
    answer = office.ask(office.paid(), email)
    assert (answer.status_code, "no e-mail address" in answer.text) == (422, True)
    assert len(office.server.mails) == before


@pytest.mark.parametrize("channel", [None, {"to": "orders@shop.example"}])
def test_a_shop_that_writes_to_no_customer_mails_no_receipt(
    office: Office, channel: dict[str, Any] | None
) -> None:
    merchant = "quiet" if channel is None else "inward"
    if channel is not None:
        said = {"kind": "email", "settings": channel, "merchant": merchant}
        assert office.node.post("/v1/channels", said).status_code == 201
    payment = office.paid(merchant)
    page = requests.get(
        f"{office.node.url}/pay/{payment}/receipt", timeout=30 * PATIENCE
    ).text
    assert 'type="email"' not in page
    assert office.ask(payment, "nobody@home.example").status_code == 503
    assert not [m for m in office.server.mails if m.to == "nobody@home.example"]


def test_a_refused_mail_is_said(office: Office) -> None:
    answer = office.ask(office.paid(), "code-550-x@home.example")
    assert answer.status_code == 503
    assert "home.example" not in answer.text

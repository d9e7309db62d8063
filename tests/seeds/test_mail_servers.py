"""Mail by real servers: TLS, logins, recipients, and what is told to whom."""

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.delivery.attempt import AttemptOutcome
from tests.seeds.mail_stage import Desk
from tests.tools.certificates import self_signed
from tests.tools.mailserver import MailServerProcess, mail_server
from transport.calling.trust import tls_context
from transport.outbound.lookups import Lookups

PASSWORD = "a-password-of-the-node"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailServerProcess]:
    with mail_server(tmp_path_factory.mktemp("plain")) as server:
        yield server


@pytest.fixture(scope="module")
def starttls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailServerProcess]:
    folder = tmp_path_factory.mktemp("starttls")
    with mail_server(folder, "starttls", user="ann", password=PASSWORD) as server:
        yield server


@pytest.fixture
def desk(plain: MailServerProcess) -> Desk:
    return Desk(
        f"smtp://localhost:{plain.port}", customers={"pay_1": "ann@home.example"}
    )


def own(server: MailServerProcess, scheme: str, login: str = f"ann:{PASSWORD}@") -> Any:
    """Settings of a channel with a server of its own."""
    return {
        "smtp": f"{scheme}://{login}localhost:{server.port}",
        "mail_from": "me@shop.example",
        "ca_pem": server.ca_pem,
    }


def test_a_mail_goes_over_starttls_with_a_login(starttls: MailServerProcess) -> None:
    desk = Desk(None, allow_private=True)
    result = desk.send("tls@example.com", settings=own(starttls, "smtp+starttls"))
    assert (result.outcome, result.status) == (AttemptOutcome.DELIVERED, 250)
    (mail,) = starttls.wait_for(1, "tls@example.com")
    assert (mail.tls, mail.user, mail.sender) == (True, "ann", "me@shop.example")


def test_a_mail_goes_over_tls_from_the_first_byte(tmp_path: Path) -> None:
    with mail_server(tmp_path, "tls", user="ann", password=PASSWORD) as server:
        desk = Desk(None, allow_private=True)
        result = desk.send("tls@example.com", settings=own(server, "smtps"))
        assert (result.outcome, result.error) == (AttemptOutcome.DELIVERED, None)
        (mail,) = server.wait_for(1)
        assert (mail.tls, mail.user) == (True, "ann")


def test_the_nodes_own_server_may_be_private(
    starttls: MailServerProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ca_file = tmp_path / "ca.pem"
    ca_file.write_text(starttls.ca_pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    desk = Desk(f"smtp+starttls://ann:{PASSWORD}@localhost:{starttls.port}")
    assert desk.send("node@example.com").outcome is AttemptOutcome.DELIVERED


def test_a_wrong_password_is_said_without_the_password(
    starttls: MailServerProcess,
) -> None:
    wrong = "a-wrong-password"
    desk = Desk(None, allow_private=True)
    settings = own(starttls, "smtp+starttls", f"ann:{wrong}@")
    result = desk.send(settings=settings)
    assert (result.outcome, result.status) == (AttemptOutcome.RESTED, 535)
    assert result.error is not None
    assert "(login)" in result.error
    assert wrong not in result.error


def test_a_certificate_that_nobody_signed_is_refused(
    starttls: MailServerProcess,
) -> None:
    before = len(starttls.mails)
    settings = {**own(starttls, "smtp+starttls"), "ca_pem": None}
    result = Desk(None, allow_private=True).send(settings=settings)
    assert (result.outcome, result.status) == (AttemptOutcome.RETRY, None)
    assert "self-signed certificate" in str(result.error)
    assert len(starttls.mails) == before


def test_a_certificate_of_another_name_is_refused(
    starttls: MailServerProcess, tmp_path: Path
) -> None:
    settings = own(starttls, "smtp+starttls")
    settings["smtp"] = settings["smtp"].replace("localhost", "127.0.0.2")
    result = Desk(None, allow_private=True).send(settings=settings)
    # It listens on 127.0.0.1 alone: nobody is at that other address.
    assert result.outcome is AttemptOutcome.RETRY
    _, other_ca = self_signed(tmp_path, "elsewhere.example")
    settings = {**own(starttls, "smtp+starttls"), "ca_pem": other_ca.read_text()}
    result = Desk(None, allow_private=True).send(settings=settings)
    assert "is not accepted" in str(result.error)


def test_a_merchants_own_server_may_not_be_private(
    starttls: MailServerProcess,
) -> None:
    result = Desk(None).send(settings=own(starttls, "smtp+starttls"))
    assert result.outcome is AttemptOutcome.RETRY
    assert "refused: loopback" in str(result.error)


def test_a_server_without_tls_gets_nothing(plain: MailServerProcess) -> None:
    before = len(plain.mails)
    settings = own(plain, "smtp+starttls")
    result = Desk(None, allow_private=True).send(settings=settings)
    assert result.outcome is AttemptOutcome.RETRY
    assert "offers no TLS" in str(result.error)
    assert len(plain.mails) == before


@pytest.mark.parametrize(
    ("to", "outcome", "status"),
    [
        ("code-550@example.com", AttemptOutcome.REFUSED, 550),
        ("code-452@example.com", AttemptOutcome.LATER, 452),
        ("code-421@example.com", AttemptOutcome.THROTTLED, 421),
        ("data-554@example.com", AttemptOutcome.REFUSED, 554),
        ("data-451@example.com", AttemptOutcome.LATER, 451),
    ],
)
def test_what_a_server_says_to_a_recipient_decides(
    desk: Desk, to: str, outcome: AttemptOutcome, status: int
) -> None:
    result = desk.send(to)
    assert (result.outcome, result.status) == (outcome, status)
    assert result.error is not None
    assert str(status) in result.error
    assert result.error.isprintable()
    if to.startswith("code-"):
        assert "mail for you" in result.error, "the server's own words"


def test_greylisting_is_got_over_by_the_next_attempt(
    desk: Desk, plain: MailServerProcess
) -> None:
    to = "once-450@example.com"
    assert desk.send(to).outcome is AttemptOutcome.LATER
    assert desk.send(to).outcome is AttemptOutcome.DELIVERED
    assert len(plain.wait_for(1, to)) == 1


def test_the_address_of_a_customer_is_in_no_error(desk: Desk) -> None:
    desk.customers["pay_1"] = "code-550-ann.secret@home.example"
    result = desk.send(None)
    assert result.outcome is AttemptOutcome.REFUSED
    assert "mail for you" in str(result.error)
    assert "ann.secret" not in str(result.error)


def test_a_repeat_is_the_same_mail_with_the_same_id(
    desk: Desk, plain: MailServerProcess
) -> None:
    to = "twice@example.com"
    for _ in range(2):
        assert desk.send(to).outcome is AttemptOutcome.DELIVERED
    one, two = plain.wait_for(2, to)
    assert one.raw == two.raw
    assert desk.send(to, event_id="evt_2").outcome is AttemptOutcome.DELIVERED
    other = plain.wait_for(3, to)[2].message
    assert other["message-id"] != one.message["message-id"]
    assert other["references"] == one.message["references"], "one thread"
    assert one.message["auto-submitted"] == "auto-generated"
    assert one.message["date"].datetime.isoformat() == "2026-11-28T01:02:03+00:00"


def test_names_in_any_script_and_addresses_too(
    desk: Desk, plain: MailServerProcess
) -> None:
    to = "jürgen@bücher.example"
    settings = {"from_name": "Ärger & Söhne, «東京»", "reply_to": "ask@shop.example"}
    assert desk.send(to, settings=settings).outcome is AttemptOutcome.DELIVERED
    (mail,) = plain.wait_for(1, "jürgen@xn--bcher-kva.example")
    assert mail.message["from"].addresses[0].display_name == settings["from_name"]
    assert mail.message["reply-to"] == "ask@shop.example"


def test_an_address_in_other_letters_wants_a_server_that_knows_them(
    tmp_path: Path,
) -> None:
    with mail_server(tmp_path, utf8=False) as server:
        desk = Desk(f"smtp://localhost:{server.port}")
        result = desk.send("jürgen@example.com")
        assert result.outcome is AttemptOutcome.REFUSED
        assert "SMTPUTF8" in str(result.error)
        assert server.mails == []
        name = {"from_name": "Jürgen"}
        assert desk.send(settings=name).outcome is AttemptOutcome.DELIVERED


def test_an_order_number_cannot_write_a_header(
    desk: Desk, plain: MailServerProcess
) -> None:
    evil = "1\r\nBcc: victim@example.com\r\n\r\n<b>hello</b>"
    to = "evil@example.com"
    assert desk.send(to, external_id=evil).outcome is AttemptOutcome.DELIVERED
    (mail,) = plain.wait_for(1, to)
    assert "bcc" not in mail.message
    assert "Bcc: victim@example.com" in mail.message["subject"]
    assert "<b>" not in mail.html
    assert "&lt;b&gt;hello" in mail.html


def test_a_merchant_sends_so_many_mails_an_hour_and_others_theirs(
    plain: MailServerProcess,
) -> None:
    desk = Desk(f"smtp://localhost:{plain.port}", mails_per_hour=8)
    sent = [desk.send(owner="bob").outcome for _ in range(2)]
    assert sent == [AttemptOutcome.DELIVERED] * 2
    result = desk.send(owner="bob")
    assert result.outcome is AttemptOutcome.THROTTLED
    assert result.retry_after_s == pytest.approx(450)
    assert "8 mails an hour (mails_per_hour)" in str(result.error)
    assert desk.send(owner="eve").outcome is AttemptOutcome.DELIVERED
    desk.now_s += 450
    assert desk.send(owner="bob").outcome is AttemptOutcome.DELIVERED
    none = Desk(f"smtp://localhost:{plain.port}", mails_per_hour=0)
    assert none.send().outcome is AttemptOutcome.THROTTLED


def test_templates_of_a_channel_are_used(desk: Desk, plain: MailServerProcess) -> None:
    settings = {
        "subject": "{{shop}} {{external_id}}",
        "text": "{{#confirmed}}Paid: {{amount}}{{/confirmed}}",
        "html": "<i>{{shop}}</i>",
    }
    to = "own@example.com"
    assert desk.send(to, settings=settings).outcome is AttemptOutcome.DELIVERED
    (mail,) = plain.wait_for(1, to)
    assert mail.message["subject"] == "ann's Café order-1"
    assert mail.text.strip() == "Paid: 0.0015 BTC"
    assert mail.html.strip() == "<i>ann&#x27;s Café</i>"


def test_a_payment_without_chain_has_its_own_currency(
    desk: Desk, plain: MailServerProcess
) -> None:
    to = "card@example.com"
    result = desk.send(
        to,
        method="external",
        gateway="acme",
        currency="EUR",
        decimals=2,
        amount_minor=1_990,
        address=None,
        amount_sat=None,
        received_sat=0,
        confirmations=0,
        txid=None,
        data={"settled_minor": 1_990},
    )
    assert result.outcome is AttemptOutcome.DELIVERED
    (mail,) = plain.wait_for(1, to)
    assert "Amount: 19.90 EUR" in mail.text
    assert "Received: 19.90 EUR" in mail.text
    assert "Gateway: acme" in mail.text
    for absent in ("BTC", "Confirmations", "Address", "Transaction"):
        assert absent not in mail.text


def test_alerts_are_mailed_to_the_shop_and_never_to_a_customer(
    desk: Desk, plain: MailServerProcess
) -> None:
    alert: dict[str, Any] = {
        "type_": "alert.raised",
        "kind": "journal.disk",
        "subject": "disk",
        "detail": "full",
        "payment_id": "",
        "merchant": None,
        "total": 3,
        "more": [{"subject": "other"}],
    }
    to = "alerts@example.com"
    assert desk.send(to, **alert).outcome is AttemptOutcome.DELIVERED
    (mail,) = plain.wait_for(1, to)
    assert "Alert: journal.disk" in mail.text
    assert "disk: full" in mail.text
    assert "Alerts of this kind: 3" in mail.text
    assert "references" not in mail.message
    assert desk.send(None, **alert).outcome is AttemptOutcome.SKIPPED


def test_without_a_customers_address_there_is_nobody_to_tell(desk: Desk) -> None:
    desk.customers.clear()
    result = desk.send(None)
    assert result.outcome is AttemptOutcome.SKIPPED
    assert "customer_email" in str(result.error)


def test_a_test_of_a_customers_channel_only_greets_the_server(
    desk: Desk, plain: MailServerProcess
) -> None:
    before = len(plain.mails)
    result = desk.send(None, type_="channel.test", payment_id="", merchant=None)
    assert (result.outcome, result.error) == (AttemptOutcome.DELIVERED, None)
    assert len(plain.mails) == before


def test_a_node_without_a_server_says_so() -> None:
    result = Desk(None).send()
    assert result.outcome is AttemptOutcome.RETRY
    assert "--smtp" in str(result.error)


def test_a_setting_that_is_valid_no_more_rests_the_channel(desk: Desk) -> None:
    result = desk.send(settings={"text": "{{gone}}"})
    assert result.outcome is AttemptOutcome.RESTED
    assert "line 1, column 1" in str(result.error)


def test_an_event_that_cannot_be_read_holds_nobody_up(desk: Desk) -> None:
    result = desk.send(confirmations="three")
    assert result.outcome is AttemptOutcome.REFUSED
    assert "cannot be read" in str(result.error)


def test_a_name_that_no_certificate_can_have_is_a_failure_of_tls(
    plain: MailServerProcess,
) -> None:
    lookups = Lookups(lambda _host: ["127.0.0.1"])
    url = f"smtps://{'x' * 70}.example:{plain.port}"
    result = Desk(url, lookups=lookups).send()
    assert result.outcome is AttemptOutcome.RETRY
    assert "no TLS" in str(result.error)


def test_the_context_of_mail_names_no_protocol() -> None:
    assert isinstance(tls_context(None, ()), ssl.SSLContext)

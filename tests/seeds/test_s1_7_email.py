"""S1.7: mail to the customer and the shop, on detection and on confirmation.

A node as an operator runs it (`run.py serve`), the dev chain, and a real SMTP server in
a process of its own.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.config import load
from tests.tools.mailserver import MailServerProcess, Taken, mail_server
from tests.tools.paybell import Paybell, paybell, serving
from tests.tools.wait import wait_until
from transport.cli.doctor import examine
from transport.cli.mail_check import check_mail

PASSWORD = "the-nodes-own-password"
ANN = "ann.payer@home.example"
CHANNELS = "/v1/channels"
AT_ONCE = [0, 0, 0]


@pytest.fixture(scope="module")
def post_office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("mail")
    with mail_server(folder, "starttls", user="node", password=PASSWORD) as server:
        yield server


@pytest.fixture(scope="module")
def environ(
    post_office: MailServerProcess, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    ca_file = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca_file.write_text(post_office.ca_pem)
    return {
        "SSL_CERT_FILE": str(ca_file),
        "PAYBELL_SMTP": f"smtp+starttls://node@localhost:{post_office.port}",
        "PAYBELL_SMTP_PASSWORD": PASSWORD,
        "PAYBELL_MAIL_FROM": "paybell@node.example",
        "PAYBELL_ALLOW_PRIVATE_WEBHOOKS": "yes",
    }


@pytest.fixture(scope="module")
def node(
    environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Paybell]:
    with serving(tmp_path_factory.mktemp("node"), env=environ) as running:
        yield running
        shown = running.out + running.err
        assert PASSWORD not in shown
        assert ANN not in shown


@pytest.fixture(autouse=True)
def clean(node: Paybell) -> Iterator[None]:
    yield
    for channel in node.get(CHANNELS).json()["data"]:
        node.call("DELETE", f"{CHANNELS}/{channel['id']}")


def make(node: Paybell, settings: dict[str, Any], **fields: Any) -> dict[str, Any]:
    answer = node.post(CHANNELS, kind="email", settings=settings, **fields)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def attempts(node: Paybell, channel: dict[str, Any], count: int) -> list[Any]:
    """So many, oldest first."""
    found: list[Any] = []

    def there() -> bool:
        path = f"{CHANNELS}/{channel['id']}/deliveries"
        found[:] = reversed(node.get(path).json()["data"])
        return len(found) >= count

    wait_until(there, 20, lambda: f"{count} attempts: {found}")
    return found


def mails_on(mails: list[Taken]) -> list[str]:
    return [mail.message["subject"] for mail in mails]


def test_s1_7_shop_and_customer_have_mail_on_detection_and_on_confirmation(
    node: Paybell, post_office: MailServerProcess
) -> None:
    shop, types = "orders@shop.example", ["payment.detected", "payment.confirmed"]
    make(node, {"to": shop}, types=types)
    make(node, {"customer": True}, types=types)
    payment = node.create(
        amount_sat=150_000,
        confirmations=1,
        poll_interval_s=15,
        external_id="order-1017",
        customer_email=ANN,
    )
    node.post("/dev/pay", address=payment["address"], amount_sat=150_000)
    detected = post_office.wait_for(1, shop), post_office.wait_for(1, ANN)
    node.post("/dev/mine", blocks=1)
    to_shop, to_ann = post_office.wait_for(2, shop), post_office.wait_for(2, ANN)
    assert (to_shop[:1], to_ann[:1]) == detected

    assert mails_on(to_shop) == [
        "Payment detected: order-1017 (0.0015 BTC, fast)",
        "Payment confirmed: order-1017 (0.0015 BTC, fast)",
    ]
    assert mails_on(to_ann) == [
        "node.example: Your payment was seen",
        "node.example: Your payment is confirmed",
    ]
    for mail in to_shop:
        assert f"Payment: {payment['id']}" in mail.text
        assert "Watched: fast" in mail.text
        assert payment["address"] in mail.html
    for mail in (*to_shop, *to_ann):
        assert (mail.tls, mail.user) == (True, "node")
        assert mail.message["from"].addresses[0].addr_spec == "paybell@node.example"
        assert mail.message.get_content_type() == "multipart/alternative"
    for mail in to_ann:  # what strangers must not see, and whose mail it is
        whole = mail.raw.decode() + mail.text + mail.html
        for hidden in ("order-1017", payment["id"], shop, payment["client_secret"]):
            assert hidden not in whole
    for one, two in (to_shop, to_ann):
        assert one.message["message-id"] != two.message["message-id"]
        assert one.message["references"] == two.message["references"]
    assert to_shop[0].message["references"] != to_ann[0].message["references"]


def test_a_payment_without_customer_email_is_skipped_and_holds_nobody_up(
    node: Paybell, post_office: MailServerProcess
) -> None:
    before = len(post_office.mails)
    channel = make(node, {"customer": True}, types=["payment.created"])
    node.create(amount_sat=1_000)
    (attempt,) = attempts(node, channel, 1)
    assert attempt["outcome"] == "skipped"
    node.create(amount_sat=1_000, customer_email="bob@home.example")
    post_office.wait_for(1, "bob@home.example")
    assert len(post_office.mails) == before + 1


def test_greylisting_is_got_over_and_told_once(
    node: Paybell, post_office: MailServerProcess
) -> None:
    to = "once-450-shop@shop.example"
    channel = make(node, {"to": to}, types=["payment.created"], schedule_s=AT_ONCE)
    node.create(amount_sat=1_000)
    tried = attempts(node, channel, 2)
    assert [a["outcome"] for a in tried] == ["later", "delivered"]
    assert [a["status"] for a in tried] == [450, 250]
    assert len(post_office.wait_for(1, to)) == 1


def test_a_refused_mail_is_a_dead_letter_with_the_servers_words_and_not_the_address(
    node: Paybell, post_office: MailServerProcess
) -> None:
    channel = make(node, {"customer": True}, types=["payment.created"])
    node.create(amount_sat=1_000, customer_email="code-550-nobody@home.example")
    (attempt,) = attempts(node, channel, 1)
    assert (attempt["outcome"], attempt["status"]) == ("refused", 550)
    assert "mail for you" in attempt["error"]
    assert "nobody@home" not in attempt["error"]
    node.create(amount_sat=1_000, customer_email="carol@home.example")
    post_office.wait_for(1, "carol@home.example")  # others are not held up


def test_a_channel_is_tried_out(node: Paybell, post_office: MailServerProcess) -> None:
    channel = make(node, {"to": "try@shop.example"})
    tried = node.post(f"{CHANNELS}/{channel['id']}/test").json()
    assert tried["delivered"], tried
    (mail,) = post_office.wait_for(1, "try@shop.example")
    assert mail.message["subject"] == "Test"
    customers = make(node, {"customer": True})
    assert node.post(f"{CHANNELS}/{customers['id']}/test").json()["delivered"]


def test_a_server_of_ones_own_is_sealed_and_never_shown(
    node: Paybell,
    post_office: MailServerProcess,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url = f"smtp+starttls://node:{PASSWORD}@localhost:{post_office.port}"
    own = {"smtp": url, "mail_from": "me@shop.example", "ca_pem": post_office.ca_pem}
    channel = make(node, {"to": "own@shop.example", **own})
    assert channel["sealed_settings"] == ["smtp"]
    path = f"{CHANNELS}/{channel['id']}"
    changed = node.call(
        "PATCH", path, json={"settings": {"from_name": "Ärger & Söhne"}}
    )
    assert changed.status_code == 200, changed.text
    for answer in (changed.text, node.get(path).text, node.get(CHANNELS).text):
        assert PASSWORD not in answer
    assert node.post(f"{path}/test").json()["delivered"]
    (mail,) = post_office.wait_for(1, "own@shop.example")
    (sender,) = mail.message["from"].addresses
    assert str(sender) == "Ärger & Söhne <me@shop.example>"
    examine(load({"db": str(node.folder / "node.db")}, {}, {}))
    assert re.search(r"ok .*node\.db\.key: ok", capsys.readouterr().out)
    kept = list(node.folder.glob("node.db*"))
    assert kept
    assert not any(PASSWORD.encode() in file.read_bytes() for file in kept)


@pytest.mark.parametrize(
    ("settings", "path", "why"),
    [
        ({}, "/settings/to", "a channel has one recipient"),
        ({"to": "a@b.example", "customer": True}, "/settings/to", "one recipient"),
        ({"to": "a@b.example\r\nBcc: c@d.example"}, "/settings/to", "is not valid"),
        ({"to": ["a@b.example"]}, "/settings/to", "must be an e-mail address"),
        ({"to": "a@b.example", "cc": "x"}, "/settings/cc", "is unknown"),
        ({"to": "a@b.example", "mail_from": "c@d.example"}, "/settings/mail_from",
         "must be absent"),
        ({"to": "a@b.example", "reply_to": "nobody"}, "/settings/reply_to",
         "is not valid"),
        ({"to": "a@b.example", "text": "Dear\n {{nme}}"}, "/settings/text",
         "line 2, column 2"),
        ({"customer": True, "html": "{{external_id}}"}, "/settings/html",
         "line 1, column 1: there is no"),
        ({"to": "a@b.example", "smtp": "smtps://x:secret@10.0.0.1:6379",
          "mail_from": "a@b.example"}, "/settings/smtp", "port 6379 (Redis)"),
        ({"to": "a@b.example", "smtp": "smtps://x:secret@169.254.169.254",
          "mail_from": "a@b.example"}, "/settings/smtp", "link-local"),
        ({"to": "a@b.example", "smtp": "smtps://x:secret@mail.example"},
         "/settings/mail_from", "is required"),
        ({"to": "a@b.example", "smtp": "http://x:secret@mail.example",
          "mail_from": "a@b.example"}, "/settings/smtp", "must begin with"),
    ],
)  # fmt: skip
def test_settings_at_fault_are_refused_by_name(
    node: Paybell, settings: dict[str, Any], path: str, why: str
) -> None:
    answer = node.post(CHANNELS, kind="email", settings=settings)
    assert answer.status_code == 422, answer.text
    said = {error["path"]: error["message"] for error in answer.json()["errors"]}
    assert why in said[path]
    assert "secret" not in answer.text


def test_a_merchant_has_its_own_limit_of_mails(
    node: Paybell, post_office: MailServerProcess
) -> None:
    limits = {"limits": {"mails_per_hour": 1}}
    put = node.call("PUT", "/v1/merchants/small", json=limits)
    assert put.status_code in {200, 201}, put.text
    channel = make(node, {"to": "small@shop.example"}, merchant="small")
    path = f"{CHANNELS}/{channel['id']}/test"
    assert node.post(path).json()["delivered"]
    refused = node.post(path).json()
    assert not refused["delivered"]
    assert "1 mails an hour (mails_per_hour)" in refused["error"]
    other = make(node, {"to": "other@shop.example"})
    assert node.post(f"{CHANNELS}/{other['id']}/test").json()["delivered"]


def test_the_doctor_greets_the_mail_server(
    environ: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", environ["SSL_CERT_FILE"])
    folder = tmp_path / "templates"
    folder.mkdir()
    options = {"mail_templates": str(folder)}
    ((templates, _), (well, text)) = check_mail(load(options, environ, {}))
    assert templates
    assert well
    assert re.fullmatch(r"mail server smtp\+starttls://localhost:\d+: answers and logs"
                        " us in", text), text  # fmt: skip
    (folder / "shop.txt").write_text("{{")
    wrong = {**environ, "PAYBELL_SMTP_PASSWORD": "a-wrong-password"}
    ((templates, fault), (well, text)) = check_mail(load(options, wrong, {}))
    assert not templates
    assert "shop.txt: line 1, column 1" in fault
    assert not well
    assert re.search(r"answered 535 \(login\)", text)
    assert "a-wrong-password" not in text


def test_a_template_at_fault_refuses_the_start_with_its_line(
    environ: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "customer.txt").write_text("Dear customer,\n\n{{#txid}}\nThank you.\n")
    env = {**environ, "PAYBELL_MAIL_TEMPLATES": str(folder)}
    refused = paybell("serve", "--port", "0", env=env, cwd=tmp_path)
    assert refused.returncode == 2
    assert "customer.txt: line 3, column 1: {{#txid}} is never closed" in refused.stderr
    assert not (tmp_path / "paybell.db").exists()

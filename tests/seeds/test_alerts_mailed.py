"""Alerts by mail, to the shop that they concern: a node as an operator runs it, shops
with keys and channels of their own, and a real SMTP server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.tools.mailserver import MailServerProcess, mail_server
from tests.tools.paybell import Paybell, serving
from tests.tools.receiver import Receiver, reply
from tests.tools.wait import wait_until

AT_ONCE = ("--alert-after-s", "0", "--alert-every-s", "0")
LONG_S = 300
"""The chain is away until that was told: how soon depends on the machine."""


@pytest.fixture
def post_office(tmp_path: Path) -> Iterator[MailServerProcess]:
    with mail_server(tmp_path / "mail") as server:
        yield server


@pytest.fixture
def node(tmp_path: Path, post_office: MailServerProcess) -> Iterator[Paybell]:
    env = {
        "PAYBELL_SMTP": f"smtp://localhost:{post_office.port}",
        "PAYBELL_MAIL_FROM": "paybell@node.example",
    }
    with serving(tmp_path, "--allow-private-webhooks", *AT_ONCE, env=env) as running:
        yield running


class Shop:
    """A merchant with a key of its own, which it makes its channels with."""

    def __init__(self, node: Paybell, name: str) -> None:
        self.node, self.mailbox = node, f"alerts@{name}.example"
        self._key = node.post("/v1/keys", name=name, merchant=name).json()["key"]
        self.channel(kind="email", settings={"to": self.mailbox}, types=["alert.*"])

    def call(self, method: str, path: str, **body: object) -> requests.Response:
        own = {"Authorization": f"Bearer {self._key}"}
        answer = self.node.call(method, path, json=body or None, headers=own)
        assert answer.ok, answer.text
        return answer

    def channel(self, **fields: object) -> str:
        return str(self.call("POST", "/v1/channels", **fields).json()["id"])


def subjects(office: MailServerProcess, shop: Shop) -> list[str]:
    return [m.message["subject"] for m in office.mails if m.to == shop.mailbox]


def test_alerts_a_merchants_operator_has_mail_of_what_concerns_it_and_of_its_end(
    node: Paybell, post_office: MailServerProcess
) -> None:
    rose, tulip = Shop(node, "rose"), Shop(node, "tulip")

    def wait_for(shop: Shop, subject: str) -> None:
        wait_until(
            lambda: subject in subjects(post_office, shop),
            30,
            lambda: f"{subject!r}: {subjects(post_office, shop)}\n{node.err}",
        )

    with Receiver(default=reply(410)) as gone:
        dead = rose.channel(url=gone.url("/hook"), types=["payment.created"])
        rose.call("POST", "/v1/payments", amount_sat=1_000)
        wait_for(rose, "Alert: channel.disabled")
    node.post("/dev/down", seconds=LONG_S, status=500)
    for shop in (rose, tulip):
        wait_for(shop, "Alert: sources.none_current")
    node.post("/dev/down", seconds=0)
    for shop in (rose, tulip):
        wait_for(shop, "Resolved: sources.none_current")

    both = ["Alert: sources.none_current", "Resolved: sources.none_current"]
    for shop in (rose, tulip):
        of_all = [s for s in subjects(post_office, shop) if "sources" in s]
        assert of_all[:2] == both
    others = set(subjects(post_office, tulip)) - {*both}
    assert others == set(), "neither its neighbour's alerts nor the node's own"
    assert not any("source.failing" in m.text for m in post_office.mails)
    (disabled,) = (
        mail
        for mail in post_office.mails
        if mail.message["subject"] == "Alert: channel.disabled"
    )
    assert disabled.to == rose.mailbox
    assert dead in disabled.text
    assert disabled.message.get_content_type() == "multipart/alternative"

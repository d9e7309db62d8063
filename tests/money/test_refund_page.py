"""The page behind a claim link, as a browser's forms ask for it: no script at all."""

import html
import re
from collections.abc import Iterator

import pytest
import requests

from tests.money.test_refunds import Refunding, claim_link
from tests.tools.node import running_node
from tests.tools.wait import PATIENCE

HOSTILE = '"><script>alert(1)</script>'


@pytest.fixture(scope="module")
def desk() -> Iterator[Refunding]:
    with running_node() as node:
        record = {"display_name": "Café <Lisboa>"}
        node.call("PUT", "/v1/merchants/cafe", json=record)
        yield Refunding(node)


def opened(desk: Refunding) -> tuple[str, str, str]:
    """A new refund's payment, the URL of its page, and its token."""
    payment = desk.paid(merchant="cafe")
    path, token = claim_link(desk.made(payment, amount_sat=20_000))
    return payment, desk.node.url + path, token


def post(url: str, token: str, **fields: str) -> requests.Response:
    return requests.post(url, data={"token": token, **fields}, timeout=30 * PATIENCE)


def test_a_payer_is_asked_shown_and_told(desk: Refunding) -> None:
    payment, url, token = opened(desk)
    asked = requests.get(url, params={"token": token}, timeout=30 * PATIENCE)
    assert asked.status_code == 200
    assert "Caf" in asked.text
    assert "&lt;Lisboa&gt;" in asked.text
    assert "0.0002 BTC" in asked.text
    assert "Where shall it go?" in asked.text
    address = desk.fresh()
    review = post(url, token, address=f" {address} ")
    assert "Is this your address?" in review.text
    spans = re.findall(r"<span>(\w+)</span>", review.text)
    assert "".join(spans) == address
    assert desk.of(payment)["data"][0]["state"] == "open", "not before a second word"
    sent = post(url, token, address=address, step="send")
    assert "Your refund will be sent" in sent.text
    assert desk.of(payment)["data"][0]["address"] == address
    again = requests.get(url, params={"token": token}, timeout=30 * PATIENCE)
    assert "Your refund will be sent" in again.text
    other = post(url, token, address=desk.fresh(), step="send")
    assert address in re.sub(r"</?span>|\s", "", other.text), "it stays as it is"


def test_the_page_runs_nothing_and_stands_in_no_frame(desk: Refunding) -> None:
    _, url, token = opened(desk)
    answer = requests.get(url, params={"token": token}, timeout=30 * PATIENCE)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src" not in policy
    assert "<script" not in answer.text
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_wrong_address_is_named_and_nothing_happens(desk: Refunding) -> None:
    payment, url, token = opened(desk)
    for step in ("", "send"):
        answer = post(url, token, address=HOSTILE, step=step)
        assert answer.status_code == 422
        assert HOSTILE not in answer.text
        assert html.escape(HOSTILE) in answer.text, "it can be corrected"
        assert 'role="alert"' in answer.text
    assert desk.of(payment)["data"][0]["state"] == "open"
    ours = desk.node.payment(payment)["address"]
    assert "receives money" not in post(url, token, address=ours).text
    assert post(url, token, address=ours, step="send").status_code == 422


def test_without_the_whole_link_there_is_nothing(desk: Refunding) -> None:
    _, url, token = opened(desk)
    for place, said in (
        (url, ""), (url, token[:-1]), (url, HOSTILE), (url[:-1], token),
        (url + "x", token),
        (re.sub(r"ref_\w+", "ref_" + "0" * 22, url), token),
    ):  # fmt: skip
        for answer in (
            requests.get(place, params={"token": said}, timeout=30 * PATIENCE),
            post(place, said, address=desk.fresh(), step="send"),
        ):
            assert answer.status_code == 404
            assert "There is no such refund" in answer.text
            assert "sat" not in answer.text


def test_a_link_that_is_over_says_so(desk: Refunding) -> None:
    payment, url, token = opened(desk)
    (refund,) = desk.of(payment)["data"]
    desk.call("POST", f"/v1/payments/{payment}/refunds/{refund['id']}/cancel")
    answer = requests.get(url, params={"token": token}, timeout=30 * PATIENCE)
    assert "withdrawn" in answer.text
    assert "<form" not in answer.text


def test_too_many_fields_and_too_long_bodies_are_refused(desk: Refunding) -> None:
    _, url, token = opened(desk)
    many = {f"f{n}": "x" for n in range(40)}
    assert post(url, token, **many).status_code == 400
    assert post(url, token, address="x" * 20_000).status_code == 413

"""`run.py listen` and `run.py trigger`, against a node that runs as a process."""

import base64
import hashlib
import hmac
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gevent
import pytest
import requests
from click.testing import CliRunner, Result

from run import main
from tests.tools.paybell import API_KEY, Paybell, serving
from tests.tools.receiver import Received, Receiver, reply
from tests.tools.wait import PATIENCE, wait_until
from transport.cli import hook_forwarder
from transport.cli.listen import listen
from transport.cli.trigger import KINDS
from transport.outbound.webhook import new_secret, parse_secret

SECRET = new_secret()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Paybell]:
    with serving(tmp_path_factory.mktemp("node")) as running:
        yield running


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYBELL_LISTEN_SECRET", SECRET)
    monkeypatch.setattr(hook_forwarder, "FIRST_WAIT_S", 0.05)


@contextmanager
def listening(node: Paybell, shop: Receiver, **options: Any) -> Iterator[None]:
    """As in another terminal; it has begun when this is entered."""
    asked: dict[str, Any] = {
        "forward_to": shop.url("/hook"),
        "types": (),
        "cursor_file": None,
        "cursor": None,
        "public": False,
        "api_key": API_KEY,
        "url": node.url,
        **options,
    }
    asked["cursor"] = asked["cursor"] or newest(node)
    run: Callable[..., None] = listen.callback  # type: ignore[assignment]
    listener = gevent.spawn(run, **asked)
    try:
        yield
    finally:
        listener.kill()


def newest(node: Paybell) -> str:
    return str(api(node, "GET", "/v1/events?cursor=newest")["next_cursor"])


def api(node: Paybell, method: str, path: str, body: Any = None) -> Any:
    with requests.Session() as session:
        session.trust_env = False
        answer = session.request(
            method,
            node.url + path,
            json=body,
            headers={"Authorization": f"Bearer {API_KEY}"},
            timeout=30 * PATIENCE,
        )
    assert answer.ok, answer.text
    return answer.json()


def create(node: Paybell) -> str:
    address = api(node, "POST", "/dev/address", {})["address"]
    body = {"address": address, "amount_sat": 1_000}
    return str(api(node, "POST", "/v1/payments", body)["id"])


def told(requests_: list[Received]) -> dict[str, list[int]]:
    """By payment, which seqs came, in their order."""
    found: dict[str, list[int]] = defaultdict(list)
    for one in requests_:
        data = json.loads(one.body)["data"]
        found[data["payment_id"]].append(data["seq"])
    return found


def test_what_comes_is_what_a_webhook_would_bring_and_is_signed(node: Paybell) -> None:
    with Receiver() as shop, listening(node, shop):
        name = create(node)
        (one,) = shop.wait_for(1, 30)
    body = json.loads(one.body)
    assert (body["type"], body["data"]["payment_id"]) == ("payment.created", name)
    stamp, msg_id = one.headers["webhook-timestamp"], one.headers["webhook-id"]
    assert msg_id == body["data"]["id"]
    signed = f"{msg_id}.{stamp}.".encode() + one.body
    digest = hmac.new(parse_secret(SECRET), signed, hashlib.sha256).digest()
    assert one.headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"


def test_a_slow_receiver_gets_each_payments_events_in_order_and_none_beside_another(
    node: Paybell,
) -> None:
    under_way: dict[str, int] = defaultdict(int)
    most: list[int] = []

    def slowly(sock: Any, received: Received, receiver: Receiver) -> None:
        name = json.loads(received.body)["data"]["payment_id"]
        under_way[name] += 1
        most.append(under_way[name])
        gevent.sleep(0.05)
        under_way[name] -= 1
        reply(200)(sock, received, receiver)

    with Receiver(default=slowly) as shop, listening(node, shop):
        names = [create(node) for _ in range(4)]
        for name in names:
            path = f"/v1/payments/{name}"
            for number in range(3):
                api(node, "PATCH", path, {"metadata": {"n": number}})
            api(node, "POST", f"{path}/cancel")
        got = told(shop.wait_for(20, 60))
    assert got == {name: [1, 2, 3, 4, 5] for name in names}
    assert set(most) == {1}


def test_what_is_refused_comes_again_before_the_next(node: Paybell) -> None:
    answers = [reply(500), reply(302), reply(200)]
    with Receiver(answers=answers) as shop, listening(node, shop):
        name = create(node)
        api(node, "POST", f"/v1/payments/{name}/cancel")
        got = told(shop.wait_for(4, 60))
    assert got == {name: [1, 1, 1, 2]}


def test_it_goes_on_from_its_file_and_passes_over_nothing_that_nobody_took(
    node: Paybell, tmp_path: Path
) -> None:
    file = tmp_path / "cursor"
    start = newest(node)
    with Receiver() as shop, listening(node, shop, cursor_file=file, cursor=start):
        first = create(node)
        shop.wait_for(1, 30)
        wait_until(
            lambda: file.exists() and file.read_text().strip() != start, 30, "it"
        )
        kept = file.read_text()
    with (
        Receiver(default=reply(503)) as shut,
        listening(node, shut, cursor_file=file, cursor=start),
    ):
        second = create(node)
        shut.wait_for(2, 30)
    assert file.read_text() == kept != start, "nobody took it"
    with Receiver() as shop, listening(node, shop, cursor_file=file, cursor=start):
        got = told(shop.wait_for(1, 30))
    assert got == {second: [1]}
    assert first != second


def test_only_the_types_that_are_asked_for_come(node: Paybell) -> None:
    with (
        Receiver() as shop,
        listening(node, shop, types=("payment.cancelled",)),
    ):
        name = create(node)
        api(node, "POST", f"/v1/payments/{name}/cancel")
        assert told(shop.wait_for(1, 30)) == {name: [2]}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, env={"PAYBELL_KEY": API_KEY})


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://192.0.2.1.example.invalid/", "has no address"),
        ("http://8.8.8.8/hook", "neither this machine nor of a private network"),
        ("ftp://localhost/", "no http or https URL"),
        ("localhost:3000", "no http or https URL"),
        ("http://[::1", "no http or https URL"),
    ],
)
def test_events_leave_for_no_other_machine_unless_told(url: str, why: str) -> None:
    result = run("listen", "--forward-to", url)
    assert result.exit_code == 2
    assert why in result.output


def test_a_secret_that_it_makes_is_printed_once(
    node: Paybell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PAYBELL_LISTEN_SECRET")
    with Receiver() as shop, listening(node, shop):
        create(node)
        (one,) = shop.wait_for(1, 30)
    out = capsys.readouterr().out
    assert out.count("whsec_") == 1
    assert "webhook-signature" in one.headers


@pytest.mark.parametrize("kind", KINDS)
def test_each_event_can_be_triggered_on_the_dev_chain(node: Paybell, kind: str) -> None:
    result = run("trigger", f"payment.{kind}", "--url", node.url)
    assert result.exit_code == 0, result.output
    assert f"payment.{kind}" in result.output.splitlines()[-1]


def test_where_coins_are_real_nothing_is_triggered() -> None:
    with Receiver(default=reply(404)) as elsewhere:
        result = run("trigger", "confirmed", "--url", elsewhere.url("").rstrip("/"))
    assert result.exit_code == 1
    assert "has no dev chain" in result.output
    assert run("trigger", "paid").exit_code == 2

"""The dev chain greets newcomers: a page on their machine, or in a file, just works."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.browser.chromium import Chromium
from tests.seeds.pages import opened
from tests.tools.node import RunningNode, running_node
from tests.tools.paybell import Paybell
from tests.tools.wait import PATIENCE
from tests.tools.wsclient import connect

LOCAL = [
    "http://localhost:3000",
    "http://localhost:5173",
    "http://127.0.0.1:8000",
    "null",
    "file://",
]
STEP_S = 15.0

PAGE = """
const address = "%s";
const ws = new WebSocket("ws://%s/ws/balance/" + address);
ws.onmessage = (event) => {
  if (JSON.parse(event.data).status) word.textContent = "told";
};
fetch("http://%s/events/balance/" + address).then((answer) => {
  window.streamed = answer.status;
});
"""


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[RunningNode]:
    """A node that allows no origin, as one without the dev chain does."""
    with running_node() as started:
        yield started


@pytest.mark.parametrize("origin", LOCAL)
def test_on_the_dev_chain_pages_of_this_machine_may_follow_payments(
    seeded: Paybell, origin: str
) -> None:
    path = f"/ws/balance/{seeded.create(amount_sat=1_000)['address']}"
    client = connect("127.0.0.1", seeded.port, path, origin=origin)
    assert client.accepted
    client.close()


def test_on_the_dev_chain_other_sites_may_not(seeded: Paybell) -> None:
    path = f"/ws/balance/{seeded.create(amount_sat=1_000)['address']}"
    for origin in ("https://evil.example", "http://localhost.evil.example"):
        client = connect("127.0.0.1", seeded.port, path, origin=origin)
        assert client.status == 403


@pytest.mark.parametrize("origin", LOCAL)
def test_elsewhere_the_refusal_names_the_setting(
    elsewhere: RunningNode, origin: str
) -> None:
    address = elsewhere.create(amount_sat=1_000)["address"]
    path = f"/ws/balance/{address}"
    client = connect("127.0.0.1", elsewhere.server.port, path, origin=origin)
    assert (client.status, client.problem["code"]) == (403, "origin_not_allowed")
    assert "--allowed-origins" in client.problem["detail"]
    assert client.problem["limit"] == "allowed_origins"
    url = f"{elsewhere.url}/events/balance/{address}"
    with requests.get(
        url, headers={"Origin": origin}, stream=True, timeout=STEP_S * PATIENCE
    ) as stream:
        assert "Access-Control-Allow-Origin" not in stream.headers


def test_a_page_in_a_file_follows_by_socket_and_by_stream(
    seeded: Paybell, chromium: Chromium, tmp_path: Path
) -> None:
    host = seeded.url.removeprefix("http://")
    address = seeded.create(amount_sat=1_000)["address"]
    page = opened(chromium, tmp_path, PAGE % (address, host, host))
    page.wait_for("#word", text="told")
    page.wait_for_js("window.streamed === 200")
    page.close()

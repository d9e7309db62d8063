"""examples/static-page: its README done by a reader, and its page looked at."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.docs.readme_steps import Reader
from tests.docs.runs import Runs
from tests.pages.conftest import Visited
from tests.tools import children
from tests.tools.ports import free_ports
from tests.unit.test_packaging import ROOT

EXAMPLE = ROOT / "examples" / "static-page"
RUN = Runs()
README = RUN.steps(EXAMPLE / "README.md")


class Static:
    """The node's address, the page's, and the link that the README ends with."""

    def __init__(self, node: str, site: str, link: str, key: str) -> None:
        self.node, self.site, self.link = node, site, link
        self._key = key

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._key}"}
        answer = requests.post(self.node + path, json=body, headers=headers, timeout=30)
        assert answer.ok, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def pay(self, address: str, amount_sat: int, blocks: int = 0) -> str:
        paid = self.post("/dev/pay", address=address, amount_sat=amount_sat)
        if blocks:
            self.post("/dev/mine", blocks=blocks)
        return str(paid["txid"])

    def link_to(self, payment: dict[str, Any]) -> str:
        return f"{self.site}/#{payment['id']}:{payment['client_secret']}"


@pytest.fixture(scope="module")
def static(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Static]:
    folder: Path = tmp_path_factory.mktemp("static")
    node, site = free_ports(2)
    page = (EXAMPLE / "index.html").read_text(encoding="utf-8")
    assert page.count("127.0.0.1:8080") == 5
    page = page.replace("127.0.0.1:8080", f"127.0.0.1:{node}")
    (folder / "index.html").write_text(page, encoding="utf-8")
    replaced = {
        "serve --db": f"serve --port {node} --db",
        "127.0.0.1:8080": f"127.0.0.1:{node}",
        "127.0.0.1:8000": f"127.0.0.1:{site}",
        "python3 -m http.server 8000": f"exec {sys.executable} -m http.server {site}",
    }
    with Reader(README, folder, replaced=replaced) as reader:
        reader.follow(until="The page, in", port=node)
        reader.follow(until="A payment, and", port=site)
        reader.follow()
        yield Static(
            f"http://127.0.0.1:{node}",
            f"http://127.0.0.1:{site}",
            reader.outputs[-1].strip(),
            reader.exported("PAYBELL_KEY"),
        )


@pytest.fixture
def page(visited: Visited, static: Static) -> Visited:
    visited.friends = (static.node, static.node.replace("http:", "ws:"))
    return visited


def test_the_link_of_the_readme_is_paid_and_thanked_for(
    page: Visited, static: Static
) -> None:
    page.do("goto", static.link)
    page.do("wait_for_text", "#headline", "Please pay.")
    page.do("wait_until", "document.getElementById('qr').naturalWidth > 0")
    assert page.do("text", "#sum") == "50000"
    assert page.do("axe") == []
    address = page.do("text", "#address")
    wallet = page.do("evaluate", "document.getElementById('wallet').href")
    assert wallet.startswith(f"bitcoin:{address}")
    static.pay(address, 50_000)
    page.do("wait_for_text", "#headline", "on its way")
    assert not page.do("evaluate", "document.getElementById('ways').checkVisibility()")
    static.post("/dev/mine", blocks=1)
    page.do("wait_for_text", "#headline", "Paid. Thank you!")


def test_who_was_reversed_short_or_late_is_never_asked_to_pay_again(
    page: Visited, static: Static
) -> None:
    made = static.post("/v1/payments", amount_sat=20_000, confirmations=1)
    page.do("goto", static.link_to(made))
    txid = static.pay(made["address"], 20_000, blocks=1)
    page.do("wait_for_text", "#headline", "Paid. Thank you!")
    static.post("/dev/reorg", depth=1, drop=[txid])
    page.do("wait_for_text", "#headline", "took your payment back")
    page.do("wait_for_text", "#advice", "Do not pay again")

    short = static.post("/v1/payments", amount_sat=20_000)
    page.do("goto", "about:blank")
    page.do("goto", static.link_to(short))
    static.pay(short["address"], 15_000)
    page.do("wait_for_text", "#advice", "5000 sat are missing")

    over = static.post("/v1/payments", amount_sat=20_000)
    static.post(f"/v1/payments/{over['id']}/cancel")
    page.do("goto", "about:blank")
    page.do("goto", static.link_to(over))
    page.do("wait_for_text", "#headline", "This payment is over.")
    static.pay(over["address"], 20_000)
    page.do("wait_for_text", "#headline", "after the deadline")
    assert not page.do("evaluate", "document.getElementById('ways').checkVisibility()")


def told(**payment: Any) -> str:
    """The headline of the page's own `words`, which need no browser."""
    html = (EXAMPLE / "index.html").read_text(encoding="utf-8")
    words = html[html.index("function words(") : html.index("function draw(")]
    known = {"flags": [], "amount_sat": 5, "received_sat": 5}
    known |= {"confirmations": 0, "confirmations_required": 1}
    asked = f"console.log(words({json.dumps(known | payment)})[0])"
    command = ["node", "-e", words + asked]
    return str(children.run(command, capture_output=True, text=True, timeout=60).stdout)


@pytest.mark.parametrize("flag", ["replaced", "reorged"])
def test_what_was_replaced_and_is_there_again_is_on_its_way(flag: str) -> None:
    """Both flags stay for good."""
    assert "on its way" in told(status="confirming", flags=[flag])
    assert "Paid." in told(status="confirmed", flags=[flag])
    assert "took your payment back" in told(
        status="pending", flags=[flag], received_sat=0
    )
    short = told(status="confirming", flags=[flag, "underpaid"], received_sat=4)
    assert "Not all" in short


def test_a_link_without_its_payment_says_so(page: Visited, static: Static) -> None:
    page.do("goto", f"{static.site}/")
    page.do("wait_for_text", "#headline", "Nothing to pay")
    assert page.do("axe") == []

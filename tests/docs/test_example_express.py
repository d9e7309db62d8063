"""examples/shop-express: its README done by a reader, and its shop told all sorts."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.clients.packed import packed_once
from tests.clients.schema import NODE_MODULES
from tests.docs.readme_steps import Reader
from tests.docs.runs import Runs
from tests.docs.shops import PAID, STORIES, buy_a_mug, of_order, signed
from tests.tools.ports import free_ports
from tests.tools.wait import Process, wait_until
from tests.unit.test_packaging import ROOT
from transport.outbound.webhook import new_secret

EXAMPLE = ROOT / "examples" / "shop-express"
RUN = Runs()
README = RUN.steps(EXAMPLE / "README.md")
SECRETS = [new_secret(), new_secret()]

pytestmark = pytest.mark.timeout_s(240)


def installed(folder: Path) -> None:
    """The shop, and what `npm install` would bring: Express and the client."""
    (folder / "shop.mjs").write_bytes((EXAMPLE / "shop.mjs").read_bytes())
    modules = folder / "node_modules"
    modules.mkdir()
    (modules / "express").symlink_to(NODE_MODULES.resolve() / "express")
    client = packed_once().folder / "node_modules" / "paybell-api"
    (modules / "paybell-api").symlink_to(client)


def test_the_readme_leads_from_nothing_to_a_shipped_mug(tmp_path: Path) -> None:
    node, shop = free_ports(2)
    url = f"http://127.0.0.1:{node}"
    installed(tmp_path)
    replaced = {
        # Both are here already: a test asks no registry.
        "npm install --no-package-lock --prefix ../../clients/ts\n": "",
        "npm pack ../../clients/ts\n": "",
        "npm install express ./paybell-api-0.1.0.tgz\n": "",
        "serve --db": f"serve --port {node} --db",
        "127.0.0.1:8080": f"127.0.0.1:{node}",
        "127.0.0.1:3000": f"127.0.0.1:{shop}",
        "node shop.mjs": f"PORT={shop} PAYBELL_URL={url} exec node shop.mjs",
    }
    with Reader(README, tmp_path, replaced=replaced) as reader:
        reader.follow(until="A channel that tells", port=node)
        reader.follow(until="Open http", port=shop)
        reader.follow()
        payment = json.loads(reader.outputs[-1])
        buy_a_mug(url, f"http://127.0.0.1:{shop}", payment)


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """The shop alone, by its address."""
    (port,) = free_ports(1)
    env = {
        "PORT": str(port),
        "PAYBELL_KEY": "pbk_of_nobody",
        "WEBHOOK_SECRET": " ".join(SECRETS),
    }
    command = ["node", str(folder / "shop.mjs")]
    with Process(command, cwd=folder, env=env) as process:

        def listens() -> bool:
            assert process.returncode is None, process.output
            try:
                return requests.get(f"http://127.0.0.1:{port}/", timeout=30).ok
            except requests.ConnectionError:
                return False

        wait_until(listens, 60, lambda: process.output)
        yield f"http://127.0.0.1:{port}"


def test_orders_follow_their_payments_in_whatever_order_they_are_told(
    tmp_path: Path,
) -> None:
    installed(tmp_path)
    numbers = range(len(STORIES))
    orders = {
        f"order-{n}": {"todo": "waits for money", "payments": {}} for n in numbers
    }
    kept = tmp_path / "shop.json"
    kept.write_text(json.dumps({"orders": orders, "webhooks": {}}))

    def looks(shop: str) -> None:
        for number, (_, todo) in enumerate(STORIES):
            page = requests.get(f"{shop}/orders/order-{number}", timeout=30).text
            assert f"<p>{todo}" in page, STORIES[number]

    with running(tmp_path) as shop:
        for number, (told, _) in enumerate(STORIES):
            for said in told:
                body, headers = signed(of_order(number, said), SECRETS[number % 2])
                answer = requests.post(
                    f"{shop}/paybell", data=body, headers=headers, timeout=30
                )
                assert answer.status_code == 204
        looks(shop)
        written = kept.read_bytes()
        body, headers = signed(of_order(0, PAID), new_secret())
        hook = f"{shop}/paybell"
        forged = requests.post(hook, data=body, headers=headers, timeout=30)
        unsigned = requests.post(hook, data=body, timeout=30)
        assert (forged.status_code, unsigned.status_code) == (401, 401)
        assert requests.get(f"{shop}/orders/__proto__", timeout=30).status_code == 404
    assert kept.read_bytes() == written
    with running(tmp_path) as shop:
        looks(shop)


def test_what_could_not_be_written_down_is_not_taken_and_is_taken_the_next_time(
    tmp_path: Path,
) -> None:
    installed(tmp_path)
    kept, beside = tmp_path / "shop.json", tmp_path / "shop.json.new"
    order = {"todo": "waits for money", "payments": {}}
    kept.write_text(json.dumps({"orders": {"order-1": order}, "webhooks": {}}))
    body, headers = signed(PAID, SECRETS[0])
    with running(tmp_path) as shop:

        def tell() -> int:
            hook = f"{shop}/paybell"
            return requests.post(
                hook, data=body, headers=headers, timeout=30
            ).status_code

        beside.mkdir()  # as a disk that takes nothing
        assert tell() == 500
        beside.rmdir()
        assert tell() == 204
        assert "ship it" in kept.read_text()

"""examples/shop-flask: its README done by a reader, and its shop told all sorts."""

import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.docs.readme_steps import Reader
from tests.docs.runs import Runs
from tests.docs.shops import PAID, STORIES, buy_a_mug, signed
from tests.tools.ports import free_ports
from tests.unit.test_packaging import ROOT
from transport.outbound.webhook import new_secret

EXAMPLE = ROOT / "examples" / "shop-flask"
RUN = Runs()
README = RUN.steps(EXAMPLE / "README.md")
SECRETS = [new_secret(), new_secret()]


def test_the_readme_leads_from_nothing_to_a_shipped_mug(tmp_path: Path) -> None:
    node, shop = free_ports(2)
    url = f"http://127.0.0.1:{node}"
    (tmp_path / "shop.py").write_bytes((EXAMPLE / "shop.py").read_bytes())
    replaced = {
        # What tests may install is installed: tests/clients/test_python_package.py.
        "python3 -m venv venv\n": "mkdir -p venv/bin\n",
        "venv/bin/pip install flask ../../clients/python\n": (
            f"export PYTHONPATH={ROOT / 'clients/python'}\n"
        ),
        "serve --db": f"serve --port {node} --db",
        "127.0.0.1:8080": f"127.0.0.1:{node}",
        "127.0.0.1:5000": f"127.0.0.1:{shop}",
        "venv/bin/python shop.py": f"PAYBELL_URL={url} exec {sys.executable} shop.py",
    }
    env = {"PORT": str(shop)}
    readme = README
    with Reader(readme, tmp_path, replaced=replaced, env=env) as reader:
        reader.follow(until="A channel that tells", port=node)
        reader.follow(until="Open http", port=shop)
        reader.follow()
        payment = json.loads(reader.outputs[-1])
        buy_a_mug(url, f"http://127.0.0.1:{shop}", payment)


# -- what webhooks make of an order ----------------------------------------------------


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("PAYBELL_KEY", "pbk_of_nobody")
    monkeypatch.setenv("WEBHOOK_SECRET", " ".join(SECRETS))
    monkeypatch.setenv("SHOP_DB", str(tmp_path / "shop.db"))
    spec = importlib.util.spec_from_file_location("flask_shop", EXAMPLE / "shop.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    db = module.database()
    db.execute("INSERT INTO orders VALUES ('order-1', 'waits for money')")
    db.close()
    return module


def tell(client: FlaskClient, said: dict[str, Any], secret: str = SECRETS[0]) -> int:
    body, headers = signed(said, secret)
    return client.post("/paybell", data=body, headers=headers).status_code


def order(client: FlaskClient) -> str:
    found = re.search(r"<p>(.*)</p>", client.get("/orders/order-1").text)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(("told", "todo"), STORIES)
def test_an_order_follows_its_payments_in_whatever_order_they_are_told(
    shop: ModuleType, told: list[dict[str, Any]], todo: str
) -> None:
    client: FlaskClient = shop.app.test_client()
    for said in told:
        assert tell(client, said) == 204
    assert order(client).startswith(todo)


def test_what_is_not_signed_by_either_secret_is_refused_and_changes_nothing(
    shop: ModuleType,
) -> None:
    client: FlaskClient = shop.app.test_client()
    assert tell(client, PAID, new_secret()) == 401
    assert order(client) == "waits for money"
    assert tell(client, PAID, SECRETS[1]) == 204
    assert order(client) == "ship it"

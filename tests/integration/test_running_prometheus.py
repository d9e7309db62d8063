"""A real Prometheus with the files of examples/operating, beside a node."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.tools.paybell import Paybell, paybell, serving
from tests.tools.wait import PATIENCE, Process, wait_until

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "operating"
PROMETHEUS = os.environ.get("PROMETHEUS", "prometheus")
ASK_S = 10

Ask = dict[str, Any]


class Prometheus:
    """One that runs, by its API."""

    def __init__(self, url: str) -> None:
        self._url = url

    def ask(self, path: str, **query: str) -> Any:
        """What it answers; None while it is still beginning."""
        answer = requests.get(
            f"{self._url}/api/v1/{path}", params=query, timeout=ASK_S * PATIENCE
        )
        return answer.json()["data"] if answer.ok else None

    def value(self, query: str) -> str | None:
        """Of the one series that is found."""
        found = self.ask("query", query=query)
        if not found or not found["result"]:
            return None
        (series,) = found["result"]
        return str(series["value"][1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the node's database, and a key of its own for Prometheus, as the document
    says how to make it."""
    place = tmp_path_factory.mktemp("prometheus")
    made = paybell(
        *("keys", "create", "prometheus", "--scope", "read"),
        *("--db", place / "node.db"),
    )
    assert made.returncode == 0, made.stderr
    (place / "paybell.key").write_text(made.stdout, encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def node(folder: Path) -> Iterator[Paybell]:
    with serving(folder) as running:
        yield running


@pytest.fixture(scope="module")
def prometheus(node: Paybell, folder: Path) -> Iterator[Prometheus]:
    """With the files as they are but for where they stand, the node's port, and how
    long there is to wait."""
    config = (EXAMPLES / "prometheus.yml").read_text(encoding="utf-8")
    for there, here in (
        ("127.0.0.1:8080", node.url.removeprefix("http://")),
        ("/etc/prometheus/paybell.key", str(folder / "paybell.key")),
        ("scrape_interval: 15s", "scrape_interval: 1s"),
    ):
        assert there in config
        config = config.replace(there, here)
    config += "\nglobal:\n  evaluation_interval: 1s\n"
    (folder / "prometheus.yml").write_text(config, encoding="utf-8")
    rules = (EXAMPLES / "alerts.yml").read_text(encoding="utf-8")
    (folder / "alerts.yml").write_text(rules, encoding="utf-8")
    command: list[str | Path] = [
        PROMETHEUS,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--web.listen-address=127.0.0.1:0",
    ]
    ready = r'msg="?Listening on"? address=(127\.0\.0\.1:[1-9]\d*)'
    with Process(command, ready=ready, cwd=folder) as running:
        assert running.match is not None
        yield Prometheus(f"http://{running.match[1]}")
        assert running.stop() == 0


def test_a_node_is_up_for_a_prometheus_that_has_our_files_and_its_key(
    prometheus: Prometheus,
) -> None:
    def is_up() -> bool:
        return prometheus.value('up{job="paybell"}') == "1"

    wait_until(is_up, 60, lambda: f"up: {prometheus.ask('targets')}")
    assert prometheus.value("paybell_ready") == "1"


def test_it_has_loaded_every_alert_rule_and_can_evaluate_each(
    prometheus: Prometheus,
) -> None:
    written = set(re.findall(r"alert: (\w+)", (EXAMPLES / "alerts.yml").read_text()))

    def evaluated() -> list[Ask]:
        found = prometheus.ask("rules", type="alert")
        rules = [rule for group in found["groups"] for rule in group["rules"]]
        return rules if all(rule["health"] != "unknown" for rule in rules) else []

    wait_until(lambda: prometheus.ask("rules"), 60, "it to be ready")
    rules = wait_until(evaluated, 60, "all rules to be evaluated")
    assert {rule["name"] for rule in rules} == written
    assert {rule["health"] for rule in rules} == {"ok"}


def test_it_fires_when_the_node_ends(node: Paybell, prometheus: Prometheus) -> None:
    """The last test of this node. `for: 1m` stands between pending and firing."""
    wait_until(lambda: prometheus.value('up{job="paybell"}'), 60, "a first look")
    node.stop()

    def states() -> list[str]:
        alerts = (prometheus.ask("alerts") or {"alerts": []})["alerts"]
        named = [a for a in alerts if a["labels"]["alertname"] == "PaybellDown"]
        return [str(alert["state"]) for alert in named]

    wait_until(states, 60, lambda: f"the alert: {prometheus.ask('alerts')}")
    assert prometheus.value('up{job="paybell"}') == "0"

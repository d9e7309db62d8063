"""What examples/operating has for monitoring: rules that fire, and no query of a metric
that there is not."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tools import children
from tests.tools.paybell import serving

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "operating"
PROMTOOL = os.environ.get("PROMTOOL", "promtool")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """/metrics of a node that has just begun: what it names is there from the first."""
    with serving(tmp_path_factory.mktemp("node")) as node:
        made = node.post("/v1/keys", name="prometheus", scopes=["read"])
        node.api_key = made.json()["key"]  # as prometheus.yml says
        return str(node.get("/metrics").text)


def promtool(*arguments: str, cwd: Path = EXAMPLES) -> None:
    finished = children.run(
        [PROMTOOL, *arguments], capture_output=True, text=True, timeout=60, cwd=cwd
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr


def queries(value: Any) -> Iterator[str]:
    """Of a Grafana board."""
    if isinstance(value, dict):
        if isinstance(value.get("expr"), str):
            yield value["expr"]
        for inner in value.values():
            yield from queries(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from queries(inner)


def board() -> Any:
    return json.loads((EXAMPLES / "grafana.json").read_text(encoding="utf-8"))


def named_in(text: str) -> set[str]:
    return set(re.findall(r"\bpaybell_[a-z0-9_]+", text))


def metrics_of(page: str) -> set[str]:
    """Names of samples, with those of gauges that are only there while they stand."""
    found = set(re.findall(r"^(paybell_[a-z0-9_]+)[{ ]", page, re.MULTILINE))
    return found | set(re.findall(r"^# TYPE (paybell_\w+) gauge$", page, re.MULTILINE))


def test_the_alert_rules_fire_when_they_should_and_not_before() -> None:
    promtool("check", "rules", "alerts.yml")
    promtool("test", "rules", "alerts.test.yml")


def test_every_alert_rule_is_tried_both_ways() -> None:
    rules = set(re.findall(r"alert: (\w+)", (EXAMPLES / "alerts.yml").read_text()))
    tried = (EXAMPLES / "alerts.test.yml").read_text()
    quiet, _, loud = tried.partition("each trouble")
    assert set(re.findall(r"alertname: (\w+)}", quiet)) == rules
    assert set(re.findall(r'alertname="(\w+)"', loud)) == rules


def test_prometheus_takes_the_scrape_configuration(tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / "alerts.yml", tmp_path)
    (tmp_path / "key").write_text("pbk_x", encoding="utf-8")
    text = (EXAMPLES / "prometheus.yml").read_text(encoding="utf-8")
    named = "/etc/prometheus/paybell.key"
    assert named in text
    (tmp_path / "prometheus.yml").write_text(text.replace(named, str(tmp_path / "key")))
    promtool("check", "config", "prometheus.yml", cwd=tmp_path)


def test_every_metric_that_a_rule_names_is_on_the_page(page: str) -> None:
    named = named_in((EXAMPLES / "alerts.yml").read_text(encoding="utf-8"))
    assert named
    assert named <= metrics_of(page)


def test_every_query_of_the_board_names_metrics_that_are_on_the_page(page: str) -> None:
    found = list(queries(board()))
    assert len(found) >= 20
    for query in found:
        assert named_in(query), query
        assert named_in(query) <= metrics_of(page), query


def test_every_query_of_the_board_is_one_of_prometheus(tmp_path: Path) -> None:
    rules = [
        {"record": f"board:query_{number}", "expr": query.replace("$instance", ".*")}
        for number, query in enumerate(queries(board()))
    ]
    groups = {"groups": [{"name": "board", "rules": rules}]}
    (tmp_path / "board.yml").write_text(json.dumps(groups), encoding="utf-8")
    promtool("check", "rules", "board.yml", cwd=tmp_path)


def test_panels_of_the_board_have_ids_of_their_own_and_do_not_overlap() -> None:
    panels = board()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells


def test_the_page_is_what_prometheus_reads(page: str) -> None:
    finished = children.run(
        [PROMTOOL, "check", "metrics"], input=page, capture_output=True, text=True
    )
    assert finished.returncode in {0, 3}, finished.stderr  # 3: advice about names
    assert "error" not in finished.stderr.lower()

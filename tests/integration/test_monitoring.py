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

from tests.integration.prometheus_text import faults_of, labels_of
from tests.tools import children
from tests.tools.paybell import serving
from tests.tools.wait import wait_until

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "operating"
PROMTOOL = os.environ.get("PROMTOOL", "promtool")


LIGHTNING = """
[lightning.till]
kind = "phoenixd"
url = "http://127.0.0.1:9"
secret = "nobody-listens-there"
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """/metrics of a node that has just begun: what it names is there from the first.
    An alert stands, as its Lightning account does not answer."""
    folder = tmp_path_factory.mktemp("node")
    (folder / "paybell.toml").write_text(LIGHTNING, encoding="utf-8")
    with serving(folder, "--config", "paybell.toml") as node:
        made = node.post("/v1/keys", name="prometheus", scopes=["read"])
        node.api_key = made.json()["key"]  # as prometheus.yml says

        def found() -> str | None:
            text = node.get("/metrics").text
            return text if "paybell_alerts{" in text else None

        return str(wait_until(found, 30, "an alert"))


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


def test_every_label_that_a_rule_names_is_on_the_page_with_that_value(
    page: str,
) -> None:
    """promtool sees no wrong label: such a rule is silent for ever."""
    rules = (EXAMPLES / "alerts.yml").read_text(encoding="utf-8").split("- alert: ")[1:]
    assert len(rules) >= 15
    for rule in rules:
        query, _, shown = rule.partition("labels: {severity")
        assert list(faults_of(query, labels_of(page), shown)) == [], rule


def test_every_label_in_the_rules_own_tests_is_one_of_the_node(page: str) -> None:
    text = (EXAMPLES / "alerts.test.yml").read_text(encoding="utf-8")
    for series in re.findall(r"series: '([^']*)'", text):
        open_ended = re.sub(
            r'\b(source|upstream|kind|route)="[^"]*"', r'\1!~""', series
        )
        assert list(faults_of(open_ended, labels_of(page))) == [], series


def test_every_label_of_the_board_is_on_the_page_with_that_value(page: str) -> None:
    for panel in board()["panels"]:
        for target in panel.get("targets", []):
            query, shown = target["expr"], target.get("legendFormat", "")
            assert list(faults_of(query, labels_of(page), shown)) == [], query


@pytest.mark.parametrize(
    ("query", "shown", "fault"),
    [
        ('paybell_outbox{state="died"} > 0', "", "state of paybell_outbox is never"),
        ('paybell_outbox{status="dead"} > 0', "", "paybell_outbox has no label status"),
        ('paybell_source_standing{standing!="curent"}', "", "is never curent"),
        ("sum by (instance, name) (paybell_alerts)", "", "has the label name"),
        ("sum by (instance) (paybell_alerts)", "{{ $labels.kind }}", "no label kind"),
        ("paybell_fresh", "{{source}}", "no label source"),
        ('paybell_upstream_state{state!="alive"}', "", "is never alive"),
        ('paybell_http_requests_total{status="500"}', "", "is never 500"),
    ],
)
def test_a_wrong_label_is_found(page: str, query: str, shown: str, fault: str) -> None:
    (found,) = faults_of(query, labels_of(page), shown)
    assert fault in found


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

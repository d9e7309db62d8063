"""Queries of Prometheus, and pages of metrics, as far as tests want to read them: which
labels are named of which metric, and which values."""

import re
from collections import defaultdict
from collections.abc import Iterator

__all__ = ["OF_PROMETHEUS", "Labels", "faults_of", "labels_of"]

Labels = dict[str, dict[str, set[str]]]
"""By metric and label: the values that are on the page."""

OF_PROMETHEUS = {"instance", "job"}
"""Labels that are set where a page is scraped."""

_PAIR = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_SERIES = re.compile(r"\b(paybell_\w+)(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
_GROUP = re.compile(r"\b(?:by|without|on|ignoring) \(([^)]*)\)")
_TEMPLATE = re.compile(r"\$labels\.(\w+)|\{\{\s*(\w+)\s*\}\}")


def labels_of(page: str) -> Labels:
    """Of all samples of a page. A metric without samples has none."""
    found: Labels = defaultdict(lambda: defaultdict(set))
    for name, inner in re.findall(r"^(paybell_\w+)(?:\{(.*)\})? ", page, re.MULTILINE):
        for label, value in _PAIR.findall(inner):
            found[name][label].add(value)
    return found


def faults_of(query: str, there: Labels, shown: str = "") -> Iterator[str]:
    """What a query names that is not there. `shown`: a text about its result, which
    may name labels (`{{source}}`, `{{ $labels.source }}`) that the result has."""
    series = _SERIES.findall(query)
    named = {label for name, _ in series for label in there.get(name, {})}
    for name, inner in series:
        for label, sign, value in _MATCHER.findall(inner):
            values = there.get(name, {}).get(label)
            if label in OF_PROMETHEUS:
                continue
            if values is None:
                yield f"{name} has no label {label}"
            elif sign in {"=", "!="} and value not in values:
                yield f"{label} of {name} is never {value}"
    groups = [set(re.findall(r"\w+", inner)) for inner in _GROUP.findall(query)]
    for label in set().union(*groups) - named - OF_PROMETHEUS:
        yield f"nothing in {query} has the label {label}"
    left = set.intersection(*groups) if groups else named | OF_PROMETHEUS
    for pair in _TEMPLATE.findall(shown):
        label = "".join(pair)
        if label not in left:
            yield f"the result of {query} has no label {label}"

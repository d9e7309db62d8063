"""What a node counts of its Lightning accounts, for the metrics page."""

from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from engine.lightning.upstream import UpstreamReport, UpstreamState

__all__ = ["COUNTERS", "families"]

COUNTERS: Final = {
    "lightning.invoices_made": "Invoices that Lightning nodes made for us.",
    "lightning.invoices_failed": "Invoices that a Lightning node did not make.",
    "lightning.invoices_refused": "Invoices that were not asked for: too many calls"
    " were under way.",
    "lightning.requests": "Requests to Lightning nodes: pages, look-ups, balances.",
    "lightning.pages": "Pages of what was paid that were read.",
    "lightning.pushed": "Payments that Lightning nodes pushed.",
    "lightning.not_ours": "Payments to invoices that are not ours.",
    "lightning.told_again": "Payments that were told again, as no answer came.",
    "lightning.connects": "Tries to hold a connection to a Lightning node.",
    "lightning.outages": "Times that a Lightning account became failing.",
    "lightning.silent": "Held connections that were given up, as nothing came.",
    "lightning.failed": "Requests to Lightning nodes that had no usable answer.",
    "lightning.busy": "Requests that a Lightning node answered with: slow down.",
    "lightning.garbage": "Answers about an invoice that cannot be believed.",
    "lightning.unknown": "Invoices of ours that a Lightning node does not know.",
    "lightning.lookups_refused": "Look-ups that were put off: too many wait.",
    "lightning.claims_refused": "Claims that were not looked at: too many wait.",
    "lightning.quarantined": "Payments to invoices whose watcher is set aside.",
    "lightning.crashes": "Crashes of what holds and asks Lightning accounts.",
}


def families(reports: Iterable[UpstreamReport]) -> Iterator[Metric]:
    """How each account stands."""
    states = GaugeMetricFamily(
        "paybell_upstream_state",
        "1 for how a Lightning account stands: live, behind, connecting or failing.",
        labels=["upstream", "state"],
    )
    for one in reports:
        for state in UpstreamState:
            states.add_metric([one.name, state.value], float(one.state is state))
    yield states

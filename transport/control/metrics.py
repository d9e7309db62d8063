"""The metrics page: what the node counts, in Prometheus' text format.

Names begin with `paybell_`; each has its help text here, which is its documentation.
Nothing is counted here: a page is made from the gateway's counters when it is asked
for. Runs in the request's greenlet.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from engine.chain.witness import Standing
from engine.delivery.attempt import AttemptOutcome
from engine.delivery.kinds import KINDS
from engine.errors import EngineError
from engine.gateway import Gateway
from transport.control import lightning_metrics
from transport.http.request_times import RequestTimes

__all__ = ["Metrics"]

_GAUGES = {
    "watchers": "Payments that are watched now.",
    "sessions": "Clients that are connected now.",
}

_COUNTERS = {
    "journal.writes": "Writes that were committed.",
    "journal.events": "Events that were committed.",
    "journal.failures": "Commits that failed.",
    "journal.refused": "Writes that were refused: others came first.",
    "payments.created": "Payments that were created.",
    "payments.confirmed": "Payments that became confirmed.",
    "payments.confirmation_seconds": "Seconds from the creation of payments to their"
    " confirmation, in all: by payments_confirmed, their average.",
    "payments.forwarded": "Payments whose money has arrived where it goes on to.",
    "payments.forward_failed": "Payments whose money could not be sent on, for good.",
    "payments.expired": "Payments that expired.",
    "payments.cancelled": "Payments that were cancelled.",
    "payments.failed": "Payments that became failed, for whatever reason.",
    "watchers.crashes": "Crashes of watchers.",
    "watchers.quarantined": "Watchers that kept crashing and were set aside.",
    "notifiers.crashes": "Crashes of notifiers.",
    "deliveries.given_up": "Events that a channel could not be told: dead letters.",
    "sessions.crashed": "Crashes of sessions.",
    "sessions.too_slow": "Clients that read too slowly and were closed.",
    "core.crashes": "Crashes of core actors.",
    "source.errors": "Answers of sources that were errors.",
    "source.push_malformed": "Messages of a node's ZMQ that could not be read.",
    "source.push_gaps": "Times that messages of a node's ZMQ were missing.",
    "source.mempool_lost": "Times that most of a source's mempool disappeared at once.",
    "channels.sealed": "Channels whose secrets this node's key does not open.",
    "alerts.raised": "Alerts that were raised.",
    "alerts.not_kept": "Alerts that were only counted: too many of their kind stand.",
    "rates.asked": "Requests to providers of rates.",
    "rates.failed": "Requests to providers of rates that got no usable answer.",
    "retention.events": "Events that were kept no longer.",
    "retention.deliveries": "Deliveries that were made and kept no longer.",
    "retention.attempts": "Lines of the delivery log that were kept no longer.",
    "retention.inbound": "Webhooks heard that were kept no longer.",
    "log.lines": "Lines of the log that were written.",
    "log.dropped": "Lines of the log that were dropped: nobody reads, or not enough.",
    "log.lost": "Lines of the log that a broken stream or a full disk took.",
    "log.left_out": "Lines of the log that were left out: too many of their kind.",
    "log.reopened": "Times that the log's stream was opened anew.",
    **lightning_metrics.COUNTERS,
}

_NEVER = {
    **dict.fromkeys(_COUNTERS, 0.0),
    **{f"outbox.{state}": 0.0 for state in ("pending", "delivered", "dead")},
    **{
        f"{kind.counter}.{outcome.value}": 0.0
        for kind in KINDS.values()
        for outcome in AttemptOutcome
    },
}
"""What has not happened yet is 0: a counter that begins with 1 never rose, and no alert
is raised for it."""

_LABELLED = {
    "outbox": ("paybell_outbox", "state", "Deliveries by state.", False),
    "payments_now": (
        "paybell_payments",
        "status",
        "Payments that are watched now, by status.",
        False,
    ),
    **{
        kind.counter: (
            f"paybell_{kind.name}_attempts",
            "outcome",
            f"Attempts to deliver to a channel of the kind {kind.name}, by outcome.",
            True,
        )
        for kind in KINDS.values()
    },
}


class Metrics(Collector):
    """A page of metrics of one node."""

    def __init__(
        self,
        gateway: Gateway,
        log_counts: Callable[[], dict[str, int]] = dict,
        times: RequestTimes | None = None,
    ) -> None:
        self._gateway = gateway
        self._times = times or RequestTimes()
        self._log_counts = log_counts
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(namespace="paybell", registry=self._registry)

    def page(self) -> bytes:
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Metric]:
        """Nothing in advance: registering must not ask the engine."""
        return ()

    def collect(self) -> Iterator[Metric]:
        yield from self._node()
        yield from self._times.families()
        yield from lightning_metrics.families(self._gateway.upstreams())
        yield from _families(_NEVER | self._gateway.counters() | self._log_counts())
        try:
            yield from self._sources()
        except EngineError:  # too busy to tell; the rest of the page still counts
            return

    def _node(self) -> Iterator[Metric]:
        health = self._gateway.health()
        yield GaugeMetricFamily(
            "paybell_ready", "1 while new payments are taken.", float(health.ready)
        )
        yield GaugeMetricFamily(
            "paybell_watchers_in_quarantine",
            "Watchers that are set aside now.",
            health.quarantined,
        )
        yield GaugeMetricFamily(
            "paybell_journal_last_offset",
            "Offset of the newest event.",
            health.last_offset,
        )
        yield GaugeMetricFamily(
            "paybell_fresh",
            "1 while the source that is asked is current.",
            float(health.freshness.live),
        )
        alerts = GaugeMetricFamily(
            "paybell_alerts", "Alerts that stand now.", labels=["kind"]
        )
        for kind, number in sorted(Counter(a.kind for a in health.alerts).items()):
            alerts.add_metric([kind], number)
        yield alerts

    def _sources(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "paybell_source_requests", "Requests to a source.", labels=["source"]
        )
        errors = CounterMetricFamily(
            "paybell_source_request_errors",
            "Requests to a source that failed.",
            labels=["source"],
        )
        up = GaugeMetricFamily(
            "paybell_source_up",
            "1 while the source's circuit breaker is closed.",
            labels=["source"],
        )
        tip = GaugeMetricFamily(
            "paybell_source_tip_height", "Height of a source's tip.", labels=["source"]
        )
        standing = GaugeMetricFamily(
            "paybell_source_standing",
            "1 for what a source is worth as a witness: current, behind or failing.",
            labels=["source", "standing"],
        )
        lag = GaugeMetricFamily(
            "paybell_source_lag_seconds",
            "Seconds since a source last answered.",
            labels=["source"],
        )
        left = GaugeMetricFamily(
            "paybell_source_blocks_left",
            "Blocks that are still to be read after an absence; 0 when all are.",
            labels=["source"],
        )
        for source in self._gateway.sources():
            labels = [source.name]
            left.add_metric(labels, source.reading.blocks_left if source.reading else 0)
            requests.add_metric(labels, source.requests)
            errors.add_metric(labels, source.errors)
            up.add_metric(labels, float(source.state == "closed"))
            for worth in Standing if source.standing is not None else ():
                is_so = float(source.standing is worth)
                standing.add_metric([source.name, worth.value], is_so)
            if source.tip_height is not None:
                tip.add_metric(labels, source.tip_height)
            if source.lag_s is not None:
                lag.add_metric(labels, source.lag_s)
        yield from (requests, errors, up, standing, tip, lag, left)


def _families(counters: dict[str, float]) -> Iterator[Metric]:
    """Counters by dotted name as metric families; unknown ones get a plain name."""
    labelled: dict[str, Metric] = {}
    for name, value in sorted(counters.items()):
        group, _, rest = name.partition(".")
        if group in _LABELLED:
            metric, label, text, counts = _LABELLED[group]
            kind = CounterMetricFamily if counts else GaugeMetricFamily
            if group not in labelled:
                labelled[group] = kind(metric, text, labels=[label])
            labelled[group].add_metric([rest], value)  # type: ignore[attr-defined]
        elif name in _GAUGES:
            yield GaugeMetricFamily(f"paybell_{name}", _GAUGES[name], value)
        else:
            flat = "".join(c if c.isascii() and c.isalnum() else "_" for c in name)
            text = _COUNTERS.get(name, f"Counter {name}.")
            yield CounterMetricFamily(f"paybell_{flat}", text, value)
    yield from labelled.values()

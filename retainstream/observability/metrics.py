"""Every Prometheus metric, declared in one place. Labels are route rules and small words, never paths or identifiers.

Counters are shared by the workers through PROMETHEUS_MULTIPROC_DIR, which the launcher empties and sets; without it each process counts for itself.
Figures that stand in the database are read at scrape time by `BoxCollector`.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Iterable, Iterator

from flask import Flask, Response, g, request
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

REQUESTS = Counter("retainstream_requests_total", "Answered requests.", ["method", "route", "status"])
LATENCY = Histogram(
    "retainstream_request_seconds",
    "Time to answer a request.",
    ["route"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
PROCESS_MEMORY = Gauge(
    "retainstream_process_peak_bytes", "Largest resident memory of a worker.", multiprocess_mode="livemax"
)

Family = tuple[str, str, tuple[str, ...], list[tuple[tuple[str, ...], float]]]
"""Name, help, label names, and samples of (label values, value)."""


class BoxCollector(Collector):
    """Gauges that are read from the database when they are scraped."""

    def __init__(self, read: Callable[[], Iterable[Family]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """Yield one metric family after the other."""
        for name, text, labels, samples in self._read():
            family = GaugeMetricFamily(name, text, labels=labels)
            for values, value in samples:
                family.add_metric(list(values), value)
            yield family


def register(app: Flask) -> None:
    """Count and time every request."""

    @app.before_request
    def begin() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def observe(response: Response) -> Response:
        route = request.url_rule.rule if request.url_rule else "unmatched"
        REQUESTS.labels(request.method, route, str(response.status_code)).inc()
        if "started" in g:
            LATENCY.labels(route).observe(time.perf_counter() - g.started)
        return response


def exposition(read: Callable[[], Iterable[Family]]) -> bytes:
    """Return the text that Prometheus scrapes: all workers' counters and the figures that `read` takes from the database."""
    PROCESS_MEMORY.set(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    own = CollectorRegistry()
    own.register(BoxCollector(read))
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        MultiProcessCollector(own)  # type: ignore[no-untyped-call]
        return bytes(generate_latest(own))
    return bytes(generate_latest(REGISTRY) + generate_latest(own))

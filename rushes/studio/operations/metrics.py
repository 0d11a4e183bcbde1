"""Metrics in Prometheus' format: jobs, waiting, films and workers read from the database, answers counted here."""

from __future__ import annotations

import hmac
from collections.abc import Iterator

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from rushes.serve.client import jobs, workers
from rushes.serve.client.database import Database, now
from rushes.serve.client.jobs import Job
from rushes.studio.operations import overview

FILM_S = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600)
ANSWER_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
DAY_S = 86_400
MOST_FILMS = 20_000


class Metrics:
    """One web process's figures; those of the database are the same in each."""

    def __init__(self, database: Database) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Stored(database))
        self._answers = Histogram(
            "rushes_http_seconds",
            "Seconds until an answer began.",
            ("method", "route", "status"),
            buckets=ANSWER_S,
            registry=self._registry,
        )

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer; `route` is the path's pattern, never the path: its values are nobody's business."""
        self._answers.labels(method, route, str(status)).observe(seconds)

    def text(self) -> bytes:
        """Return everything as Prometheus reads it."""
        return generate_latest(self._registry)


def may_scrape(token: str, header: str) -> bool:
    """Return whether an `Authorization` header carries the token of the settings; an empty one lets nobody in."""
    return bool(token) and hmac.compare_digest(header.encode(), f"Bearer {token}".encode())


class _Stored(Collector):
    """What the database knows, asked at each scrape."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def collect(self) -> Iterator[Metric]:
        with self._database.read() as session:
            states, alive = overview.states(session), len(workers.alive(session))
            oldest = session.scalar(sa.select(sa.func.min(Job.created_at)).where(Job.state == jobs.QUEUED))
            query = sa.select(Job.tier, Job.measured).where(Job.state == jobs.SUCCEEDED, Job.ended_at > now() - DAY_S)
            films = [(tier, made["seconds"]) for tier, made in session.execute(query.limit(MOST_FILMS)) if made]
        by_state = GaugeMetricFamily("rushes_jobs", "Jobs by state.", labels=["state"])
        for state, num in states.items():
            by_state.add_metric([state], num)
        yield by_state
        yield GaugeMetricFamily("rushes_workers", "Workers that are alive.", value=alive)
        yield GaugeMetricFamily(
            "rushes_queue_wait_seconds", "How long the oldest job waits.", value=now() - oldest if oldest else 0.0
        )
        took = HistogramMetricFamily("rushes_film_seconds", "What films of the last day took.", labels=["tier"])
        for tier in sorted({tier for tier, _ in films}):
            lengths = [seconds for name, seconds in films if name == tier]
            counts = [(str(limit), sum(s <= limit for s in lengths)) for limit in FILM_S]
            took.add_metric([tier], buckets=[*counts, ("+Inf", len(lengths))], sum_value=sum(lengths))
        yield took

"""Tests the metrics by Prometheus' own parser."""

from __future__ import annotations

from pathlib import Path

from browsers import finished_film
from prometheus_client.parser import text_string_to_metric_families
from studios import opened, person

from rushes.studio.library.drafts import Draft
from rushes.studio.operations import metrics


def test_the_figures_are_those_of_the_database(tmp_path: Path) -> None:
    with opened(tmp_path) as house:
        finished_film(house, person(house, "mara")[0], "a boat")
        with house.database.write() as session:
            house.queue.submit(session, "user_a", Draft(prompt="a cat").order(), priority=1)
        kept = metrics.Metrics(house.database)
        kept.answered("GET", "/films/{film_id}", 200, 0.03)
        families = {one.name: one for one in text_string_to_metric_families(kept.text().decode())}
    states = {sample.labels["state"]: sample.value for sample in families["rushes_jobs"].samples}
    assert states == {"queued": 1, "running": 0, "succeeded": 1, "failed": 0, "cancelled": 0}
    took = {sample.labels.get("le"): sample.value for sample in families["rushes_film_seconds"].samples}
    assert (took["2"], took["5"], took["+Inf"]) == (0, 1, 1)
    answers = [one for one in families["rushes_http_seconds"].samples if one.name.endswith("_count")]
    assert [(one.labels["route"], one.value) for one in answers] == [("/films/{film_id}", 1)]
    assert families["rushes_queue_wait_seconds"].samples[0].value > 0


def test_only_the_token_of_the_settings_may_scrape() -> None:
    assert metrics.may_scrape("s3cret", "Bearer s3cret")
    assert not metrics.may_scrape("s3cret", "Bearer other") and not metrics.may_scrape("", "Bearer ")
    assert not metrics.may_scrape("s3cret", "Bearer é")

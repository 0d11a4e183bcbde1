"""Tests what a plan says: the terminal and the page show the figures of the plan, and the page needs nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rushes.cluster import plan, published, questions, report, workload
from rushes.cluster.plan import Ask, Stage
from rushes.errors import InputError
from rushes.types import VideoShape

STAGE = Stage(shape=VideoShape(frames=49, height=256, width=448))
ASK = Ask(model=workload.find("hotshot-6b"), stages=(STAGE,), clips=1e6, num_gpus=64)


@pytest.fixture(scope="module")
def made() -> plan.Plan:
    return plan.plan(ASK)


def test_lines_show_the_plan(made: plan.Plan) -> None:
    text = report.text(made)
    for said in (
        report.money(made.usd),
        f"{made.mfu:.1%}",
        str(made.stages[0].layout),
        "448x256, 49 frames",
        "latents",
    ):
        assert said in text
    assert max(map(len, text.splitlines())) < 160


def test_the_table_shows_hits_and_misses() -> None:
    text = report.published_text(published.rows())
    assert "19 of 22" in text and "-43%" in text
    assert sum(line.startswith("* ") for line in text.splitlines()) == 7


def test_a_page_needs_nothing_else(made: plan.Plan, tmp_path: Path) -> None:
    page = tmp_path / "plan.html"
    report.write(page, made=made, rows=published.rows())
    html = page.read_text()
    assert not re.search(r"<script|src=|href=|url\(", html)
    assert report.money(made.usd) in html and "448x256, 49 frames" in html
    assert html.count("<svg") >= 5
    with pytest.raises(InputError, match="--force"):
        report.write(page, made=made, rows=published.rows())


def test_a_page_of_an_answer_and_one_of_published_runs(tmp_path: Path) -> None:
    answer = questions.Answer(question="What if <b>?", assumed=("that",), plans=(("now", plan.plan(ASK)),))
    report.write(tmp_path / "answer.html", answer=answer, rows=published.rows())
    html = (tmp_path / "answer.html").read_text()
    assert "What if &lt;b&gt;?" in html and "<li>that</li>" in html
    report.write(tmp_path / "published.html", rows=published.rows())
    assert "Where the time goes" not in (tmp_path / "published.html").read_text()


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.02, "20 ms"), (5, "5 s"), (600, "10 min"), (7200, "2 h"), (86400 * 51, "51 days")],
)
def test_spans_read_well(seconds: float, said: str) -> None:
    assert report.span(seconds) == said


@pytest.mark.parametrize(("usd", "said"), [(12, "$12"), (12_345, "$12.3 k"), (12.3e6, "$12.3 M"), (2e9, "$2 bn")])
def test_money_reads_well(usd: float, said: str) -> None:
    assert report.money(usd) == said

"""Tests of what a worker does with a stage: one that is slow shows that it is alive; what goes wrong is rows."""

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from rushes.data.decode.analysis import Analysis, Pictures, View
from rushes.data.stages import Measure, Stage
from rushes.data.workers.tasks import measured_rows
from rushes.media.probe import Probe
from rushes.types import Clip, Span, VideoShape


def seen(name: str) -> View:
    probe = Probe(
        container="mp4", codec="h264", width=8, height=8, fps=Fraction(4), num_frames=8, duration_s=2.0,
        pix_fmt="rgb24", rotation=0,
    )  # fmt: skip
    span = Span(start_s=Fraction(0), end_s=Fraction(2))
    clip = Clip(id=name, source="s", span=span, shape=VideoShape(frames=8, height=8, width=8), fps=Fraction(4))
    pictures = Pictures(times_s=np.zeros(0), jpegs=())
    return View(clip=clip, analysis=Analysis(probe=probe, times_s=np.zeros(0), signals={}, pictures=pictures))


def rows_of(measure: Measure, beats: list[int]) -> list[dict[str, Any]]:
    stage = Stage(name="told", columns={"told": "string"}, version=lambda _: "1", load=lambda _: measure)
    return measured_rows(stage, measure, [seen("a"), seen("b")], "1", beats.append)


def test_rows_that_come_one_by_one_are_signs_of_life() -> None:
    heard: list[int] = []
    beats: list[int] = []

    def slowly(views: Sequence[View]) -> Iterator[dict[str, Any]]:
        for view in views:
            heard.append(len(beats))
            yield {"told": view.clip.id} if view.clip.id == "a" else {"failed": "no\nwords"}

    rows = rows_of(slowly, beats)
    assert heard == [0, 1] and len(beats) == 2
    assert [row["clip_id"] for row in rows] == ["a", "b"]
    assert rows[0]["outcome"] == "ok" and rows[0]["told"] == "a"
    assert rows[1]["outcome"] == "failed" and "no" in rows[1]["reason"]


def test_a_stage_that_raises_or_miscounts_fails_its_clips() -> None:
    def raises(views: Sequence[View]) -> Iterable[dict[str, Any]]:
        raise ZeroDivisionError("oh")

    for measure, said in ((raises, "ZeroDivisionError: oh"), (lambda views: [{"told": "x"}], "1 rows for 2 clips")):
        rows = rows_of(measure, [])
        assert [row["outcome"] for row in rows] == ["failed"] * 2
        assert all(said in row["reason"] for row in rows)

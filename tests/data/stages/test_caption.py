"""Tests of the stage `caption`: rows of our captioner, and clips that it cannot see."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from rushes import registry
from rushes.data.captioning.looking import to_jpeg
from rushes.data.captioning.sentences import LABELS, every_word
from rushes.data.decode.analysis import Analysis, Pictures, View
from rushes.data.stages.caption import COLUMNS, SPEC
from rushes.errors import WeightsError
from rushes.media.probe import Probe
from rushes.models._fields import FIELDS
from rushes.models.captioner import Captioner, tiny
from rushes.nn import weights
from rushes.types import Clip, Span, VideoShape

PROBE = Probe(
    container="mp4", codec="h264", width=64, height=36, fps=Fraction(4), num_frames=8, duration_s=2.0, pix_fmt="rgb24",
    rotation=0,
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    labels = tuple("|".join(LABELS[a]) for a in FIELDS)
    model = Captioner(replace(tiny(), labels=labels, words=every_word()))
    return weights.save(model, tmp_path_factory.mktemp("w"), family="captioner", config=model.config)


def clip_view(seed: int, num: int = 8) -> View:
    rng = np.random.default_rng(seed)
    jpegs = tuple(to_jpeg(rng.integers(0, 256, (36, 64, 3), dtype=np.uint8)) for _ in range(num))
    span = Span(start_s=Fraction(0), end_s=Fraction(2))
    clip = Clip(id=f"c{seed}", source="s", span=span, shape=VideoShape(frames=8, height=36, width=64), fps=Fraction(4))
    pictures = Pictures(times_s=np.arange(num) / 4, jpegs=jpegs)
    return View(clip=clip, analysis=Analysis(probe=PROBE, times_s=np.zeros(0), signals={}, pictures=pictures))


def test_every_clip_has_a_row_and_neighbours_do_not_matter(folder: Path) -> None:
    measure = SPEC.load(str(folder))
    rows = measure([clip_view(0), clip_view(1, num=0), clip_view(2)])
    assert set(rows[0]) == set(COLUMNS) and list(rows[1]) == ["failed"]
    fields = json.loads(rows[0]["fields"])
    assert {"subjects", "place", "confidence", "quality"} <= set(fields) and 0 < rows[0]["confidence"] < 1
    assert np.linalg.norm(rows[0]["embedding"]) == pytest.approx(1.0, abs=1e-2)
    alone = measure([clip_view(2)])[0]
    assert alone["medium"] == rows[2]["medium"] and np.allclose(alone["embedding"], rows[2]["embedding"], atol=2e-3)


def test_the_version_is_that_of_the_weights(folder: Path, tmp_path: Path) -> None:
    other = Captioner.from_pretrained(folder)
    with torch.no_grad():
        other.sharpness += 1
    changed = weights.save(other, tmp_path, family="captioner", config=other.config)
    assert SPEC.version(str(folder)) != SPEC.version(str(changed))
    assert registry.find("data.stages", "caption") is SPEC


def test_no_weights_are_an_error(tmp_path: Path) -> None:
    for function in (SPEC.version, SPEC.load):
        with pytest.raises(WeightsError, match="no weights"):
            function(str(tmp_path))

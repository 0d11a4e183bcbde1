"""Tests of interlaced films: fields are woven no longer, nothing is lost, and progressive frames pass untouched."""

from fractions import Fraction

import av
import hard_films
import numpy as np
import pytest

from rushes.data.decode.analysis import analyse
from rushes.data.packing import fields
from rushes.data.packing.cut import CutConfig, cut
from rushes.media.decode import frames
from rushes.types import Span


def combs(picture):
    """Return how far rows lie from the mean of their neighbours, at the height of the square but for its own edges."""
    luma = picture[20:36].astype(float).mean(-1)
    return np.abs(luma[1:-1] - (luma[:-2] + luma[2:]) / 2).mean()


def decoded(path):
    with av.open(str(path)) as container:
        return list(container.decode(video=0)), fields.is_interlaced(container.streams.video[0])


@pytest.mark.parametrize("name", ["tv.mp4", "tv.mkv", "tv.mpg"])
def test_an_interlaced_film_gives_progressive_clips(tmp_path, name):
    path = hard_films.interlaced(tmp_path / name)
    analysis = analyse(path)
    (tmp_path / "out").mkdir()
    begin_s = Fraction(analysis.times_s[0]).limit_denominator(90_000)  # an .mpg does not begin at 0
    spans = [Span(start_s=begin_s + i, end_s=begin_s + i + 1) for i in range(2)]
    cuts, problems = cut(path, "a" * 64, analysis, spans, CutConfig(), tmp_path / "out", lambda n: None)
    assert problems == [] and [made.how for made in cuts] == ["whole", "whole"]
    woven = list(frames(path))
    for start, made in zip((0, 24), cuts, strict=True):
        found, is_interlaced = decoded(made.path)
        assert made.clip.shape.frames == len(found) == 24
        assert not is_interlaced and not any(frame.interlaced_frame for frame in found)
        whole = list(frames(made.path))
        for index in range(2, 22):
            assert combs(whole[index]) < combs(woven[start + index]) / 3
            still = slice(80, None)  # below the square nothing moves
            assert np.abs(whole[index][still].astype(int) - woven[start + index][still]).mean() < 2


def test_a_progressive_film_passes_untouched(tmp_path):
    found, is_interlaced = decoded(hard_films.plain(tmp_path / "film.mp4"))
    passing = fields.Fields(is_interlaced=is_interlaced)
    assert not is_interlaced
    assert [frame for one in found for frame in passing.add(one)] == found and passing.finish() == []

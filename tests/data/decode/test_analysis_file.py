"""Tests of kept analyses: what comes back is what went in, the same bytes each time, damage is named."""

from fractions import Fraction

import numpy as np
import pytest

from rushes.data.decode import analysis_file
from rushes.data.decode.analysis import Analysis, Pictures
from rushes.errors import RushesError
from rushes.media.probe import Probe

PROBE = Probe(
    container="mp4",
    codec="h264",
    width=64,
    height=48,
    fps=Fraction(24000, 1001),
    num_frames=3,
    duration_s=0.125,
    pix_fmt="yuv420p",
    rotation=90,
)
ANALYSIS = Analysis(
    probe=PROBE,
    times_s=np.array([0.0, 1001 / 24000, 2002 / 24000]),
    signals={"luma": np.array([1, np.nan, 3], np.float32), "thumb": np.arange(12, dtype=np.uint8).reshape(3, 4)},
    pictures=Pictures(times_s=np.array([0.0]), jpegs=(b"\xff\xd8jpeg",)),
    outcome="damaged",
    reason="cut short",
    is_repaired=True,
)


def test_what_comes_back_is_what_went_in():
    content = analysis_file.to_bytes(ANALYSIS)
    found = analysis_file.from_bytes(content)
    assert (found.probe, found.outcome, found.reason, found.is_repaired) == (PROBE, "damaged", "cut short", True)
    assert np.array_equal(found.times_s, ANALYSIS.times_s) and set(found.signals) == {"luma", "thumb"}
    for name, values in ANALYSIS.signals.items():
        assert found.signals[name].dtype == values.dtype
        assert np.array_equal(found.signals[name], values, equal_nan=values.dtype.kind == "f")
    assert found.pictures.jpegs == ANALYSIS.pictures.jpegs and found.pictures.times_s.tolist() == [0.0]
    assert analysis_file.to_bytes(found) == content


@pytest.mark.parametrize("content", [b"", b"ARROW1", analysis_file.to_bytes(ANALYSIS)[:-40]])
def test_damage_is_named(content):
    with pytest.raises(RushesError, match="kept analysis is damaged"):
        analysis_file.from_bytes(content)

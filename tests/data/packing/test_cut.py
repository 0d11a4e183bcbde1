"""Tests of cutting: clips hold exactly their frames, begin at a keyframe, and are copied where keyframes allow."""

from fractions import Fraction

import av
import numpy as np
import pytest

from rushes.data.decode.analysis import AnalysisConfig, analyse, view
from rushes.data.packing.cut import CutConfig, cut
from rushes.media.decode import frames
from rushes.types import Span

FPS = 24


def write(path, *, num=96, height=48, width=64, codec="libx264", keyint=24, pts=None, **options):
    """Write a film whose frame i is as bright as i says, with B-frames and a keyframe every `keyint`."""
    with av.open(str(path), "w") as container:
        coding = {"g": str(keyint), "keyint_min": str(keyint), "sc_threshold": "0", **options}
        stream = container.add_stream(codec, rate=FPS, options=coding)
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        if pts is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for index in range(num):
            grey = np.full((height, width, 3), 20 + 2 * index, np.uint8)
            frame = av.VideoFrame.from_ndarray(grey, format="rgb24")
            if pts is not None:
                frame.pts, frame.time_base = pts[index], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def span(start, end):
    return Span(start_s=Fraction(start).limit_denominator(1000), end_s=Fraction(end).limit_denominator(1000))


def cut_up(path, folder, spans, config=None):
    analysis = analyse(path, config=AnalysisConfig())
    folder.mkdir()
    config = config or CutConfig(shortest_s=0.5)
    cuts, problems = cut(path, "a" * 64, analysis, spans, config, folder, lambda n: None)
    return analysis, cuts, problems


def levels(path):
    return [round((float(frame.mean()) - 20) / 2) for frame in frames(path)]


def check(analysis, made):
    """Check that a clip is what it says: its frames, from a keyframe at 0 on, and those that stages see."""
    with av.open(str(made.path)) as container:
        first = next(container.decode(video=0))
        assert first.key_frame and first.pts == 0
    seen = levels(made.path)
    assert len(seen) == made.clip.shape.frames == len(view(made.clip, analysis).analysis.times_s)
    data = made.path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    return seen


def test_a_clip_at_a_keyframe_is_copied_and_others_are_encoded(tmp_path):
    path = write(tmp_path / "a.mp4")
    analysis, cuts, problems = cut_up(path, tmp_path / "out", [span(1, 2), span(2.5, 3.75)])
    assert problems == [] and [made.how for made in cuts] == ["copy", "whole"]
    first, second = (check(analysis, made) for made in cuts)
    assert (
        first[0] == 24 and 42 <= first[-1] < 48 and np.abs(np.array(first) - np.arange(24, 24 + len(first))).max() <= 1
    )
    assert np.abs(np.array(second) - np.arange(60, 90)).max() <= 1 and len(second) == 30
    assert cuts[0].clip.fps == FPS and cuts[0].clip.span.start_s == 1 and cuts[0].codec == "h264"
    assert len({made.clip.id for made in cuts}) == 2 and len(cuts[0].clip.id) == 32


def test_a_copy_may_begin_early_but_not_in_the_clip_before(tmp_path):
    path = write(tmp_path / "a.mp4")
    trimmed = span(28 / 24, 2)  # four frames were trimmed behind a cut at frame 24
    _, [made], _ = cut_up(path, tmp_path / "out", [trimmed])
    assert made.how == "copy" and levels(made.path)[0] == 24
    _, [before, after], _ = cut_up(path, tmp_path / "two", [span(0, 26 / 24), trimmed])
    assert (before.how, after.how) == ("copy", "whole") and levels(after.path)[0] == 28


def test_cutting_the_same_twice_gives_the_same_bytes(tmp_path):
    path = write(tmp_path / "a.mp4")
    spans = [span(1, 2), span(2.5, 3.75)]
    one, two = (cut_up(path, tmp_path / name, spans)[1] for name in ("one", "two"))
    assert [made.path.read_bytes() for made in one] == [made.path.read_bytes() for made in two]


def test_neighbours_in_one_group_of_pictures_are_both_encoded(tmp_path):
    path = write(tmp_path / "a.mp4", keyint=96)
    spans = [span(0.5, 1.5), span(1.5, 2.5), span(2.5, 3.5)]
    analysis, cuts, problems = cut_up(path, tmp_path / "out", spans)
    assert problems == [] and [made.how for made in cuts] == ["whole"] * 3
    assert [levels(made.path)[0] for made in cuts] == [12, 36, 60]
    assert sum(len(check(analysis, made)) for made in cuts) == 72


@pytest.mark.parametrize(
    ("name", "codec", "how"), [("a.mkv", "libx264", "copy"), ("a.ts", "libx264", "copy"), ("a.avi", "mjpeg", "whole")]
)
def test_other_containers_and_codecs(tmp_path, name, codec, how):
    path = tmp_path / name
    if codec == "mjpeg":
        write(path, codec=codec, num=60, strict="unofficial")
    else:
        write(path, codec=codec, num=60)
    analysis, [made], problems = cut_up(path, tmp_path / "out", [span(0, 2.6)])
    assert made.how == how and problems == []
    assert len(check(analysis, made)) > 40


def test_a_variable_rate_keeps_its_times(tmp_path):
    pts = np.cumsum([0] + [20, 80] * 30)[:60].tolist()
    path = write(tmp_path / "a.mkv", num=60, pts=pts)
    analysis, [made], _ = cut_up(path, tmp_path / "out", [span(0.3, 2.9)], CutConfig(copy=False))
    times = analysis.times_s[(analysis.times_s >= 0.3) & (analysis.times_s < 2.9)]
    found = analyse(made.path).times_s
    assert np.abs(found - (times - times[0])).max() < 2e-3 and made.clip.fps == pytest.approx(20, rel=0.02)


def test_odd_sides_lose_a_row_and_nothing_is_left_of_one_pixel(tmp_path):
    path = write(tmp_path / "odd.mkv", codec="ffv1", height=35, width=51, num=30)
    _, [made], _ = cut_up(path, tmp_path / "out", [span(0, 1.2)])
    assert (made.clip.shape.height, made.clip.shape.width, made.how) == (34, 50, "whole")
    path = write(tmp_path / "dot.mkv", codec="ffv1", height=1, width=1, num=30)
    _, cuts, problems = cut_up(path, tmp_path / "dots", [span(0, 1.2)])
    assert cuts == [] and "1x1 pixels cannot be encoded" in problems[0]


def test_a_film_cut_short_gives_the_clips_it_still_holds(tmp_path):
    path = write(tmp_path / "a.ts")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    analysis, cuts, _ = cut_up(path, tmp_path / "out", [span(1.4, 2.4), span(2.4, 9)])
    assert 1 <= len(cuts) <= 2 and all(check(analysis, made) for made in cuts)

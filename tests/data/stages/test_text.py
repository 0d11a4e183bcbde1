"""The text stage: writing is found and measured, and a picture without writing has none."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from rushes.data.decode.analysis import Analysis, Pictures, View
from rushes.data.stages import text
from rushes.media.probe import Probe
from rushes.types import Clip, Span, VideoShape


def picture(*lines: str, seed: int = 0) -> np.ndarray:
    """Return a soft picture, uint8 BGR `[180 320 3]`, with lines of writing at the bottom."""
    coarse = np.random.default_rng(seed).integers(40, 160, (5, 8, 3)).astype(np.uint8)
    drawn = cv2.resize(coarse, (320, 180), interpolation=cv2.INTER_CUBIC)
    for number, line in enumerate(lines):
        place = (20, 140 + 28 * number)
        cv2.putText(drawn, line, place, cv2.FONT_HERSHEY_SIMPLEX, 0.7, (255, 255, 255), 2, cv2.LINE_AA)
    return drawn


def view_of(shown: Pictures) -> View:
    """Return a clip of 3 s of which these pictures were kept."""
    shape, fps = VideoShape(frames=72, height=180, width=320), Fraction(24)
    clip = Clip(id="a", source="b", span=Span(start_s=Fraction(0), end_s=Fraction(3)), shape=shape, fps=fps)
    probe = Probe(
        container="mp4",
        codec="h264",
        width=320,
        height=180,
        fps=fps,
        num_frames=72,
        duration_s=3.0,
        pix_fmt="yuv420p",
        rotation=0,
    )
    return View(clip=clip, analysis=Analysis(probe=probe, times_s=np.arange(72) / 24, signals={}, pictures=shown))


def pictures(frames: list[np.ndarray]) -> Pictures:
    jpegs = tuple(cv2.imencode(".jpg", frame)[1].tobytes() for frame in frames)
    return Pictures(times_s=np.arange(len(frames)) / 4, jpegs=jpegs)


@pytest.fixture(scope="module")
def measure():
    """Return the stage's function, the detector loaded once."""
    return text.SPEC.load("")


def test_a_line_of_writing_is_found_where_it_is() -> None:
    (box,) = text.boxes(text.detector(), picture("HELLO EVERYBODY"))
    assert box.shape == (4, 2) and 0.55 < box[:, 1].min() < box[:, 1].max() < 0.95
    assert box[:, 0].min() < 0.15 and box[:, 0].max() > 0.55


def test_subtitles_cover_more_than_nothing(measure) -> None:
    plain, titled = measure(
        [
            view_of(pictures([picture(*lines, seed=i) for i in range(12)]))
            for lines in ((), ("HELLO EVERYBODY", "good morning"))
        ]
    )
    assert plain == {"area_share": 0.0, "steady_share": 0.0, "num_boxes": 0, "boxes": "[[], [], []]"}
    assert 0.07 < titled["area_share"] < 0.4 and titled["num_boxes"] == 2
    assert titled["steady_share"] > 0.8 * titled["area_share"]


def test_writing_that_moves_away_is_not_steady(measure) -> None:
    frames = [np.roll(picture("A SIGN"), -45 * (i // 4), axis=0) for i in range(12)]
    (row,) = measure([view_of(pictures(frames))])
    assert row["area_share"] > 0.02 and row["steady_share"] < 0.3 * row["area_share"]


def test_three_pictures_are_looked_at_or_what_there_is() -> None:
    assert text.instants(pictures([picture()] * 13)) == [2, 6, 10]
    assert text.instants(pictures([picture()] * 2)) == [0, 1]
    assert text.instants(pictures([picture()])) == [0]


def test_overlapping_boxes_count_once() -> None:
    square = np.array([[0, 0], [0.5, 0], [0.5, 0.5], [0, 0.5]], np.float32)
    assert text.covered(np.stack([square, square])).mean() == pytest.approx(0.25, abs=0.01)
    assert not text.covered(np.zeros((0, 4, 2), np.float32)).any()


@pytest.mark.parametrize("jpegs", [(), (b"",), (b"no jpeg",)])
def test_a_clip_without_usable_pictures_fails_with_a_reason(jpegs: tuple[bytes, ...], measure) -> None:
    (row,) = measure([view_of(Pictures(times_s=np.arange(len(jpegs), dtype=float), jpegs=jpegs))])
    assert set(row) == {"failed"} and "picture" in row["failed"]


def test_the_version_names_the_detector() -> None:
    assert text.SPEC.version("").startswith(f"{text.REVISION}-") and len(text.SPEC.version("")) == 10
    assert text.model_file().is_file()

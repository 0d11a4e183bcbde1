"""Tests of what the captioner is shown: the right pictures, whole and upright, of clips, films and stills."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rushes.data.captioning.looking import MOST_BYTES, detail, fit, show_clip, show_file, to_jpeg, unpack
from rushes.data.decode.analysis import Analysis, Pictures, View
from rushes.errors import InputError
from rushes.media.encode import encode
from rushes.media.probe import Probe
from rushes.models.captioner import HEIGHT, WIDTH, reading_times
from rushes.types import Clip, Span, VideoShape

PROBE = Probe(
    container="mp4", codec="h264", width=320, height=180, fps=Fraction(24), num_frames=240, duration_s=10.0,
    pix_fmt="yuv420p", rotation=0,
)  # fmt: skip


def grey(level: int, height: int = 180, width: int = 320) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def clip_view(times_s: list[float], jpegs: tuple[bytes, ...], start_s: int = 4, end_s: int = 8) -> View:
    """A clip of a source that was kept as pictures at some times."""
    span = Span(start_s=Fraction(start_s), end_s=Fraction(end_s))
    clip = Clip(id="c", source="s", span=span, shape=VideoShape(frames=96, height=180, width=320), fps=Fraction(24))
    pictures = Pictures(times_s=np.array(times_s), jpegs=jpegs)
    return View(clip=clip, analysis=Analysis(probe=PROBE, times_s=np.zeros(0), signals={}, pictures=pictures))


@pytest.mark.parametrize(("height", "width"), [(90, 160), (1080, 1920), (200, 50), (50, 200), (1, 1), (9, 7)])
def test_every_aspect_fits(height: int, width: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    assert fit(picture).shape == (HEIGHT, WIDTH, 3)


def test_what_is_free_repeats_the_edge() -> None:
    tall = grey(0, 90, 40)
    tall[:, :10], tall[:, 30:] = 50, 200
    found = fit(tall)
    assert (found[:, :40] == 50).all() and (found[:, -40:] == 200).all() and (found[:, 75:85] == 0).all()


@pytest.mark.parametrize(("height", "width"), [(180, 320), (180, 100), (50, 40), (90, 160)])
def test_a_detail_is_the_middle_as_it_is(height: int, width: int) -> None:
    picture = np.arange(height * width, dtype=np.uint32).reshape(height, width).astype(np.uint8)[..., None].repeat(3, 2)
    found = detail(picture)
    assert found.shape == (HEIGHT, WIDTH, 3)
    assert np.array_equal(found[HEIGHT // 2, WIDTH // 2], picture[height // 2, width // 2])


def test_a_clip_is_shown_by_the_nearest_pictures() -> None:
    times = [4 + 0.25 * i for i in range(16)]
    shown = show_clip(clip_view(times, tuple(to_jpeg(grey(10 * i)) for i in range(16))))
    assert shown.frames.shape == (10, HEIGHT, WIDTH, 3) and shown.duration_s == 4.0
    assert np.abs(shown.times_s - reading_times(4.0)).max() <= 0.16
    assert np.allclose(shown.frames[:, 0, 0, 0], shown.times_s * 40, atol=3)
    assert np.abs(shown.detail.astype(int) - shown.frames[5]).max() <= 1


def test_one_picture_serves_for_all() -> None:
    assert (np.diff(show_clip(clip_view([5.0], (to_jpeg(grey(9)),))).frames[..., 0].astype(int), axis=0) == 0).all()


@pytest.mark.parametrize("jpegs", [(), (b"",), (b"\xff\xd8 no picture",), (b"x" * (MOST_BYTES + 1),)])
def test_clips_without_whole_pictures_are_refused(jpegs: tuple[bytes, ...]) -> None:
    with pytest.raises(InputError, match="picture"):
        show_clip(clip_view([5.0] * len(jpegs), jpegs))


def test_only_jpeg_is_unpacked(tmp_path: Path) -> None:
    Image.fromarray(grey(1)).save(tmp_path / "a.png")
    with pytest.raises(InputError):
        unpack((tmp_path / "a.png").read_bytes())


def test_a_film_is_shown_when_it_should_be(tmp_path: Path) -> None:
    frames = [grey(2 * i, 90, 160) for i in range(96)]
    encode(tmp_path / "a.mp4", frames, fps=24, shape=VideoShape(frames=96, height=90, width=160))
    shown = show_file(tmp_path / "a.mp4")
    assert shown.duration_s == pytest.approx(4.0, abs=0.1) and not shown.is_still
    assert np.allclose(shown.frames.mean((1, 2, 3)), 2 * np.floor(reading_times(4.0) * 24), atol=6)


def test_a_still_is_a_film_in_which_nothing_moves(tmp_path: Path) -> None:
    Image.fromarray(grey(77, 50, 50)).save(tmp_path / "a.png")
    shown = show_file(tmp_path / "a.png")
    assert shown.is_still and (shown.frames == 77).all() and len(shown.times_s) == 10


@pytest.mark.parametrize("content", [None, b"", b"no film at all"])
def test_what_is_no_film_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(InputError):
        show_file(tmp_path / "a.mp4")

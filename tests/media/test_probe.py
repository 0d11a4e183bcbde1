"""Probing says what a file is, and refuses what is none in one line."""

import shutil
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from rushes.errors import InputError
from rushes.media.encode import encode
from rushes.media.probe import probe, steady_fps
from rushes.types import VideoShape

SHAPE = VideoShape(frames=12, height=64, width=96)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Return the path of a 12-frame mp4 of noise at 24 fps."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    noise = (np.random.default_rng(i).integers(0, 256, (64, 96, 3), dtype=np.uint8) for i in range(12))
    encode(path, noise, fps=24, shape=SHAPE)
    return path


def test_an_mp4(film):
    found = probe(film)
    assert (found.container, found.codec, found.pix_fmt) == ("mp4", "h264", "yuv420p")
    assert (found.width, found.height, found.fps, found.num_frames) == (96, 64, 24, 12)
    assert (found.duration_s, found.rotation, found.is_still) == (0.5, 0, False)


def test_the_content_counts_and_not_the_name(film, tmp_path):
    assert probe(shutil.copy(film, tmp_path / "film.gif")).container == "mp4"


def test_a_container_without_an_index_is_counted(tmp_path):
    path = tmp_path / "film.ts"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg2video", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(10):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 20 * index, np.uint8))
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    found = probe(path)
    assert (found.container, found.num_frames, found.fps) == ("mpegts", 10, 25)
    assert found.duration_s == pytest.approx(0.4, abs=0.05)


def turned(path, degrees):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.set_display_rotation(degrees)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 96, 3), np.uint8))))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("degrees", [90, -90])
def test_a_turned_film_is_as_shown(tmp_path, degrees):
    found = probe(turned(tmp_path / "phone.mp4", degrees))
    assert (found.width, found.height) == (64, 96)
    assert found.rotation in (90, 270)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.bmp"])
def test_stills_have_one_frame_and_no_fps(tmp_path, name):
    Image.new("RGB", (30, 20)).save(tmp_path / name)
    found = probe(tmp_path / name)
    assert (found.num_frames, found.fps, found.duration_s, found.is_still) == (1, 0, 0.0, True)
    assert (found.width, found.height) == (30, 20)


def test_missing_names_the_nearest(film):
    with pytest.raises(InputError, match=r"nearest is film\.mp4"):
        probe(film.with_name("fim.mp4"))


def test_a_folder_an_empty_file_a_text_and_a_sound_are_no_films(tmp_path):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("This is not a film. " * 50)
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    for name, said in [(".", "is a folder"), ("empty.mp4", "empty"), ("text.mp4", "no film"), ("sound.mp4", "audio")]:
        with pytest.raises(InputError, match=said):
            probe(tmp_path / name)


def test_a_playlist_that_names_other_files_is_refused(film, tmp_path):
    playlist = tmp_path / "film.mp4"
    playlist.write_text(f"ffconcat version 1.0\nfile {film}\n")
    with pytest.raises(InputError, match="no film"):
        probe(playlist)
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{film}\n#EXT-X-ENDLIST\n")
    with pytest.raises(InputError, match="no film"):
        probe(playlist)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.9, 0.999])
def test_a_film_cut_short_is_refused(film, tmp_path, share):
    data = film.read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputError, match="cut short"):
        probe(cut)


def test_steady_fps_undoes_the_rounding_of_ticks():
    assert steady_fps(8, Fraction(33, 100), ticks_per_s=100) == 24
    assert steady_fps(8, Fraction(1), ticks_per_s=100) == 8
    assert steady_fps(3, Fraction(1, 2), ticks_per_s=1000) == 6
    assert steady_fps(5, Fraction(2), ticks_per_s=1000) == Fraction(5, 2)
    assert steady_fps(1, Fraction(0), ticks_per_s=1000) == 0

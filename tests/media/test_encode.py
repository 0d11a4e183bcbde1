"""Films come out whole, exact in count, time and colour, or not at all."""

import itertools
import os
import subprocess
import sys
import textwrap
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from rushes.errors import InputError, RushesError
from rushes.media import decode, encode
from rushes.media.probe import probe
from rushes.types import VideoShape

SHAPE = VideoShape(frames=8, height=48, width=64)
FILM_SUFFIXES = [".mp4", ".gif", ".webp"]


def moving(shape=SHAPE):
    """Yield frames of a bright square that moves right over a blue ground."""
    for index in range(shape.frames):
        frame = np.full((shape.height, shape.width, 3), (40, 80, 160), np.uint8)
        left = 2 + index * (shape.width - 20) // shape.frames
        frame[10:26, left : left + 16] = (220, 60, 30)
        yield frame


def files(folder):
    return sorted(p.name for p in folder.iterdir())


@pytest.mark.parametrize("suffix", FILM_SUFFIXES)
@pytest.mark.parametrize("fps", [8, 24])
def test_a_film_has_its_frames_its_fps_and_its_pictures(tmp_path, suffix, fps):
    path = tmp_path / f"film{suffix}"
    done = encode.encode(path, moving(), fps=fps, shape=SHAPE)
    assert (done.path, done.num_frames, done.size_bytes) == (path, 8, path.stat().st_size)
    assert done.seconds > 0
    assert files(tmp_path) == [path.name]
    found = probe(path)
    assert (found.num_frames, found.height, found.width, found.fps) == (8, 48, 64, fps)
    back = decode.read(path)
    assert np.abs(back.frames.astype(int) - np.stack(list(moving()))).mean() < 4


@pytest.mark.parametrize("suffix", FILM_SUFFIXES)
def test_a_film_that_stands_still_keeps_all_its_frames(tmp_path, suffix):
    path, frame = tmp_path / f"film{suffix}", next(moving())
    encode.encode(path, itertools.repeat(frame, 8), fps=8, shape=SHAPE)
    assert (probe(path).num_frames, probe(path).duration_s) == (8, 1.0)
    assert np.abs(decode.read(path).frames.astype(int) - frame).mean() < 4


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_a_loop_never_ends(tmp_path, suffix):
    path = tmp_path / f"loop{suffix}"
    encode.encode(path, moving(), fps=8, shape=SHAPE)
    with Image.open(path) as image:
        assert image.info["loop"] == 0
        assert image.n_frames == 8


def test_240_frames_at_24_fps_last_exactly_ten_seconds(tmp_path):
    path, shape = tmp_path / "film.mp4", VideoShape(frames=240, height=32, width=48)
    encode.encode(path, moving(shape), fps=24, shape=shape)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.duration * stream.time_base == 10
        assert container.duration == 10_000_000
        times = [frame.pts * stream.time_base for frame in container.decode(stream)]
    assert times == [Fraction(i, 24) for i in range(240)]


@pytest.mark.parametrize("fps", [23.976, 24000 / 1001, 12.5])
def test_odd_rates_are_kept(tmp_path, fps):
    encode.encode(tmp_path / "film.mp4", moving(), fps=fps, shape=SHAPE)
    assert abs(probe(tmp_path / "film.mp4").fps - fps) < 1e-3


def test_an_mp4_is_h264_faststart_and_tagged_bt709(tmp_path):
    path = tmp_path / "film.mp4"
    encode.encode(path, moving(), fps=24, shape=SHAPE)
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    assert b"colrnclx\x00\x01\x00\x01\x00\x01\x00" in data
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        coder = container.streams.video[0].codec_context
        assert (coder.name, frame.format.name) == ("h264", "yuv420p")
        assert (frame.colorspace, frame.color_range, frame.color_trc, frame.color_primaries) == (1, 1, 1, 1)


@pytest.mark.parametrize("suffix", [".mp4", ".png"])
def test_flat_colours_come_back(tmp_path, suffix):
    colours = np.random.default_rng(7).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    colours[0, :3] = [(0, 0, 0), (255, 255, 255), (255, 0, 0)]
    frame = colours.repeat(32, 0).repeat(32, 1)
    path, shape = tmp_path / f"colours{suffix}", VideoShape(frames=1, height=128, width=192)
    encode.encode(path, [frame], fps=24, shape=shape)
    back = decode.read(path).frames[0, 16::32, 16::32].astype(int)
    assert np.abs(back - colours).max() <= (3 if suffix == ".mp4" else 0)


def test_the_producer_may_reuse_its_buffer(tmp_path):
    buffer = np.zeros((48, 64, 3), np.uint8)

    def reusing():
        for frame in moving():
            buffer[:] = frame
            yield buffer

    for suffix in FILM_SUFFIXES:
        path = tmp_path / f"film{suffix}"
        encode.encode(path, reusing(), fps=8, shape=SHAPE)
        assert np.abs(decode.read(path).frames.astype(int) - np.stack(list(moving()))).mean() < 4


@pytest.mark.parametrize("suffix", FILM_SUFFIXES)
def test_a_film_is_never_held_in_memory(tmp_path, suffix):
    """240 frames of 384x512 are 141 MB; what the encoders keep must not grow with them."""
    script = f"""
        import pathlib, resource, numpy as np
        from rushes.media.encode import encode
        from rushes.types import VideoShape

        def megabytes():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

        def film(count):
            ground = np.full((384, 512, 3), 90, np.uint8)
            frames = (np.roll(ground, i) if i % 2 else ground + np.uint8(40) for i in range(count))
            shape = VideoShape(frames=count, height=384, width=512)
            encode(pathlib.Path("film{suffix}"), frames, fps=24, shape=shape, force=True)

        film(60)
        before = megabytes()
        film(240)
        print(megabytes() - before)
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], cwd=tmp_path, capture_output=True, check=True)
    assert float(run.stdout) < 40


@pytest.mark.parametrize(
    ("name", "shape", "fps", "said"),
    [
        ("film.mp5", SHAPE, 8, r"\.mp5 is none of \.mp4, "),
        ("film", SHAPE, 8, "no extension is none of"),
        ("film.mp4", VideoShape(frames=1, height=33, width=64), 8, "height 33 is odd; the nearest legal value is 34"),
        ("film.webp", VideoShape(frames=1, height=8, width=20000), 8, "nearest legal value is 16383"),
        ("film.png", SHAPE, 8, "one frame, not 8"),
        ("film.gif", SHAPE, 60, "nearest legal value is 50"),
        ("film.mp4", SHAPE, 0, "nearest legal value is 0.1"),
        ("film.mp4", SHAPE, float("nan"), "nearest legal value is"),
        ("none/film.mp4", SHAPE, 8, "there is no folder"),
    ],
)
def test_illegal_targets_are_refused_before_the_first_frame(tmp_path, name, shape, fps, said):
    def never():
        raise AssertionError("a frame was made")
        yield

    with pytest.raises(InputError, match=said):
        encode.encode(tmp_path / name, never(), fps=fps, shape=shape)
    assert files(tmp_path) == []


def test_a_folder_that_is_a_file_and_one_where_nothing_can_be_made_are_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="no folder"):
        encode.encode(tmp_path / "file" / "film.mp4", moving(), fps=8, shape=SHAPE)
    (tmp_path / "film.mp4").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        encode.encode(tmp_path / "film.mp4", moving(), fps=8, shape=SHAPE, force=True)


def test_an_existing_file_is_kept_unless_forced(tmp_path):
    path = tmp_path / "film.gif"
    path.write_text("mine")
    with pytest.raises(InputError, match="--force"):
        encode.encode(path, moving(), fps=8, shape=SHAPE)
    assert path.read_text() == "mine"
    encode.encode(path, moving(), fps=8, shape=SHAPE, force=True)
    assert probe(path).num_frames == 8


@pytest.mark.parametrize("suffix", FILM_SUFFIXES)
@pytest.mark.parametrize(("num_frames", "said"), [(7, "there are 7 frames; 8"), (9, "more frames than the 8")])
def test_another_number_of_frames_is_an_error(tmp_path, suffix, num_frames, said):
    made = itertools.islice(itertools.cycle(moving()), num_frames)
    with pytest.raises(InputError, match=said):
        encode.encode(tmp_path / f"film{suffix}", made, fps=8, shape=SHAPE)
    assert files(tmp_path) == []


@pytest.mark.parametrize("frame", [np.zeros((48, 62, 3), np.uint8), np.zeros((48, 64, 3), np.float32)])
def test_another_kind_of_frame_is_an_error(tmp_path, frame):
    with pytest.raises(InputError, match=r"it must be uint8 \[48, 64, 3\]"):
        encode.encode(tmp_path / "film.mp4", [*itertools.islice(moving(), 7), frame], fps=8, shape=SHAPE)
    assert files(tmp_path) == []


@pytest.mark.parametrize("suffix", FILM_SUFFIXES)
@pytest.mark.parametrize("stop", [KeyboardInterrupt, MemoryError, OSError])
def test_stopped_half_way_nothing_is_left_and_the_old_film_stays(tmp_path, suffix, stop):
    path = tmp_path / f"film{suffix}"
    encode.encode(path, moving(), fps=8, shape=SHAPE)
    before = path.read_bytes()

    def stopping():
        yield from itertools.islice(moving(), 5)
        raise stop("now")

    with pytest.raises(stop):
        encode.encode(path, stopping(), fps=8, shape=SHAPE, force=True)
    assert files(tmp_path) == [path.name]
    assert path.read_bytes() == before


@pytest.mark.parametrize("limit_bytes", [0, 20_000])
@pytest.mark.parametrize("suffix", [*FILM_SUFFIXES, ".png"])
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, suffix, limit_bytes):
    """A limit on file size stands in for a full disk: writes fail in the same places, with EFBIG for ENOSPC."""
    script = f"""
        import resource, pathlib, numpy as np
        from rushes.errors import RushesError
        from rushes.media.encode import encode
        from rushes.types import VideoShape
        resource.setrlimit(resource.RLIMIT_FSIZE, ({limit_bytes}, {limit_bytes}))
        count = 1 if {suffix!r} == ".png" else 12
        noise = (np.random.default_rng(i).integers(0, 256, (96, 128, 3), dtype=np.uint8) for i in range(count))
        try:
            shape = VideoShape(frames=count, height=96, width=128)
            encode(pathlib.Path("film{suffix}"), noise, fps=8, shape=shape, request={{"prompt": "noise"}})
        except RushesError as error:
            print(error)
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    assert run.stdout.startswith(f"could not write film{suffix}: ") and run.stdout.count("\n") == 1
    assert "disk" in run.stdout
    assert files(tmp_path) == []


def test_replacing_removes_its_hidden_file_and_reports_in_one_line(tmp_path):
    path = tmp_path / "a.bin"
    with encode.replacing(path, force=False) as temporary:
        temporary.write_bytes(b"new")
        assert temporary.name.startswith(".") and not path.exists()
    assert path.read_bytes() == b"new"
    with pytest.raises(RushesError, match="could not write"), encode.replacing(path, force=True) as temporary:
        temporary.unlink()
    assert path.read_bytes() == b"new"


def test_a_signal_while_the_hidden_file_is_opened_leaves_nothing(tmp_path, monkeypatch):
    opened = os.open

    def interrupted(path, *how):
        os.close(opened(path, *how))
        assert files(tmp_path) != []
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "open", interrupted)
    with pytest.raises(KeyboardInterrupt), encode.replacing(tmp_path / "a.txt", force=False):
        raise AssertionError
    assert files(tmp_path) == []


def test_what_a_killed_process_left_goes_at_the_next_write_and_what_is_being_written_stays(tmp_path):
    script = "import os, signal, sys; from pathlib import Path; from rushes.media.encode import replacing\n"
    script += "with replacing(Path(sys.argv[1]), force=False) as draft:\n"
    script += "    draft.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)\n"
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "x.txt")], check=False, timeout=300)
    (left,) = tmp_path.iterdir()
    for path in (left, tmp_path / ".theirs.part", tmp_path / ".0123456789abcdef.parts"):
        path.touch()
        os.utime(path, (0, 0))
    with encode.replacing(tmp_path / "a.txt", force=False) as first:
        first.write_text("a")
        os.utime(first, (0, 0))
        with encode.replacing(tmp_path / "b.txt", force=False) as second:
            second.write_text("b")
            assert first.exists()
    assert files(tmp_path) == [".0123456789abcdef.parts", ".theirs.part", "a.txt", "b.txt"]

"""One decode measures any film: upright, in order, as far as it goes."""

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from rushes.data.decode import analysis as passes
from rushes.data.decode.analysis import AnalysisConfig, analyse, view
from rushes.errors import InputError
from rushes.types import Clip, Span, VideoShape

SIZE = (96, 160)


def texture(seed, height=SIZE[0], width=SIZE[1]):
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 20, 235, cv2.NORM_MINMAX)


def write(path, pictures, *, codec="libx264", pix_fmt="yuv420p", fps=24, pts=None, degrees=None, options=None):
    """Write RGB pictures, the index in front; `pts` in ticks of 1/24,000 s takes the place of even times."""
    with av.open(str(path), "w", options={"movflags": "faststart"} if path.suffix == ".mp4" else {}) as container:
        stream = container.add_stream(codec, rate=Fraction(fps), options=options or {})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pix_fmt
        if pts is not None:
            stream.codec_context.time_base = Fraction(1, 24_000)
        if degrees is not None:
            stream.set_display_rotation(degrees)
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pix_fmt)
            if pts is not None:
                frame.pts, frame.time_base = pts[index], Fraction(1, 24_000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def still_film(count=24, **sides):
    return [texture(0, **sides)] * count


def check(analysis, count):
    assert len(analysis.times_s) == count == analysis.probe.num_frames
    assert (np.diff(analysis.times_s) > 0).all() and analysis.times_s[0] >= 0
    assert all(len(values) == count for values in analysis.signals.values())
    assert analysis.signals["thumb"].shape == (count, 504) and analysis.signals["thumb"].dtype == np.uint8
    assert analysis.signals["histogram"].shape == (count, 64) and analysis.signals["bars"].shape == (count, 4)
    kinds = {name: values.dtype for name, values in analysis.signals.items()}
    assert all(kind == (np.uint8 if name in ("thumb", "histogram") else np.float32) for name, kind in kinds.items())
    assert set(analysis.pictures.times_s) <= set(analysis.times_s)


def test_how_many_frames_wait_changes_nothing(tmp_path, monkeypatch):
    film = write(tmp_path / "film.mp4", [np.roll(texture(0), 2 * index, 1) for index in range(40)])
    together = analyse(film)
    monkeypatch.setattr(passes, "HELD_BYTES", 0)
    alone = analyse(film)
    assert together.pictures.jpegs == alone.pictures.jpegs and len(alone.pictures.jpegs) == 7
    np.testing.assert_array_equal(together.pictures.times_s, alone.pictures.times_s)
    for name, values in together.signals.items():
        np.testing.assert_array_equal(values, alone.signals[name], err_msg=name)


def test_a_film_leaves_signals_and_pictures(tmp_path):
    analysis = analyse(write(tmp_path / "film.mp4", still_film(48)))
    check(analysis, 48)
    assert (analysis.outcome, analysis.reason, analysis.is_repaired) == ("ok", "", False)
    assert (analysis.probe.width, analysis.probe.height, analysis.probe.fps) == (160, 96, 24)
    np.testing.assert_allclose(analysis.pictures.times_s, np.arange(8) / 4, atol=1e-9)
    shown = cv2.imdecode(np.frombuffer(analysis.pictures.jpegs[0], np.uint8), cv2.IMREAD_COLOR_RGB)
    assert shown.shape == (96, 160, 3)
    assert np.abs(shown.astype(int) - texture(0)).mean() < 4  # a whole RGB -> H.264 -> JPEG -> RGB round


@pytest.mark.parametrize("name", ["yuv444p", "yuv422p10le", "yuvj420p", "gray", "rgb24", "pal8", "nv12"])
def test_pixel_formats_agree(tmp_path, name):
    codec = {"rgb24": "png", "pal8": "png", "gray": "ffv1", "nv12": "rawvideo", "yuvj420p": "mjpeg"}.get(name, "ffv1")
    if name == "pal8":
        pytest.importorskip("PIL.Image").fromarray(texture(0)).quantize(255).save(tmp_path / "film.png")
    else:
        write(tmp_path / ("film.mov" if codec == "png" else "film.mkv"), still_film(6), codec=codec, pix_fmt=name)
    analysis = analyse(next(tmp_path.glob("film.*")))
    assert analysis.probe.pix_fmt == name
    grey = cv2.cvtColor(texture(0), cv2.COLOR_RGB2GRAY)
    assert abs(analysis.signals["luma"][0] - grey.mean()) < 4
    small = cv2.resize(grey, (24, 14), interpolation=cv2.INTER_AREA).ravel().astype(int)
    assert np.abs(analysis.signals["thumb"][0, :336] - small).mean() < 6


@pytest.mark.parametrize("codec", ["libx265", "mpeg4", "libvpx-vp9"])
def test_codecs(tmp_path, codec):
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    pix_fmt = "yuv420p10le" if codec == "libx265" else "yuv420p"
    check(analyse(write(tmp_path / "film.mkv", still_film(8), codec=codec, pix_fmt=pix_fmt, options=options)), 8)


@pytest.mark.parametrize("degrees", [0, 90, 180, -90])
def test_a_turned_film_is_measured_upright(tmp_path, degrees):
    picture = texture(1)
    picture[:, :20] = 0  # a bar on the left of what is stored
    analysis = analyse(write(tmp_path / "phone.mp4", [picture] * 4, degrees=degrees))
    with av.open(str(tmp_path / "phone.mp4")) as container:
        turns = next(container.decode(video=0)).rotation // 90 % 4
    upright = np.rot90(picture, turns)
    assert (analysis.probe.height, analysis.probe.width) == upright.shape[:2]
    shown = cv2.imdecode(np.frombuffer(analysis.pictures.jpegs[0], np.uint8), cv2.IMREAD_COLOR_RGB)
    assert shown.shape == upright.shape and np.abs(shown.astype(int) - upright).mean() < 8
    side = ("left", "bottom", "right", "top")[turns]
    bars = dict(zip(("top", "bottom", "left", "right"), analysis.signals["bars"][0], strict=True))
    assert abs(bars.pop(side) - 20) <= 2 and max(bars.values()) == 0


def test_uneven_times_are_kept(tmp_path):
    pts = np.cumsum([0, 1000, 500, 3000, 1000, 250, 8000]).tolist()
    analysis = analyse(write(tmp_path / "uneven.mkv", still_film(7), pts=pts))
    check(analysis, 7)
    np.testing.assert_allclose(analysis.times_s - analysis.times_s[0], np.array(pts) / 24_000, atol=1e-3)
    assert not analysis.is_repaired


def test_what_was_decoded_of_a_cut_file_counts(tmp_path):
    random = [texture(seed) for seed in range(48)]
    whole = write(tmp_path / "film.mp4", random)
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    analysis = analyse(cut)
    check(analysis, len(analysis.times_s))
    assert 8 < len(analysis.times_s) < 40 and analysis.outcome == "damaged" and "cut short" in analysis.reason
    assert f"{len(analysis.times_s)} frames came where the header promises 48" in analysis.reason


def test_damage_in_the_middle_is_said_and_passed_over(tmp_path):
    path = write(tmp_path / "film.mov", [texture(seed) for seed in range(24)], codec="png", pix_fmt="rgb24")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4000] = bytes(4000)
    path.write_bytes(data)
    analysis = analyse(path)
    check(analysis, len(analysis.times_s))
    assert len(analysis.times_s) >= 11 and analysis.outcome == "damaged" and "frame" in analysis.reason


@pytest.mark.parametrize("side", [(1, 1), (2, 300), (300, 2), (17, 33)])
def test_tiny_and_thin_films(tmp_path, side):
    height, width = side
    pictures = [np.full((height, width, 3), 40 * i, np.uint8) for i in range(4)]
    analysis = analyse(write(tmp_path / "tiny.mkv", pictures, codec="ffv1", pix_fmt="yuv444p"))
    check(analysis, 4)
    assert (np.diff(analysis.signals["luma"]) > 20).all()


def test_an_8k_film(tmp_path):
    picture = cv2.resize(texture(3), (7680, 4320))
    analysis = analyse(write(tmp_path / "8k.mkv", [picture] * 2, codec="mjpeg", pix_fmt="yuvj420p"))
    check(analysis, 2)
    assert (analysis.probe.width, analysis.probe.height) == (7680, 4320)


def test_a_cover_is_no_film(tmp_path):
    write(tmp_path / "cover.mkv", still_film(1), codec="mjpeg", pix_fmt="yuvj420p")
    with av.open(str(tmp_path / "song.mp4"), "w") as container:
        sound = container.add_stream("aac", rate=8000)
        cover = container.add_stream("mjpeg", rate=1)
        cover.height, cover.width, cover.pix_fmt = *SIZE, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        container.mux(cover.encode(av.VideoFrame.from_ndarray(texture(0)).reformat(format="yuvj420p")))
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        silence.sample_rate = 8000
        container.mux(sound.encode(silence))
        container.mux(sound.encode(None))
    with pytest.raises(InputError, match="holds no film, only a"):
        analyse(tmp_path / "song.mp4")


def test_odd_names_are_read(tmp_path):
    for name in ("a b'\".mp4", "a\nb.mp4", b"\xff\xfe.mp4".decode("utf-8", "surrogateescape")):
        path = tmp_path / name
        write(tmp_path / "film.mp4", still_film(4)).rename(path)
        check(analyse(path), 4)


def test_a_view_is_the_analysis_inside_the_span(tmp_path):
    seen = []
    analysis = analyse(write(tmp_path / "film.mp4", still_film(72)), watch=lambda count, seconds: seen.append(count))
    span = Span(start_s=Fraction(1), end_s=Fraction(2))
    clip = Clip(id="c", source="s", span=span, shape=VideoShape(frames=24, height=96, width=160), fps=Fraction(24))
    cut = view(clip, analysis).analysis
    assert len(cut.times_s) == 24 and cut.times_s[0] == 1 and len(cut.pictures.jpegs) == 4
    assert all(len(values) == 24 for values in cut.signals.values())
    assert seen[-1] == 72 and seen == sorted(seen)


@pytest.mark.parametrize("change", [{"threads": 0}, {"pictures_per_s": 0.0}, {"picture_width": 0}])
def test_illegal_settings(change):
    with pytest.raises(InputError, match="the nearest legal value"):
        AnalysisConfig(**change)

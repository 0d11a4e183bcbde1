"""Files come in broken; their frames come out as far as they go, and times always increase."""

import av
import numpy as np
import pytest

from rushes.data.decode import frames
from rushes.errors import InputError


def read(path):
    reading = frames.Reading(path=path)
    count = sum(1 for _ in frames.read(reading, skip_loop_filter="bidir", skip_from_px=480, threads=1))
    return reading, count


@pytest.mark.parametrize(
    ("raw_s", "wanted", "said"),
    [
        ([0, 0.04, 0.08], [0, 0.04, 0.08], ""),
        ([0.5, 0.54, 0.9], [0.5, 0.54, 0.9], ""),
        ([-0.04, 0, 0.04], [0, 0.04, 0.08], "moved to 0"),
        ([np.nan] * 3, [0, 0.04, 0.08], "counted"),
        ([0, 0, 0, 0], [0, 0.04, 0.08, 0.12], "counted"),
        ([0.3, 0.2, 0.1], [0, 0.04, 0.08], "counted"),
    ],
)
def test_times_are_kept_or_repaired(raw_s, wanted, said):
    times_s, reason = frames.repaired(np.array(raw_s, float), 0.04)
    np.testing.assert_allclose(times_s, wanted, atol=1e-9)
    assert said in reason and bool(said) == bool(reason)


@pytest.mark.parametrize("bad", [np.nan, 0.2, -5.0])
@pytest.mark.parametrize("where", [0, 7, 29])
def test_one_bad_time_lies_between_its_neighbours(bad, where):
    raw_s = np.arange(1, 31) * 0.04
    if where == 0 and bad == 0.2:
        pytest.skip("a late first time makes its followers the bad ones")
    raw_s[where] = bad
    times_s, _ = frames.repaired(raw_s, 0.04)
    assert (np.diff(times_s) > 0).all() and times_s[0] >= 0
    good = np.arange(30) != where
    if bad != -5.0 or where:
        np.testing.assert_allclose(times_s[good], raw_s[good])


def test_times_of_any_kind_end_up_increasing():
    random = np.random.default_rng(0)
    for _ in range(200):
        raw_s = np.arange(random.integers(1, 40)) * 0.04
        broken = random.random(len(raw_s)) < random.choice([0, 0.05, 0.5])
        raw_s[broken] = random.choice([np.nan, 0.0, -1.0, 3.0], broken.sum())
        times_s, _ = frames.repaired(raw_s, 0.04)
        assert times_s.shape == raw_s.shape and (np.diff(times_s) > 0).all() and times_s[0] >= 0


def test_what_is_no_film_is_refused(tmp_path):
    empty, text, sound = tmp_path / "empty.mp4", tmp_path / "text.mp4", tmp_path / "sound.wav"
    empty.touch()
    text.write_text("no film " * 99)
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        silence.sample_rate = 8000
        container.mux(stream.encode(silence))
    for path, said in ((empty, "is empty"), (text, "is no film"), (sound, "is no film|holds no film")):
        with pytest.raises(InputError, match=said):
            read(path)
    with pytest.raises(InputError, match="there is no file"):
        read(tmp_path / "missing.mp4")


def test_a_name_is_shown_in_one_printable_line(tmp_path):
    name = b"a\nb\xff \xc3\xa9.mp4".decode("utf-8", "surrogateescape")
    assert frames.shown(tmp_path / name) == "a\\nb\\udcff é.mp4"

"""Tests of the invisible mark: unseen, keyed, and still there after H.264 at crf 30 and a smaller size."""

import av
import numpy as np
import pytest

from rushes.media import decode
from rushes.studio.trust.mark import Mark
from rushes.studio.trust.mark import _numbers as numbers_of

NUMBER = 0xDEADBEEF


def film(num: int = 12, height: int = 432, width: int = 768) -> list[np.ndarray]:
    """A sky with a gradient, hills with an edge, and something that moves."""
    rows, columns = np.mgrid[0:height, 0:width]
    sky = np.stack([150 + rows / 6, 170 + rows / 9, 200 - rows / 9], axis=2)
    sky[rows > height * 0.7 + 30 * np.sin(columns / 60)] = (90, 140, 70)
    frames = []
    for index in range(num):
        frame = sky.copy()
        frame[100:180, 50 + 12 * index : 130 + 12 * index] = (200, 40, 40)
        frames.append(frame.astype(np.uint8))
    return frames


def encoded(frames: list[np.ndarray], path, crf: int, width: int, height: int) -> list[np.ndarray]:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt, stream.options = width, height, "yuv420p", {"crf": str(crf)}
        for frame in frames:
            small = av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(width, height, format="yuv420p")
            container.mux(stream.encode(small))
        container.mux(stream.encode())
    return list(decode.frames(path))


def test_the_mark_is_unseen_and_read_back(tmp_path):
    frames, mark = film(), Mark(b"k" * 32)
    marked = list(mark.frames(frames, NUMBER))
    error = np.mean([(a.astype(float) - b) ** 2 for a, b in zip(frames, marked, strict=True)])
    assert 10 * np.log10(255**2 / error) > 45
    found = mark.find(marked)
    assert found.is_there and found.numbers[0] == NUMBER


@pytest.mark.parametrize(("crf", "width", "height"), [(30, 768, 432), (30, 854, 480), (28, 640, 360)])
def test_it_survives_being_encoded_again_and_made_smaller(tmp_path, crf, width, height):
    mark = Mark(b"k" * 32)
    found = mark.find(encoded(list(mark.frames(film(), NUMBER)), tmp_path / "a.mp4", crf, width, height))
    assert found.is_there and found.numbers[0] == NUMBER


def test_without_the_key_or_the_mark_nothing_is_found():
    frames = film()
    assert not Mark(b"k" * 32).find(frames).is_there
    assert not Mark(b"o" * 32).find(Mark(b"k" * 32).frames(frames, NUMBER)).is_there
    assert not Mark(b"k" * 32).find([]).is_there


def test_a_number_that_lost_a_bit_in_a_small_noisy_film_is_among_the_next():
    dice, mark, ranks = np.random.default_rng(0), Mark(b"k" * 32), []
    noise = [dice.integers(60, 190, (256, 256, 3)).astype(np.uint8) for _ in range(8)]
    for seed in range(8):
        number = int(np.random.default_rng(seed).integers(2**32))
        found = mark.find(mark.frames(noise, number))
        assert found.is_there
        ranks.append(found.numbers.index(number))
    assert 0 < np.count_nonzero(ranks) < 4


def test_the_numbers_doubt_the_weakest_bits_in_order():
    scores = np.full(32, 20.0)
    scores[[3, 7, 30]] = -5.0, 1.0, -3.0
    whole = (1 << 32) - 1 - (1 << 3) - (1 << 30)
    turned = [[], [7], [30], [7, 30], [3], [3, 7], [3, 30], [3, 7, 30]]  # 0, 1, 3, 4, 5, 6, 8 and 9 lost
    assert numbers_of(scores) == tuple(whole ^ sum(1 << bit for bit in bits) for bits in turned)

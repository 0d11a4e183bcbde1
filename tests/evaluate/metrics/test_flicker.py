"""Flicker is what does not change steadily."""

import numpy as np
import pytest

from rushes.errors import InputError
from rushes.evaluate.metrics.flicker import SPEC, flicker
from rushes.types import Video


def film(levels: list[int]) -> np.ndarray:
    return np.stack([np.full((4, 6, 3), level, np.uint8) for level in levels])


def test_fades_and_stills_score_nothing():
    assert flicker(film([50, 50, 50, 50])) == 0
    assert flicker(film([10, 20, 30, 40])) == pytest.approx(0, abs=1e-4)


def test_a_jump_and_back_scores_its_height():
    assert flicker(film([100, 107, 100, 107])) == pytest.approx(7, abs=1e-3)


def test_a_row_per_film_beside_its_real_one():
    made, real = (Video(frames=film(levels), fps=8) for levels in ([0, 4, 0], [9, 9, 9]))
    assert SPEC.measure([made], [real]) == [{"flicker": pytest.approx(4, abs=1e-3), "real": 0.0}]


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(InputError, match="3 frames, not 2"):
        flicker(film([1, 2]))
    with pytest.raises(InputError, match="0 films for 1"):
        SPEC.measure([], [Video(frames=film([1, 2, 3]), fps=8)])

"""The kernel distance by its definition, near nothing for one distribution and large for two."""

import numpy as np
import pytest

from rushes.errors import InputError
from rushes.evaluate.metrics.kernel_distance import SPEC, unbiased_mmd


def draw(num: int, seed: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1.0, (num, 16))


def test_it_is_the_unbiased_estimate():
    x, y = draw(5, 0), draw(4, 1, 0.5)

    def k(a, b):
        return (a @ b / 16 + 1) ** 3

    within_x = np.mean([k(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j])
    within_y = np.mean([k(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j])
    between = np.mean([k(a, b) for a in x for b in y])
    assert unbiased_mmd(x, y) == pytest.approx(within_x + within_y - 2 * between)


def test_one_distribution_is_near_and_another_far():
    (same,) = SPEC.measure(list(draw(200, 0)), list(draw(200, 1)))
    (far,) = SPEC.measure(list(draw(200, 0)), list(draw(200, 1, 0.7)))
    assert abs(same["distance"]) < 4 * same["deviation"]
    assert far["distance"] > 0.5 > 20 * abs(same["distance"])
    assert (far["num"], far["num_real"]) == (200, 200)


def test_unbiased_means_sometimes_negative():
    values = [unbiased_mmd(draw(20, 2 * i), draw(20, 2 * i + 1)) for i in range(40)]
    assert min(values) < 0 < max(values)
    assert abs(np.mean(values)) < 3 * np.std(values) / 40**0.5


def test_few_films_are_refused():
    with pytest.raises(InputError, match="not 3 and 9"):
        SPEC.measure(list(draw(3, 0)), list(draw(9, 1)))

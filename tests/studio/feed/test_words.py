"""Tests that words which share pieces lie near each other, and others do not."""

from __future__ import annotations

import numpy as np
import pytest

from rushes.studio.feed.words import WIDTH, embed


def test_a_direction_has_length_one_and_is_the_same_everywhere() -> None:
    vector = embed("A red boat, at dusk")
    assert vector.shape == (WIDTH,) and vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(vector, embed("a RED boat at the dusk!"))
    assert vector.argmax() == 46 and vector[4] == pytest.approx(0.21426, abs=1e-4)  # on every machine
    assert not embed("").any() and not embed("the of 🎬").any()


@pytest.mark.parametrize(
    ("one", "near", "far"),
    [
        ("boat", "boats", "mountain"),
        ("sailing boat", "a small boat sails over the bay", "a cat sleeps on a roof"),
        ("night", "a quiet street at night", "a red kite in the morning sun"),
        ("красная лодка", "красные лодки", "горы зимой"),
    ],
)
def test_near_is_nearer_than_far(one, near, far) -> None:
    assert embed(one) @ embed(near) > embed(one) @ embed(far) + 0.15


def test_strangers_are_about_orthogonal() -> None:
    strangers = np.array([embed(f"w{i * 7919:x}q{i:o}") for i in range(200)])
    cosines = (strangers @ strangers.T)[np.triu_indices(200, 1)]
    assert abs(cosines.mean()) < 0.06 and cosines.std() < 0.16

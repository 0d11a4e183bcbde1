"""All 45 subjects are there, differ from each other and are quick to draw."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
import skia

from rushes.errors import InputError
from rushes.world import vocabulary
from rushes.world.subjects import KINDS, draw, tone


def test_every_kind_of_the_vocabulary_in_its_order():
    assert list(KINDS) == list(vocabulary.KINDS) and len(KINDS) == 45


def test_unknown_kind_names_the_nearest():
    with pytest.raises(InputError, match=r"no subject 'cart'; known: (cat|car)"):
        draw(skia.Surface(8, 8).getCanvas(), "cart", tone("red"), 0.0)


def silhouette(kind: str) -> np.ndarray:
    surface = skia.Surface(80, 80)
    canvas = surface.getCanvas()
    canvas.translate(40, 40)
    canvas.scale(72, 72)
    draw(canvas, kind, tone("blue"), 0.3)
    return surface.toarray()[..., 3] > 128


def test_silhouettes_differ():
    shapes = {kind: silhouette(kind) for kind in KINDS}
    for one, two in itertools.combinations(shapes, 2):
        both = np.logical_and(shapes[one], shapes[two]).sum() / np.logical_or(shapes[one], shapes[two]).sum()
        assert both < 0.86, (one, two)


def test_drawing_leaves_the_canvas_as_it_was():
    canvas = skia.Surface(64, 64).getCanvas()
    canvas.scale(64, 64)
    before, depth = canvas.getTotalMatrix(), canvas.getSaveCount()
    for kind in KINDS:
        draw(canvas, kind, tone("teal"), 0.37)
    assert canvas.getSaveCount() == depth
    now = canvas.getTotalMatrix()
    assert [now.get(k) for k in range(9)] == pytest.approx([before.get(k) for k in range(9)], abs=1e-3)


def test_every_pose_of_a_long_film_draws():
    for kind in KINDS:
        for step in range(48):
            draw(skia.Surface(4, 4).getCanvas(), kind, tone("black"), step / 40 + 60.0)


def test_quick_enough_to_train_on():
    canvas = skia.Surface(64, 64).getCanvas()
    canvas.scale(64, 64)
    canvas.translate(0.5, 0.5)
    best_s = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        for kind in KINDS:
            draw(canvas, kind, tone("red"), 0.2)
        best_s = min(best_s, time.perf_counter() - start)
    assert best_s / len(KINDS) < 400e-6  # about 50 us on an idle core; the rest is for a busy machine

"""The sky shows the hour: stars only after dark, and no cloud before the sun or the moon when it is clear."""

import random

import numpy as np
import pytest
import skia

from rushes.world.light import TIMES, light
from rushes.world.places.sky import sky


def _paint(time: str, weather: str, seed: int) -> np.ndarray:
    surface = skia.Surface.MakeRasterN32Premul(256, 144)
    canvas = surface.getCanvas()
    canvas.translate(128, 72)
    canvas.scale(144, 144)
    for layer in sky(light(time, weather), random.Random(seed), horizon=0.1):
        layer.draw(canvas)
    return surface.toarray(colorType=skia.kRGBA_8888_ColorType)[..., :3]


@pytest.mark.parametrize("time", TIMES)
def test_clear_sky_leaves_the_orb_bare(time: str) -> None:
    orb = light(time, "clear").orb
    y = (0.1 + orb.y if orb.is_low else orb.y) + 0.1 * orb.radius
    # The left limb: no crater, and no bite of the crescent.
    x = orb.x - 0.55 * orb.radius
    for seed in range(8):
        pixel = _paint(time, "clear", seed)[round(72 + 144 * y), round(128 + 144 * x)].astype(float)
        assert np.abs(pixel - orb.face).max() < 3


def test_cloudy_sky_covers_the_top() -> None:
    clear, cloudy = (_paint("day", weather, 1)[:14].astype(float) for weather in ("clear", "cloudy"))
    assert np.ptp(cloudy.mean((0, 1))) < 0.5 * np.ptp(clear.mean((0, 1)))


def test_drawing_twice_gives_the_same_stars() -> None:
    layer = sky(light("night", "clear"), random.Random(2), horizon=0.1)[0]
    frames = []
    for _ in range(2):
        surface = skia.Surface.MakeRasterN32Premul(128, 72)
        surface.getCanvas().scale(72, 72)
        layer.draw(surface.getCanvas())
        frames.append(surface.toarray())
    assert np.array_equal(*frames)

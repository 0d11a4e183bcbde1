"""The city: a pale skyline, near houses with windows that light up after dark, a street with lane marks."""

from __future__ import annotations

import random

import skia

from rushes.world.light import RGB, Light
from rushes.world.places.layer import Layer
from rushes.world.places.shapes import cut, layout, polygon, rect
from rushes.world.places.sky import sky

HORIZON = -0.10
BASELINE: dict[str, float | tuple[float, float]] = {"land": 0.34, "air": (-0.36, -0.10)}
_WALLS: tuple[RGB, ...] = ((214, 142, 118), (118, 146, 172), (228, 190, 132), (146, 128, 160), (128, 168, 158))


def _skyline(light: Light, rng: random.Random, side: int) -> list[tuple[skia.Path, int]]:
    """Return the far towers, one sheet of one colour; some end in a slope or a spire."""
    tone = light.shade((142, 158, 190), 0.3)
    towers = []
    x = -2.5
    while x < 2.5:
        width = rng.choice((0.12, 0.15, 0.18))
        # Low towers in the middle leave the sun and the subject room.
        top = rng.choice((-0.20, -0.12, -0.05)) if abs(x + width / 2) > 0.42 else rng.choice((0.04, 0.08, 0.12))
        shape = rng.choice(("flat", "slope", "spire")) if top < 0 else "flat"
        towers.append((rect(x, top, x + width, 0.35), tone))
        if shape == "slope":
            towers.append((polygon([(x, top), (x + width, top), (x + width * (side > 0), top - 0.07)]), tone))
        elif shape == "spire":
            middle = x + width / 2
            towers.append((polygon([(middle - 0.02, top), (middle, top - 0.10), (middle + 0.02, top)]), tone))
        x += width + rng.choice((0.0, 0.03, 0.06))
    return towers


def _house(light: Light, x: float, width: float, top: float, rgb: RGB) -> list[tuple[skia.Path, int]]:
    """Return one near house with rows of large windows, its left wall at `x`."""
    pieces = [(rect(x, top, x + width, 0.30), light.shade(rgb, 0.72))]
    columns = max(2, round(width / 0.085))
    cell = width / columns
    glass = light.lamp((238, 244, 240), 0.8)
    dim = light.shade((92, 98, 128), 0.72)
    y, row = top + 0.045, 0
    while y < 0.18:
        for column in range(columns):
            left = x + cell * (column + 0.24)
            is_lit = not light.is_dark or (3 * row + 5 * column + round(100 * width)) % 3 > 0
            pieces.append((rect(left, y, left + 0.52 * cell, y + 0.05), glass if is_lit else dim))
        y, row = y + 0.088, row + 1
    return pieces


def layers(variant: int, light: Light, spread: float = 1.0) -> list[Layer]:
    """Return the sheets of the city, farthest first."""
    rng = layout("city", variant)
    result = sky(light, rng, horizon=HORIZON)
    side = 1 if variant % 2 else -1
    step = variant // 2
    result.append(Layer(depth=0.25, draw=cut(*_skyline(light, rng, side))))
    houses: list[tuple[skia.Path, int]] = []
    for half in (-1, 1):
        x = spread * (0.30 + 0.03 * step if half == side else 0.44 - 0.03 * step)
        index = 0
        while x < 2.4:
            width = rng.choice((0.19, 0.24))
            # The innermost house is low: the moon and high subjects are beside it.
            top = (-0.08, -0.30, -0.02, -0.22)[(index + 2 * (step + (half > 0))) % 4]
            left = x if half > 0 else -x - width
            houses += _house(light, left, width, top, _WALLS[(index + variant + 2 * (half > 0)) % len(_WALLS)])
            x, index = x + width + 0.015, index + 1
    result.append(Layer(depth=0.7, draw=cut(*houses)))
    kerb = (rect(-2.5, 0.235, 2.5, 1.4), light.shade((206, 202, 196)))
    road = (rect(-2.5, 0.275, 2.5, 1.4), light.shade((98, 102, 116)))
    first = -2.5 + 0.08 * variant
    marks = [
        (rect(first + 0.36 * k, 0.385, first + 0.36 * k + 0.19, 0.408), light.shade((244, 236, 214))) for k in range(14)
    ]
    result.append(Layer(depth=1.0, draw=cut(kerb, road, *marks)))
    near = (rect(-2.5, 0.47, 2.5, 1.4), light.shade((190, 184, 178)))
    park = (rect(-2.5, 0.62, 2.5, 1.4), light.shade((112, 150, 104)))
    result.append(Layer(depth=1.2, draw=cut(near, park), in_front=True))
    return result

"""The snowfield: white drifts with blue folds, pale ice peaks, firs that carry snow."""

from __future__ import annotations

import skia

from rushes.world.light import Light
from rushes.world.places.layer import Layer
from rushes.world.places.shapes import cut, fir, foreground, layout, polygon, rolling
from rushes.world.places.sky import sky

HORIZON = 0.02
BASELINE: dict[str, float | tuple[float, float]] = {"land": 0.31, "air": (-0.36, -0.04)}


def _snowy_fir(light: Light, x: float, y: float, height: float) -> list[tuple[skia.Path, int]]:
    """Return a blue-green fir whose two tips are white."""
    half = 0.26 * height
    tip = polygon([(x, y - height), (x + 0.36 * half, y - 0.74 * height), (x - 0.36 * half, y - 0.74 * height)])
    shoulder = polygon(
        [
            (x, y - 0.52 * height),
            (x + 0.72 * half, y - 0.22 * height),
            (x + 0.20 * half, y - 0.28 * height),
            (x - 0.20 * half, y - 0.20 * height),
            (x - 0.72 * half, y - 0.22 * height),
        ]
    )
    white = light.shade((252, 254, 255), 0.95)
    return [(fir(x, y, height), light.shade((84, 136, 146), 0.85)), (tip, white), (shoulder, white)]


def layers(variant: int, light: Light, spread: float = 1.0) -> list[Layer]:
    """Return the sheets of the snowfield, farthest first."""
    rng = layout("snowfield", variant)
    result = sky(light, rng, horizon=HORIZON)
    side = 1 if variant % 2 else -1
    step = variant // 2
    ice = []
    for k in range(-5, 6):
        x = 0.46 * k + side * (0.12 + 0.08 * step)
        top = -0.08 + 0.06 * ((k + step) % 2)
        ice.append((polygon([(x, top), (x + 0.40, 0.2), (x - 0.40, 0.2)]), light.shade((206, 224, 240), 0.45)))
        ice.append((polygon([(x, top), (x + 0.40, 0.2), (x + 0.06, 0.2)]), light.shade((176, 202, 228), 0.45)))
    result.append(Layer(depth=0.2, draw=cut(*ice)))
    shift = side * (0.3 + 0.14 * step)
    result.append(Layer(depth=0.45, draw=cut((rolling(0.10, 0.09, 1.5, shift), light.shade((214, 230, 244), 0.75)))))
    trees: list[tuple[skia.Path, int]] = []
    for x, height in (
        (side * 0.58, 0.30),
        (side * 0.76, 0.38),
        (-side * (0.70 - 0.03 * step), 0.26),
        (side * 1.2, 0.3),
    ):
        trees += _snowy_fir(light, spread * x + rng.uniform(-0.02, 0.02), 0.24, height)
    drift = (rolling(0.19, 0.07, 1.9, -shift), light.shade((230, 240, 250), 0.9))
    result.append(Layer(depth=0.75, draw=cut(*trees, drift)))
    result.append(Layer(depth=1.0, draw=cut((rolling(0.265, 0.03, 2.4, shift), light.shade((246, 250, 255))))))
    result.append(foreground(light, ((222, 234, 248), (204, 220, 240), (186, 206, 232)), -shift))
    return result

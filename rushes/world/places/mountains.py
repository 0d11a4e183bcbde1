"""The mountains: two ranges of folded peaks with snow caps, dark firs at their feet, a meadow in front."""

from __future__ import annotations

import skia

from rushes.world.light import RGB, Light
from rushes.world.places.layer import Layer
from rushes.world.places.shapes import cut, fir, foreground, layout, polygon, rolling
from rushes.world.places.sky import sky

HORIZON = -0.08
BASELINE: dict[str, float | tuple[float, float]] = {"land": 0.31, "air": (-0.36, -0.04)}


def _peak(light: Light, x: float, top: float, half: float, rgb: RGB, depth: float) -> list[tuple[skia.Path, int]]:
    """Return one folded peak: the lit face, the face in shade and a snow cap with a cut edge."""
    foot = 0.30
    body = polygon([(x, top), (x + half, foot), (x - half, foot)])
    fold = x + 0.12 * half
    dark = polygon([(x, top), (x + half, foot), (fold, foot)])
    cap = 0.30 * (foot - top)
    width = 0.30 * half
    snow = polygon(
        [
            (x, top),
            (x + width, top + cap),
            (x + 0.45 * width, top + 0.78 * cap),
            (x + 0.02 * width, top + 1.25 * cap),
            (x - 0.45 * width, top + 0.78 * cap),
            (x - width, top + cap),
        ]
    )
    shaded = (rgb[0] * 0.82, rgb[1] * 0.84, rgb[2] * 0.90)
    return [
        (body, light.shade(rgb, depth)),
        (dark, light.shade(shaded, depth)),
        (snow, light.shade((250, 252, 255), min(1.0, depth + 0.3))),
    ]


def layers(variant: int, light: Light, spread: float = 1.0) -> list[Layer]:
    """Return the sheets of the mountains, farthest first."""
    rng = layout("mountains", variant)
    result = sky(light, rng, horizon=HORIZON)
    side = 1 if variant % 2 else -1
    step = variant // 2
    far: list[tuple[skia.Path, int]] = []
    for index in range(-4, 5):
        x = index * 0.52 + side * (0.10 + 0.09 * step)
        far += _peak(light, x, -0.13 + 0.05 * ((index + variant) % 2), 0.42, (150, 168, 196), 0.25)
    near: list[tuple[skia.Path, int]] = []
    tops = ((side * (0.52 + 0.04 * step), -0.29, 0.50), (-side * (0.66 - 0.04 * step), -0.17, 0.44))
    for x, top, half in (*tops, (side * 1.35, -0.18, 0.5), (-side * 1.5, -0.24, 0.5)):
        near += _peak(light, spread * x, top, half, (112, 132, 170), 0.55)
    result.append(Layer(depth=0.25, draw=cut(*far)))
    result.append(Layer(depth=0.5, draw=cut(*near)))
    wood = [
        (fir(spread * x + rng.uniform(-0.02, 0.02), 0.24, rng.uniform(0.12, 0.17)), light.shade((54, 104, 96), 0.8))
        for x in [side * (0.46 + 0.10 * k) for k in range(6)] + [-side * (0.62 + 0.10 * k) for k in range(5)]
    ]
    result.append(
        Layer(depth=0.8, draw=cut(*wood, (rolling(0.205, 0.04, 1.7, side * 0.5), light.shade((106, 156, 116), 0.8))))
    )
    result.append(Layer(depth=1.0, draw=cut((rolling(0.265, 0.03, 2.2, -side * 0.3), light.shade((84, 142, 98))))))
    result.append(foreground(light, ((62, 116, 84), (52, 102, 76), (42, 88, 68)), side * (0.2 + 0.2 * step)))
    return result

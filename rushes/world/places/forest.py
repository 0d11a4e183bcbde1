"""The forest: rows of tall firs that close in from both sides, big trunks near the edges, mossy ground."""

from __future__ import annotations

import skia

from rushes.world.light import Light
from rushes.world.places.layer import Layer
from rushes.world.places.shapes import circle, cut, fir, foreground, layout, rect, rolling
from rushes.world.places.sky import sky

HORIZON = -0.12
BASELINE: dict[str, float | tuple[float, float]] = {"land": 0.31, "air": (-0.34, -0.06)}


def layers(variant: int, light: Light, spread: float = 1.0) -> list[Layer]:
    """Return the sheets of the forest, farthest first."""
    rng = layout("forest", variant)
    result = sky(light, rng, horizon=HORIZON)
    side = 1 if variant % 2 else -1
    step = variant // 2

    def row(
        spacing: float, y: float, heights: tuple[float, float], gap: float, argb: int
    ) -> list[tuple[skia.Path, int]]:
        """Return firs along the whole width that leave `gap` units free on each side of the middle."""
        trees = []
        for half in (-1, 1):
            x = spread * gap + (0.04 * step if half == side else -0.02 * step)
            while x < 2.5:
                jitter = rng.uniform(-0.15, 0.15) * spacing
                trees.append((fir(half * x + jitter, y, rng.uniform(*heights)), argb))
                x += spacing
        return trees

    far = row(0.13, 0.2, (0.24, 0.36), 0.02, light.shade((112, 164, 136), 0.35))
    middle = row(0.19, 0.25, (0.36, 0.45), 0.34, light.shade((66, 132, 100), 0.6))
    near = row(0.34, 0.30, (0.66, 0.80), 0.60, light.shade((38, 98, 80), 0.9))
    trunks = [
        (rect(x - 0.03, 0.26, x + 0.03, 0.34), light.shade((104, 74, 58), 0.9)) for x in (-0.6 * spread, 0.6 * spread)
    ]
    ground = ((rolling(0.17, 0.04, 1.3, 0.3 * side), light.shade((104, 154, 110), 0.45)),)
    result.append(Layer(depth=0.3, draw=cut(*far, *ground)))
    result.append(
        Layer(depth=0.55, draw=cut(*middle, (rolling(0.225, 0.03, 1.6, side), light.shade((82, 136, 92), 0.7))))
    )
    result.append(Layer(depth=0.9, draw=cut(*trunks, *near)))
    bushes = [
        (circle(spread * x, 0.33, size), light.shade((48, 106, 72)))
        for x, size in ((side * (0.50 - 0.02 * step), 0.07), (side * 0.62, 0.09), (-side * (0.56 + 0.02 * step), 0.08))
    ]
    result.append(
        Layer(depth=1.0, draw=cut(*bushes, (rolling(0.27, 0.03, 2.3, side * 0.4), light.shade((66, 118, 74)))))
    )
    result.append(foreground(light, ((44, 92, 62), (36, 80, 56), (30, 68, 50)), side * (0.3 + 0.2 * step)))
    return result

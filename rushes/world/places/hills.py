"""Green hills: three rolling sheets of meadow with round trees and a path of lighter grass."""

from __future__ import annotations

from rushes.world.light import Light
from rushes.world.places.layer import Layer
from rushes.world.places.shapes import circle, cut, foreground, layout, rect, rolling
from rushes.world.places.sky import sky

HORIZON = 0.0
BASELINE: dict[str, float | tuple[float, float]] = {"land": 0.31, "air": (-0.36, -0.02)}


def layers(variant: int, light: Light, spread: float = 1.0) -> list[Layer]:
    """Return the sheets of the hills, farthest first."""
    rng = layout("hills", variant)
    result = sky(light, rng, horizon=HORIZON)
    side = 1 if variant % 2 else -1
    shift = side * (0.30 + 0.12 * (variant // 2))
    result.append(Layer(depth=0.3, draw=cut((rolling(0.03, 0.20, 1.3, shift), light.shade((142, 186, 150), 0.3)))))
    result.append(Layer(depth=0.5, draw=cut((rolling(0.09, 0.17, 1.6, -shift), light.shade((122, 178, 112), 0.5)))))
    trees = []
    for x, size in ((side * 0.66, 0.075), (side * 0.78, 0.055), (-side * 0.74, 0.06)):
        x *= spread
        trees.append((rect(x - 0.012, 0.08, x + 0.012, 0.22), light.shade((120, 88, 66), 0.7)))
        trees.append((circle(x, 0.09, size), light.shade((70, 136, 86), 0.7)))
    near = (rolling(0.18, 0.07, 1.9, shift + 0.5), light.shade((104, 168, 84), 0.75))
    result.append(Layer(depth=0.75, draw=cut(*trees, near)))
    result.append(Layer(depth=1.0, draw=cut((rolling(0.265, 0.03, 2.4, shift), light.shade((84, 150, 70))))))
    result.append(foreground(light, ((62, 124, 62), (54, 110, 58), (46, 96, 54)), -shift))
    return result

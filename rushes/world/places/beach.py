"""The beach: a strip of sea, a foam edge on pale sand, a palm leaning in from one side."""

from __future__ import annotations

import math

import skia

from rushes.world.light import Light
from rushes.world.places.layer import Layer
from rushes.world.places.shapes import cut, foreground, layout, rect, rolling, waves
from rushes.world.places.sky import glitter, sky

HORIZON = -0.03
BASELINE: dict[str, float | tuple[float, float]] = {"land": 0.32, "water": 0.145, "air": (-0.36, -0.06)}


def _palm(x: float, side: int, lean: float) -> tuple[skia.Path, list[skia.Path]]:
    """Return the trunk and the leaves of a palm rooted at `x` that leans towards the middle."""
    top_x, top_y = x - side * lean, -0.22
    trunk = skia.PathBuilder()
    trunk.moveTo(x - 0.035, 0.30)
    trunk.quadTo(x, 0.05, top_x - 0.016, top_y)
    trunk.lineTo(top_x + 0.016, top_y)
    trunk.quadTo(x + 0.05, 0.05, x + 0.035, 0.30)
    trunk.close()
    leaves = []
    for angle in (-172, -128, -62, -12, 28, 152):
        dx, dy = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        end_x, end_y = top_x + 0.27 * dx, top_y + 0.17 * dy + 0.07
        middle_x, middle_y = top_x + 0.15 * dx, top_y + 0.17 * dy - 0.05
        leaf = skia.PathBuilder()
        leaf.moveTo(top_x, top_y)
        leaf.quadTo(middle_x, middle_y - 0.035, end_x, end_y)
        leaf.quadTo(middle_x, middle_y + 0.05, top_x, top_y)
        leaf.close()
        leaves.append(leaf.detach())
    return trunk.detach(), leaves


def layers(variant: int, light: Light, spread: float = 1.0) -> list[Layer]:
    """Return the sheets of the beach, farthest first."""
    rng = layout("beach", variant)
    result = sky(light, rng, horizon=HORIZON)
    side = 1 if variant % 2 else -1
    far = (rect(-2.5, HORIZON, 2.5, 1.4), light.water((86, 196, 212), 0.5))
    near = (waves(0.05, 0.018, 0.16, rng.uniform(0, 1)), light.water((44, 158, 190), 0.8))
    result.append(Layer(depth=0.2, draw=cut(far, *glitter(light, top=HORIZON, bottom=0.05)), shadow=False))
    result.append(Layer(depth=0.5, draw=cut(near), sway_amplitude=0.012))
    bay = side * (0.25 + 0.15 * (variant // 2))
    foam = (rolling(0.155, 0.05, 1.5, bay), light.shade((246, 250, 246)))
    sand = (rolling(0.19, 0.05, 1.5, bay + 0.03), light.shade((242, 214, 160)))
    result.append(Layer(depth=0.85, draw=cut(foam), sway_amplitude=0.02))
    result.append(Layer(depth=0.9, draw=cut(sand)))
    trunk, leaves = _palm(spread * side * (0.72 - 0.03 * (variant // 2)), side, 0.10 + 0.02 * (variant // 2))
    greens = ((74, 150, 92), (52, 124, 82))
    mound = skia.PathBuilder()
    root = spread * side * (0.72 - 0.03 * (variant // 2))
    mound.addOval(skia.Rect(root - 0.13, 0.275, root + 0.13, 0.335))
    palm = [(leaf, light.shade(greens[index % 2])) for index, leaf in enumerate(leaves)]
    result.append(
        Layer(
            depth=0.95,
            draw=cut((trunk, light.shade((150, 104, 70))), (mound.detach(), light.shade((226, 190, 132))), *palm),
        )
    )
    result.append(foreground(light, ((232, 196, 138), (218, 178, 120), (204, 162, 106)), -bay))
    return result

"""The desert: table mountains far away, three sheets of dunes, tall cactuses at the side."""

from __future__ import annotations

import skia

from rushes.world.light import RGB, Light
from rushes.world.places.layer import Layer
from rushes.world.places.shapes import cut, foreground, layout, polygon, rect, rolling
from rushes.world.places.sky import sky

HORIZON = 0.06
BASELINE: dict[str, float | tuple[float, float]] = {"land": 0.31, "air": (-0.36, -0.02)}


def _cactus(x: float, y: float, height: float, side: int, argb: int) -> list[tuple[skia.Path, int]]:
    """Return a cactus with two bent arms standing at (`x`, `y`)."""
    half = 0.10 * height
    pieces = [rect(x - half, y - height, x + half, y + 0.02, half)]
    for arm, low, high in ((side, 0.42, 0.80), (-side, 0.54, 0.90)):
        end = x + arm * 0.34 * height
        thin = 0.075 * height
        left, right = min(x, end), max(x, end)
        pieces.append(rect(left - thin, y - low * height - thin, right + thin, y - low * height + thin, thin))
        pieces.append(rect(end - thin, y - high * height, end + thin, y - low * height + thin, thin))
    return [(piece, argb) for piece in pieces]


def layers(variant: int, light: Light, spread: float = 1.0) -> list[Layer]:
    """Return the sheets of the desert, farthest first."""
    rng = layout("desert", variant)
    result = sky(light, rng, horizon=HORIZON)
    side = 1 if variant % 2 else -1
    step = variant // 2
    red: RGB = (206, 128, 92)
    tables = []
    for x, width, top in (
        (-side * (0.56 - 0.06 * step), 0.19, -0.13),
        (-side * (0.24 - 0.04 * step), 0.08, -0.06),
        (side * (0.62 + 0.05 * step), 0.15, -0.07),
        (side * 1.4, 0.3, -0.12),
        (-side * 1.5, 0.25, -0.10),
    ):
        x *= spread
        outline = [(x - width, top), (x + width, top), (x + 1.35 * width, 0.22), (x - 1.35 * width, 0.22)]
        tables.append((polygon(outline), light.shade(red, 0.35)))
        band = [(x - width, top), (x + width, top), (x + 1.06 * width, top + 0.045), (x - 1.06 * width, top + 0.045)]
        tables.append((polygon(band), light.shade((226, 158, 116), 0.35)))
    result.append(Layer(depth=0.2, draw=cut(*tables)))
    shift = side * (0.35 + 0.13 * step)
    result.append(Layer(depth=0.45, draw=cut((rolling(0.095, 0.10, 1.7, shift), light.shade((246, 208, 140), 0.45)))))
    result.append(Layer(depth=0.7, draw=cut((rolling(0.16, 0.09, 1.5, -shift), light.shade((238, 188, 112), 0.7)))))
    green = light.shade((72, 142, 98))
    plants = _cactus(spread * side * (0.68 - 0.03 * step), 0.27, 0.36, side, green)
    plants += _cactus(-spread * side * (0.74 - 0.04 * (step % 2)), 0.25, 0.22, -side, green)
    result.append(Layer(depth=0.95, draw=cut(*plants, (rolling(0.255, 0.04, 2.2, shift), light.shade((230, 170, 92))))))
    result.append(foreground(light, ((212, 146, 74), (196, 128, 64), (180, 112, 56)), -shift))
    return result

"""Outer space: a violet sky full of stars, a ringed planet, and the cratered rim of a moon at the bottom."""

from __future__ import annotations

import math

import skia

from rushes.world.light import RGB, Light, colour, mix
from rushes.world.places.layer import Layer
from rushes.world.places.shapes import circle, cut, layout, paint, rolling
from rushes.world.places.sky import gradient, stars

BASELINE: dict[str, float | tuple[float, float]] = {"land": 0.33, "air": (-0.26, 0.10)}
_SKY: tuple[RGB, RGB, RGB] = ((20, 12, 54), (44, 24, 92), (86, 42, 128))
_PLANETS: tuple[tuple[RGB, RGB], ...] = (
    ((242, 158, 92), (250, 208, 140)),
    ((96, 190, 190), (176, 226, 206)),
    ((236, 122, 140), (250, 190, 176)),
    ((232, 196, 104), (250, 232, 170)),
)


def _planet(x: float, y: float, radius: float, tones: tuple[RGB, RGB], tilt: float) -> Layer:
    """Return a striped planet with a ring that passes behind and before it."""
    body, ring = tones

    def draw(canvas: skia.Canvas) -> None:
        canvas.save()
        canvas.translate(x, y)
        canvas.rotate(tilt)
        stroke = skia.Paint(
            Color=colour(ring), AntiAlias=True, Style=skia.Paint.kStroke_Style, StrokeWidth=0.17 * radius
        )
        oval = skia.Rect(-1.75 * radius, -0.46 * radius, 1.75 * radius, 0.46 * radius)
        canvas.drawArc(oval, 180, 180, False, stroke)
        canvas.drawCircle(0, 0, radius, paint(colour(body)))
        canvas.save()
        canvas.clipPath(circle(0, 0, radius), doAntiAlias=True)
        canvas.drawRect(skia.Rect(-1, -0.62 * radius, 1, -0.30 * radius), paint(colour(mix(body, ring, 0.6))))
        canvas.drawCircle(-0.5 * radius, 1.1 * radius, 1.05 * radius, paint(colour(mix(body, _SKY[1], 0.35))))
        canvas.restore()
        canvas.drawArc(oval, 0, 180, False, stroke)
        canvas.restore()

    return Layer(depth=0.15, draw=draw)


def _ground(rgb: RGB) -> int:
    """Return the tone of moon ground: space has one light, whatever the hour."""
    return colour(rgb)


def _craters(variant: int) -> list[tuple[skia.Path, int]]:
    rim, hole = _ground((150, 140, 176)), _ground((96, 88, 132))
    pieces = []
    for k in range(-5, 6):
        x = 0.46 * k + 0.05 * variant
        size = 0.075 + 0.025 * ((k + variant) % 3)
        y = 0.395 + 0.04 * ((k + variant) % 2)
        for shrink, tone in ((1.0, rim), (0.8, hole)):
            path = skia.PathBuilder()
            path.addOval(
                skia.Rect(x - size * shrink, y - 0.34 * size * shrink, x + size * shrink, y + 0.34 * size * shrink)
            )
            pieces.append((path.detach(), tone))
    return pieces


def layers(variant: int, light: Light, spread: float = 1.0) -> list[Layer]:
    """Return the sheets of outer space, farthest first; `light` matters only to what stands on the moon."""
    rng = layout("space", variant)
    side = 1 if variant % 2 else -1
    step = variant // 2
    fill = gradient(((-1.2, _SKY[0]), (-0.4, _SKY[0]), (0.0, _SKY[1]), (0.4, _SKY[2])))

    def draw(canvas: skia.Canvas) -> None:
        canvas.drawPaint(fill)
        swirl = (rolling(-0.02, 0.34, 1.9, side * 0.5), rolling(0.12, 0.26, 1.5, -side * (0.2 + 0.1 * step)))
        for path, rgb in zip(swirl, ((62, 32, 112), (92, 44, 136)), strict=True):
            canvas.drawPath(path, paint(colour(rgb, 0.75)))
        stars(canvas, f"space {variant}", 34, lowest=0.24, rgb=(255, 244, 214))

    angle = math.radians(20 * step)
    small = circle(-spread * side * (0.58 + 0.08 * math.cos(angle)), -0.22 + 0.10 * math.sin(angle), 0.055)
    ground = (rolling(0.30, 0.07, 3.0, side * 0.4), _ground((132, 122, 162)))
    near = (rolling(0.62, 0.07, 2.2, -side * 0.3), _ground((114, 104, 148)))
    far = (rolling(0.235, 0.06, 1.3, rng.uniform(0, 1)), _ground((92, 80, 132)))
    return [
        Layer(depth=0.0, draw=draw, shadow=False),
        _planet(spread * side * (0.50 - 0.03 * step), -0.21 + 0.02 * step, 0.155, _PLANETS[step], -side * 18),
        Layer(depth=0.2, draw=cut((small, colour((232, 226, 240))))),
        Layer(depth=0.7, draw=cut(far)),
        Layer(depth=1.0, draw=cut(ground, *_craters(variant), near)),
    ]

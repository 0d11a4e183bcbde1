"""Weather that falls or drifts in front of everything: paper rain, paper snow and veils of fog."""

from __future__ import annotations

import math
import random
from functools import lru_cache

import skia

from rushes.world.light import Light, colour, mix
from rushes.world.light import light as light_of

# Rain repeats after half of this time, fog after twice, snow after four times.
PERIOD_S = 2.0
_TILE = 1.2
_RAIN_SLANT = 0.22
_RAIN_SPEED = 2 * _TILE / PERIOD_S
_SNOW_SPEED = _TILE / 4 / PERIOD_S


def draw_weather(
    canvas: skia.Canvas, weather: str, t_s: float, extents: tuple[float, float], time: str = "day"
) -> None:
    """Draw what falls at `t_s` over a frame that spans |x| <= extents[0] and |y| <= extents[1] units.

    Deterministic and periodic in `t_s`. Clear and cloudy weather draw nothing; `time` tints rain, snow and fog.

    Raises:
        InputError: an unknown weather or time.
    """
    scene_light = light_of(time, weather)
    if weather == "rain":
        _rain(canvas, scene_light, t_s, extents)
    elif weather == "snow":
        _snow(canvas, scene_light, t_s, extents)
    elif weather == "fog":
        _fog(canvas, scene_light, t_s)


@lru_cache(maxsize=4)
def _spots(columns: int, rows: int) -> tuple[tuple[float, float, int], ...]:
    """Return (x, y, index) of pieces over one tile, both in 0..1: one to a cell, so that they spread evenly."""
    rng = random.Random(columns)
    return tuple(
        ((column + rng.uniform(0.1, 0.9)) / columns, (row + rng.uniform(0.1, 0.9)) / rows, column + columns * row)
        for row in range(rows)
        for column in range(columns)
    )


def _tiles(extents: tuple[float, float]) -> list[tuple[float, float]]:
    across = math.ceil(extents[0] / _TILE) + 1
    down = math.ceil(extents[1] / _TILE) + 1
    return [(_TILE * i, _TILE * j) for i in range(-across, across) for j in range(-down, down)]


def _rain(canvas: skia.Canvas, light: Light, t_s: float, extents: tuple[float, float]) -> None:
    fill = skia.Paint(
        Color=colour(mix(light.sky[2], (232, 244, 255), 0.7), 0.72),
        AntiAlias=True,
        Style=skia.Paint.kStroke_Style,
        StrokeWidth=0.013,
        StrokeCap=skia.Paint.kRound_Cap,
    )
    builder = skia.PathBuilder()
    for left, top in _tiles(extents):
        for x, y, _ in _spots(8, 4):
            fall = (y * _TILE + _RAIN_SPEED * t_s) % _TILE
            start_x, start_y = left + x * _TILE - _RAIN_SLANT * (top + fall), top + fall
            builder.moveTo(start_x, start_y)
            builder.lineTo(start_x - _RAIN_SLANT * 0.105, start_y + 0.105)
    canvas.drawPath(builder.detach(), fill)


def _snow(canvas: skia.Canvas, light: Light, t_s: float, extents: tuple[float, float]) -> None:
    fill = skia.Paint(Color=colour(mix(light.sky[2], (255, 255, 255), 0.85), 0.95), AntiAlias=True)
    for left, top in _tiles(extents):
        for x, y, k in _spots(6, 5):
            fall = (y * _TILE + _SNOW_SPEED * t_s) % _TILE
            sway = 0.025 * math.sin(2 * math.pi * (t_s / PERIOD_S + k / 7))
            canvas.drawCircle(left + x * _TILE + sway, top + fall, (0.013, 0.018, 0.024)[k % 3], fill)


def _fog(canvas: skia.Canvas, light: Light, t_s: float) -> None:
    veil = mix(light.haze, (255, 255, 255), 0.25 if light.is_dark else 0.45)
    for index, (y, opacity, length) in enumerate(((-0.08, 0.18, 1.3), (0.09, 0.20, 1.0), (0.27, 0.24, 1.5))):
        sway = 0.06 * math.sin(2 * math.pi * (t_s / (2 * PERIOD_S) + index / 3))
        builder = skia.PathBuilder()
        x = -2.6 - length + 0.37 * index + sway
        builder.moveTo(x, 1.4)
        builder.lineTo(x, y)
        while x < 2.6:
            builder.cubicTo(x + length / 3, y - 0.09, x + 2 * length / 3, y + 0.09, x + length, y)
            x += length
        builder.lineTo(x, 1.4)
        builder.close()
        canvas.drawPath(builder.detach(), skia.Paint(Color=colour(veil, opacity), AntiAlias=True))

"""Scissors and glue for subjects: cut a path from a line of text, lay it down, turn it about a pin."""

from __future__ import annotations

import functools
import math
from typing import Final

import skia

from rushes.world.subjects.tone import Tone

_SHARP: Final = 512.0  # path boolean operations lose precision on a unit box, so they run at this scale
_STROKE_DETAIL: Final = 0.5  # skia's resScale: below 1 a strip has fewer curves, which draws faster
_SHADOW_X: Final = 0.010
_SHADOW_Y: Final = 0.016
_ARITY: Final = {"M": 2, "L": 2, "Q": 4, "C": 6, "Z": 0, "O": 4, "R": 5}


def _contour(text: str) -> skia.Path:
    """One path at `_SHARP` scale; see `cut` for the language."""
    path = skia.Path()
    words = text.split()
    at = 0
    while at < len(words):
        verb = words[at]
        num_values = _ARITY[verb]
        n = [float(word) * _SHARP for word in words[at + 1 : at + 1 + num_values]]
        at += 1 + num_values
        if verb == "M":
            path.moveTo(*n)
        elif verb == "L":
            path.lineTo(*n)
        elif verb == "Q":
            path.quadTo(*n)
        elif verb == "C":
            path.cubicTo(*n)
        elif verb == "Z":
            path.close()
        elif verb == "O":
            path.addOval(skia.Rect.MakeLTRB(n[0] - n[2], n[1] - n[3], n[0] + n[2], n[1] + n[3]))
        else:
            path.addRoundRect(skia.Rect.MakeLTRB(*n[:4]), n[4], n[4])
    return path


def _to_box(path: skia.Path) -> skia.Path:
    small = skia.Path()
    path.transform(skia.Matrix.Scale(1 / _SHARP, 1 / _SHARP), small)
    return small


def _union(parts: tuple[str, ...]) -> skia.Path:
    whole = _contour(parts[0])
    for part in parts[1:]:
        whole = skia.Op(whole, _contour(part), skia.PathOp.kUnion_PathOp)
    return whole


def cut(*parts: str, holes: tuple[str, ...] = ()) -> skia.Path:
    """Cut one sheet of paper: the union of `parts` without `holes`, in box units.

    The language of a part: `M x y`, `L x y`, `Q cx cy x y`, `C ax ay bx by x y`, `Z`, an oval `O x y rx ry` and a
    rounded rectangle `R left top right bottom radius`; words separated by spaces.
    """
    whole = _union(parts)
    if holes:
        whole = skia.Op(whole, _union(holes), skia.PathOp.kDifference_PathOp)
    return _to_box(whole)


def _stroker(width: float) -> skia.Paint:
    return skia.Paint(
        Style=skia.Paint.kStroke_Style,
        StrokeWidth=width,
        StrokeCap=skia.Paint.kRound_Cap,
        StrokeJoin=skia.Paint.kRound_Join,
    )


def strip(width: float, *parts: str) -> skia.Path:
    """Cut round-ended strips of paper of one width (box units) along lines written as in `cut`."""
    pen = _stroker(width * _SHARP)
    whole = skia.Path()
    for part in parts:
        line = skia.Path()
        pen.getFillPath(_contour(part), line, None, _STROKE_DETAIL)
        whole = skia.Op(whole, line, skia.PathOp.kUnion_PathOp)
    return _to_box(whole)


@functools.cache
def _fill(colour: int) -> skia.Paint:
    return skia.Paint(AntiAlias=True, Color=colour)


@functools.cache
def _pen(colour: int, width: float) -> skia.Paint:
    return skia.Paint(
        AntiAlias=True,
        Color=colour,
        Style=skia.Paint.kStroke_Style,
        StrokeWidth=width,
        StrokeCap=skia.Paint.kRound_Cap,
        StrokeJoin=skia.Paint.kRound_Join,
    )


def put(canvas: skia.Canvas, path: skia.Path, colour: int) -> None:
    """Lay a sheet flat."""
    canvas.drawPath(path, _fill(colour))


def lay(canvas: skia.Canvas, path: skia.Path, colour: int, shade: int) -> None:
    """Lay a sheet on top of others: over an offset copy in `shade` (opaque, because blending is slow)."""
    canvas.translate(_SHADOW_X, _SHADOW_Y)
    canvas.drawPath(path, _fill(shade))
    canvas.translate(-_SHADOW_X, -_SHADOW_Y)
    canvas.drawPath(path, _fill(colour))


def trace(canvas: skia.Canvas, path: skia.Path, colour: int, width: float) -> None:
    """Lay a round-ended strip along a path that changes from frame to frame."""
    canvas.drawPath(path, _pen(colour, width))


def swing(canvas: skia.Canvas, path: skia.Path, colour: int, turn: tuple[float, float, float]) -> None:
    """Lay a sheet turned by `turn` = (degrees, clockwise; pin x; pin y)."""
    canvas.save()
    canvas.rotate(*turn)
    canvas.drawPath(path, _fill(colour))
    canvas.restore()


def place(
    canvas: skia.Canvas, path: skia.Path, colour: int, at: tuple[float, float], scale: tuple[float, float]
) -> None:
    """Lay a sheet cut about the origin at another point and scale (x, y)."""
    canvas.save()
    canvas.translate(*at)
    canvas.scale(*scale)
    canvas.drawPath(path, _fill(colour))
    canvas.restore()


def dot(canvas: skia.Canvas, x: float, y: float, radius: float, colour: int) -> None:
    """Lay a disc."""
    canvas.drawCircle(x, y, radius, _fill(colour))


def eye(canvas: skia.Canvas, x: float, y: float, radius: float, tone: Tone) -> None:
    """An eye that looks right and reads on any colour."""
    canvas.drawCircle(x, y, radius, _fill(tone.cream))
    canvas.drawCircle(x + radius * 0.22, y, radius * 0.62, _fill(tone.ink))


_NUM_FRAMES: Final = 48  # at most 25 ms apart for a period of 1.2 s: finer than film at 24 fps shows


def frame(phase_s: float, period_s: float) -> int:
    """Return which of a cycle's 48 cached poses is shown at a time."""
    return round(phase_s / period_s * _NUM_FRAMES) % _NUM_FRAMES


def cycle(index: int, num_turns: int = 1, shift: float = 0.0) -> float:
    """Return the sine that `frame` number `index` stands for; `num_turns` per cycle, `shift` in its periods."""
    return math.sin((index / _NUM_FRAMES * num_turns + shift) * math.tau)


def moved(path: skia.Path, matrix: skia.Matrix) -> skia.Path:
    """Return a transformed copy of a sheet."""
    copy = skia.Path()
    path.transform(matrix, copy)
    return copy


def turned(path: skia.Path, degrees: float, x: float, y: float) -> skia.Path:
    """Return a copy of a sheet turned clockwise about a pin."""
    return moved(path, skia.Matrix.RotateDeg(degrees, skia.Point(x, y)))


def join(*paths: skia.Path) -> skia.Path:
    """Return the union of sheets of one colour, so that a whole pose is one fill without seams."""
    grow = skia.Matrix.Scale(_SHARP, _SHARP)
    whole = moved(paths[0], grow)
    for path in paths[1:]:
        whole = skia.Op(whole, moved(path, grow), skia.PathOp.kUnion_PathOp)
    return _to_box(whole)


def outline(path: skia.Path, width: float) -> skia.Path:
    """Return the round-ended strip of paper along a line, as a sheet."""
    big = skia.Path()
    _stroker(width * _SHARP).getFillPath(moved(path, skia.Matrix.Scale(_SHARP, _SHARP)), big, None, _STROKE_DETAIL)
    return _to_box(big)


_SPOKES: Final = cut("O 0 0 0.68 0.68", holes=("R -0.7 -0.1 0.7 0.1 0", "R -0.1 -0.7 0.1 0.7 0"))
Spot = tuple[float, float, float]


@functools.cache
def _wheels_at(spots: tuple[Spot, ...], index: int) -> tuple[skia.Path, skia.Path]:
    tyres, hubs = skia.Path(), skia.Path()
    for x, y, radius in spots:
        tyres.addCircle(x, y, radius)
        hubs.addPath(moved(turned(_SPOKES, index / _NUM_FRAMES * 360.0, 0.0, 0.0), _spot(x, y, radius)))
    return tyres, hubs


def _spot(x: float, y: float, scale: float) -> skia.Matrix:
    return skia.Matrix.Translate(x, y).preScale(scale, scale)


def wheels(canvas: skia.Canvas, spots: tuple[Spot, ...], tone: Tone, phase_s: float, hub: int = 0) -> None:
    """Wheels at `spots` = (x, y, radius) that turn once in 1.2 s: ink tyres, four cream (or `hub`) sectors."""
    tyres, hubs = _wheels_at(spots, frame(phase_s, 1.2))
    canvas.drawPath(tyres, _fill(tone.ink))
    canvas.drawPath(hubs, _fill(hub or tone.cream))


def wave(phase_s: float, period_s: float, shift: float = 0.0) -> float:
    """Return a sine of time in [-1, 1]; `shift` is in periods."""
    return math.sin((phase_s / period_s + shift) * math.tau)


def puffs(canvas: skia.Canvas, mouth: tuple[float, float], reach: tuple[float, float], colour: int, t_s: float) -> None:
    """Two puffs of smoke that leave `mouth` along `reach` once in 1.2 s, growing and then vanishing."""
    for start in (0.0, 0.5):
        age = (t_s / 1.2 + start) % 1.0
        radius = 0.078 * math.sin(math.pi * age**0.7)
        canvas.drawCircle(mouth[0] + reach[0] * age, mouth[1] + reach[1] * age, radius, _fill(colour))

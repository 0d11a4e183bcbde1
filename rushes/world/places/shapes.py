"""Paper shapes that the places share: ridges, dunes, scalloped edges, clouds, fir and round trees."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import skia

from rushes.world.light import RGB, Light
from rushes.world.places.layer import Layer

EDGE_X = 2.5
EDGE_Y = 1.4
Point = tuple[float, float]


def paint(argb: int) -> skia.Paint:
    """Return an antialiased fill of one colour."""
    return skia.Paint(Color=argb, AntiAlias=True)


def layout(place: str, variant: int) -> random.Random:
    """Return the generator that settles one of the layouts of a place; the same on every machine."""
    return random.Random(f"{place} {variant}")


def polygon(points: Sequence[Point]) -> skia.Path:
    """Return the closed polygon through `points`."""
    builder = skia.PathBuilder()
    builder.addPolygon([skia.Point(x, y) for x, y in points], True)
    return builder.detach()


def ridge(points: Sequence[Point], *, bottom: float = EDGE_Y) -> skia.Path:
    """Return the area between the smooth curve through `points` (x rising) and `bottom`."""
    first, last = points[0], points[-1]
    padded = [first, *points, last]
    builder = skia.PathBuilder()
    builder.moveTo(first[0], bottom)
    builder.lineTo(first[0], first[1])
    for before, start, end, after in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        # Catmull-Rom through the points, as cubic segments.
        builder.cubicTo(
            start[0] + (end[0] - before[0]) / 6,
            start[1] + (end[1] - before[1]) / 6,
            end[0] - (after[0] - start[0]) / 6,
            end[1] - (after[1] - start[1]) / 6,
            end[0],
            end[1],
        )
    builder.lineTo(last[0], bottom)
    builder.close()
    return builder.detach()


def rolling(y: float, height: float, wavelength: float, shift: float, *, bottom: float = EDGE_Y) -> skia.Path:
    """Return rolling land: a sine of `height` (crest to trough) about `y`, its crest moved right by `shift`."""
    step = wavelength / 4
    count = math.ceil(2 * EDGE_X / step) + 1
    xs = [-EDGE_X + step * index for index in range(count)]
    return ridge([(x, y - height / 2 * math.cos(2 * math.pi * (x - shift) / wavelength)) for x in xs], bottom=bottom)


def waves(y: float, height: float, wavelength: float, shift: float, *, bottom: float = EDGE_Y) -> skia.Path:
    """Return water whose edge at `y` is a row of paper scallops, their tips up, `height` deep."""
    builder = skia.PathBuilder()
    x = -EDGE_X - wavelength + shift % wavelength
    builder.moveTo(x, bottom)
    builder.lineTo(x, y)
    while x < EDGE_X:
        builder.quadTo(x + wavelength / 2, y + 2 * height, x + wavelength, y)
        x += wavelength
    builder.lineTo(x, bottom)
    builder.close()
    return builder.detach()


def bank(y: float, height: float, wavelength: float, shift: float) -> skia.Path:
    """Return a cloud bank that hangs from above: its lower edge at `y` is a row of paper bulges."""
    builder = skia.PathBuilder()
    x = -EDGE_X - wavelength + shift % wavelength
    builder.moveTo(x, -EDGE_Y)
    builder.lineTo(x, y - height)
    index = 0
    while x < EDGE_X:
        width = wavelength * (1.0, 0.7, 1.25)[index % 3]
        builder.cubicTo(x + 0.05 * width, y + height / 3, x + 0.95 * width, y + height / 3, x + width, y - height)
        x += width
        index += 1
    builder.lineTo(x, -EDGE_Y)
    builder.close()
    return builder.detach()


def cloud(x: float, y: float, width: float) -> skia.Path:
    """Return a flat-bottomed puff of `width` whose bottom centre is (`x`, `y`)."""
    builder = skia.PathBuilder()
    half = width / 2
    builder.addRRect(
        skia.RRect.MakeRectXY(skia.Rect(x - half, y - 0.24 * width, x + half, y), 0.12 * width, 0.12 * width)
    )
    for dx, dy, radius in ((-0.22, -0.20, 0.16), (0.02, -0.26, 0.21), (0.25, -0.18, 0.14)):
        builder.addCircle(x + dx * width, y + dy * width, radius * width)
    return builder.detach()


def fir(x: float, y: float, height: float) -> skia.Path:
    """Return a fir of two stacked triangles standing at (`x`, `y`)."""
    half = 0.26 * height
    return polygon(
        [
            (x, y - height),
            (x + 0.72 * half, y - 0.46 * height),
            (x + 0.40 * half, y - 0.46 * height),
            (x + half, y),
            (x - half, y),
            (x - 0.40 * half, y - 0.46 * height),
            (x - 0.72 * half, y - 0.46 * height),
        ]
    )


def circle(x: float, y: float, radius: float) -> skia.Path:
    """Return a disc."""
    builder = skia.PathBuilder()
    builder.addCircle(x, y, radius)
    return builder.detach()


def rect(left: float, top: float, right: float, bottom: float, radius: float = 0.0) -> skia.Path:
    """Return a box with rounded corners."""
    builder = skia.PathBuilder()
    builder.addRRect(skia.RRect.MakeRectXY(skia.Rect(left, top, right, bottom), radius, radius))
    return builder.detach()


def cut(*shapes: tuple[skia.Path, int]) -> Callable[[skia.Canvas], None]:
    """Return a drawing that fills each path with its colour, in order."""
    filled = tuple((path, paint(argb)) for path, argb in shapes)

    def draw(canvas: skia.Canvas) -> None:
        for path, fill in filled:
            canvas.drawPath(path, fill)

    return draw


def foreground(light: Light, tones: Sequence[RGB], shift: float) -> Layer:
    """Return the land at the viewer's feet: one sheet along the bottom edge, more below it for tall frames."""
    rows = zip((0.43, 0.64, 0.86), tones, strict=True)
    sheets = [(rolling(y, 0.045, 1.7, shift + 2 * y), light.shade(rgb, 1.2)) for y, rgb in rows]
    return Layer(depth=1.2, draw=cut(*sheets), in_front=True)

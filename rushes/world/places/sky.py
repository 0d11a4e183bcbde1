"""The sky that most places share: gradient, stars, sun or moon, and the clouds of the weather."""

from __future__ import annotations

import random

import skia

from rushes.world.light import RGB, Light, colour, mix
from rushes.world.places.layer import Layer
from rushes.world.places.shapes import EDGE_X, EDGE_Y, bank, circle, cloud, cut, paint, rect


def gradient(stops: tuple[tuple[float, RGB], ...]) -> skia.Paint:
    """Return a vertical gradient through (y in units, RGB) stops, y rising."""
    top, bottom = stops[0][0], stops[-1][0]
    return skia.Paint(
        Shader=skia.GradientShader.MakeLinear(
            points=[skia.Point(0, top), skia.Point(0, bottom)],
            colors=[colour(rgb) for _, rgb in stops],
            positions=[(y - top) / (bottom - top) for y, _ in stops],
        )
    )


def draw_orb(canvas: skia.Canvas, light: Light, x: float, y: float, radius: float) -> None:
    """Draw the sun or the moon of `light` with its paper rings of glow, centred on (`x`, `y`)."""
    orb = light.orb
    for scale, opacity in ((2.5, 0.16), (1.65, 0.26)):
        canvas.drawCircle(x, y, radius * scale, paint(colour(orb.glow, opacity * orb.opacity)))
    face = paint(colour(orb.face, orb.opacity))
    if orb.kind != "crescent":
        canvas.drawCircle(x, y, radius, face)
        if orb.kind == "moon":
            crater = paint(colour(mix(orb.face, light.sky[1], 0.22), orb.opacity))
            for dx, dy, share in ((-0.32, -0.25, 0.24), (0.30, 0.18, 0.30), (-0.22, 0.46, 0.16)):
                canvas.drawCircle(x + dx * radius, y + dy * radius, share * radius, crater)
        return
    bite = circle(x + 0.42 * radius, y - 0.26 * radius, 0.86 * radius)
    crescent = skia.Op(circle(x, y, radius), bite, skia.PathOp.kDifference_PathOp)
    canvas.drawPath(crescent, face)


def star(canvas: skia.Canvas, x: float, y: float, radius: float, fill: skia.Paint) -> None:
    """Draw a four-pointed paper star."""
    builder = skia.PathBuilder()
    builder.moveTo(x, y - radius)
    for end_x, end_y in ((radius, 0.0), (0.0, radius), (-radius, 0.0), (0.0, -radius)):
        builder.quadTo(x, y, x + end_x, y + end_y)
    builder.close()
    canvas.drawPath(builder.detach(), fill)


def stars(canvas: skia.Canvas, seed: str, num_stars: int, *, lowest: float, rgb: RGB) -> None:
    """Draw about `num_stars` stars per 16:9 frame above `lowest`, one to a cell so that none touch."""
    rng = random.Random(seed)
    columns, rows = max(3, round(num_stars**0.5 * 1.6)), max(2, round(num_stars**0.5 * 0.7))
    cell_x, cell_y = 1.78 / columns, (lowest + 0.5) / rows
    y = lowest - cell_y / 2
    while y > -EDGE_Y:
        x = -EDGE_X
        while x < EDGE_X:
            radius = rng.choice((0.014, 0.018, 0.028))
            fill = paint(colour(rgb, rng.uniform(0.65, 1.0)))
            star(canvas, x + rng.uniform(-0.35, 0.35) * cell_x, y + rng.uniform(-0.35, 0.35) * cell_y, radius, fill)
            x += cell_x
        y -= cell_y


def sky(light: Light, rng: random.Random, *, horizon: float) -> list[Layer]:
    """Return the layers of the sky, farthest first; low suns sit on `horizon` (units, y down)."""
    top, middle, low = light.sky
    fill = gradient(((-1.2, mix(top, middle, -0.12)), (-0.5, top), (horizon - 0.24, middle), (horizon, low)))
    orb = light.orb
    orb_y = horizon + orb.y if orb.is_low else orb.y
    seed = str(rng.random())

    def draw(canvas: skia.Canvas) -> None:
        canvas.drawPaint(fill)
        if light.num_stars:
            stars(canvas, seed, light.num_stars, lowest=horizon - 0.12, rgb=(255, 246, 214))
        draw_orb(canvas, light, orb.x, orb_y, orb.radius)

    return [Layer(depth=0.0, draw=draw, shadow=False), *_clouds(light, rng)]


def _clouds(light: Light, rng: random.Random) -> list[Layer]:
    # Clouds keep clear of the sun and the moon: those tell the hour.
    free = -1 if light.orb.x > 0 else 1
    if light.weather in ("clear", "fog"):
        puff = colour(light.cloud, 0.94)
        spots = ((free * 0.50, -0.25, 0.30), (free * 0.12, -0.36, 0.20), (-free * 0.68, -0.12, 0.24), (0.0, -0.74, 0.4))
        shapes = [
            (cloud(x + rng.uniform(-0.09, 0.09), y + rng.uniform(-0.03, 0.03), width), puff) for x, y, width in spots
        ]
        shapes += [(cloud(x, -0.26, 0.3), puff) for x in (-1.35, 1.6)]
        return [Layer(depth=0.12, draw=cut(*shapes), drift=(0.010 * free, 0.0))]
    dark = 0.62 if light.weather == "rain" else 0.82
    shades = [mix(light.sky[0], light.cloud, share) for share in (0.25, 0.55, 0.85)]
    if light.weather != "snow":
        shades = [(rgb[0] * dark, rgb[1] * dark, rgb[2] * dark) for rgb in shades]
    edges = ((-0.20, 0.10, 0.08, 0.016), (-0.30, 0.12, 0.11, 0.026), (-0.62, 0.16, 0.14, 0.034))
    return [
        Layer(
            depth=depth,
            draw=cut((bank(y, height, 3.2 * height, rng.uniform(0, 1)), colour(rgb))),
            drift=(speed, 0.0),
        )
        for (y, height, depth, speed), rgb in zip(edges, shades, strict=True)
    ]


def glitter(light: Light, *, top: float, bottom: float) -> list[tuple[skia.Path, int]]:
    """Return the strips of light that the sun or the moon lays on water between `top` and `bottom`."""
    strips = []
    count = 4
    for index in range(count):
        y = top + (bottom - top) * (index + 0.35) / count
        half = light.orb.radius * (0.95, 0.62, 0.80, 0.42)[index]
        tone = colour(mix(light.orb.face, light.sky[2], 0.25), 0.75 * light.orb.opacity)
        strips.append((rect(light.orb.x - half, y - 0.008, light.orb.x + half, y + 0.008, 0.008), tone))
    return strips

"""A room: papered wall, a big window that shows the hour, a lamp that is lit after dark, floor and rug."""

from __future__ import annotations

import skia

from rushes.world.light import RGB, Light, colour, mix
from rushes.world.places.layer import Layer
from rushes.world.places.shapes import circle, cut, layout, paint, polygon, rect, rolling
from rushes.world.places.sky import draw_orb, gradient, star

BASELINE: dict[str, float | tuple[float, float]] = {"land": 0.33, "air": (-0.22, 0.06)}
_WALLS: tuple[RGB, ...] = ((238, 216, 184), (196, 216, 206), (232, 200, 196), (206, 208, 228))
_RUGS: tuple[RGB, ...] = ((196, 110, 100), (98, 140, 160), (222, 172, 96), (128, 150, 112))


def _window(light: Light, x: float, y: float, half: float) -> Layer:
    """Return the window: the sky of the hour in a frame of white paper, centred on (`x`, `y`)."""
    top, middle, low = light.sky
    fill = gradient(((y - half, top), (y, middle), (y + 0.7 * half, low)))
    pane = rect(x - half, y - half, x + half, y + half, 0.02)
    frame = light.shade((252, 248, 238))
    orb_y = 0.22 * half if light.orb.is_low else -0.34 * half
    orb_x = 0.40 * half if light.orb.x > 0 else -0.40 * half

    def draw(canvas: skia.Canvas) -> None:
        canvas.drawPath(rect(x - half - 0.03, y - half - 0.03, x + half + 0.03, y + half + 0.03, 0.02), paint(frame))
        canvas.save()
        canvas.clipPath(pane, doAntiAlias=True)
        canvas.drawPaint(fill)
        draw_orb(canvas, light, x + orb_x, y + orb_y, 0.9 * light.orb.radius)
        if light.num_stars:
            spots = ((-0.62, -0.55), (-0.25, -0.12), (0.62, 0.25), (-0.68, 0.28), (0.12, -0.72))
            for dx, dy in spots[: 2 if light.time == "dusk" else 5]:
                star(canvas, x - orb_x / abs(orb_x) * dx * half, y + dy * half, 0.022, paint(colour((255, 246, 214))))
        canvas.drawPath(rolling(y + 0.74 * half, 0.07, 0.7, x), paint(light.shade((112, 168, 112), 0.7)))
        canvas.restore()
        canvas.drawRect(skia.Rect(x - 0.009, y - half, x + 0.009, y + half), paint(frame))
        canvas.drawRect(skia.Rect(x - half, y - 0.009, x + half, y + 0.009), paint(frame))
        canvas.drawRect(skia.Rect(x - half - 0.05, y + half + 0.015, x + half + 0.05, y + half + 0.05), paint(frame))

    return Layer(depth=0.82, draw=draw)


def _lamp(light: Light, x: float) -> Layer:
    """Return a standing lamp; its glow shows after dark."""
    glow = colour((255, 206, 120), 0.20)
    pieces = [(rect(x - 0.008, -0.08, x + 0.008, 0.27), light.shade((92, 78, 84)))]
    pieces.append((rect(x - 0.07, 0.255, x + 0.07, 0.28, 0.012), light.shade((92, 78, 84))))
    pieces.append(
        (
            polygon([(x - 0.06, -0.20), (x + 0.06, -0.20), (x + 0.11, -0.05), (x - 0.11, -0.05)]),
            light.lamp((240, 196, 120)),
        )
    )
    halo = [(circle(x, -0.10, 0.34), glow), (circle(x, -0.10, 0.22), glow)] if light.is_dark else []
    return Layer(depth=0.9, draw=cut(*halo, *pieces))


def layers(variant: int, light: Light, spread: float = 1.0) -> list[Layer]:
    """Return the sheets of the room, farthest first."""
    rng = layout("room", variant)
    side = 1 if variant % 2 else -1
    step = variant // 2
    wall, rug = _WALLS[step], _RUGS[(step + variant) % 4]
    # A low sun floods the room, so that dawn and day differ although four wall papers do too.
    flood = 0.34 if light.orb.is_low else 0.0

    def paper(rgb: RGB) -> int:
        return colour(mix(light.tint(rgb), light.sky[1], flood))

    papered = [(rect(-2.5, -1.4, 2.5, 1.4), paper(wall))]
    stripe = paper(mix(wall, (255, 255, 255), 0.28))
    papered += [(rect(-2.5 + 0.24 * k, -1.4, -2.5 + 0.24 * k + 0.12, 0.3), stripe) for k in range(21)]
    papered.append((rect(-2.5, 0.165, 2.5, 0.22), paper((250, 244, 232))))
    floor = [(rect(-2.5, 0.215, 2.5, 1.4), paper((186, 138, 98)))]
    plank = paper((172, 124, 86))
    floor += [(rect(-2.5, y, 2.5, y + height), plank) for y, height in ((0.29, 0.07), (0.47, 0.12), (0.75, 0.18))]
    carpet = skia.PathBuilder()
    carpet.addOval(skia.Rect(-0.52, 0.265, 0.52, 0.415))
    inner = skia.PathBuilder()
    inner.addOval(skia.Rect(-0.40, 0.285, 0.40, 0.395))
    floor.append((carpet.detach(), paper(rug)))
    floor.append((inner.detach(), paper(mix(rug, (255, 246, 226), 0.35))))
    x = spread * side * (0.30 + 0.03 * step)
    return [
        Layer(depth=0.8, draw=cut(*papered), shadow=False),
        _window(light, x, -0.17, 0.215 + rng.choice((-0.01, 0.01))),
        _lamp(light, -spread * side * (0.58 - 0.04 * step)),
        Layer(depth=0.95, draw=cut(*floor)),
    ]

"""Under water: light falling from the surface, dark rocks at the sides, corals and kelp on a pale sea bed."""

from __future__ import annotations

import skia

from rushes.world.light import RGB, Light, colour, mix
from rushes.world.places.layer import Layer
from rushes.world.places.shapes import EDGE_Y, circle, cut, foreground, layout, paint, polygon, ridge, rolling
from rushes.world.places.sky import gradient

BASELINE: dict[str, float | tuple[float, float]] = {"deep": (-0.26, 0.16)}
_WATER: dict[str, tuple[RGB, RGB, RGB]] = {
    "dawn": ((255, 212, 206), (146, 190, 206), (58, 122, 164)),
    "day": ((170, 238, 230), (62, 178, 204), (18, 104, 158)),
    "sunset": ((255, 186, 92), (206, 112, 100), (86, 66, 116)),
    "dusk": ((206, 136, 184), (104, 84, 164), (44, 42, 110)),
    "night": ((70, 112, 168), (24, 54, 114), (8, 22, 66)),
}


def _kelp(x: float, height: float, lean: float, width: float) -> skia.Path:
    """Return one waving blade of kelp rooted on the sea bed at `x`."""
    y = 0.36
    builder = skia.PathBuilder()
    builder.moveTo(x - width / 2, y)
    builder.cubicTo(x - width - lean, y - 0.33 * height, x - width / 2 + lean, y - 0.66 * height, x + lean, y - height)
    builder.cubicTo(x + width + lean, y - 0.66 * height, x + width - lean, y - 0.33 * height, x + width / 2, y)
    builder.close()
    return builder.detach()


def _coral(x: float, y: float, size: float) -> skia.Path:
    """Return a branching coral as a fan of round-tipped fingers."""
    builder = skia.PathBuilder()
    for dx, height in ((-0.42, 0.62), (-0.16, 0.92), (0.14, 1.0), (0.42, 0.70)):
        left = x + dx * size - 0.11 * size
        box = skia.Rect(left, y - height * size, left + 0.22 * size, y + 0.05)
        builder.addRRect(skia.RRect.MakeRectXY(box, 0.11 * size, 0.11 * size))
    return builder.detach()


def _beams(orb_x: float) -> list[skia.Path]:
    """Return three shafts of light that lean away from the sun or moon above."""
    lean = -0.25 if orb_x > 0 else 0.25
    return [
        polygon([(x - w, -EDGE_Y), (x + w, -EDGE_Y), (x + lean + 2.6 * w, 0.42), (x + lean - 2.6 * w, 0.42)])
        for x, w in ((orb_x * 0.9 - 0.30, 0.05), (orb_x * 0.9 + 0.02, 0.08), (orb_x * 0.9 + 0.42, 0.05))
    ]


def layers(variant: int, light: Light, spread: float = 1.0) -> list[Layer]:
    """Return the sheets of the sea floor, farthest first."""
    rng = layout("underwater", variant)
    side = 1 if variant % 2 else -1
    step = variant // 2
    top, middle, deep = _WATER[light.time]
    water = gradient(((-1.2, mix(top, (255, 255, 255), 0.25)), (-0.52, top), (-0.18, middle), (0.45, deep)))
    orb = light.orb
    beams = _beams(orb.x)

    def draw(canvas: skia.Canvas) -> None:
        canvas.drawPaint(water)
        for scale, opacity in ((3.4, 0.20), (2.2, 0.28), (1.2, 0.75)):
            canvas.drawCircle(orb.x * 0.9, -0.43, 0.085 * scale, paint(colour(orb.face, opacity)))
        for beam in beams:
            canvas.drawPath(beam, paint(colour(mix(top, (255, 255, 255), 0.3), 0.20)))

    def paper(rgb: RGB, depth: float) -> int:
        return colour(mix(light.tint(rgb), middle, 0.85 * (1 - depth) + 0.06))

    def rocks(x: float, high: float, low: float, shift: float) -> skia.Path:
        points = [
            (x, 0.5),
            (x + 0.10, low),
            (x + 0.26 + shift, high),
            (x + 0.5, high - 0.05),
            (1.4, high - 0.08),
            (4.5, high - 0.1),
        ]
        return ridge([(spread * side * px, py) for px, py in points])

    far = [(rocks(0.30 + 0.05 * step, -0.16, 0.10, 0.0), paper((56, 104, 136), 0.35))]
    far.append((rolling(0.22, 0.12, 1.5, -side * 0.6), paper((70, 120, 146), 0.35)))
    near = [(rocks(0.52 + 0.04 * step, -0.02, 0.16, 0.04), paper((44, 84, 120), 0.65))]
    kelp = [
        (_kelp(-spread * side * (0.56 + 0.12 * k), h, rng.choice((-0.05, 0.05)), 0.05), paper((52, 140, 112), 0.85))
        for k, h in enumerate((0.34, 0.48, 0.40, 0.52, 0.36))
    ]
    pinks: tuple[RGB, ...] = ((240, 122, 130), (250, 168, 96), (196, 120, 190))
    corals = [
        (_coral(spread * x, 0.36, size), paper(pinks[(variant + index) % 3], 0.95))
        for index, (x, size) in enumerate(
            ((side * (0.58 - 0.03 * step), 0.20), (side * 0.80, 0.15), (-side * 0.45, 0.12))
        )
    ]
    bubbles = [
        (circle(side * (0.34 + 0.05 * (k % 3)), 1.1 - 0.23 * k, 0.014 + 0.008 * (k % 2)), paper((240, 252, 255), 0.8))
        for k in range(11)
    ]
    bed = (rolling(0.345, 0.04, 1.8, side * (0.3 + 0.1 * step)), paper((236, 210, 160), 0.8))
    return [
        Layer(depth=0.0, draw=draw, shadow=False),
        Layer(depth=0.35, draw=cut(*far)),
        Layer(depth=0.65, draw=cut(*near)),
        Layer(depth=0.75, draw=cut(*bubbles), drift=(0.0, -0.05), shadow=False),
        Layer(depth=0.85, draw=cut(*kelp), sway_amplitude=0.012),
        Layer(depth=1.0, draw=cut(*corals, bed)),
        foreground(light, ((186, 158, 130), (160, 134, 120), (136, 114, 112)), -side * 0.3),
    ]

"""Subjects in the air: machines, balloons, winged animals, a kite, a star and a lantern."""

from __future__ import annotations

import functools
import math
from typing import Final

import skia

from rushes.world.subjects.paper import (
    cut,
    cycle,
    dot,
    eye,
    frame,
    join,
    lay,
    moved,
    place,
    put,
    strip,
    swing,
    trace,
    wave,
)
from rushes.world.subjects.tone import Artist, Tone

_PLANE_BODY: Final = cut(
    "M -0.46 0.02 C -0.3 -0.08 0.1 -0.1 0.26 -0.1 C 0.42 -0.1 0.5 0.0 0.5 0.06 C 0.5 0.14 0.38 0.18 0.2 0.18 "
    "L -0.2 0.16 "
    "C -0.34 0.14 -0.44 0.1 -0.46 0.02 Z",
    "M -0.48 -0.3 L -0.36 -0.3 C -0.3 -0.2 -0.24 -0.1 -0.16 -0.06 L -0.44 0.04 Z",
)
_PLANE_WING: Final = cut("M -0.06 0.08 L 0.16 0.08 L -0.1 0.4 Q -0.14 0.44 -0.24 0.42 Z")
_PLANE_FAR: Final = cut(
    "M -0.02 -0.06 L 0.14 -0.07 L 0.0 -0.28 L -0.1 -0.28 Z", "M -0.46 0.04 L -0.28 0.02 L -0.42 0.18 L -0.5 0.18 Z"
)
_PLANE_PANES: Final = cut(
    "M 0.34 -0.09 Q 0.44 -0.06 0.47 0.02 L 0.35 0.02 Z",
    "O -0.18 0.0 0.03 0.03",
    "O -0.06 -0.01 0.03 0.03",
    "O 0.06 -0.015 0.03 0.03",
    "O 0.18 -0.02 0.03 0.03",
)


def plane(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """A round-nosed aeroplane, gently rocking."""
    canvas.save()
    canvas.rotate(2.0 * wave(phase_s, 1.2))
    put(canvas, _PLANE_FAR, tone.dark)
    put(canvas, _PLANE_BODY, tone.base)
    put(canvas, _PLANE_PANES, tone.cream)
    lay(canvas, _PLANE_WING, tone.dark, tone.shade)
    canvas.restore()


_HELI_BODY: Final = cut(
    "M -0.12 -0.16 C 0.0 -0.22 0.2 -0.22 0.3 -0.14 C 0.42 -0.06 0.46 0.08 0.42 0.16 Q 0.38 0.24 0.26 0.24 L 0.0 0.24 "
    "C -0.12 0.24 -0.2 0.1 -0.22 0.02 L -0.42 -0.04 L -0.48 -0.2 L -0.4 -0.2 L -0.33 -0.11 Z"
)
_HELI_PANE: Final = cut("M 0.14 -0.12 C 0.28 -0.12 0.36 -0.02 0.38 0.08 L 0.14 0.08 Z")
_HELI_SKID: Final = strip(
    0.035,
    "M -0.1 0.38 L 0.34 0.38 Q 0.4 0.38 0.41 0.33",
    "M 0.02 0.22 L 0.0 0.38",
    "M 0.24 0.22 L 0.26 0.38",
    "M 0.1 -0.18 L 0.1 -0.31",
)
_HELI_BLADE: Final = cut("O 0 0 0.4 0.035")
_HELI_TAIL: Final = cut("O 0 0 0.03 0.105")


def helicopter(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """A bubble helicopter, rotor turning."""
    put(canvas, _HELI_SKID, tone.ink)
    put(canvas, _HELI_BODY, tone.base)
    put(canvas, _HELI_PANE, tone.cream)
    turn = 0.55 + 0.45 * math.cos(phase_s * math.tau / 0.6)
    place(canvas, _HELI_BLADE, tone.ink, (0.1, -0.32), (turn, 1.0))
    canvas.save()
    canvas.translate(-0.42, -0.155)
    canvas.rotate(phase_s * 300.0)
    put(canvas, _HELI_TAIL, tone.ink)
    canvas.restore()


_ROCKET_BODY: Final = cut(
    "M 0 -0.58 C 0.16 -0.44 0.2 -0.26 0.2 -0.06 C 0.2 0.1 0.16 0.24 0.12 0.32 L -0.12 0.32 "
    "C -0.16 0.24 -0.2 0.1 -0.2 -0.06 C -0.2 -0.26 -0.16 -0.44 0 -0.58 Z"
)
_ROCKET_NOSE: Final = cut(
    "M 0 -0.58 C 0.1 -0.5 0.155 -0.4 0.178 -0.29 Q 0 -0.23 -0.178 -0.29 C -0.155 -0.4 -0.1 -0.5 0 -0.58 Z"
)
_ROCKET_FINS: Final = cut(
    "M -0.17 0.04 C -0.34 0.1 -0.36 0.26 -0.32 0.42 L -0.1 0.28 Z",
    "M 0.17 0.04 C 0.34 0.1 0.36 0.26 0.32 0.42 L 0.1 0.28 Z",
)
_ROCKET_FLAME: Final = cut("M -0.1 0.0 L 0.1 0.0 Q 0.12 0.12 0 0.28 Q -0.12 0.12 -0.1 0.0 Z")


def rocket(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """A finned rocket climbing to the right on a flickering flame."""
    canvas.save()
    canvas.rotate(45.0)
    place(canvas, _ROCKET_FLAME, tone.warm, (0.0, 0.3), (1.0, 0.9 + 0.22 * wave(phase_s, 0.6)))
    put(canvas, _ROCKET_FINS, tone.dark)
    put(canvas, _ROCKET_BODY, tone.base)
    put(canvas, _ROCKET_NOSE, tone.dark)
    dot(canvas, 0.0, -0.1, 0.115, tone.dark)
    dot(canvas, 0.0, -0.1, 0.08, tone.cream)
    canvas.restore()


_AIRSHIP: Final = cut(
    "M -0.09 0.24 C -0.2 0.16 -0.38 0.06 -0.38 -0.14 C -0.38 -0.36 -0.2 -0.5 0 -0.5 "
    "C 0.2 -0.5 0.38 -0.36 0.38 -0.14 C 0.38 0.06 0.2 0.16 0.09 0.24 Z"
)
_AIRSHIP_GORES: Final = cut(
    "M 0 -0.5 C 0.12 -0.4 0.14 0.04 0.045 0.24 L -0.045 0.24 C -0.14 0.04 -0.12 -0.4 0 -0.5 Z",
)
_AIRSHIP_SIDES: Final = cut(
    "M 0 -0.5 C -0.3 -0.4 -0.3 0.0 -0.07 0.24 L -0.045 0.24 C -0.14 0.04 -0.12 -0.4 0 -0.5 Z",
    "M 0 -0.5 C 0.3 -0.4 0.3 0.0 0.07 0.24 L 0.045 0.24 C 0.14 0.04 0.12 -0.4 0 -0.5 Z",
)
_AIRSHIP_ROPES: Final = strip(0.02, "M -0.085 0.22 L -0.08 0.36", "M 0.085 0.22 L 0.08 0.36")
_AIRSHIP_BASKET: Final = cut("M -0.11 0.34 L 0.11 0.34 L 0.09 0.5 L -0.09 0.5 Z")


def hot_air_balloon(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """A gored envelope with a basket that sways beneath it."""
    canvas.save()
    canvas.rotate(6.0 * wave(phase_s, 1.2), 0.0, 0.1)
    put(canvas, _AIRSHIP_ROPES, tone.ink)
    put(canvas, _AIRSHIP_BASKET, tone.wood)
    canvas.restore()
    put(canvas, _AIRSHIP, tone.base)
    put(canvas, _AIRSHIP_SIDES, tone.dark)
    put(canvas, _AIRSHIP_GORES, tone.light)


_BIRD_BODY: Final = cut(
    "M -0.5 0.1 L -0.44 -0.02 L -0.2 0.02 C -0.08 -0.1 0.08 -0.12 0.16 -0.14 C 0.2 -0.26 0.4 -0.28 0.42 -0.12 "
    "C 0.44 0.12 0.2 0.28 -0.02 0.24 C -0.14 0.22 -0.22 0.18 -0.28 0.12 Z"
)
_BIRD_BELLY: Final = cut(
    "M 0.38 0.0 C 0.34 0.16 0.16 0.26 -0.02 0.24 C -0.1 0.22 -0.16 0.2 -0.2 0.16 Q 0.1 0.18 0.38 0.0 Z"
)
_BIRD_BEAK: Final = cut("M 0.4 -0.18 L 0.5 -0.11 L 0.4 -0.06 Z")
_BIRD_WING: Final = cut(
    "M 0.16 0.0 C 0.06 -0.2 -0.06 -0.36 -0.26 -0.46 C -0.3 -0.26 -0.26 -0.02 -0.14 0.06 Q 0.02 0.12 0.16 0.0 Z"
)


def bird(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """A small bird beating its wings."""
    beat = 0.42 + 0.58 * wave(phase_s, 0.6, 0.25)
    for shift, colour in ((0.08, tone.dark), (0.0, tone.light)):
        if colour == tone.light:
            put(canvas, _BIRD_BEAK, tone.warm)
            put(canvas, _BIRD_BODY, tone.base)
            put(canvas, _BIRD_BELLY, tone.dark)
        canvas.save()
        canvas.translate(shift, 0.04)
        canvas.scale(1.0, beat)
        canvas.translate(0.0, -0.02)
        put(canvas, _BIRD_WING, colour)
        canvas.restore()
    eye(canvas, 0.3, -0.14, 0.045, tone)


_FLY_WINGS: Final = cut(
    "M 0.0 0.02 C 0.04 -0.3 0.3 -0.46 0.45 -0.38 C 0.54 -0.28 0.46 -0.02 0.3 0.04 C 0.42 0.1 0.44 0.3 0.32 0.38 "
    "C 0.18 0.44 0.04 0.24 0.0 0.06 Z"
)
_FLY_SPOTS: Final = cut("O 0.31 -0.22 0.1 0.1", "O 0.25 0.22 0.075 0.085")
_FLY_TORSO: Final = cut("O 0 0.03 0.05 0.27", "O 0 -0.24 0.065 0.065")
_FLY_BODY: Final = join(
    _FLY_TORSO, strip(0.025, "M 0.02 -0.28 Q 0.06 -0.42 0.14 -0.44", "M -0.02 -0.28 Q -0.06 -0.42 -0.14 -0.44")
)


@functools.cache
def _wings_pose(index: int) -> tuple[skia.Path, skia.Path]:
    fold = 0.78 + 0.22 * cycle(index)
    right, left = skia.Matrix.Scale(fold, 1.0), skia.Matrix.Scale(-fold, 1.0)
    wings = join(moved(_FLY_WINGS, right), moved(_FLY_WINGS, left))
    return wings, join(moved(_FLY_SPOTS, right), moved(_FLY_SPOTS, left))


def butterfly(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """A butterfly seen from above, tilted to the right, folding its wings."""
    wings, spots = _wings_pose(frame(phase_s, 0.6))
    canvas.save()
    canvas.rotate(18.0)
    put(canvas, wings, tone.base)
    put(canvas, spots, tone.light)
    put(canvas, _FLY_BODY, tone.ink)
    canvas.restore()


_BEE_BODY: Final = cut(
    "M 0.44 0.12 C 0.44 -0.06 0.32 -0.14 0.1 -0.14 C -0.14 -0.14 -0.34 -0.02 -0.42 0.12 "
    "C -0.34 0.3 -0.14 0.4 0.1 0.4 C 0.32 0.4 0.44 0.3 0.44 0.12 Z"
)
_BEE_STRIPES: Final = cut(
    "M -0.21 -0.08 L -0.13 -0.112 Q -0.06 0.12 -0.13 0.372 L -0.21 0.33 Q -0.15 0.12 -0.21 -0.08 Z",
    "M 0.01 -0.138 L 0.095 -0.138 Q 0.175 0.13 0.095 0.4 L 0.01 0.395 Q 0.09 0.13 0.01 -0.138 Z",
    "M -0.4 0.07 L -0.5 0.13 L -0.4 0.17 Z",
)
_BEE_WING: Final = cut("M 0.06 -0.1 C -0.02 -0.3 0.0 -0.46 0.1 -0.47 C 0.22 -0.48 0.24 -0.26 0.12 -0.1 Z")
_BEE_FEELERS: Final = strip(0.03, "M 0.3 -0.08 Q 0.34 -0.24 0.44 -0.25", "M 0.36 -0.04 Q 0.42 -0.16 0.5 -0.15")


def bee(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """A plump striped bee."""
    buzz = 12.0 * wave(phase_s, 0.6)
    swing(canvas, _BEE_WING, tone.cream, (buzz - 50.0, 0.08, -0.1))
    swing(canvas, _BEE_WING, tone.light, (-buzz * 0.8 + 2.0, 0.08, -0.1))
    put(canvas, _BEE_FEELERS, tone.ink)
    put(canvas, _BEE_BODY, tone.base)
    put(canvas, _BEE_STRIPES, tone.mark)
    eye(canvas, 0.31, 0.07, 0.055, tone)


_KITE_SAIL: Final = cut("M 0.14 -0.5 L 0.46 -0.14 L 0.02 0.24 L -0.2 -0.2 Z")
_KITE_LIGHT: Final = cut("M 0.14 -0.5 L 0.105 -0.17 L -0.2 -0.2 Z", "M 0.105 -0.17 L 0.46 -0.14 L 0.02 0.24 Z")
_KITE_SPARS: Final = strip(0.02, "M 0.14 -0.48 L 0.02 0.22", "M -0.18 -0.2 L 0.44 -0.14")
_KITE_BOW: Final = cut("M 0 0 L -0.085 -0.06 L -0.085 0.06 Z", "M 0 0 L 0.085 -0.06 L 0.085 0.06 Z")


def kite(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """A diamond kite with bows on its waving tail."""
    sway = 0.07 * wave(phase_s, 1.2)
    tail = skia.Path()
    tail.moveTo(0.02, 0.22)
    tail.cubicTo(-0.1 + sway, 0.36, -0.2 - sway, 0.2, -0.28, 0.34 + sway)
    tail.quadTo(-0.34 - sway * 0.5, 0.44, -0.44, 0.42)
    trace(canvas, tail, tone.ink, 0.02)
    place(canvas, _KITE_BOW, tone.base, (-0.1, 0.295 + sway * 0.2), (1.0, 1.0))
    place(canvas, _KITE_BOW, tone.dark, (-0.27, 0.325 + sway * 0.8), (1.0, 1.0))
    place(canvas, _KITE_BOW, tone.base, (-0.41, 0.42), (1.0, 1.0))
    put(canvas, _KITE_SAIL, tone.base)
    put(canvas, _KITE_LIGHT, tone.light)
    put(canvas, _KITE_SPARS, tone.dark)


_BALLOON: Final = cut(
    "M 0 0.2 C -0.18 0.16 -0.3 -0.02 -0.3 -0.2 C -0.3 -0.38 -0.17 -0.5 0 -0.5 C 0.17 -0.5 0.3 -0.38 0.3 -0.2 "
    "C 0.3 -0.02 0.18 0.16 0 0.2 Z",
    "M 0 0.16 L 0.07 0.25 L -0.07 0.25 Z",
)
_BALLOON_GLINT: Final = cut(
    "M -0.2 -0.2 C -0.21 -0.32 -0.14 -0.41 -0.05 -0.43 C -0.12 -0.36 -0.15 -0.28 -0.15 -0.18 Q -0.18 -0.16 -0.2 -0.2 Z"
)
_BALLOON_SHADE: Final = cut(
    "M 0 0.2 C -0.1 0.18 -0.19 0.1 -0.24 0.0 C -0.1 0.14 0.22 0.06 0.28 -0.3 C 0.36 -0.1 0.2 0.16 0 0.2 Z"
)


def balloon(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """A party balloon on a wavy string."""
    sway = 0.07 * wave(phase_s, 1.2)
    string = skia.Path()
    string.moveTo(0.0, 0.24)
    string.cubicTo(0.08 + sway, 0.32, -0.1 - sway, 0.4, sway * 0.6, 0.49)
    trace(canvas, string, tone.ink, 0.022)
    put(canvas, _BALLOON, tone.base)
    put(canvas, _BALLOON_SHADE, tone.dark)
    put(canvas, _BALLOON_GLINT, tone.light)


def _star_text(outer: float, inner: float) -> str:
    """A five-pointed star about the origin whose points and notches are rounded by quadratic curves."""
    corners = [
        (r * math.sin(k * math.pi / 5), -r * math.cos(k * math.pi / 5))
        for k, r in ((k, inner if k % 2 else outer) for k in range(10))
    ]
    words = []
    for k, (x, y) in enumerate(corners):
        before, after = corners[k - 1], corners[(k + 1) % 10]
        ax, ay = x + (before[0] - x) * 0.22, y + (before[1] - y) * 0.22
        bx, by = x + (after[0] - x) * 0.22, y + (after[1] - y) * 0.22
        words.append(f"{'M' if k == 0 else 'L'} {ax:.4f} {ay:.4f} Q {x:.4f} {y:.4f} {bx:.4f} {by:.4f}")
    return " ".join(words) + " Z"


_STAR: Final = cut(_star_text(0.54, 0.27))
_STAR_IN: Final = cut(_star_text(0.36, 0.18))


def star(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """A fat five-pointed star that twinkles."""
    glow = 0.96 + 0.04 * wave(phase_s, 1.0)
    canvas.save()
    canvas.translate(0.0, 0.04)
    canvas.rotate(5.0 * wave(phase_s, 1.2))
    canvas.scale(glow, glow)
    put(canvas, _STAR, tone.base)
    put(canvas, _STAR_IN, tone.light)
    canvas.restore()


_LANTERN: Final = cut(
    "M -0.2 -0.34 L 0.2 -0.34 C 0.44 -0.26 0.48 0.12 0.2 0.22 L -0.2 0.22 C -0.48 0.12 -0.44 -0.26 -0.2 -0.34 Z"
)
_LANTERN_RIBS: Final = cut(
    "M -0.12 -0.34 C -0.24 -0.2 -0.24 0.08 -0.12 0.22 L -0.07 0.22 C -0.16 0.06 -0.16 -0.18 -0.07 -0.34 Z",
    "M 0.12 -0.34 C 0.24 -0.2 0.24 0.08 0.12 0.22 L 0.07 0.22 C 0.16 0.06 0.16 -0.18 0.07 -0.34 Z",
)
_LANTERN_CAPS: Final = cut("R -0.2 -0.4 0.2 -0.31 0.02", "R -0.2 0.19 0.2 0.28 0.02")
_LANTERN_LOOP: Final = strip(0.03, "M 0 -0.38 L 0 -0.5")
_LANTERN_TASSEL: Final = cut("R -0.02 0.26 0.02 0.34 0", "M -0.05 0.33 L 0.05 0.33 L 0.09 0.5 L -0.09 0.5 Z")
_LANTERN_FLAME: Final = cut("O 0 0 0.075 0.13")


def lantern(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """A round ribbed paper lantern with a tassel, glowing."""
    flicker = 1.0 + 0.12 * wave(phase_s, 0.8)
    put(canvas, _LANTERN_LOOP, tone.ink)
    swing(canvas, _LANTERN_TASSEL, tone.dark, (9.0 * wave(phase_s, 1.2), 0.0, 0.26))
    put(canvas, _LANTERN, tone.base)
    put(canvas, _LANTERN_RIBS, tone.dark)
    place(canvas, _LANTERN_FLAME, tone.cream, (0.0, -0.05), (flicker, flicker))
    put(canvas, _LANTERN_CAPS, tone.ink)


AIR: Final[dict[str, Artist]] = {
    "plane": plane,
    "helicopter": helicopter,
    "rocket": rocket,
    "hot air balloon": hot_air_balloon,
    "bird": bird,
    "butterfly": butterfly,
    "bee": bee,
    "kite": kite,
    "balloon": balloon,
    "star": star,
    "lantern": lantern,
}

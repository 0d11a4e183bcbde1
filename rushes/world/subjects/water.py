"""Subjects that float: sailboat, ship, canoe, duck, swan; their waterline is at y = 0.35."""

from __future__ import annotations

from typing import Final

import skia

from rushes.world.subjects.paper import cut, dot, eye, join, lay, puffs, put, strip, swing, wave
from rushes.world.subjects.tone import Artist, Tone

_SAIL_HULL: Final = cut(
    "M -0.46 0.2 L 0.5 0.2 C 0.44 0.38 0.36 0.46 0.24 0.46 L -0.26 0.46 C -0.38 0.46 -0.44 0.36 -0.46 0.2 Z"
)
_SAIL_STRIPE: Final = cut("M -0.455 0.24 L 0.485 0.24 L 0.462 0.295 L -0.44 0.295 Z")
_SAIL_MAIN: Final = cut(
    "M -0.08 -0.46 C -0.02 -0.3 -0.02 -0.06 -0.06 0.14 L -0.44 0.14 C -0.36 -0.06 -0.22 -0.3 -0.08 -0.46 Z"
)
_SAIL_JIB: Final = cut("M 0.0 -0.38 C 0.2 -0.26 0.36 -0.06 0.46 0.14 L 0.0 0.14 C 0.06 -0.04 0.06 -0.22 0.0 -0.38 Z")
_SAIL_BASE: Final = join(_SAIL_HULL, _SAIL_MAIN)
_SAIL_MAST: Final = cut("R -0.05 -0.5 -0.015 0.22 0.015")
_SAIL_FLAG: Final = cut("M -0.02 -0.49 L 0.16 -0.45 L -0.02 -0.39 Z")


def sailboat(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """A yacht with two full sails."""
    rock = 2.5 * wave(phase_s, 1.2)
    canvas.save()
    canvas.rotate(rock, 0.0, 0.35)
    put(canvas, _SAIL_MAST, tone.wood)
    canvas.save()
    canvas.translate(-0.02, 0.0)
    canvas.scale(1.0 + 0.14 * wave(phase_s, 0.6), 1.0)
    put(canvas, _SAIL_FLAG, tone.warm)
    canvas.restore()
    put(canvas, _SAIL_BASE, tone.base)
    put(canvas, _SAIL_JIB, tone.light)
    put(canvas, _SAIL_STRIPE, tone.cream)
    canvas.restore()


_SHIP_HULL: Final = cut("M -0.47 0.12 L 0.5 0.08 C 0.46 0.3 0.4 0.46 0.34 0.46 L -0.34 0.46 Q -0.44 0.42 -0.47 0.12 Z")
_SHIP_KEEL: Final = cut(
    "M -0.455 0.26 L 0.463 0.26 C 0.42 0.4 0.38 0.46 0.34 0.46 L -0.34 0.46 Q -0.43 0.42 -0.455 0.26 Z"
)
_SHIP_CABIN: Final = cut("R -0.33 -0.02 0.3 0.14 0.02", "R -0.26 -0.13 0.2 0 0.02")
_SHIP_FUNNELS: Final = cut(
    "M -0.22 -0.12 L -0.24 -0.4 L -0.1 -0.4 L -0.08 -0.12 Z", "M 0.0 -0.12 L -0.02 -0.4 L 0.12 -0.4 L 0.14 -0.12 Z"
)
_SHIP_BANDS: Final = cut(
    "M -0.236 -0.33 L -0.24 -0.4 L -0.1 -0.4 L -0.095 -0.33 Z",
    "M -0.016 -0.33 L -0.02 -0.4 L 0.12 -0.4 L 0.125 -0.33 Z",
)
_SHIP_PORTS: Final = cut(
    "O -0.22 0.06 0.035 0.035", "O -0.1 0.06 0.035 0.035", "O 0.02 0.06 0.035 0.035", "O 0.14 0.06 0.035 0.035"
)

_SHIP_BASE: Final = join(_SHIP_HULL, _SHIP_FUNNELS)
_SHIP_INK: Final = join(_SHIP_BANDS, _SHIP_PORTS)


def ship(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """A steamer with two funnels."""
    canvas.save()
    canvas.rotate(1.5 * wave(phase_s, 1.2), 0.0, 0.35)
    puffs(canvas, (0.05, -0.42), (-0.36, -0.04), tone.light, phase_s)
    put(canvas, _SHIP_CABIN, tone.cream)
    put(canvas, _SHIP_BASE, tone.base)
    put(canvas, _SHIP_INK, tone.ink)
    put(canvas, _SHIP_KEEL, tone.dark)
    canvas.restore()


_CANOE_HULL: Final = cut(
    "M -0.5 0.05 Q -0.43 0.04 -0.39 0.13 Q -0.35 0.21 -0.2 0.215 L 0.2 0.215 Q 0.35 0.21 0.39 0.13 "
    "Q 0.43 0.04 0.5 0.05 C 0.5 0.3 0.4 0.44 0.2 0.44 L -0.2 0.44 C -0.4 0.44 -0.5 0.3 -0.5 0.05 Z"
)
_CANOE_BAND: Final = cut("M -0.47 0.22 Q 0 0.32 0.47 0.22 L 0.45 0.285 Q 0 0.385 -0.45 0.285 Z")
_CANOE_TORSO: Final = cut("M -0.17 0.24 Q -0.18 -0.06 -0.03 -0.06 Q 0.12 -0.06 0.1 0.24 Z")
_CANOE_HEAD: Final = cut("O -0.02 -0.17 0.11 0.11")
_CANOE_HAT: Final = cut(
    "M -0.14 -0.19 Q -0.14 -0.32 -0.02 -0.32 Q 0.1 -0.32 0.1 -0.19 L 0.19 -0.19 L 0.19 -0.155 L -0.14 -0.155 Z"
)
_CANOE_TRIM: Final = join(_CANOE_HAT, _CANOE_BAND)
_CANOE_ARM: Final = strip(0.06, "M -0.02 0.0 L 0.15 0.07")
_CANOE_PADDLE: Final = cut("R 0.15 -0.22 0.19 0.3 0.02", "O 0.17 0.34 0.062 0.12")


def canoe(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """A canoe with curled ends and one paddler."""
    stroke = wave(phase_s, 1.2)
    canvas.save()
    canvas.rotate(1.5 * wave(phase_s, 1.2, 0.25), 0.0, 0.35)
    put(canvas, _CANOE_TORSO, tone.dark)
    put(canvas, _CANOE_HEAD, tone.cream)
    put(canvas, _CANOE_HULL, tone.base)
    put(canvas, _CANOE_TRIM, tone.light)
    swing(canvas, _CANOE_PADDLE, tone.wood, (24.0 * stroke, 0.16, 0.02))
    swing(canvas, _CANOE_ARM, tone.dark, (10.0 * stroke, -0.02, 0.0))
    canvas.restore()


_DUCK_BODY: Final = cut(
    "O 0.17 -0.22 0.21 0.21",
    "M -0.49 0.0 C -0.4 0.06 -0.3 0.06 -0.2 0.02 C -0.06 -0.02 0.02 -0.06 0.06 -0.12 L 0.34 -0.06 "
    "C 0.44 0.1 0.44 0.46 0.12 0.46 "
    "L -0.16 0.46 C -0.42 0.46 -0.5 0.26 -0.49 0.0 Z",
)

_DUCK_BILL: Final = cut("M 0.33 -0.26 Q 0.46 -0.26 0.5 -0.19 Q 0.44 -0.09 0.33 -0.12 Z")
_DUCK_WING: Final = cut(
    "M -0.28 0.12 Q -0.06 0.06 0.12 0.14 C 0.14 0.3 0.0 0.36 -0.1 0.34 C -0.22 0.34 -0.3 0.24 -0.28 0.12 Z"
)


def duck(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """A bath duck with a wide bill."""
    canvas.save()
    canvas.rotate(2.5 * wave(phase_s, 1.2), 0.0, 0.35)
    put(canvas, _DUCK_BILL, tone.warm)
    put(canvas, _DUCK_BODY, tone.base)
    canvas.save()
    canvas.rotate(6.0 * wave(phase_s, 0.6), 0.12, 0.16)
    lay(canvas, _DUCK_WING, tone.dark, tone.shade)
    canvas.restore()
    eye(canvas, 0.22, -0.27, 0.055, tone)
    canvas.restore()


_SWAN_NECK: Final = strip(0.115, "M 0.22 0.3 C 0.46 0.18 0.2 -0.02 0.16 -0.16 C 0.12 -0.34 0.24 -0.42 0.33 -0.37")
_SWAN_HEAD: Final = cut("O 0.32 -0.35 0.095 0.08")
_SWAN_BILL: Final = cut("M 0.38 -0.4 L 0.5 -0.26 L 0.37 -0.28 Z")
_SWAN_BODY: Final = cut(
    "M -0.46 0.04 C -0.4 0.14 -0.1 0.1 0.1 0.14 C 0.24 0.16 0.34 0.2 0.34 0.28 C 0.34 0.4 0.22 0.46 0.08 0.46 "
    "L -0.2 0.46 C -0.4 0.46 -0.46 0.28 -0.46 0.04 Z"
)
_SWAN_ALL: Final = join(_SWAN_NECK, _SWAN_HEAD, _SWAN_BODY)
_SWAN_WING: Final = cut(
    "M 0.14 0.26 C 0.14 0.02 -0.02 -0.16 -0.24 -0.26 Q -0.24 -0.16 -0.2 -0.11 Q -0.3 -0.14 -0.38 -0.14 "
    "Q -0.34 -0.04 -0.27 0.01 "
    "Q -0.36 0.02 -0.44 0.0 C -0.4 0.2 -0.22 0.34 0.02 0.34 Q 0.12 0.34 0.14 0.26 Z"
)


def swan(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """A swan with a bent neck and raised wings."""
    canvas.save()
    canvas.rotate(2.0 * wave(phase_s, 1.2), 0.0, 0.35)
    put(canvas, _SWAN_BILL, tone.warm)
    put(canvas, _SWAN_ALL, tone.base)
    canvas.save()
    canvas.rotate(4.0 * wave(phase_s, 1.2, 0.25), 0.1, 0.3)
    lay(canvas, _SWAN_WING, tone.light, tone.shade)
    canvas.restore()
    dot(canvas, 0.34, -0.36, 0.028, tone.mark)
    canvas.restore()


WATER: Final[dict[str, Artist]] = {"sailboat": sailboat, "ship": ship, "canoe": canoe, "duck": duck, "swan": swan}

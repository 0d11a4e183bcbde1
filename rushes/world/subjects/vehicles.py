"""Subjects on wheels: car, bus, truck, train, tractor, bicycle."""

from __future__ import annotations

import functools
from typing import Final

import skia

from rushes.world.subjects.paper import cut, frame, join, lay, puffs, put, strip, turned, wheels
from rushes.world.subjects.tone import Artist, Tone

_CAR_BODY: Final = cut(
    "M -0.49 0.3 L -0.49 0.16 Q -0.48 0.05 -0.37 0.03 C -0.3 -0.2 -0.22 -0.24 -0.08 -0.24 L 0.06 -0.24 "
    "C 0.17 -0.24 0.24 -0.12 0.3 0.02 C 0.44 0.04 0.5 0.1 0.5 0.22 L 0.5 0.34 Q 0.5 0.4 0.44 0.4 L -0.42 0.4 "
    "Q -0.49 0.4 -0.49 0.3 Z"
)
_CAR_SILL: Final = cut("M -0.49 0.27 L 0.5 0.27 L 0.5 0.34 Q 0.5 0.4 0.44 0.4 L -0.42 0.4 Q -0.49 0.4 -0.49 0.3 Z")
_CAR_PANES: Final = cut(
    "M -0.26 0.02 Q -0.21 -0.15 -0.1 -0.15 L -0.06 -0.15 L -0.06 0.02 Z",
    "M 0.01 0.02 L 0.01 -0.15 L 0.05 -0.15 Q 0.13 -0.15 0.2 0.02 Z",
    "O 0.45 0.18 0.04 0.05",
)


def car(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """A round little saloon."""
    put(canvas, _CAR_BODY, tone.base)
    put(canvas, _CAR_SILL, tone.dark)
    put(canvas, _CAR_PANES, tone.cream)
    wheels(canvas, ((-0.26, 0.365, 0.135), (0.27, 0.365, 0.135)), tone, phase_s)


_BUS_BODY: Final = cut("R -0.5 -0.3 0.5 0.41 0.09")
_BUS_SKIRT: Final = cut("M -0.5 0.21 L 0.5 0.21 L 0.5 0.32 Q 0.5 0.41 0.41 0.41 L -0.41 0.41 Q -0.5 0.41 -0.5 0.32 Z")
_BUS_ROOF: Final = cut("M -0.5 -0.2 Q -0.5 -0.3 -0.41 -0.3 L 0.41 -0.3 Q 0.5 -0.3 0.5 -0.2 Z")
_BUS_PANES: Final = cut(
    "R -0.44 -0.13 -0.26 0.08 0.03",
    "R -0.2 -0.13 -0.02 0.08 0.03",
    "R 0.04 -0.13 0.22 0.08 0.03",
    "M 0.3 -0.13 L 0.5 -0.13 L 0.5 0.1 L 0.3 0.1 Z",
)


def bus(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """A long box with a row of windows."""
    put(canvas, _BUS_BODY, tone.base)
    put(canvas, _BUS_SKIRT, tone.dark)
    put(canvas, _BUS_ROOF, tone.light)
    put(canvas, _BUS_PANES, tone.cream)
    wheels(canvas, ((-0.28, 0.39, 0.11), (0.27, 0.39, 0.11)), tone, phase_s)


_TRUCK_CHASSIS: Final = cut("R -0.49 0.3 0.5 0.39 0.03")
_TRUCK_BOX: Final = cut("R -0.5 -0.32 0.15 0.31 0.03")
_TRUCK_RIBS: Final = cut(
    "R -0.36 -0.25 -0.31 0.25 0.02", "R -0.2 -0.25 -0.15 0.25 0.02", "R -0.04 -0.25 0.01 0.25 0.02"
)
_TRUCK_CAB: Final = cut(
    "M 0.19 0.37 L 0.19 -0.09 Q 0.19 -0.13 0.23 -0.13 L 0.33 -0.13 Q 0.38 -0.13 0.4 -0.08 L 0.45 0.09 "
    "Q 0.5 0.11 0.5 0.17 L 0.5 0.37 Z"
)
_TRUCK_PANE: Final = cut("M 0.26 0.09 L 0.26 -0.06 L 0.34 -0.06 L 0.39 0.09 Z", "R 0.45 0.18 0.5 0.25 0.02")


def truck(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """A tall cargo box behind a small cab."""
    put(canvas, _TRUCK_CHASSIS, tone.ink)
    put(canvas, _TRUCK_CAB, tone.dark)
    lay(canvas, _TRUCK_BOX, tone.base, tone.shade)
    put(canvas, _TRUCK_RIBS, tone.light)
    put(canvas, _TRUCK_PANE, tone.cream)
    wheels(canvas, ((-0.31, 0.385, 0.115), (-0.04, 0.385, 0.115), (0.35, 0.385, 0.115)), tone, phase_s)


_TRAIN_BODY: Final = cut(
    "R -0.42 -0.2 -0.08 0.35 0.02",
    "R -0.12 -0.03 0.4 0.25 0.09",
    "M 0.2 0 L 0.23 -0.12 L 0.17 -0.26 L 0.39 -0.26 L 0.33 -0.12 L 0.36 0 Z",
    "O 0.05 -0.03 0.07 0.08",
    "M 0.28 0.22 L 0.42 0.22 L 0.5 0.44 L 0.28 0.44 Z",
)
_TRAIN_DARK: Final = cut("R -0.47 -0.27 -0.03 -0.17 0.04", "R -0.44 0.24 0.4 0.36 0.02", "R 0.15 -0.3 0.41 -0.23 0.03")
_TRAIN_BAND: Final = cut("R 0.13 -0.03 0.18 0.25 0", "R 0.36 0.03 0.42 0.19 0.03")
_TRAIN_PANE: Final = cut("R -0.35 -0.1 -0.16 0.08 0.03")


def train(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """A steam engine with a funnel, puffing."""
    puffs(canvas, (0.26, -0.34), (-0.46, -0.07), tone.light, phase_s)
    put(canvas, _TRAIN_BODY, tone.base)
    put(canvas, _TRAIN_DARK, tone.dark)
    put(canvas, _TRAIN_BAND, tone.light)
    put(canvas, _TRAIN_PANE, tone.cream)
    wheels(canvas, ((-0.27, 0.345, 0.155), (0.03, 0.39, 0.11), (0.26, 0.39, 0.11)), tone, phase_s)


_TRACTOR_BODY: Final = cut(
    "M -0.02 0.02 L 0.36 0.05 Q 0.44 0.06 0.44 0.14 L 0.44 0.34 L -0.34 0.34 L -0.4 0.1 L -0.02 0.1 Z",
    "M -0.4 -0.36 L 0.08 -0.36 L 0.08 0.12 L -0.38 0.12 Z",
    "R -0.46 -0.43 0.14 -0.34 0.04",
)
_TRACTOR_PANE: Final = cut("M -0.28 -0.25 L -0.05 -0.25 L -0.05 -0.04 L -0.265 -0.04 Z")
_TRACTOR_GRILL: Final = cut("R 0.14 0.12 0.18 0.3 0.02", "R 0.22 0.12 0.26 0.3 0.02", "R 0.36 0.12 0.44 0.3 0.02")
_TRACTOR_PIPE: Final = cut("R 0.21 -0.22 0.27 0.08 0.02", "R 0.2 -0.24 0.28 -0.18 0.02")
_GUARD: Final = cut("M -0.48 0.2 C -0.48 -0.1 0.02 -0.1 0.06 0.22 L -0.02 0.24 Z")


def tractor(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """A farm tractor: one huge wheel, one small."""
    put(canvas, _TRACTOR_PIPE, tone.ink)
    put(canvas, _TRACTOR_BODY, tone.base)
    put(canvas, _TRACTOR_PANE, tone.cream)
    put(canvas, _TRACTOR_GRILL, tone.dark)
    put(canvas, _GUARD, tone.dark)
    wheels(canvas, ((-0.23, 0.275, 0.225), (0.33, 0.375, 0.125)), tone, phase_s, tone.light)


_BIKE_TYRES: Final = cut(
    "O -0.27 0.26 0.24 0.24", "O 0.27 0.26 0.24 0.24", holes=("O -0.27 0.26 0.165 0.165", "O 0.27 0.26 0.165 0.165")
)
_BIKE_FRAME: Final = strip(
    0.062,
    "M -0.27 0.26 L -0.13 -0.07 L 0.16 -0.07 L -0.02 0.25 L -0.27 0.26",
    "M -0.02 0.25 L -0.15 -0.14",
    "M 0.27 0.26 L 0.13 -0.2",
)
_BIKE_INK: Final = strip(0.07, "M -0.24 -0.17 L -0.08 -0.17", "M 0.1 -0.24 L 0.22 -0.26 Q 0.3 -0.25 0.27 -0.17")
_BIKE_SPOKES: Final = (
    strip(0.02, "M -0.44 0.26 L -0.1 0.26", "M -0.27 0.09 L -0.27 0.43"),
    strip(0.02, "M 0.1 0.26 L 0.44 0.26", "M 0.27 0.09 L 0.27 0.43"),
)
_BIKE_CRANK: Final = strip(0.045, "M -0.1 0.25 L 0.06 0.25", "M -0.13 0.25 L -0.08 0.25", "M 0.04 0.25 L 0.09 0.25")


@functools.cache
def _bike_pose(index: int) -> tuple[skia.Path, skia.Path]:
    degrees = index * 7.5
    rear, fore = _BIKE_SPOKES
    spokes = join(turned(rear, degrees, -0.27, 0.26), turned(fore, degrees, 0.27, 0.26))
    return spokes, join(_BIKE_INK, turned(_BIKE_CRANK, degrees, -0.02, 0.25))


def bicycle(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """Two big rings and a diamond frame."""
    spokes, ink = _bike_pose(frame(phase_s, 1.2))
    put(canvas, spokes, tone.light)
    put(canvas, _BIKE_TYRES, tone.base)
    put(canvas, _BIKE_FRAME, tone.dark)
    put(canvas, ink, tone.ink)


VEHICLES: Final[dict[str, Artist]] = {
    "car": car,
    "bus": bus,
    "truck": truck,
    "train": train,
    "tractor": tractor,
    "bicycle": bicycle,
}

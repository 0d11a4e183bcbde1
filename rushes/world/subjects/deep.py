"""Subjects under water: fish, whale, octopus, jellyfish, turtle, submarine."""

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
    outline,
    place,
    put,
    strip,
    swing,
    turned,
    wave,
)
from rushes.world.subjects.tone import Artist, Tone

_FISH_BODY: Final = cut(
    "M 0.5 0.02 C 0.4 -0.2 0.2 -0.28 0.06 -0.28 C -0.1 -0.28 -0.22 -0.14 -0.3 0.0 C -0.22 0.18 -0.1 0.3 0.06 0.3 "
    "C 0.22 0.3 0.42 0.2 0.5 0.02 Z"
)
_FISH_FINS: Final = cut(
    "M -0.1 -0.2 C -0.1 -0.36 0.06 -0.42 0.22 -0.38 Q 0.16 -0.3 0.2 -0.24 Z",
    "M -0.02 0.26 Q 0.0 0.38 0.14 0.4 Q 0.12 0.32 0.16 0.26 Z",
)
_FISH_TAIL: Final = cut(
    "M 0.04 -0.06 C -0.12 -0.06 -0.18 -0.2 -0.28 -0.28 C -0.26 -0.1 -0.2 -0.02 -0.2 0.0 "
    "C -0.2 0.04 -0.26 0.14 -0.28 0.3 C -0.18 0.22 -0.12 0.08 0.04 0.06 Z"
)
_FISH_BANDS: Final = cut(
    "M 0.1 -0.278 Q 0.24 0.0 0.1 0.298 L 0.02 0.298 Q 0.15 0.0 0.02 -0.278 Z",
    "M -0.1 -0.225 Q 0.0 0.0 -0.1 0.235 L -0.17 0.17 Q -0.1 0.0 -0.17 -0.17 Z",
)
_FISH_FIN: Final = cut("M 0.14 0.06 Q -0.02 0.06 -0.06 0.18 Q 0.1 0.2 0.14 0.06 Z")


def fish(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """A striped reef fish, tail beating."""
    place(canvas, _FISH_TAIL, tone.dark, (-0.22, 0.0), (0.88 + 0.16 * wave(phase_s, 0.6), 1.0))
    put(canvas, _FISH_FINS, tone.dark)
    put(canvas, _FISH_BODY, tone.base)
    put(canvas, _FISH_BANDS, tone.cream)
    swing(canvas, _FISH_FIN, tone.dark, (14.0 * wave(phase_s, 0.6, 0.25), 0.14, 0.08))
    eye(canvas, 0.32, -0.06, 0.06, tone)


_WHALE_BODY: Final = cut(
    "M 0.48 0.08 C 0.5 -0.1 0.36 -0.22 0.12 -0.22 C -0.1 -0.22 -0.18 -0.06 -0.32 0.0 C -0.3 0.14 -0.2 0.38 0.1 0.4 "
    "C 0.34 0.42 0.46 0.28 0.48 0.08 Z"
)
_WHALE_TAIL: Final = cut(
    "M -0.2 0.12 C -0.32 0.1 -0.4 0.0 -0.4 -0.1 C -0.46 -0.12 -0.5 -0.2 -0.5 -0.28 Q -0.42 -0.28 -0.37 -0.2 "
    "Q -0.34 -0.28 -0.24 -0.3 "
    "Q -0.24 -0.16 -0.32 -0.1 Q -0.3 -0.04 -0.18 -0.06 Z"
)
_WHALE_BELLY: Final = cut(
    "M 0.48 0.12 C 0.3 0.2 0.0 0.22 -0.2 0.18 C -0.14 0.3 -0.04 0.4 0.1 0.4 C 0.34 0.42 0.46 0.3 0.48 0.12 Z"
)
_WHALE_LINES: Final = strip(0.02, "M 0.38 0.24 Q 0.24 0.28 0.1 0.28", "M 0.3 0.32 Q 0.2 0.345 0.08 0.34")
_WHALE_FIN: Final = cut("M 0.16 0.14 C 0.14 0.3 0.04 0.42 -0.06 0.42 C -0.08 0.3 -0.04 0.2 0.02 0.12 Z")
_WHALE_SPOUT: Final = strip(
    0.045, "M 0.16 -0.24 C 0.16 -0.4 0.08 -0.46 0.02 -0.38", "M 0.16 -0.24 C 0.16 -0.4 0.24 -0.46 0.3 -0.38"
)


@functools.cache
def _whale_pose(index: int) -> skia.Path:
    return join(turned(_WHALE_TAIL, 7.0 * cycle(index), -0.18, 0.04), _WHALE_BODY)


def whale(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """A round whale, flukes up, spouting."""
    canvas.save()
    canvas.translate(0.16, -0.22)
    canvas.scale(1.0, 0.85 + 0.15 * wave(phase_s, 1.2))
    canvas.translate(-0.16, 0.22)
    put(canvas, _WHALE_SPOUT, tone.cream)
    canvas.restore()
    put(canvas, _whale_pose(frame(phase_s, 1.2)), tone.base)
    put(canvas, _WHALE_BELLY, tone.light)
    put(canvas, _WHALE_LINES, tone.dark)
    swing(canvas, _WHALE_FIN, tone.dark, (10.0 * wave(phase_s, 1.2, 0.25), 0.1, 0.12))
    eye(canvas, 0.31, 0.02, 0.045, tone)


_OCTOPUS_HEAD: Final = cut(
    "M -0.26 0.12 C -0.24 0.0 -0.3 -0.06 -0.3 -0.2 C -0.3 -0.4 -0.16 -0.5 0 -0.5 C 0.16 -0.5 0.3 -0.4 0.3 -0.2 "
    "C 0.3 -0.06 0.24 0.0 0.26 0.12 Q 0 0.24 -0.26 0.12 Z"
)
_OCTOPUS_SPOTS: Final = cut("O -0.12 -0.36 0.055 0.045", "O 0.02 -0.42 0.04 0.03", "O 0.14 -0.34 0.045 0.04")
_OCTOPUS_MOUTH: Final = strip(0.025, "M -0.05 0.0 Q 0.0 0.04 0.06 0.0")


@functools.cache
def _octopus_pose(index: int) -> tuple[skia.Path, skia.Path]:
    arms = (skia.Path(), skia.Path())
    for number, x in enumerate((-0.22, -0.135, -0.045, 0.045, 0.135, 0.22)):
        curl = 0.05 * cycle(index, 1, number * 0.17)
        side = 1.0 if x > 0 else -1.0
        half = 0.055 * side
        end = (0.28, 0.4, 0.45)[min(number, 5 - number)] + curl * 0.4
        out = x * 1.75
        tip = out + side * 0.08
        arm = arms[number % 2]
        arm.moveTo(x + half, 0.06)
        arm.cubicTo(x * 1.15 + half - curl, 0.24, out + curl, end - 0.02, tip, end - 0.06)
        arm.quadTo(tip + side * 0.05, end - 0.02, tip, end + 0.01)
        arm.cubicTo(out - half + curl, end + 0.06, x * 1.15 - half - curl, 0.28, x - half, 0.06)
        arm.close()
    return arms


def octopus(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """An octopus with a big head and six curling arms."""
    back, front = _octopus_pose(frame(phase_s, 1.2))
    put(canvas, back, tone.dark)
    put(canvas, front, tone.base)
    put(canvas, _OCTOPUS_HEAD, tone.base)
    put(canvas, _OCTOPUS_SPOTS, tone.light)
    put(canvas, _OCTOPUS_MOUTH, tone.mark)
    eye(canvas, -0.1, -0.12, 0.08, tone)
    eye(canvas, 0.12, -0.12, 0.08, tone)


_JELLY_BELL: Final = cut(
    "M -0.36 0.02 C -0.38 -0.32 -0.2 -0.48 0 -0.48 C 0.2 -0.48 0.38 -0.32 0.36 0.02 Q 0.3 0.1 0.24 0.02 "
    "Q 0.18 0.1 0.12 0.02 "
    "Q 0.06 0.1 0 0.02 Q -0.06 0.1 -0.12 0.02 Q -0.18 0.1 -0.24 0.02 Q -0.3 0.1 -0.36 0.02 Z"
)
_JELLY_GLOW: Final = cut(
    "M -0.25 -0.12 C -0.24 -0.32 -0.12 -0.4 0 -0.4 C 0.12 -0.4 0.24 -0.32 0.25 -0.12 Q 0.12 -0.2 0 -0.2 "
    "Q -0.12 -0.2 -0.25 -0.12 Z"
)


@functools.cache
def _jelly_pose(index: int) -> tuple[skia.Path, skia.Path]:
    lines = (skia.Path(), skia.Path())
    for number, x in enumerate((-0.27, -0.14, 0.0, 0.14, 0.27)):
        bend = 0.07 * cycle(index, 1, number * 0.12)
        end = 0.38 if number % 2 else 0.46
        line = lines[number % 2]
        line.moveTo(x, 0.0)
        line.cubicTo(x + bend, end * 0.35, x - 0.05 - bend, end * 0.6, x + bend * 0.6, end)
    return outline(lines[0], 0.05), outline(lines[1], 0.085)


def jellyfish(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """A pulsing bell with long thin threads."""
    threads, ribbons = _jelly_pose(frame(phase_s, 1.2))
    pulse = wave(phase_s, 1.2)
    put(canvas, threads, tone.light)
    put(canvas, ribbons, tone.dark)
    canvas.save()
    canvas.scale(1.0 + 0.06 * pulse, 1.0 - 0.04 * pulse)
    put(canvas, _JELLY_BELL, tone.base)
    put(canvas, _JELLY_GLOW, tone.light)
    canvas.restore()


_TURTLE_SHELL: Final = cut(
    "M -0.4 0.14 C -0.4 -0.16 -0.2 -0.32 -0.04 -0.32 C 0.14 -0.32 0.3 -0.16 0.28 0.14 Q -0.06 0.24 -0.4 0.14 Z"
)
_TURTLE_PLATES: Final = cut(
    "M -0.14 -0.2 L 0.02 -0.2 L 0.08 -0.06 L -0.02 0.06 L -0.12 0.06 L -0.2 -0.06 Z",
    "M -0.26 -0.13 L -0.2 -0.2 L -0.19 -0.16 L -0.25 -0.05 L -0.17 0.07 L -0.19 0.11 L -0.34 0.09 Z",
    "M 0.08 -0.2 L 0.16 -0.12 L 0.23 0.08 L 0.08 0.11 L 0.05 0.07 L 0.14 -0.05 Z",
)
_TURTLE_RIM: Final = cut(
    "M -0.42 0.1 Q -0.06 0.22 0.3 0.1 Q 0.32 0.18 0.26 0.2 Q -0.06 0.28 -0.38 0.2 Q -0.44 0.18 -0.42 0.1 Z"
)
_TURTLE_HEAD: Final = cut(
    "M 0.2 0.04 Q 0.26 -0.02 0.28 -0.1 Q 0.32 -0.2 0.41 -0.18 Q 0.5 -0.16 0.5 -0.06 Q 0.48 0.04 0.38 0.06 "
    "Q 0.32 0.16 0.2 0.18 Z"
)
_TURTLE_FLIPPER: Final = cut(
    "M 0.06 0.12 L 0.24 0.12 C 0.24 0.26 0.14 0.42 -0.04 0.46 C -0.06 0.34 0.02 0.22 0.06 0.12 Z"
)
_TURTLE_FOOT: Final = cut(
    "M -0.4 0.12 L -0.24 0.16 C -0.28 0.28 -0.36 0.34 -0.48 0.34 C -0.5 0.26 -0.46 0.18 -0.4 0.12 Z"
)


def turtle(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """A sea turtle rowing with its flippers."""
    row = wave(phase_s, 1.2)
    swing(canvas, _TURTLE_FOOT, tone.light, (-12.0 * row, -0.32, 0.14))
    swing(canvas, _TURTLE_FLIPPER, tone.light, (18.0 * row, 0.15, 0.12))
    put(canvas, _TURTLE_HEAD, tone.light)
    put(canvas, _TURTLE_SHELL, tone.base)
    put(canvas, _TURTLE_PLATES, tone.dark)
    put(canvas, _TURTLE_RIM, tone.base)
    dot(canvas, 0.41, -0.08, 0.036, tone.ink)


_SUB_HULL: Final = cut(
    "M -0.44 0.12 C -0.4 -0.06 -0.26 -0.1 -0.14 -0.1 L 0.26 -0.1 C 0.42 -0.1 0.5 0.02 0.5 0.13 "
    "C 0.5 0.26 0.42 0.36 0.26 0.36 L -0.14 0.36 C -0.26 0.36 -0.4 0.32 -0.44 0.12 Z"
)
_SUB_TOWER: Final = cut("M -0.14 -0.06 L -0.09 -0.26 L 0.14 -0.26 L 0.18 -0.06 Z")
_SUB_SCOPE: Final = strip(0.05, "M 0.02 -0.24 L 0.02 -0.44 L 0.13 -0.44")
_SUB_BELLY: Final = cut(
    "M -0.43 0.16 L 0.495 0.16 C 0.48 0.28 0.4 0.36 0.26 0.36 L -0.14 0.36 C -0.26 0.36 -0.39 0.32 -0.43 0.16 Z"
)
_SUB_BLADE: Final = cut("O 0 0 0.045 0.18")
_SUB_PORTS: Final = cut("O -0.14 0.1 0.075 0.075", "O 0.08 0.1 0.075 0.075", "O 0.3 0.1 0.075 0.075")


def submarine(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """A stout submarine with portholes and a periscope."""
    turn = math.cos(phase_s * math.tau / 0.6)
    place(canvas, _SUB_BLADE, tone.ink, (-0.45, 0.13), (1.0, turn))
    put(canvas, _SUB_SCOPE, tone.ink)
    put(canvas, _SUB_TOWER, tone.dark)
    put(canvas, _SUB_HULL, tone.base)
    put(canvas, _SUB_BELLY, tone.dark)
    put(canvas, _SUB_PORTS, tone.cream)


DEEP: Final[dict[str, Artist]] = {
    "fish": fish,
    "whale": whale,
    "octopus": octopus,
    "jellyfish": jellyfish,
    "turtle": turtle,
    "submarine": submarine,
}

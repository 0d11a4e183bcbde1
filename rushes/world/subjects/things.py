"""Subjects that stand on the ground: buildings, a tree and toys."""

from __future__ import annotations

import functools
from typing import Final

import skia

from rushes.world.subjects.paper import cut, cycle, dot, eye, frame, join, lay, moved, puffs, put, strip, turned, wave
from rushes.world.subjects.tone import Artist, Tone

_HOUSE_WALL: Final = cut("M -0.4 -0.02 L 0.4 -0.02 L 0.4 0.5 L -0.4 0.5 Z", "M -0.38 0 L 0 -0.36 L 0.38 0 Z")
_HOUSE_ROOF: Final = cut(
    "M 0 -0.48 L 0.5 0.02 L 0.42 0.11 L 0 -0.3 L -0.42 0.11 L -0.5 0.02 Z", "R -0.36 -0.42 -0.22 -0.1 0.01"
)
_HOUSE_PANES: Final = cut(
    "R -0.3 0.12 -0.08 0.34 0.02",
    "O 0 -0.13 0.075 0.075",
    holes=("R -0.205 0.1 -0.175 0.4 0", "R -0.4 0.215 -0.02 0.245 0"),
)
_HOUSE_DOOR: Final = cut("M 0.06 0.5 L 0.06 0.22 Q 0.06 0.12 0.17 0.12 Q 0.28 0.12 0.28 0.22 L 0.28 0.5 Z")


def house(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """A gabled house with a smoking chimney."""
    puffs(canvas, (-0.29, -0.38), (0.14, -0.1), tone.cream, phase_s)
    put(canvas, _HOUSE_WALL, tone.base)
    lay(canvas, _HOUSE_ROOF, tone.dark, tone.shade)
    put(canvas, _HOUSE_PANES, tone.cream)
    put(canvas, _HOUSE_DOOR, tone.wood)


_MILL_TOWER: Final = cut("M -0.17 -0.14 L 0.17 -0.14 L 0.29 0.5 L -0.29 0.5 Z")
_MILL_CAP: Final = cut("M -0.2 -0.13 Q -0.18 -0.32 0 -0.32 Q 0.18 -0.32 0.2 -0.13 Z")
_MILL_HOLES: Final = cut("M -0.08 0.5 L -0.08 0.36 Q 0 0.26 0.08 0.36 L 0.08 0.5 Z", "R -0.05 0.08 0.05 0.19 0.03")
_MILL_SAILS: Final = cut(
    "R 0.015 -0.39 0.135 -0.08 0.01",
    "R 0.08 0.015 0.39 0.135 0.01",
    "R -0.135 0.08 -0.015 0.39 0.01",
    "R -0.39 -0.135 -0.08 -0.015 0.01",
)
_MILL_SPARS: Final = cut("R -0.015 -0.4 0.015 0.4 0.015", "R -0.4 -0.015 0.4 0.015 0.015", "O 0 0 0.045 0.045")


@functools.cache
def _mill_pose(index: int) -> tuple[skia.Path, skia.Path]:
    place = skia.Matrix.Translate(0.0, -0.11).preRotate(index * 90.0 / 48)  # a quarter turn looks the same as none
    return moved(_MILL_SAILS, place), moved(_MILL_SPARS, place)


def windmill(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """A tapered mill with four turning sails."""
    sails, spars = _mill_pose(frame(phase_s, 1.2))
    put(canvas, _MILL_TOWER, tone.base)
    put(canvas, _MILL_CAP, tone.dark)
    put(canvas, _MILL_HOLES, tone.cream)
    lay(canvas, sails, tone.light, tone.shade)
    put(canvas, spars, tone.ink)


_LIGHT_TOWER: Final = cut("M -0.135 -0.2 L 0.135 -0.2 L 0.23 0.5 L -0.23 0.5 Z")
_LIGHT_BANDS: Final = cut(
    "M -0.155 -0.05 L 0.155 -0.05 L 0.168 0.05 L -0.168 0.05 Z",
    "M -0.193 0.21 L 0.193 0.21 L 0.206 0.31 L -0.206 0.31 Z",
)
_LIGHT_TOP: Final = cut("R -0.2 -0.24 0.2 -0.17 0.02", "M -0.16 -0.34 L 0 -0.5 L 0.16 -0.34 Z")
_LIGHT_ROOM: Final = cut("R -0.1 -0.37 0.1 -0.21 0.01")

_LIGHT_BEAM: Final = cut("M 0 -0.32 L 0.5 -0.44 L 0.5 -0.14 L 0 -0.26 Z")


def lighthouse(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """A striped tower whose beam sweeps round."""
    sweep = wave(phase_s, 1.2, 0.25)
    canvas.save()
    canvas.scale(sweep, 1.0)
    put(canvas, _LIGHT_BEAM, skia.ColorSetA(tone.warm, 130))
    canvas.restore()
    put(canvas, _LIGHT_TOWER, tone.base)
    put(canvas, _LIGHT_BANDS, tone.cream)
    put(canvas, _LIGHT_ROOM, tone.warm)
    put(canvas, _LIGHT_TOP, tone.dark)


_TREE_TRUNK: Final = cut("M -0.07 0.5 L -0.06 0.05 L 0.06 0.05 L 0.08 0.5 Z")
_TREE_BACK: Final = cut("O -0.23 0.04 0.22 0.2", "O 0.24 0.02 0.22 0.2", "O 0 -0.22 0.29 0.27", "O 0 0.06 0.25 0.18")
_TREE_LEFT: Final = cut("O -0.09 -0.23 0.17 0.15", "O -0.26 0.01 0.13 0.11")
_TREE_TWIGS: Final = strip(0.035, "M 0 0.28 L 0 -0.02", "M 0 0.16 L 0.12 0.04", "M 0 0.2 L -0.11 0.1")


def tree(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """A round-crowned tree, swaying a little."""
    sway = 2.0 * wave(phase_s, 1.2)
    put(canvas, _TREE_TRUNK, tone.wood)
    canvas.save()
    canvas.rotate(sway, 0.0, 0.3)
    put(canvas, _TREE_BACK, tone.base)
    put(canvas, _TREE_LEFT, tone.light)
    put(canvas, _TREE_TWIGS, tone.wood)
    canvas.restore()


_ROBOT_BODY: Final = cut(
    "R -0.25 -0.08 0.25 0.3 0.05",
    "R -0.07 -0.16 0.07 -0.02 0",
    "R -0.18 0.26 -0.04 0.47 0.03",
    "R 0.04 0.26 0.18 0.47 0.03",
    "R -0.24 -0.42 0.24 -0.12 0.07",
    "R -0.3 -0.33 -0.22 -0.21 0.02",
    "R 0.22 -0.33 0.3 -0.21 0.02",
)

_ROBOT_PANEL: Final = cut("R -0.15 0.01 0.15 0.2 0.03")
_ROBOT_FEET: Final = cut("R -0.24 0.43 -0.03 0.5 0.03", "R 0.03 0.43 0.24 0.5 0.03", "R -0.02 -0.5 0.02 -0.38 0")
_ROBOT_MOUTH: Final = cut("R -0.12 -0.2 0.12 -0.155 0.02")
_ROBOT_ARMS: Final = (
    cut("R -0.375 -0.04 -0.265 0.22 0.05", "O -0.32 0.24 0.075 0.075", holes=("R -0.348 0.25 -0.292 0.42 0",)),
    cut("R 0.265 -0.04 0.375 0.22 0.05", "O 0.32 0.24 0.075 0.075", holes=("R 0.292 0.25 0.348 0.42 0",)),
)


@functools.cache
def _robot_limbs(index: int) -> skia.Path:
    arm = 20.0 * cycle(index)
    left, right = _ROBOT_ARMS
    return join(_ROBOT_FEET, turned(left, 10.0 + arm, -0.32, 0.02), turned(right, arm - 10.0, 0.32, 0.02))


def robot(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """A square robot swinging its arms."""
    put(canvas, _robot_limbs(frame(phase_s, 1.0)), tone.dark)
    put(canvas, _ROBOT_BODY, tone.base)
    put(canvas, _ROBOT_PANEL, tone.light)
    put(canvas, _ROBOT_MOUTH, tone.mark)
    eye(canvas, -0.11, -0.3, 0.065, tone)
    eye(canvas, 0.11, -0.3, 0.065, tone)
    dot(canvas, 0.0, -0.46, 0.04, tone.warm)


_SNOWMAN_BALLS: Final = cut("O 0 0.27 0.3 0.24", "O 0 -0.12 0.2 0.2")
_SNOWMAN_SHADE: Final = cut(
    "M -0.3 0.27 C -0.3 0.58 0.3 0.58 0.3 0.27 C 0.22 0.46 -0.2 0.46 -0.3 0.27 Z",
    "R -0.17 0.02 0.17 0.1 0.04",
    "M -0.16 0.05 L -0.06 0.07 L -0.12 0.28 L -0.22 0.26 Z",
)
_SNOWMAN_HAT: Final = cut("R -0.14 -0.5 0.14 -0.25 0.02", "R -0.22 -0.29 0.22 -0.23 0.02")
_SNOWMAN_FACE: Final = cut(
    "O -0.02 -0.15 0.03 0.03", "O 0.11 -0.15 0.03 0.03", "O 0.02 0.2 0.03 0.03", "O 0.02 0.32 0.03 0.03"
)
_SNOWMAN_BAND: Final = cut("R -0.14 -0.345 0.14 -0.285 0", "M 0.06 -0.125 L 0.3 -0.07 L 0.06 -0.03 Z")

_SNOWMAN_ARM: Final = strip(0.03, "M 0.22 0.2 L 0.45 0.04", "M 0.37 0.1 L 0.46 0.13", "M 0.37 0.1 L 0.39 0.0")
_SNOWMAN_ARM_2: Final = strip(0.03, "M -0.22 0.2 L -0.45 0.04", "M -0.37 0.1 L -0.46 0.13", "M -0.37 0.1 L -0.39 0.0")


@functools.cache
def _snowman_arms(index: int) -> skia.Path:
    turn = 9.0 * cycle(index)
    return join(turned(_SNOWMAN_ARM, turn, 0.22, 0.2), turned(_SNOWMAN_ARM_2, turn, -0.22, 0.2))


def snowman(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """Two snowballs, a top hat and a carrot; the twigs wave."""
    put(canvas, _snowman_arms(frame(phase_s, 1.0)), tone.wood)
    put(canvas, _SNOWMAN_BALLS, tone.base)
    put(canvas, _SNOWMAN_SHADE, tone.dark)
    put(canvas, _SNOWMAN_HAT, tone.ink)
    put(canvas, _SNOWMAN_BAND, tone.warm)
    put(canvas, _SNOWMAN_FACE, tone.mark)


_MUSHROOM_STEM: Final = cut(
    "M -0.13 0.05 L 0.13 0.05 Q 0.13 0.3 0.19 0.44 Q 0.19 0.5 0.12 0.5 L -0.12 0.5 Q -0.19 0.5 -0.19 0.44 "
    "Q -0.13 0.3 -0.13 0.05 Z"
)
_MUSHROOM_CAP: Final = cut(
    "M -0.5 0.06 C -0.5 -0.3 -0.28 -0.48 0 -0.48 C 0.28 -0.48 0.5 -0.3 0.5 0.06 Q 0.46 0.14 0.32 0.14 "
    "L -0.32 0.14 Q -0.46 0.14 -0.5 0.06 Z"
)
_MUSHROOM_GILL: Final = cut(
    "M -0.48 0.08 Q 0 -0.0 0.48 0.08 Q 0.42 0.14 0.32 0.14 L -0.32 0.14 Q -0.42 0.14 -0.48 0.08 Z"
)
_MUSHROOM_DOTS: Final = cut(
    "O -0.02 -0.29 0.095 0.085", "O -0.29 -0.1 0.075 0.085", "O 0.24 -0.16 0.085 0.085", "O 0.03 -0.06 0.06 0.05"
)


def mushroom(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """A spotted toadstool that breathes."""
    put(canvas, _MUSHROOM_STEM, tone.cream)
    canvas.save()
    breath = 0.02 * wave(phase_s, 1.2)
    canvas.translate(0.0, 0.14)
    canvas.scale(0.98 + breath, 0.98 - breath)
    canvas.translate(0.0, -0.14)
    lay(canvas, _MUSHROOM_CAP, tone.base, tone.shade)
    put(canvas, _MUSHROOM_GILL, tone.dark)
    put(canvas, _MUSHROOM_DOTS, tone.cream)
    canvas.restore()


_BALL: Final = cut("O 0 0 0.5 0.5")
_BALL_LIGHT: Final = cut(
    "M -0.06 -0.16 C -0.14 -0.32 -0.16 -0.42 -0.13 -0.483 C 0.14 -0.56 0.34 -0.42 0.42 -0.27 "
    "C 0.3 -0.22 0.18 -0.16 0.1 -0.1 Z"
)
_BALL_CREAM: Final = cut(
    "M -0.1 -0.0 C -0.24 -0.02 -0.4 -0.04 -0.495 -0.07 C -0.51 0.09 -0.46 0.22 -0.4 0.3 "
    "C -0.3 0.2 -0.2 0.1 -0.1 0.06 Z",
    "M 0.03 0.08 C 0.04 0.22 0.08 0.36 0.14 0.48 C 0.3 0.43 0.4 0.33 0.45 0.215 C 0.34 0.18 0.2 0.12 0.08 0.04 Z",
)


def ball(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """A beach ball that rocks."""
    canvas.save()
    canvas.rotate(14.0 * wave(phase_s, 1.2))
    put(canvas, _BALL, tone.base)
    put(canvas, _BALL_LIGHT, tone.dark)
    put(canvas, _BALL_CREAM, tone.cream)
    dot(canvas, -0.02, -0.03, 0.085, tone.dark)
    canvas.restore()


_UMBRELLA_TOP: Final = cut(
    "M -0.5 0.04 C -0.48 -0.26 -0.28 -0.44 0 -0.44 C 0.28 -0.44 0.48 -0.26 0.5 0.04 Q 0.42 -0.06 0.33 -0.06 "
    "Q 0.22 -0.05 0.17 0.05 "
    "Q 0.1 -0.05 0 -0.05 Q -0.1 -0.05 -0.17 0.05 Q -0.22 -0.05 -0.33 -0.06 Q -0.42 -0.06 -0.5 0.04 Z"
)
_UMBRELLA_RIB: Final = cut(
    "M 0 -0.44 C -0.13 -0.34 -0.18 -0.1 -0.17 0.05 Q -0.1 -0.05 0 -0.05 Q 0.1 -0.05 0.17 0.05 "
    "C 0.18 -0.1 0.13 -0.34 0 -0.44 Z"
)
_UMBRELLA_POLE: Final = strip(0.045, "M 0 -0.47 L 0 0.37 C 0 0.5 0.17 0.5 0.17 0.37")


def umbrella(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """An open umbrella on its crook."""
    canvas.save()
    canvas.rotate(2.5 * wave(phase_s, 1.2), 0.07, 0.48)
    put(canvas, _UMBRELLA_POLE, tone.wood)
    put(canvas, _UMBRELLA_TOP, tone.base)
    put(canvas, _UMBRELLA_RIB, tone.light)
    canvas.restore()


THINGS: Final[dict[str, Artist]] = {
    "house": house,
    "windmill": windmill,
    "lighthouse": lighthouse,
    "tree": tree,
    "robot": robot,
    "snowman": snowman,
    "mushroom": mushroom,
    "ball": ball,
    "umbrella": umbrella,
}

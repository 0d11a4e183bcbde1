"""Subjects on feet: cat, dog, horse, elephant, rabbit, giraffe, penguin, snail."""

from __future__ import annotations

import functools
from typing import Final

import skia

from rushes.world.subjects.paper import cut, cycle, dot, eye, frame, join, lay, moved, put, strip, swing, turned, wave
from rushes.world.subjects.tone import Artist, Tone

_STRIDE_S: Final = 0.8


def _legs(leg: skia.Path, hips: tuple[float, ...], degrees: float, y: float) -> list[skia.Path]:
    """Return legs cut at x = 0 and hung at the `hips`' x, pinned at `y`; neighbours swing opposite ways."""
    return [
        turned(moved(leg, skia.Matrix.Translate(x, 0.0)), degrees if index % 2 else -degrees, x, y)
        for index, x in enumerate(hips)
    ]


_CAT_BODY: Final = cut(
    "M -0.36 0.1 Q -0.36 -0.06 -0.2 -0.06 L 0.12 -0.06 Q 0.3 -0.06 0.3 0.12 Q 0.3 0.3 0.16 0.3 "
    "L -0.2 0.3 Q -0.36 0.3 -0.36 0.1 Z"
)
_CAT_TAIL: Final = strip(0.085, "M -0.3 0.08 C -0.46 0.02 -0.5 -0.12 -0.42 -0.24 C -0.37 -0.32 -0.42 -0.4 -0.46 -0.38")
_CAT_HEAD: Final = cut(
    "O 0.24 -0.14 0.25 0.22", "M 0.01 -0.12 L 0.0 -0.47 L 0.21 -0.32 Z", "M 0.27 -0.32 L 0.48 -0.47 L 0.47 -0.12 Z"
)
_CAT_EARS: Final = cut("M 0.05 -0.26 L 0.045 -0.39 L 0.14 -0.32 Z", "M 0.34 -0.32 L 0.435 -0.39 L 0.43 -0.26 Z")
_CAT_FACE: Final = cut("M 0.21 -0.09 L 0.31 -0.09 L 0.26 -0.03 Z", "O 0.15 -0.17 0.035 0.05", "O 0.36 -0.17 0.035 0.05")
_CAT_WHISKERS: Final = cut(
    "M 0.31 -0.06 L 0.5 -0.095 L 0.5 -0.07 L 0.31 -0.04 Z",
    "M 0.31 -0.03 L 0.5 0.0 L 0.5 0.025 L 0.31 -0.01 Z",
    "M 0.2 -0.06 L 0.01 -0.095 L 0.01 -0.07 L 0.2 -0.04 Z",
    "M 0.2 -0.03 L 0.01 0.0 L 0.01 0.025 L 0.2 -0.01 Z",
)
_CAT_LEG: Final = cut("M -0.055 0.18 L 0.055 0.18 L 0.055 0.45 Q 0.055 0.5 0 0.5 Q -0.055 0.5 -0.055 0.45 Z")
_CAT_STRIPES: Final = cut(
    "M -0.26 -0.05 L -0.19 -0.06 L -0.215 0.12 Z",
    "M -0.14 -0.06 L -0.07 -0.06 L -0.1 0.14 Z",
    "M -0.02 -0.06 L 0.04 -0.06 L 0.015 0.1 Z",
)


@functools.cache
def _cat_pose(index: int) -> tuple[skia.Path, skia.Path]:
    step = 15.0 * cycle(index)
    tail = turned(_CAT_TAIL, 7.0 * cycle(index), -0.3, 0.08)
    return (
        join(tail, *_legs(_CAT_LEG, (-0.2, 0.13), step, 0.2)),
        join(_CAT_BODY, *_legs(_CAT_LEG, (-0.28, 0.21), -step, 0.2)),
    )


def cat(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """A cat with pointed ears, whiskers and its tail up."""
    far, near = _cat_pose(frame(phase_s, _STRIDE_S))
    put(canvas, far, tone.dark)
    put(canvas, near, tone.base)
    put(canvas, _CAT_STRIPES, tone.dark)
    lay(canvas, _CAT_HEAD, tone.base, tone.shade)
    put(canvas, _CAT_EARS, tone.light)
    put(canvas, _CAT_WHISKERS, tone.cream)
    put(canvas, _CAT_FACE, tone.mark)


_DOG_BODY: Final = cut(
    "M -0.36 0.04 Q -0.36 -0.06 -0.26 -0.06 L 0.06 -0.06 L 0.1 -0.2 L 0.3 -0.2 L 0.26 0.16 Q 0.24 0.27 0.12 0.27 "
    "L -0.26 0.27 Q -0.36 0.26 -0.36 0.04 Z"
)
_DOG_HEAD: Final = cut(
    "M 0.02 -0.24 C 0.02 -0.4 0.14 -0.44 0.22 -0.44 C 0.32 -0.44 0.34 -0.36 0.36 -0.31 L 0.46 -0.29 "
    "Q 0.5 -0.28 0.5 -0.22 Q 0.5 -0.08 0.38 -0.08 L 0.2 -0.07 Q 0.03 -0.08 0.02 -0.24 Z"
)
_DOG_EAR: Final = cut(
    "M 0.03 -0.41 Q 0.13 -0.46 0.17 -0.38 C 0.2 -0.24 0.2 -0.08 0.1 -0.03 C 0.02 -0.0 -0.04 -0.08 -0.03 -0.2 "
    "Q -0.02 -0.36 0.03 -0.41 Z"
)
_DOG_TAIL: Final = cut(
    "M -0.26 0.06 C -0.4 0.04 -0.48 -0.08 -0.48 -0.22 Q -0.46 -0.28 -0.42 -0.22 C -0.4 -0.1 -0.34 -0.05 -0.26 -0.05 Z"
)
_DOG_COLLAR: Final = strip(0.055, "M 0.07 -0.055 L 0.27 -0.035")
_DOG_NOSE: Final = cut("O 0.465 -0.265 0.05 0.042")
_DOG_LEG: Final = cut("M -0.065 0.14 L 0.065 0.14 L 0.06 0.42 Q 0.1 0.44 0.1 0.5 L -0.06 0.5 Z")


@functools.cache
def _dog_pose(index: int) -> tuple[skia.Path, skia.Path]:
    step = 15.0 * cycle(index)
    tail = turned(_DOG_TAIL, 16.0 * cycle(index), -0.28, 0.02)
    return (
        join(*_legs(_DOG_LEG, (-0.2, 0.1), step, 0.18)),
        join(tail, _DOG_BODY, _DOG_HEAD, *_legs(_DOG_LEG, (-0.29, 0.18), -step, 0.18)),
    )


def dog(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """A dog with a long snout and a hanging ear, wagging."""
    far, near = _dog_pose(frame(phase_s, _STRIDE_S))
    put(canvas, far, tone.dark)
    put(canvas, near, tone.base)
    put(canvas, _DOG_COLLAR, tone.cream)
    lay(canvas, _DOG_EAR, tone.dark, tone.shade)
    put(canvas, _DOG_NOSE, tone.ink)
    eye(canvas, 0.25, -0.3, 0.045, tone)


_HORSE_BODY: Final = cut(
    "M -0.38 0.02 Q -0.38 -0.1 -0.26 -0.1 Q -0.1 -0.06 0.02 -0.1 C 0.1 -0.16 0.14 -0.28 0.2 -0.38 L 0.23 -0.5 "
    "L 0.3 -0.42 C 0.36 -0.4 0.4 -0.3 0.48 -0.24 Q 0.52 -0.18 0.47 -0.13 Q 0.43 -0.1 0.38 -0.14 L 0.29 -0.2 "
    "C 0.28 -0.1 0.26 0.0 0.24 0.08 Q 0.2 0.2 0.08 0.2 L -0.24 0.2 Q -0.38 0.2 -0.38 0.02 Z"
)
_HORSE_MANE: Final = cut(
    "M 0.27 -0.44 Q 0.18 -0.5 0.13 -0.4 Q 0.06 -0.36 0.08 -0.28 Q 0.0 -0.24 0.03 -0.16 Q -0.04 -0.12 0.0 -0.06 "
    "L 0.08 -0.07 C 0.16 -0.16 0.18 -0.3 0.24 -0.37 Z"
)
_HORSE_TAIL: Final = cut(
    "M -0.34 -0.08 C -0.46 -0.1 -0.5 0.06 -0.48 0.3 Q -0.42 0.3 -0.39 0.18 Q -0.36 0.06 -0.3 0.04 Z"
)
_HORSE_LEG: Final = cut("M -0.07 0.08 L 0.07 0.08 L 0.042 0.43 L -0.042 0.43 Z")
_HOOF: Final = cut("M -0.045 0.41 L 0.045 0.41 L 0.065 0.5 L -0.05 0.5 Z")


@functools.cache
def _horse_pose(index: int) -> tuple[skia.Path, skia.Path, skia.Path]:
    step = 18.0 * cycle(index)
    far, near = (-0.2, 0.08), (-0.3, 0.17)
    return (
        join(turned(_HORSE_TAIL, 8.0 * cycle(index), -0.34, -0.04), *_legs(_HORSE_LEG, far, step, 0.12)),
        join(*_legs(_HOOF, far, step, 0.12), *_legs(_HOOF, near, -step, 0.12)),
        join(_HORSE_BODY, *_legs(_HORSE_LEG, near, -step, 0.12)),
    )


def horse(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """A trotting horse with a mane."""
    far, hooves, near = _horse_pose(frame(phase_s, _STRIDE_S))
    put(canvas, far, tone.dark)
    put(canvas, hooves, tone.ink)
    put(canvas, near, tone.base)
    put(canvas, _HORSE_MANE, tone.dark)
    eye(canvas, 0.315, -0.3, 0.036, tone)


_ELEPHANT_BODY: Final = cut(
    "M -0.46 0.08 C -0.46 -0.2 -0.3 -0.3 -0.1 -0.3 C 0.06 -0.3 0.18 -0.2 0.18 0.02 L 0.18 0.28 L -0.44 0.28 "
    "Q -0.46 0.2 -0.46 0.08 Z",
    "O 0.18 -0.16 0.21 0.22",
)
_ELEPHANT_TRUNK: Final = cut(
    "M 0.16 -0.02 L 0.38 -0.2 C 0.47 0.0 0.39 0.16 0.41 0.27 Q 0.42 0.32 0.44 0.26 L 0.5 0.28 "
    "Q 0.48 0.42 0.38 0.41 Q 0.29 0.39 0.29 0.27 C 0.29 0.16 0.32 0.08 0.18 0.05 Z"
)
_ELEPHANT_EAR: Final = cut(
    "M 0.1 -0.29 C -0.02 -0.36 -0.16 -0.3 -0.17 -0.14 C -0.18 0.02 -0.08 0.12 0.01 0.1 "
    "C 0.09 0.08 0.14 -0.06 0.13 -0.18 Z"
)
_ELEPHANT_TUSK: Final = cut("M 0.2 -0.01 L 0.3 -0.01 Q 0.32 0.11 0.46 0.09 Q 0.36 0.2 0.25 0.13 Q 0.2 0.08 0.2 -0.01 Z")
_ELEPHANT_TAIL: Final = strip(0.035, "M -0.43 -0.02 Q -0.47 0.06 -0.45 0.22")
_ELEPHANT_LEG: Final = cut("M -0.075 0.1 L 0.075 0.1 L 0.075 0.5 L -0.075 0.5 Z")


@functools.cache
def _elephant_pose(index: int) -> tuple[skia.Path, skia.Path, skia.Path]:
    step = 9.0 * cycle(index)
    tail = turned(_ELEPHANT_TAIL, 9.0 * cycle(index), -0.43, -0.02)
    trunk = turned(_ELEPHANT_TRUNK, 6.0 * cycle(index), 0.3, -0.1)
    return (
        join(tail, *_legs(_ELEPHANT_LEG, (-0.22, -0.03), step, 0.14)),
        join(_ELEPHANT_BODY, trunk, *_legs(_ELEPHANT_LEG, (-0.36, 0.095), -step, 0.14)),
        turned(_ELEPHANT_EAR, 5.0 * cycle(index, 1, 0.25), 0.1, -0.2),
    )


def elephant(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """An elephant with a big flapping ear."""
    far, near, ear = _elephant_pose(frame(phase_s, 1.2))
    put(canvas, far, tone.dark)
    put(canvas, near, tone.base)
    put(canvas, _ELEPHANT_TUSK, tone.cream)
    lay(canvas, ear, tone.dark, tone.shade)
    eye(canvas, 0.25, -0.2, 0.04, tone)


_RABBIT_BODY: Final = cut(
    "M -0.36 0.3 C -0.36 0.06 -0.22 -0.02 -0.06 -0.02 L 0.08 -0.08 L 0.26 0.06 C 0.3 0.2 0.26 0.4 0.22 0.5 "
    "L -0.22 0.5 "
    "Q -0.36 0.46 -0.36 0.3 Z"
)
_RABBIT_HEAD: Final = cut("O 0.2 -0.08 0.21 0.175")
_RABBIT_EAR: Final = cut("M 0.04 -0.16 C -0.04 -0.34 0.0 -0.5 0.07 -0.5 C 0.16 -0.5 0.18 -0.32 0.16 -0.16 Z")
_RABBIT_EAR_IN: Final = cut("M 0.065 -0.2 C 0.02 -0.34 0.04 -0.44 0.075 -0.44 C 0.12 -0.44 0.13 -0.32 0.13 -0.2 Z")
_RABBIT_HAUNCH: Final = strip(0.028, "M -0.26 0.2 C -0.14 0.08 0.06 0.16 0.05 0.34 Q 0.05 0.4 0.0 0.42")
_RABBIT_PAW: Final = cut("R 0.12 0.26 0.21 0.5 0.045", "R 0.12 0.43 0.28 0.5 0.035")
_RABBIT_NOSE: Final = cut("O 0.378 -0.07 0.034 0.03")


@functools.cache
def _rabbit_pose(index: int) -> tuple[skia.Path, skia.Path, skia.Path]:
    twitch = 7.0 * cycle(index)
    near = turned(_RABBIT_EAR, twitch - 8.0, 0.12, -0.14)
    return (
        turned(_RABBIT_EAR, 18.0 - twitch, 0.12, -0.14),
        join(_RABBIT_BODY, _RABBIT_PAW, _RABBIT_HEAD, near),
        turned(_RABBIT_EAR_IN, twitch - 8.0, 0.12, -0.14),
    )


def rabbit(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """A crouching rabbit, ears twitching."""
    far, near, lining = _rabbit_pose(frame(phase_s, 1.0))
    dot(canvas, -0.37, 0.25, 0.105, tone.cream)
    put(canvas, far, tone.dark)
    put(canvas, near, tone.base)
    put(canvas, lining, tone.light)
    put(canvas, _RABBIT_HAUNCH, tone.dark)
    put(canvas, _RABBIT_NOSE, tone.mark)
    eye(canvas, 0.25, -0.12, 0.05, tone)


_GIRAFFE_BODY: Final = cut(
    "M -0.36 0.14 Q -0.36 0.02 -0.24 0.02 Q -0.08 0.0 0.0 -0.06 L 0.12 -0.38 L 0.11 -0.5 L 0.17 -0.44 "
    "C 0.26 -0.46 0.36 -0.4 0.42 -0.34 Q 0.46 -0.28 0.4 -0.26 L 0.23 -0.27 L 0.17 0.14 Q 0.14 0.24 0.04 0.24 "
    "L -0.24 0.24 Q -0.36 0.24 -0.36 0.14 Z"
)
_GIRAFFE_SPOTS: Final = cut(
    "R -0.3 0.06 -0.2 0.15 0.03",
    "R -0.15 0.04 -0.03 0.13 0.03",
    "R -0.24 0.18 -0.14 0.235 0.02",
    "R 0.01 0.0 0.1 0.1 0.03",
    "R -0.07 0.16 0.04 0.23 0.03",
    "R 0.09 -0.14 0.18 -0.04 0.03",
    "R 0.1 -0.28 0.18 -0.19 0.03",
)
_GIRAFFE_LEG: Final = cut("M -0.05 0.14 L 0.05 0.14 L 0.035 0.5 L -0.035 0.5 Z")
_GIRAFFE_TAIL: Final = strip(0.03, "M -0.34 0.08 Q -0.42 0.14 -0.41 0.28")
_GIRAFFE_HORN: Final = strip(0.035, "M 0.16 -0.42 L 0.13 -0.48", "M 0.22 -0.42 L 0.22 -0.485")


@functools.cache
def _giraffe_pose(index: int) -> tuple[skia.Path, skia.Path]:
    step = 13.0 * cycle(index)
    tail = turned(_GIRAFFE_TAIL, 12.0 * cycle(index), -0.34, 0.08)
    return (
        join(tail, _GIRAFFE_HORN, *_legs(_GIRAFFE_LEG, (-0.2, 0.03), step, 0.18)),
        join(_GIRAFFE_BODY, *_legs(_GIRAFFE_LEG, (-0.3, 0.11), -step, 0.18)),
    )


def giraffe(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """A giraffe: all neck and spots."""
    far, near = _giraffe_pose(frame(phase_s, 1.0))
    put(canvas, far, tone.dark)
    put(canvas, near, tone.base)
    put(canvas, _GIRAFFE_SPOTS, tone.dark)
    eye(canvas, 0.27, -0.37, 0.036, tone)


_PENGUIN_BODY: Final = cut(
    "M 0.0 -0.5 C 0.18 -0.5 0.23 -0.36 0.22 -0.24 C 0.34 -0.06 0.34 0.2 0.3 0.34 Q 0.22 0.47 0.0 0.47 "
    "Q -0.24 0.47 -0.31 0.34 C -0.36 0.16 -0.34 -0.08 -0.22 -0.24 C -0.23 -0.38 -0.17 -0.5 0.0 -0.5 Z"
)
_PENGUIN_BELLY: Final = cut(
    "M 0.08 -0.14 C 0.21 -0.11 0.27 0.1 0.23 0.26 Q 0.19 0.4 0.06 0.4 C -0.08 0.4 -0.12 0.28 -0.09 0.12 "
    "C -0.07 -0.02 -0.02 -0.14 0.08 -0.14 Z"
)
_PENGUIN_WING: Final = cut("M -0.24 -0.18 Q -0.12 -0.16 -0.14 0.0 Q -0.16 0.18 -0.34 0.26 Q -0.4 0.02 -0.24 -0.18 Z")
_PENGUIN_FAR: Final = cut("M 0.23 -0.18 Q 0.4 0.0 0.4 0.22 Q 0.28 0.18 0.22 0.04 Z")
_PENGUIN_BEAK: Final = cut("M 0.16 -0.38 L 0.4 -0.29 L 0.16 -0.25 Z")
_PENGUIN_FOOT: Final = cut("M -0.1 0.5 Q -0.1 0.42 0.0 0.42 Q 0.12 0.42 0.14 0.5 Z")


@functools.cache
def _penguin_feet(index: int) -> skia.Path:
    sway = cycle(index)
    left = moved(_PENGUIN_FOOT, skia.Matrix.Translate(-0.13, -0.04 * max(sway, 0.0)))
    return join(left, moved(_PENGUIN_FOOT, skia.Matrix.Translate(0.11, -0.04 * max(-sway, 0.0))))


def penguin(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """A waddling penguin with a pale belly."""
    sway = wave(phase_s, _STRIDE_S)
    put(canvas, _penguin_feet(frame(phase_s, _STRIDE_S)), tone.warm)
    canvas.save()
    canvas.rotate(3.5 * sway, 0.0, 0.46)
    swing(canvas, _PENGUIN_FAR, tone.dark, (-9.0 + 9.0 * sway, 0.23, -0.16))
    put(canvas, _PENGUIN_BEAK, tone.warm)
    put(canvas, _PENGUIN_BODY, tone.base)
    put(canvas, _PENGUIN_BELLY, tone.cream)
    swing(canvas, _PENGUIN_WING, tone.dark, (9.0 + 9.0 * sway, -0.22, -0.16))
    eye(canvas, 0.1, -0.36, 0.05, tone)
    canvas.restore()


_SNAIL_FOOT: Final = cut(
    "M -0.5 0.5 Q -0.44 0.36 -0.26 0.34 L 0.1 0.34 Q 0.18 0.26 0.22 0.06 Q 0.26 -0.04 0.36 -0.02 "
    "Q 0.48 0.0 0.46 0.14 "
    "C 0.46 0.3 0.46 0.5 0.3 0.5 Z"
)
_SNAIL_HORNS: Final = strip(0.04, "M 0.3 0.04 L 0.26 -0.18", "M 0.4 0.04 L 0.45 -0.18")
_SNAIL_SHELL: Final = cut("O -0.1 0.06 0.36 0.36")
_SNAIL_SPIRAL: Final = strip(
    0.06,
    "M 0.16 0.2 C 0.26 -0.06 0.1 -0.22 -0.12 -0.2 C -0.34 -0.18 -0.42 0.1 -0.28 0.24 C -0.14 0.36 0.1 0.28 0.08 0.08 "
    "C 0.06 -0.1 -0.2 -0.1 -0.22 0.06 C -0.22 0.16 -0.1 0.18 -0.07 0.1",
)


def snail(canvas: skia.Canvas, tone: Tone, phase_s: float) -> None:
    """A snail with a spiral on its shell."""
    stretch = wave(phase_s, 1.2)
    canvas.save()
    canvas.scale(1.0 - 0.03 * (1.0 - stretch), 1.0)
    swing(canvas, _SNAIL_HORNS, tone.light, (5.0 * stretch, 0.35, 0.04))
    put(canvas, _SNAIL_FOOT, tone.light)
    dot(canvas, 0.26 + 0.015 * stretch, -0.19, 0.045, tone.ink)
    dot(canvas, 0.45 + 0.015 * stretch, -0.19, 0.045, tone.ink)
    canvas.restore()
    lay(canvas, _SNAIL_SHELL, tone.base, tone.shade)
    put(canvas, _SNAIL_SPIRAL, tone.dark)


ANIMALS: Final[dict[str, Artist]] = {
    "cat": cat,
    "dog": dog,
    "horse": horse,
    "elephant": elephant,
    "rabbit": rabbit,
    "giraffe": giraffe,
    "penguin": penguin,
    "snail": snail,
}

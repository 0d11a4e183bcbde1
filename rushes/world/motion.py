"""Where each subject of a scene is at a time: sixteen motions and five relations as exact, smooth functions of t."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from rushes.world import vocabulary as v
from rushes.world.places import baseline
from rushes.world.scene import Scene, Subject

HALF_WIDTH = 8 / 9
GRAVITY = 1.1  # units/s^2: paper falls gently
MAX_ACROSS = 2.2
MAX_UPWARD = 0.62
ROLLING = frozenset(
    {"car", "bus", "truck", "train", "tractor", "bicycle", "cat", "dog", "horse", "elephant"}
    | {"rabbit", "giraffe", "penguin", "snail", "robot"}
)
"""Kinds whose wheels or legs stand still when they do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectState:
    """One subject at one time: box centre in units, box side relative to its size, clockwise turn in degrees.

    `opacity` is in 0..1; `phase_s` drives wheels, legs and wings.
    """

    x: float
    y: float
    scale: float = 1.0
    rotation: float = 0.0
    flipped: bool = False
    opacity: float = 1.0
    phase_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Move:
    """What a motion needs to know: the subject at home, the clock and the frame."""

    subject: Subject
    x: float
    y: float
    side: float
    t_s: float
    duration_s: float
    half_width: float
    grounded: bool

    @property
    def middle_s(self) -> float:
        return self.t_s - self.duration_s / 2

    @property
    def heading(self) -> float:
        return {"left": -1.0, "right": 1.0}.get(self.subject.direction, 0.0)

    @property
    def speed(self) -> float:
        return min(v.SPEEDS[self.subject.speed], MAX_ACROSS / self.duration_s)

    @property
    def period_s(self) -> float:
        return {"slow": 2.0, "normal": 1.75, "fast": 1.5}[self.subject.speed]

    @property
    def share(self) -> float:
        """How much of the film a change takes."""
        return {"slow": 0.85, "normal": 0.65, "fast": 0.45}[self.subject.speed]


def ease(p: float) -> float:
    """Return 0..1 for p in 0..1 with no speed at either end (smootherstep)."""
    p = min(max(p, 0.0), 1.0)
    return p * p * p * (p * (6 * p - 15) + 10)


def _rest(m: _Move) -> SubjectState:
    return SubjectState(x=m.x, y=m.y)


def _drift(m: _Move) -> SubjectState:
    return SubjectState(x=m.x + m.heading * m.speed * m.middle_s, y=m.y)


def _upward(m: _Move) -> SubjectState:
    speed = min(v.SPEEDS[m.subject.speed], MAX_UPWARD / m.duration_s)
    return SubjectState(x=m.x, y=m.y - speed * m.middle_s)


def _fall(m: _Move) -> SubjectState:
    """Accelerate from rest down to the ground, then settle with two small bounces."""
    landing_s = 0.76 * m.share * m.duration_s
    bottom = m.y if m.grounded else m.y + 0.2
    height = min(0.62, bottom + 0.42)
    p = m.t_s / landing_s
    if p < 1:
        return SubjectState(x=m.x, y=bottom - height * (1 - p * p))
    # each bounce is a parabola under the same pull; the second rises a quarter as high
    first, second = 2 * 0.03**0.5, 2 * 0.0075**0.5
    for lift, start, length in ((0.03, 1.0, first), (0.0075, 1.0 + first, second)):
        q = (p - start) / length
        if 0 <= q < 1:
            return SubjectState(x=m.x, y=bottom - 4 * height * lift * q * (1 - q))
    return SubjectState(x=m.x, y=bottom)


def _bounce(m: _Move) -> SubjectState:
    q = (m.t_s / m.period_s + 0.25) % 1.0
    height = GRAVITY * m.period_s**2 / 8 * 0.75
    bottom = m.y if m.grounded else m.y + height / 2
    return SubjectState(x=m.x, y=bottom - 4 * height * q * (1 - q))


def _hop(m: _Move) -> SubjectState:
    """Leap forward in parabolas with a short stand between them."""
    period_s = 0.8 * m.period_s
    airborne = 0.7
    leaps, q = divmod(m.t_s / period_s + airborne / 2, 1.0)
    q = min(q / airborne, 1.0)
    travelled = (leaps + q) * period_s - (m.duration_s / 2 + airborne / 2 * period_s)
    height = 0.13
    bottom = m.y if m.grounded else m.y + height / 2
    speed = max(m.speed, 0.12)
    return SubjectState(x=m.x + m.heading * speed * travelled, y=bottom - 4 * height * q * (1 - q))


def _spin(m: _Move) -> SubjectState:
    return SubjectState(x=m.x, y=m.y, rotation=360.0 * m.t_s / (1.3 * m.period_s))


def _orbit(m: _Move) -> SubjectState:
    angle = math.tau * m.t_s / (1.25 * m.period_s)
    return SubjectState(x=m.x + 0.24 * math.cos(angle), y=m.y + 0.16 * math.sin(angle))


def _swing(m: _Move) -> SubjectState:
    """Hang from a point above like a pendulum; what stands on something rocks about its foot instead."""
    turn = math.sin(math.tau * m.t_s / m.period_s)
    if m.grounded:
        angle = math.radians(16.0) * turn
        foot = m.y + m.side / 2
        x, y = m.x + m.side / 2 * math.sin(angle), foot - m.side / 2 * math.cos(angle)
        return SubjectState(x=x, y=y, rotation=math.degrees(angle))
    angle, length = math.radians(32.0) * turn, 0.5
    x, y = m.x + length * math.sin(angle), m.y - length + length * math.cos(angle)
    return SubjectState(x=x, y=y + 0.03, rotation=-math.degrees(angle))


def _scaled(m: _Move, scale: float) -> SubjectState:
    """Keep the foot of what stands where it is."""
    return SubjectState(x=m.x, y=m.y + m.side / 2 * (1 - scale) if m.grounded else m.y, scale=scale)


def _grow(m: _Move) -> SubjectState:
    return _scaled(m, 0.4 + 0.9 * ease(m.t_s / m.duration_s))


def _shrink(m: _Move) -> SubjectState:
    return _scaled(m, 1.3 - 0.9 * ease(m.t_s / m.duration_s))


def _weave(m: _Move) -> SubjectState:
    angle = math.tau * m.middle_s / m.period_s
    tilt = m.heading * 14.0 * math.cos(angle)
    return SubjectState(x=m.x + m.heading * m.speed * m.middle_s, y=m.y + 0.12 * math.sin(angle), rotation=tilt)


def _enter(m: _Move) -> SubjectState:
    """Come in over the frame's edge and slow down to a stand in the middle."""
    p = min(m.t_s / (m.share * m.duration_s), 1.0)
    return SubjectState(x=m.x - m.heading * _way_out(m, -m.heading) * (1 - p) ** 2 * (1 + p), y=m.y)


def _leave(m: _Move) -> SubjectState:
    """Stand in the middle, then speed up and go out over the frame's edge."""
    p = max((m.t_s / m.duration_s - (1 - m.share)) / m.share, 0.0)
    return SubjectState(x=m.x + m.heading * _way_out(m, m.heading) * p * p * (2 - min(p, 1.0)), y=m.y)


def _way_out(m: _Move, heading: float) -> float:
    """Return how far it is from home until the whole subject is out of the frame."""
    return m.half_width + 0.55 * m.side - heading * m.x


def _stop(m: _Move) -> SubjectState:
    """Travel at an even speed, then brake evenly and stand for the last third."""
    speed = 1.6 * min(v.SPEEDS[m.subject.speed], 0.9 / m.duration_s)
    braking_s = 0.3 * m.duration_s
    start_s = 0.35 * m.duration_s
    p = min(max((m.t_s - start_s) / braking_s, 0.0), 1.0)
    travelled = speed * (min(m.t_s, start_s) + braking_s * (p - p * p / 2))
    return SubjectState(x=m.x + m.heading * (travelled - 0.7 * speed * (start_s + braking_s / 2)), y=m.y)


def _hover(m: _Move) -> SubjectState:
    angle = math.tau * m.t_s / m.period_s
    return SubjectState(
        x=m.x + 0.012 * math.sin(angle / 2), y=m.y + 0.04 * math.sin(angle), rotation=3 * math.cos(angle)
    )


_MOTIONS: dict[str, Callable[[_Move], SubjectState]] = {
    "rest": _rest,
    "drift": _drift,
    "rise": _upward,
    "fall": _fall,
    "bounce": _bounce,
    "spin": _spin,
    "orbit": _orbit,
    "swing": _swing,
    "grow": _grow,
    "shrink": _shrink,
    "weave": _weave,
    "enter": _enter,
    "leave": _leave,
    "stop": _stop,
    "hover": _hover,
    "hop": _hop,
}


def state(scene: Scene, index: int, t_s: float, half_width: float = HALF_WIDTH) -> SubjectState:
    """Return where subject `index` of the scene is at `t_s` seconds; `half_width` is the frame's, in units."""
    subject = scene.subjects[index]
    rides = v.rides(scene.place, subject.kind)
    side = v.SIZES[subject.size]
    home_x, home_y = _home(scene, index)
    move = _Move(
        subject=subject,
        x=home_x,
        y=home_y,
        side=side,
        t_s=t_s,
        duration_s=scene.duration_s,
        half_width=half_width,
        grounded=rides != "float",
    )
    at = _MOTIONS[subject.motion](move)
    if scene.relation != "none":
        at = _related(scene, index, at, move)
    tilt, heave = 0.0, 0.0
    if rides == "water":
        swell = math.tau * t_s / 1.8 + index
        tilt, heave = 2.5 * math.sin(swell), 0.010 * math.cos(swell)
    return SubjectState(
        x=at.x,
        y=at.y + heave,
        scale=at.scale,
        rotation=at.rotation + tilt,
        flipped=subject.direction == "left",
        opacity=at.opacity,
        phase_s=_phase(subject, rides, at, move),
    )


def _phase(subject: Subject, rides: str, state: SubjectState, move: _Move) -> float:
    """Return the clock of the subject's parts; wheels and legs follow the way travelled."""
    if rides != "ground" or subject.kind not in ROLLING:
        return move.t_s
    travelled = move.heading * (state.x - move.x) + 2.0 * move.duration_s
    return max(0.0, travelled / max(v.SPEEDS[subject.speed], 0.1))


@lru_cache(maxsize=1024)
def _shift(seed: int) -> tuple[float, float]:
    """Return two numbers in 0..1 that a scene's seed stands for."""
    across, height = np.random.default_rng(seed).random(2)
    return float(across), float(height)


def _home(scene: Scene, index: int) -> tuple[float, float]:
    """Return the box centre about which a subject moves; the scene's seed shifts it a little."""
    subject = scene.subjects[index]
    side = v.SIZES[subject.size]
    across, height = _shift(scene.seed)
    x = (across - 0.5) * 0.2
    levels = baseline(scene.place)
    level = levels.get(v.REALM_OF[subject.kind], next(iter(levels.values())))
    if not isinstance(level, tuple):
        return x, level - side / 2
    top, bottom = level
    middle, slack = (top + bottom) / 2, max((bottom - top) / 2 - 0.1, 0.0)
    if subject.motion in ("rise", "fall", "orbit", "bounce", "swing", "grow", "shrink"):
        middle, slack = min(max(middle, -0.03), 0.03), 0.05  # these need room above and below
    return x, middle + (2 * height - 1) * slack


def _related(scene: Scene, index: int, state: SubjectState, move: _Move) -> SubjectState:
    """Return a state of a scene with two subjects: who stands or goes where with respect to the other."""
    sides = [v.SIZES[subject.size] for subject in scene.subjects]
    gap = (sides[0] + sides[1]) / 2
    sign = -1.0 if index == 0 else 1.0
    x, y = state.x, state.y
    if scene.relation == "left_of":
        x += sign * (gap / 2 + 0.05)
    elif scene.relation == "behind":  # the first subject peeks out on the right
        x -= sign * 0.3 * gap
    elif scene.relation == "chases":
        x += sign * move.heading * (gap / 2 + 0.05)
    elif scene.relation == "collides":
        x = move.x + sign * _apart(scene, gap, move)
    return SubjectState(
        x=x, y=y, scale=state.scale, rotation=state.rotation, opacity=state.opacity, phase_s=state.phase_s
    )


def _apart(scene: Scene, gap: float, move: _Move) -> float:
    """Return half the way between two subjects that meet at mid-film and are thrown back, slowing down."""
    touching = 0.46 * gap
    speed = min(1.3 * v.SPEEDS[move.subject.speed], 1.2 / scene.duration_s)
    if move.middle_s <= 0:
        return touching - speed * move.middle_s
    return touching + 0.16 * (1 - math.exp(-move.middle_s * speed / 0.16 * 0.8))

"""What can be asked for: tiers, sizes, rates and lengths of films, and the plan that a request becomes. No torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rushes.errors import InputError, nearest_first
from rushes.types import GenerationRequest, VideoShape

MODEL, MAX_SECONDS = "rushes", 60
WINDOW_S, OVERLAP_S = 10, 2  # a longer film is made in windows, each of which knows the end of the one before
CONTRADICTIONS = {
    "loop": ("first", "last", "extend"),
    "extend": ("first", "remix"),
    "remix": ("first", "last"),
    "path": ("extend", "remix", "loop"),
}
LEGAL_FPS = (8, 24)  # what the autoencoder reads, what it paints; rushes/generate.py checks that it does
# (width, height) -> rows, columns, pixels per cell; the seven buckets of Hotshot-XL, then the wide and tall screens
SIZES = {
    (320, 768): (19, 8, 48), (384, 672): (16, 9, 48), (416, 608): (15, 10, 48), (512, 512): (12, 12, 48),
    (608, 416): (10, 15, 48), (672, 384): (9, 16, 48), (768, 320): (8, 19, 48), (768, 432): (9, 16, 48),
    (432, 768): (16, 9, 48), (1280, 720): (9, 16, 80), (720, 1280): (16, 9, 80),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """A named size, length and effort: what a request asks for where it says nothing else."""

    name: str
    shape: VideoShape
    fps: int
    num_steps: int = 20
    guidance_scale: float = 3.0


TIERS = {
    "flipbook": Tier(name="flipbook", shape=VideoShape(frames=8, height=512, width=512), fps=8),
    "short": Tier(name="short", shape=VideoShape(frames=24, height=432, width=768), fps=8),
    "feature": Tier(name="feature", shape=VideoShape(frames=240, height=720, width=1280), fps=24),
    "still": Tier(name="still", shape=VideoShape(frames=1, height=720, width=1280), fps=24),
}


def tier(name: str) -> Tier:
    """Return the tier called `name`. Raises: InputError, the known ones named, nearest first."""
    if name not in TIERS:
        raise InputError(f"there is no tier {name!r}; known: {nearest_first(name, TIERS)}")
    return TIERS[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A stretch of a film made at once: the first `known_s` seconds are there already, then `fresh_s` new ones."""

    known_s: int
    fresh_s: int

    @property
    def seconds(self) -> int:
        return self.known_s + self.fresh_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a request is made: a grid of cells for whole seconds, painted at `pixels` a cell, then fitted to `shape`.

    The first `given_s` of the film's `seconds` are there already.
    """

    rows: int
    columns: int
    seconds: int
    pixels: int
    fps: int
    shape: VideoShape
    given_s: int = 0

    @property
    def num_tokens(self) -> int:
        """Return the tokens of the longest stretch that is made at once."""
        return max(window.seconds for window in self.windows) * self.rows * self.columns

    @property
    def windows(self) -> tuple[Window, ...]:
        """Return the stretches that the new seconds are made in, in order."""
        found, at = [], self.given_s
        while at < self.seconds:
            known = min(at, OVERLAP_S)
            found.append(Window(known_s=known, fresh_s=min(self.seconds - at, WINDOW_S - known)))
            at += found[-1].fresh_s
        return tuple(found)


def plan(request: GenerationRequest) -> Plan:
    """Return how `request` is made. Raises: InputError naming the nearest legal size, fps or number of frames."""
    shape, fps = request.shape, request.fps
    if request.model != MODEL:
        raise InputError(f"there is no model {request.model!r}; known: {MODEL}")
    size = (shape.width, shape.height)
    if size not in SIZES:
        w, h = min(SIZES, key=lambda s: math.hypot(math.log(s[0] / size[0]), math.log(s[1] / size[1])))
        others = ", ".join(f"{a}x{b}" for a, b in SIZES if (a, b) != (w, h))
        raise InputError(f"size {size[0]}x{size[1]} is illegal; the nearest legal value is {w}x{h}; others: {others}")
    if fps not in LEGAL_FPS:
        nearest_fps = min(LEGAL_FPS, key=lambda legal: abs(legal - fps))
        raise InputError(f"fps {fps} is illegal; the nearest legal value is {nearest_fps}")
    seconds = max(1, min(MAX_SECONDS, round(shape.frames / fps)))
    if shape.frames not in (1, seconds * fps):
        nearest = 1 if shape.frames < fps / 2 else seconds * fps
        legal = f"1 to {MAX_SECONDS} whole seconds, or one frame; the nearest legal value is {nearest}"
        raise InputError(f"{shape.frames} frames at {fps} fps is illegal: {legal}")
    rows, columns, pixels = SIZES[size]
    extended = request.condition("extend")
    given_s = extended.seconds if extended else 0
    shot = Plan(rows=rows, columns=columns, seconds=seconds, pixels=pixels, fps=fps, shape=shape, given_s=given_s)
    _check_conditions(request, shot)
    return shot


def _check_conditions(request: GenerationRequest, shot: Plan) -> None:
    """Raise InputError for conditions that contradict each other or the film's length."""
    kinds = [condition.kind for condition in request.conditions]
    for kind in sorted(set(kinds)):
        if kinds.count(kind) > 1:
            raise InputError(f"condition {kind!r} is named {kinds.count(kind)} times; once is legal")
        against = [other for other in CONTRADICTIONS.get(kind, ()) if other in kinds]
        if against:
            raise InputError(f"conditions {kind!r} and {against[0]!r} contradict each other; name one of them")
    if shot.given_s >= shot.seconds:
        said = f"the film to extend has {shot.given_s} s already, and {shot.seconds} s are asked for in all"
        raise InputError(f"{said}; the nearest legal value is {min(MAX_SECONDS, shot.given_s + 1)}")
    whole = next((kind for kind in ("remix", "loop") if kind in kinds), None)
    if whole and shot.seconds > WINDOW_S:
        said = f"a film of {shot.seconds} s can't be made with condition {whole!r}"
        raise InputError(f"{said}; the nearest legal value is {WINDOW_S}")
    if shot.shape.frames == 1 and set(kinds) - {"remix"}:
        raise InputError(f"a still can't be made with condition {min(set(kinds) - {'remix'})!r}; legal: remix")

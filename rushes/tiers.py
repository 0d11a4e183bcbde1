"""What can be asked for: tiers, sizes, rates and lengths of films, and the plan that a request becomes. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from rushes.errors import InputError, nearest_first
from rushes.types import GenerationRequest, VideoShape, nearest_multiple

MODEL, MAX_SECONDS = "rushes", 60
WINDOW_S, OVERLAP_S = 10, 2  # a longer film is made in windows, each of which knows the end of the one before
CONTRADICTIONS = {
    "loop": ("first", "last", "extend"),
    "extend": ("first", "remix"),
    "remix": ("first", "last"),
    "path": ("extend", "remix", "loop"),
    "edges": ("first", "last", "extend", "remix", "sketch"),
    "sketch": ("first", "last", "extend", "remix"),
    "depth": ("first", "last", "extend", "remix"),
}
OF_STILLS = ("remix", "subject", "edges", "sketch", "depth")
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
    num_steps: int = 4
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
class Native:
    """What a model beside our own takes; `tier` is what is meant where nothing else is said.

    Sides are multiples of `multiple_px` with at most `most_pixels` in a frame, or else those of `sizes` alone (width,
    height). Lengths are `k * step + 1` frames, `most_frames` at most. `needs` names the conditions it can't do without,
    `licence` is that of its weights.
    """

    tier: Tier
    multiple_px: int
    most_pixels: int
    step: int
    most_frames: int
    fps: tuple[int, ...]
    sizes: tuple[tuple[int, int], ...] = ()
    conditions: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    has_negative: bool = True
    licence: str = ""

    def nearest_frames(self, frames: float) -> int:
        """Return the legal length nearest to `frames`."""
        least = 1 if self.tier.shape.frames == 1 else self.step + 1
        near = round((frames - 1) / self.step) * self.step + 1
        return min(max(near, least), self.most_frames - (self.most_frames - 1) % self.step)

    def frames_of(self, seconds: float, fps: int) -> int:
        """Return the legal length nearest to `seconds`. Raises: InputError where none is within a step of it."""
        frames = self.nearest_frames(seconds * fps)
        if abs(frames - seconds * fps) > self.step:
            raise InputError(f"seconds {seconds:g} is illegal; the nearest legal value is {frames / fps:.3g}")
        return frames

    def nearest_size(self, width: int, height: int) -> tuple[int, int]:
        """Return the legal width and height nearest to these."""
        if self.sizes:
            return min(self.sizes, key=lambda s: math.hypot(math.log(s[0] / width), math.log(s[1] / height)))
        scale = min(1.0, math.sqrt(self.most_pixels / (width * height)))
        step = self.multiple_px
        if scale == 1.0:
            near = nearest_multiple(width, step), nearest_multiple(height, step)
            if near[0] * near[1] <= self.most_pixels:
                return near
        return max(step, int(width * scale) // step * step), max(step, int(height * scale) // step * step)

    def check(self, request: GenerationRequest) -> None:
        """Raise InputError where the model can't make `request`; the nearest legal value is named."""
        shape, model = request.shape, request.model
        near = self.nearest_size(shape.width, shape.height)
        if near != (shape.width, shape.height):
            said = f"size {shape.width}x{shape.height} is illegal for {model}"
            raise InputError(f"{said}; the nearest legal value is {near[0]}x{near[1]}")
        if request.fps not in self.fps:
            nearest = min(self.fps, key=lambda legal: abs(legal - request.fps))
            raise InputError(f"fps {request.fps} is illegal for {model}; the nearest legal value is {nearest}")
        if shape.frames != self.nearest_frames(shape.frames):
            rule = f"{self.step} k + 1 frames, {self.most_frames} at most" if self.most_frames > 1 else "one frame"
            said = f"{shape.frames} frames is illegal for {model}, which makes {rule}"
            raise InputError(f"{said}; the nearest legal value is {self.nearest_frames(shape.frames)}")
        if request.negative_prompt and not self.has_negative:
            raise InputError(f"negative_prompt is illegal for {model}, which takes none")
        kinds = [condition.kind for condition in request.conditions]
        for kind in kinds:
            if kind not in self.conditions or kinds.count(kind) > 1:
                raise InputError(f"condition {kind!r} is illegal for {model}; legal: {_words(self.conditions)}, once")
        missing = [kind for kind in self.needs if kind not in kinds]
        if missing:
            raise InputError(f"{model} makes no film without condition {missing[0]!r}; name a picture")


def nearest_size(width: int, height: int) -> tuple[int, int]:
    """Return the width and height, of those that our own model makes, nearest to these."""
    return min(SIZES, key=lambda s: math.hypot(math.log(s[0] / width), math.log(s[1] / height)))


def _words(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "none"


def check(request: GenerationRequest, offered: Mapping[str, Native]) -> None:
    """Raise InputError where `request` can't be made by our own model or one of those `offered` beside it."""
    if request.model in offered:
        offered[request.model].check(request)
    elif request.model != MODEL and offered:
        known = nearest_first(request.model, [MODEL, *offered])
        raise InputError(f"there is no model {request.model!r}; known: {known}")
    else:
        plan(request)


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
        w, h = nearest_size(*size)
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
    if shot.shape.frames == 1 and (illegal := set(kinds) - set(OF_STILLS)):
        raise InputError(f"a still can't be made with condition {min(illegal)!r}; legal: {', '.join(OF_STILLS)}")

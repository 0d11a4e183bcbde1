"""What was typed after `--first`, `--extend`, `--remix`, `--path` and the like becomes conditions and a shape."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path

from rushes import given
from rushes.errors import InputError
from rushes.media.probe import Probe, probe
from rushes.tiers import LEGAL_FPS, SIZES, TIERS, Tier
from rushes.types import Area, Condition, VideoShape, read_points

STRENGTH = 0.7  # of a remix where nothing is said: its places stay, its light and its subjects may change
EXTENDED_S = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """The conditions of a request; `like` is the shape of the film they start from, if they start from one."""

    conditions: tuple[Condition, ...] = ()
    like: Tier | None = None

    @property
    def given_s(self) -> int:
        """Return how many seconds are there already."""
        return sum(condition.seconds for condition in self.conditions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """The options as they were typed; None where nothing was."""

    first: Path | None = None
    last: Path | None = None
    extend: Path | None = None
    remix: Path | None = None
    strength: float | None = None
    area: str | None = None
    path: str | None = None
    subject: Path | None = None
    edges: Path | None = None
    sketch: Path | None = None
    depth: Path | None = None
    loop: bool = False


def read(typed: Typed) -> Conditions:
    """Return what `typed` asks for. Raises: InputError for what is illegal, or for a file that holds no pictures."""
    if typed.remix is None and (typed.strength is not None or typed.area is not None):
        raise InputError(f"--{'strength' if typed.strength is not None else 'area'} needs --remix FILM")
    area = None if typed.area is None else read_area(typed.area)
    found: list[Condition] = []
    pictures = {kind: getattr(typed, kind) for kind in ("first", "last", "edges", "sketch", "depth")}
    for kind, path in pictures.items():
        if path is not None:
            probe(path)
            found.append(_named(kind, path))
    like = None
    if typed.extend is not None:
        film = probe(typed.extend)
        like = _like(film, EXTENDED_S)
        found.append(_named("extend", typed.extend, seconds=math.floor(film.duration_s + 1e-6)))
    if typed.remix is not None:
        film = probe(typed.remix)
        like = _like(film, max(1, round(film.duration_s)))
        strength = typed.strength if typed.strength is not None else STRENGTH if area is None else 1.0
        found.append(_named("remix", typed.remix, strength=strength, area=area))
    if typed.path is not None:
        found.append(Condition(kind="path", points=read_points(typed.path)))
    if typed.subject is not None:
        given.cutout(typed.subject)
        found.append(_named("subject", typed.subject))
    if typed.loop:
        found.append(Condition(kind="loop"))
    return Conditions(conditions=tuple(found), like=like)


def read_area(text: str) -> Area:
    """Return `left,top,right,bottom` as numbers. Raises: InputError where it is something else."""
    try:
        left, top, right, bottom = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"area {text!r} is illegal; it is LEFT,TOP,RIGHT,BOTTOM, as in 0,0.5,1,1") from None
    return left, top, right, bottom


def _named(kind: str, path: Path, **more: object) -> Condition:
    return Condition(kind=kind, uri=str(path), sha256=given.digest(path), **more)  # type: ignore[arg-type]


def _like(film: Probe, seconds: int) -> Tier:
    """Return the legal shape nearest to a film's: a still's is a still."""
    width, height = min(SIZES, key=lambda s: math.hypot(math.log(s[0] / film.width), math.log(s[1] / film.height)))
    if film.is_still:
        return dataclasses.replace(TIERS["still"], shape=VideoShape(frames=1, height=height, width=width))
    fps = min(LEGAL_FPS, key=lambda legal: abs(legal - film.fps))
    shape = VideoShape(frames=seconds * fps, height=height, width=width)
    return dataclasses.replace(TIERS["feature"], name="like", shape=shape, fps=fps)

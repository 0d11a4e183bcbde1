"""The nouns that every floor shares: shapes, requests, films, captions. No torch, no behaviour beyond checks."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

from rushes.errors import InputError

if TYPE_CHECKING:
    import numpy as np

MAX_PROMPT_CHARACTERS = 2000
MAX_SEED = 2**63 - 1


def nearest_multiple(value: int, factor: int) -> int:
    """Return the positive multiple of `factor` nearest to `value` (ties go up)."""
    return max(factor, (value + factor // 2) // factor * factor)


def _check_sides(shape: Factors | VideoShape) -> None:
    for name in ("frames", "height", "width"):
        if getattr(shape, name) < 1:
            raise InputError(f"{name} is {getattr(shape, name)}; the nearest legal value is 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """How many frames, rows and columns of pixels one latent cell stands for."""

    frames: int
    height: int
    width: int

    def __post_init__(self) -> None:
        _check_sides(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoShape:
    """Frames x height x width, in frames and pixels (or, after `.latent`, in latent cells)."""

    frames: int
    height: int
    width: int

    def __post_init__(self) -> None:
        _check_sides(self)

    def latent(self, factors: Factors) -> VideoShape:
        """Return the latent grid of this shape.

        Raises:
            InputError: a side is no multiple of its factor; the message names the nearest legal side.
        """
        for name in ("frames", "height", "width"):
            value, factor = getattr(self, name), getattr(factors, name)
            if value % factor:
                nearest = nearest_multiple(value, factor)
                raise InputError(f"{name} {value} is no multiple of {factor}; the nearest legal value is {nearest}")
        return VideoShape(
            frames=self.frames // factors.frames,
            height=self.height // factors.height,
            width=self.width // factors.width,
        )

    def __str__(self) -> str:
        return f"{self.frames}x{self.height}x{self.width}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An original file: where it lies, the SHA-256 of its bytes (hexadecimal), and what we may do with it."""

    uri: str
    sha256: str
    num_bytes: int
    licence: str = ""
    provenance: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A half-open stretch of a source's own timeline, in seconds."""

    start_s: Fraction
    end_s: Fraction

    def __post_init__(self) -> None:
        if not 0 <= self.start_s < self.end_s:
            span = f"{self.start_s} to {self.end_s} s"
            raise InputError(f"span {span} is illegal; it starts at 0 or later, before its end")

    @property
    def duration_s(self) -> Fraction:
        """Return how many seconds it lasts."""
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """What is kept of a shot: `id` is a hash of `source` (its SHA-256) and span; `shape` is in frames and pixels.

    Five fields, for ever; whatever is learned about a clip is a row of the ledger.
    """

    id: str
    source: str
    span: Span
    shape: VideoShape
    fps: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Caption:
    """Text that describes a clip: `kind` is short, long or structured; `captioner` says who wrote it."""

    text: str
    kind: str = "short"
    captioner: str = "world"
    version: str = "1"
    outcome: str = "ok"


Area = tuple[float, float, float, float]  # left, top, right, bottom, as shares of the width and the height
Points = tuple[tuple[float, float], ...]  # points from the upper left corner, as shares of the width and the height
MAX_POINTS = 64  # of a path


def read_points(text: str) -> Points:
    """Return `x,y x,y ...` as points. Raises: InputError where it is something else."""
    try:
        return tuple((float(x), float(y)) for x, y in (point.split(",") for point in text.split()))
    except ValueError:
        raise InputError(f"path {text[:60]!r} is illegal; it is 'X,Y X,Y ...', as in '0.1,0.6 0.9,0.6'") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Something that a film must agree with besides its prompt.

    `first` and `last` name a picture that the film begins or ends with; `extend` a film of which the first `seconds`
    come first and are gone on from; `remix` a film (or picture) that is made anew by `strength` in (0, 1], inside
    `area` alone where there is one; `loop` makes the end run into the beginning; `path` leads the first subject along
    `points` in even time; `subject` names a picture of what the first subject is, facing right, on a transparent or
    plain background. `edges`, `sketch` and `depth` name a picture or film that is laid out as this film shall be: by
    the edges of what it shows, the strokes of a drawing, or grey levels of which the brightest is nearest. `uri` says
    where the picture or film lies: a path, or in a studio the key in its store; `sha256` is that of its bytes, where it
    is known.
    """

    kind: Literal["first", "last", "extend", "remix", "loop", "path", "subject", "edges", "sketch", "depth"]
    uri: str = ""
    sha256: str = ""
    seconds: int = 0
    strength: float = 1.0
    area: Area | None = None
    points: Points = ()

    def __post_init__(self) -> None:
        if (self.kind not in ("loop", "path")) != bool(self.uri):
            raise InputError(f"condition {self.kind!r} names {'a' if self.uri else 'no'} picture or film")
        if self.kind == "path" or self.points:
            self._check_points()
        if self.kind == "extend" and self.seconds < 1:
            raise InputError(f"a film of {self.seconds} whole seconds can't be extended; the nearest legal value is 1")
        if not 0 < self.strength <= 1:
            nearest = 1.0 if self.strength > 1 else 0.05
            raise InputError(f"strength {self.strength} is illegal; the nearest legal value is {nearest}")
        if self.area is not None:
            left, top, right, bottom = self.area
            if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
                legal = "left, top, right, bottom between 0 and 1, as in 0,0.5,1,1 for the lower half"
                raise InputError(f"area {self.area} is illegal; it is {legal}")

    def _check_points(self) -> None:
        if self.kind != "path":
            raise InputError(f"condition {self.kind!r} has points; only a path has")
        if not 2 <= len(self.points) <= MAX_POINTS:
            nearest = 2 if len(self.points) < 2 else MAX_POINTS
            raise InputError(f"a path of {len(self.points)} points is illegal; the nearest legal number is {nearest}")
        for x, y in self.points:
            for value in (x, y):
                if not -0.5 <= value <= 1.5:
                    legal = f"{1.5 if value > 1.5 else -0.5} (points are shares of the width and the height)"
                    raise InputError(
                        f"the path's point {x:g},{y:g} is too far outside; nearest to {value:g} is {legal}"
                    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """One film asked for; the command line, HTTP, the queue and evaluation all carry this one.

    `shape` is in output pixels, `fps` in frames per second; `seed` is in [0, 2^63);
    `guidance_scale` is the s of `uncond + s (cond - uncond)`; `num_steps` counts sampling steps.
    """

    prompt: str
    negative_prompt: str = ""
    model: str = "rushes"
    seed: int = 0
    shape: VideoShape
    fps: int
    num_steps: int
    guidance_scale: float
    conditions: tuple[Condition, ...] = ()

    @property
    def num_fresh_frames(self) -> int:
        """Return how many frames are made: all but those of a film that is extended."""
        extended = self.condition("extend")
        return max(1, self.shape.frames - (extended.seconds * self.fps if extended else 0))

    def condition(self, kind: str) -> Condition | None:
        """Return the condition of that kind, if there is one."""
        return next((each for each in self.conditions if each.kind == kind), None)

    def __post_init__(self) -> None:
        if not self.prompt.strip():
            raise InputError("the prompt is empty; say what the film shows, for instance 'a red car drives left'")
        for name in ("prompt", "negative_prompt"):
            length = len(getattr(self, name))
            if length > MAX_PROMPT_CHARACTERS:
                legal = f"the longest legal one has {MAX_PROMPT_CHARACTERS}"
                raise InputError(f"the {name.replace('_', ' ')} has {length} characters; {legal}")
            if any("\ud800" <= character <= "\udfff" for character in getattr(self, name)):
                raise InputError(f"the {name.replace('_', ' ')} is no legal Unicode; type it as UTF-8")
        if self.fps < 1:
            raise InputError(f"fps {self.fps} is illegal; the nearest legal value is 1")
        if not 0 <= self.seed <= MAX_SEED:
            nearest = 0 if self.seed < 0 else MAX_SEED
            raise InputError(f"seed {self.seed} is illegal; the nearest legal value is {nearest}")
        if not 1 <= self.num_steps <= 1000:
            nearest = 1 if self.num_steps < 1 else 1000
            raise InputError(f"num_steps {self.num_steps} is illegal; the nearest legal value is {nearest}")
        if not 0.0 <= self.guidance_scale <= 30.0:
            nearest_scale = 0.0 if not self.guidance_scale >= 0 else 30.0
            raise InputError(
                f"guidance_scale {self.guidance_scale} is illegal; the nearest legal value is {nearest_scale}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a request will cost on this machine: wall-clock seconds (denoising's among them), peak memory in bytes."""

    seconds: float
    denoise_s: float
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Video:
    """Decoded frames, uint8 RGB `[t h w c]`, their fps, and the resolved request that made them (if any).

    Two videos are equal only when they are one: arrays have no single truth to compare by.
    """

    frames: np.ndarray
    fps: float
    request: dict[str, Any] | None = field(default=None)

    def __post_init__(self) -> None:
        shape, dtype = self.frames.shape, self.frames.dtype
        if len(shape) != 4 or shape[3] != 3 or str(dtype) != "uint8":
            raise InputError(f"a video is uint8 [t h w 3], not {dtype} {list(shape)}")
        if not self.fps > 0:
            raise InputError(f"fps {self.fps} is illegal; a video needs more than 0 frames per second")

    @property
    def shape(self) -> VideoShape:
        """Return frames x height x width, in frames and pixels."""
        t, h, w, _ = self.frames.shape
        return VideoShape(frames=t, height=h, width=w)

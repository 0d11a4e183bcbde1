"""The Videos API's nouns: what programs send becomes an order, and a job becomes what they read."""

from __future__ import annotations

import datetime
import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from rushes import config, tiers
from rushes.errors import InputError
from rushes.serve.client import jobs
from rushes.serve.client.jobs import Job, Order
from rushes.studio import media
from rushes.studio.errors import RequestError
from rushes.studio.house import House
from rushes.studio.members import closing
from rushes.types import Area, Condition, GenerationRequest, Points, VideoShape

STATUS: dict[str, Literal["queued", "in_progress", "completed", "failed"]] = {
    jobs.QUEUED: "queued", jobs.RUNNING: "in_progress", jobs.SUCCEEDED: "completed",
    jobs.FAILED: "failed", jobs.CANCELLED: "failed",
}  # fmt: skip
VARIANTS = ("video", "thumbnail", "spritesheet")
PARAMS = {"num_steps": "num_inference_steps", "frames": "num_frames"}  # our words -> the wire's
TIER, STILL = "short", "png"
EDITED = 0.85  # of an edited film is made anew where nothing is said: its places stay, its light may change
KEPT = ("first", "last", "loop", "path", "subject", "edges", "sketch", "depth")
PICTURES = {
    "video", "input_reference", "last_reference", "subject_reference",
    "edges_reference", "sketch_reference", "depth_reference",
}  # fmt: skip
Conditions = tuple[Condition, ...]
Offered = Mapping[str, tiers.Native]
OURS: Offered = {}


class Asked(BaseModel):
    """How a film may be asked for, beyond its prompt: vLLM-Omni's names, and a `tier` and `format` of our own."""

    model_config = ConfigDict(extra="forbid")

    model: str = Field(default=tiers.MODEL, max_length=100)
    seconds: int | None = Field(default=None, description=f"1 to {tiers.MAX_SECONDS}")
    size: str | None = Field(default=None, max_length=40, description="WIDTHxHEIGHT, one of the legal sizes")
    width: int | None = Field(default=None, ge=1, le=16_384)
    height: int | None = Field(default=None, ge=1, le=16_384)
    num_frames: int | None = Field(default=None, ge=1, le=100_000)
    fps: int | None = Field(default=None, ge=1, le=1_000)
    num_inference_steps: int | None = Field(default=None, ge=1, le=1_000)
    guidance_scale: float | None = Field(default=None, ge=0, le=30)
    seed: int | None = None
    negative_prompt: str | None = None
    tier: str | None = Field(default=None, max_length=40, description="what is meant where nothing else is said")
    format: str | None = Field(default=None, max_length=10, description="mp4, gif, webp; png for a still")
    input_reference: Any = Field(default=None, description="the picture that the film begins with")
    last_reference: Any = Field(default=None, description="the picture that the film ends with")
    subject_reference: Any = Field(default=None, description="a picture of what the first subject is, facing right")
    edges_reference: Any = Field(default=None, description="a picture or film whose outlines the film shall have")
    sketch_reference: Any = Field(default=None, description="a drawing of how the film is laid out")
    depth_reference: Any = Field(default=None, description="the same as grey levels: the brightest is nearest")
    characters: list[str] = Field(default_factory=list, description="ids of characters; the prompt may say their names")
    loop: bool = Field(default=False, description="the end runs into the beginning")
    path: Points | None = Field(default=None, description="where the first subject goes: points [x, y] in 0 to 1")
    extra_params: dict[str, Any] = Field(default_factory=dict, description="what only one model knows")

    @field_validator("extra_params", mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        return json.loads(value) if isinstance(value, str) else value

    @field_validator("characters", mode="before")
    @classmethod
    def _characters_from_any(cls, value: object) -> object:
        named = value.split() if isinstance(value, str) else value
        return [one.get("id") if isinstance(one, dict) else one for one in named] if isinstance(named, list) else named

    @field_validator("path", mode="before")
    @classmethod
    def _path_from_text(cls, value: object) -> object:
        return [point.split(",") for point in value.split()] if isinstance(value, str) else value


class Create(Asked):
    """A film from a prompt."""

    prompt: str


class Remix(Asked):
    """A film of another prompt with an earlier film's seed and shape; with a `strength`, it begins as that film."""

    prompt: str
    strength: float | None = Field(default=None, gt=0, le=1, description="how much of the earlier film is made anew")
    area: Area | None = Field(default=None, description="left, top, right, bottom in 0 to 1: only this is made anew")

    @field_validator("area", mode="before")
    @classmethod
    def _area_from_text(cls, value: object) -> object:
        return value.split(",") if isinstance(value, str) else value


class Edit(Remix):
    """A film that begins as an earlier one, which the body names."""

    video: Any = Field(description="the finished film: {'id': 'video_...'}")


class Extend(Edit):
    """An earlier film with `seconds` more."""

    seconds: int = Field(description=f"how many are added; {tiers.MAX_SECONDS} are the most in all")


class Fault(BaseModel):
    """Why a film was not made."""

    code: str
    message: str


class Video(BaseModel):
    """A film as programs see it; from `kind` on, fields of our own."""

    id: str
    object: Literal["video"] = "video"
    status: Literal["queued", "in_progress", "completed", "failed"]
    progress: int
    created_at: int
    completed_at: int | None
    expires_at: int | None
    model: str
    prompt: str
    seconds: str
    size: str
    remixed_from_video_id: str | None
    error: Fault | None
    kind: str
    tier: str
    format: str
    phase: str
    width: int
    height: int
    num_frames: int
    fps: int
    num_inference_steps: int
    guidance_scale: float
    seed: int
    negative_prompt: str
    estimate_s: float
    cost: int
    measured: dict[str, Any]
    url: str | None = Field(description="the film's address for hours to come, without a key")
    thumbnail_url: str | None
    preview_url: str | None = Field(description="a small picture of a film that is being made")
    characters: list[str]
    note: str = Field(description="which characters are described in words alone, and why; empty: none")


class Videos(BaseModel):
    """A page of films."""

    object: Literal["list"] = "list"
    data: list[Video]
    first_id: str | None
    last_id: str | None
    has_more: bool


class Deleted(BaseModel):
    """A film that is no more."""

    id: str
    object: Literal["video.deleted"] = "video.deleted"
    deleted: bool = True


def video(house: House, job: Job) -> Video:
    """Return a job as the wire's video: a cancelled film is a failed one whose code is `cancelled`."""
    request, shape, last = job.request, job.request["shape"], closing.date(house.config)

    def address(name: str) -> str | None:
        place = "" if job.extra.get("withdrawn") else media.url(house, job, name)
        return house.config.base_url + place if place else None

    return Video(
        id=job.id,
        status=STATUS[job.state],
        progress=job.progress,
        created_at=int(job.created_at),
        completed_at=int(job.ended_at) if job.state == jobs.SUCCEEDED and job.ended_at else None,
        expires_at=None if last is None else _end_of(last),
        model=request["model"],
        prompt=request["prompt"],
        seconds="0" if shape["frames"] == 1 else f"{shape['frames'] / request['fps']:g}",
        size=f"{shape['width']}x{shape['height']}",
        remixed_from_video_id=job.parent,
        error=fault(job),
        kind=job.kind,
        tier=job.tier,
        format=job.format,
        phase=job.phase,
        width=shape["width"],
        height=shape["height"],
        num_frames=shape["frames"],
        fps=request["fps"],
        num_inference_steps=request["num_steps"],
        guidance_scale=request["guidance_scale"],
        seed=request["seed"],
        negative_prompt=request["negative_prompt"],
        estimate_s=round(job.estimate_s, 3),
        cost=job.cost,
        measured=job.measured,
        url=address("video"),
        thumbnail_url=address("thumbnail"),
        preview_url=address("preview") if job.state == jobs.RUNNING else None,
        characters=job.extra.get("characters", []),
        note=job.extra.get("note", ""),
    )


def fault(job: Job) -> Fault | None:
    """Return why a job came to nothing, if it did."""
    if job.state not in (jobs.FAILED, jobs.CANCELLED):
        return None
    return Fault(code=job.error_code or "failed", message=job.error or "it was not made")


def _end_of(day: datetime.date) -> int:
    return int(datetime.datetime.combine(day, datetime.time.max, datetime.UTC).timestamp())


def poll_after_ms(job: Job) -> int:
    """Return when a look at a live film is worth it: ten looks or so, half a second to five seconds apart."""
    return round(min(5.0, max(0.5, job.estimate_s / 10)) * 1000)


def created(asked: Create, once: str | None = None, conditions: Conditions = (), offered: Offered = OURS) -> Order:
    """Return the order for a film from a prompt; `offered` are the models beside our own.

    Raises:
        RequestError: what is illegal, naming the parameter and the nearest legal value.
    """
    native = offered.get(asked.model)
    with _faults():
        tier = tiers.tier(asked.tier or TIER) if native is None or asked.tier else native.tier
    request = GenerationRequest(
        prompt="film",
        shape=tier.shape,
        fps=tier.fps,
        num_steps=tier.num_steps,
        guidance_scale=tier.guidance_scale,
        seed=secrets.randbelow(2**31),
    )
    with _faults():
        shape, fps = _shape(asked, request, native)
    order = Order(request=replace(request, shape=shape, fps=fps, conditions=conditions), format="mp4", once=once)
    return _order(asked, order, offered)


def derived(
    asked: Remix,
    parent: Job,
    kind: str,
    once: str | None = None,
    conditions: Conditions = (),
    offered: Offered = OURS,
) -> Order:
    """Return the order for a remix, edit or extension of `parent`: its model, seed and shape where nothing is said.

    A remix keeps what its parent began and ended with, showed and followed, unless it names something else in its
    place, or begins as the parent.
    """
    request = parent.generation_request()
    if "model" not in asked.model_fields_set:
        asked = asked.model_copy(update={"model": request.model})
    if asked.tier is not None:
        with _faults():
            tier = tiers.tier(asked.tier)
        request = replace(request, shape=tier.shape, fps=tier.fps, num_steps=tier.num_steps)
    with _faults():
        shape, fps = _shape(asked, request, offered.get(asked.model))
        own = _as_parent(asked, parent, kind)
        if kind == "extension":
            shape = replace(shape, frames=shape.frames + own[0].seconds * fps)
        elif not own:
            named = (*(each.kind for each in conditions), *["subject"] * bool(asked.characters))
            own = tuple(c for c in request.conditions if c.kind in KEPT and not _replaced(c.kind, named))
    request = replace(request, shape=shape, fps=fps, conditions=(*own, *conditions))
    return _order(asked, Order(request=request, kind=kind, parent=parent.id, format=parent.format, once=once), offered)


def _replaced(kept: str, named: Sequence[str]) -> bool:
    """Return whether a condition gives way to those that are named: to its like, and to what contradicts it."""
    against = tiers.CONTRADICTIONS
    return any(one == kept or one in against.get(kept, ()) or kept in against.get(one, ()) for one in named)


def _as_parent(asked: Remix, parent: Job, kind: str) -> Conditions:
    """Return the condition by which a film goes on from its parent, or begins as it; none for a plain remix."""
    if kind == "extension":
        made = parent.generation_request()
        return (Condition(kind="extend", uri=parent.files["video"], seconds=made.shape.frames // made.fps),)
    if kind != "edit" and asked.strength is None and asked.area is None:
        return ()
    strength = asked.strength or (EDITED if asked.area is None else 1.0)
    return (Condition(kind="remix", uri=parent.files["video"], strength=strength, area=asked.area),)


def _order(asked: Remix | Create, order: Order, offered: Offered) -> Order:
    """Return `order` with everything else that was asked for."""
    _refuse_unknown(asked)
    base = order.request
    said = asked.model_dump(exclude_unset=True, exclude=PICTURES)
    looks = [config.to_dict(condition) for condition in base.conditions]
    asked_for = json.dumps([order.kind, order.parent, said, looks], sort_keys=True)
    changed: dict[str, Any] = {
        "seed": asked.seed,
        "negative_prompt": asked.negative_prompt,
        "num_steps": asked.num_inference_steps,
        "guidance_scale": asked.guidance_scale,
    }
    with _faults():
        request = replace(
            base,
            prompt=asked.prompt,
            model=asked.model,
            **{name: value for name, value in changed.items() if value is not None},
        )
        tiers.check(request, offered)
    fitting = STILL if request.shape.frames == 1 else "mp4" if order.format == STILL else order.format
    extra = {"asked": hashlib.sha256(asked_for.encode()).hexdigest()[:32]}
    return replace(order, request=request, format=asked.format or fitting, extra=extra)


def _shape(asked: Asked, base: GenerationRequest, native: tiers.Native | None) -> tuple[VideoShape, int]:
    if native is None:
        frames, fps = _length(asked, base)
    else:
        fps = asked.fps or base.fps
        wanted = base.shape.frames if asked.seconds is None else native.frames_of(asked.seconds, fps)
        frames = asked.num_frames or wanted
    width, height = _size(asked, base.shape)
    return VideoShape(frames=frames, height=height, width=width), fps


def _length(asked: Asked, base: GenerationRequest) -> tuple[int, int]:
    """Return frames and fps; a changed rate alone keeps the length in seconds."""
    fps = asked.fps or base.fps
    if asked.seconds is None:
        kept = 1 if base.shape.frames == 1 else round(base.shape.frames * fps / base.fps)
        return asked.num_frames or kept, fps
    if not 1 <= asked.seconds <= tiers.MAX_SECONDS:
        nearest = min(max(1, asked.seconds), tiers.MAX_SECONDS)
        raise InputError(f"seconds {asked.seconds} is illegal; the nearest legal value is {nearest}")
    if asked.num_frames not in (None, asked.seconds * fps):
        said = f"{asked.seconds} seconds at {fps} fps are {asked.seconds * fps} frames, not {asked.num_frames}"
        raise InputError(f"num_frames contradicts seconds: {said}")
    return asked.seconds * fps, fps


def _size(asked: Asked, base: VideoShape) -> tuple[int, int]:
    width, height = asked.width or base.width, asked.height or base.height
    if asked.size is None:
        return width, height
    parts = asked.size.lower().split("x")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() and len(part) < 6 and int(part) for part in parts):
        raise InputError(f"size {asked.size!r} is illegal; it is WIDTHxHEIGHT, as in '768x432'")
    said = int(parts[0]), int(parts[1])
    if (asked.width or said[0], asked.height or said[1]) != said:
        raise InputError(f"size {asked.size} contradicts width and height")
    return said


def _refuse_unknown(asked: Asked) -> None:
    """Raise RequestError for parameters of other models."""
    if asked.extra_params:
        name = next(iter(asked.extra_params))
        said = f"extra_params: {tiers.MODEL} knows no {name[:80]!r}; it takes none"
        raise RequestError(400, "unknown_parameter", said, param="extra_params")


class _faults:  # noqa: N801 - a `with` of its own, read like a verb
    """Turn an `InputError` into the wire's error; its first words name the parameter."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, InputError):
            word = "_".join(str(error).removeprefix("the ").removeprefix("there is no ").split()[:2])
            names = [n for n in (*Create.model_fields, *PARAMS) if word == n or word.startswith(f"{n}_")]
            name = names[0] if names else "num_frames" if "frames" in str(error) else ""
            raise RequestError(400, "invalid_value", str(error), param=PARAMS.get(name, name)) from None

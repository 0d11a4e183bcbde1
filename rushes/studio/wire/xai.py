"""xAI's way of asking for a film: a request id at once, then an address; over the same jobs as the Videos API."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

from rushes import tiers
from rushes.serve.client import jobs
from rushes.serve.client.jobs import Job
from rushes.studio.errors import RequestError
from rushes.studio.house import House
from rushes.studio.wire import videos as wire

OURS, THEIRS = "video_", "request_"
SIZES = {
    "16:9": {"432p": "768x432", "720p": "1280x720"},
    "9:16": {"432p": "432x768", "720p": "720x1280"},
    "1:1": {"512p": "512x512"},
}


class Generation(BaseModel):
    """What xAI's clients send, a film begins with `image`; and two fields of ours."""

    model_config = ConfigDict(extra="forbid")

    prompt: str
    model: str = Field(default=tiers.MODEL, max_length=100)
    duration: int | None = Field(default=None, description=f"seconds, 1 to {tiers.MAX_SECONDS}")
    aspect_ratio: str = Field(default="16:9", max_length=20, description=", ".join(SIZES))
    resolution: str | None = Field(default=None, max_length=20, description="432p or 720p; 512p for 1:1")
    image: Any = None
    video: Any = None
    user: str | None = None
    subject_reference: Any = Field(default=None, description="a picture of what the first subject is, facing right")
    characters: list[str] = Field(default_factory=list, description="ids of characters; the prompt may say their names")


class Accepted(BaseModel):
    """What a film is asked after by."""

    request_id: str


class Pending(BaseModel):
    """A film that is not there yet."""

    status: Literal["pending"] = "pending"
    model: str
    progress: int


class Film(BaseModel):
    """Where a film lies; the address needs no key and expires."""

    url: str
    duration: float
    respect_moderation: bool = True


class Done(BaseModel):
    """A film that is there."""

    status: Literal["done"] = "done"
    model: str
    progress: int = 100
    video: Film


class Failed(BaseModel):
    """A film that was not made."""

    status: Literal["failed"] = "failed"
    model: str
    error: wire.Fault


def asked(generation: Generation) -> wire.Create:
    """Return the same wish in the Videos API's words. Raises: RequestError naming the legal values."""
    if generation.video is not None:
        said = "video: name a film of yours at /v1/videos/edits or /v1/videos/extensions"
        raise RequestError(400, "unsupported_condition", said, param="video")
    sizes = SIZES.get(generation.aspect_ratio)
    if sizes is None:
        said = f"aspect_ratio {generation.aspect_ratio!r} is illegal; legal: {', '.join(SIZES)}"
        raise RequestError(400, "invalid_value", said, param="aspect_ratio")
    resolution = generation.resolution or next(iter(sizes))
    if resolution not in sizes:
        said = f"resolution {resolution!r} is illegal; legal at {generation.aspect_ratio}: {', '.join(sizes)}"
        raise RequestError(400, "invalid_value", said, param="resolution")
    return wire.Create(
        prompt=generation.prompt,
        model=generation.model,
        seconds=generation.duration,
        size=sizes[resolution],
        subject_reference=generation.subject_reference,
        characters=generation.characters,
    )


def request_id(job: Job) -> str:
    """Return the id under which xAI's clients look for a job."""
    return THEIRS + job.id.removeprefix(OURS)


def job_id(name: str) -> str:
    """Return the job that an id of either kind means."""
    return OURS + name.removeprefix(THEIRS) if name.startswith(THEIRS) else name


def shown(house: House, job: Job, response: Response) -> Pending | Done | Failed:
    """Return a job in xAI's shape; one that is not there yet is answered with 202."""
    video = wire.video(house, job)
    if job.state in jobs.LIVE:
        response.status_code = 202
        return Pending(model=video.model, progress=job.progress)
    if video.error is not None:
        return Failed(model=video.model, error=video.error)
    return Done(model=video.model, video=Film(url=video.url or "", duration=float(video.seconds)))

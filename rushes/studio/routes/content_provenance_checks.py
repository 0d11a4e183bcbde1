"""`/v1/content_provenance_checks`: where a film comes from, in the shape that the official client reads."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import UploadFile

from rushes import tiers
from rushes.errors import RushesError
from rushes.serve.client.database import now
from rushes.studio.errors import RequestError
from rushes.studio.trust import provenance
from rushes.studio.who import Reader, TheHouse
from rushes.studio.wire import bodies
from rushes.studio.wire.bodies import Fields

SPEC = APIRouter(prefix="/v1", tags=["provenance"])
FOUND: dict[bool, Literal["detected", "not_detected"]] = {True: "detected", False: "not_detected"}


class Asked(BaseModel):
    """A film or still to look at."""

    model_config = ConfigDict(extra="forbid")

    file: Any = Field(description="an mp4, gif, webp or png", json_schema_extra={"type": "string", "format": "binary"})


class Signal(BaseModel):
    """What one signal says: the signed manifest (`c2pa`), or this studio's invisible mark (`rushes_mark`)."""

    type: Literal["c2pa", "rushes_mark"]
    outcome: Literal["detected", "not_detected"]
    validation_state: Literal["trusted", "valid", "invalid", "not_present"]
    issuer: str | None = None
    model: str | None = None
    video_id: str | None = None


class Check(BaseModel):
    """What is known of a file; `verdict` sums it up: ours, marked, altered, foreign or unknown."""

    object: Literal["content_provenance_check"] = "content_provenance_check"
    created_at: int
    verdict: str
    results: list[Signal]


@SPEC.post(
    "/content_provenance_checks",
    summary="Say where a film comes from",
    openapi_extra=bodies.schema(Asked),
)
def check(values: Fields, caller: Reader, house: TheHouse) -> Check:
    """Read a file's signed manifest and this studio's mark; neither being there proves nothing."""
    file = bodies.read(Asked, values).file
    if not isinstance(file, UploadFile):
        raise RequestError(400, "invalid_value", "file: send a film as multipart/form-data", param="file")
    try:
        found = provenance.check(house, file.file.read())
    except RushesError as error:
        raise RequestError(400, "unreadable_film", str(error), param="file") from None
    manifest, mark = found["manifest"], found["mark"]
    is_ours = manifest["state"] == "valid" and manifest["is_ours"]
    states = {"valid": "trusted" if is_ours else "valid", "none": "not_present"}
    signed = Signal(
        type="c2pa",
        outcome=FOUND[is_ours],
        validation_state=states.get(manifest["state"], "invalid"),  # type: ignore[arg-type]
        issuer=house.config.name if is_ours else None,
        model=tiers.MODEL if is_ours else None,
        video_id=manifest["job"] if is_ours else None,
    )
    marked = Signal(
        type="rushes_mark",
        outcome=FOUND[mark["is_there"]],
        validation_state="valid" if mark["is_there"] else "not_present",
        video_id=mark["job"],
    )
    return Check(created_at=int(now()), verdict=found["verdict"], results=[signed, marked])

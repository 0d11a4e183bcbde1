"""The models that programs may name."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from rushes import config, tiers
from rushes.studio.errors import unknown
from rushes.studio.who import Reader, TheHouse

SPEC = APIRouter(prefix="/v1/models", tags=["models"])
MADE = 1_790_000_000  # when the model's first weights were shipped
OPEN = "open weights"


class Model(BaseModel):
    """A model; `sizes`, `seconds`, `fps` and `tiers` say what it takes."""

    id: str
    object: Literal["model"] = "model"
    created: int = MADE
    owned_by: str = "rushes"
    sizes: list[str]
    seconds: list[int]
    fps: list[int]
    tiers: dict[str, dict[str, Any]]
    native: dict[str, Any] | None = Field(
        default=None, description="of an open-weight model: its usual film, and the rules of sides and lengths"
    )


class Models(BaseModel):
    """All models."""

    object: Literal["list"] = "list"
    data: list[Model]


def _own() -> Model:
    return Model(
        id=tiers.MODEL,
        sizes=[f"{w}x{h}" for w, h in tiers.SIZES],
        seconds=list(range(1, tiers.MAX_SECONDS + 1)),
        fps=list(tiers.LEGAL_FPS),
        tiers={
            tier.name: {
                "size": f"{tier.shape.width}x{tier.shape.height}",
                "num_frames": tier.shape.frames,
                "fps": tier.fps,
            }
            for tier in tiers.TIERS.values()
        },
    )


def _open(name: str, native: tiers.Native) -> Model:
    shape = native.tier.shape
    sizes = native.sizes or ((shape.width, shape.height),)
    return Model(
        id=name,
        owned_by=OPEN,
        sizes=[f"{w}x{h}" for w, h in sizes],
        seconds=list(range(1, native.most_frames // native.tier.fps + 1)),
        fps=list(native.fps),
        tiers={},
        native=config.to_dict(native),
    )


@SPEC.get("", summary="List the models")
def models(caller: Reader, house: TheHouse) -> Models:
    """Return every model, with what it takes: our own first, then the open-weight ones that this studio offers."""
    return Models(data=[_own(), *(_open(name, native) for name, native in house.offered.items())])


@SPEC.get("/{model_id}", summary="Look one model up")
def model(model_id: str, caller: Reader, house: TheHouse) -> Model:
    """Return one model. It is 404 where there is none of that name."""
    if model_id == tiers.MODEL:
        return _own()
    if model_id not in house.offered:
        raise unknown("model", model_id[:80])
    return _open(model_id, house.offered[model_id])

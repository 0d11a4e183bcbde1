"""The models that programs may name."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel

from rushes import tiers
from rushes.studio.errors import unknown
from rushes.studio.who import Reader

SPEC = APIRouter(prefix="/v1/models", tags=["models"])
MADE = 1_790_000_000  # when the model's first weights were shipped


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


class Models(BaseModel):
    """All models."""

    object: Literal["list"] = "list"
    data: list[Model]


def _model() -> Model:
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


@SPEC.get("", summary="List the models")
def models(caller: Reader) -> Models:
    """Return every model, with what it takes."""
    return Models(data=[_model()])


@SPEC.get("/{model_id}", summary="Look one model up")
def model(model_id: str, caller: Reader) -> Model:
    """Return one model. It is 404 where there is none of that name."""
    if model_id != tiers.MODEL:
        raise unknown("model", model_id[:80])
    return _model()

"""`/v1/videos/generations`: films for clients of xAI's API; they look them up at `/v1/videos/{request_id}`."""

from __future__ import annotations

from fastapi import APIRouter

from rushes.studio.library import inputs
from rushes.studio.social import casting
from rushes.studio.who import Maker, TheHouse
from rushes.studio.wire import bodies, xai
from rushes.studio.wire import videos as wire
from rushes.studio.wire.bodies import Fields
from rushes.studio.wire.xai import Accepted, Generation

SPEC = APIRouter(prefix="/v1/videos", tags=["videos"])


@SPEC.post(
    "/generations", summary="Ask for a film as xAI's clients do", openapi_extra=bodies.schema(Generation, form=False)
)
def generate(values: Fields, caller: Maker, house: TheHouse) -> Accepted:
    """Queue a film and return the id to look it up by."""
    said = bodies.read(Generation, values)
    asked = xai.asked(said)
    looks = () if said.image is None else (inputs.named(house, caller, "first", said.image, "image"),)
    order = wire.created(asked, conditions=(*looks, *inputs.asked(house, caller, asked)))
    return Accepted(request_id=xai.request_id(casting.ask(house, caller, order, asked.characters)))

"""Trainings over HTTP: a character's card asks for one, follows it and ends it; programs do so too."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from rushes.errors import InputError
from rushes.serve.client import jobs
from rushes.serve.client.jobs import Job
from rushes.studio import who
from rushes.studio.errors import RequestError
from rushes.studio.page import page
from rushes.studio.routes.characters import answer, each, training_choices
from rushes.studio.routes.videos import once
from rushes.studio.social import characters, trainings
from rushes.studio.who import Maker, Member, Reader, TheHouse
from rushes.studio.wire import bodies
from rushes.studio.wire.bodies import Fields
from rushes.studio.wire.videos import STATUS, Fault, fault

SPEC = APIRouter()
OWN_FORM = [Depends(who.own_form)]
Text = Annotated[str, Form()]
PATH = "/v1/videos/characters/{character_id}"


class Train(BaseModel):
    """What is to be learned of a character."""

    model_config = ConfigDict(extra="forbid")

    word: str = Field(default="", max_length=200, description="what prompts shall call it; else its name")
    like: str = Field(default="", max_length=200, description="what it moves like: cat; else what the captioner sees")


class Trained(BaseModel):
    """A training; a cancelled one is a failed one whose code is `cancelled`."""

    id: str
    object: Literal["character.training"] = "character.training"
    character_id: str
    status: Literal["queued", "in_progress", "completed", "failed"]
    progress: int
    phase: str
    word: str
    like: str = Field(description="as it was asked for; empty: what the captioner sees")
    num_stills: int
    created_at: int
    completed_at: int | None
    estimate_s: float
    cost: int
    measured: dict[str, Any]
    error: Fault | None


@SPEC.post("/characters/{character_id}/train", dependencies=OWN_FORM, include_in_schema=False)
def train(
    request: Request, house: TheHouse, caller: Member, character_id: str, word: Text = "", like: Text = ""
) -> Response:
    """Ask for a character's training, or say in a line why it can't be."""
    try:
        trainings.ask(house, caller, character_id, word=word, like=like)
    except InputError as error:
        return answer(request, house, caller, problem=str(error), about=character_id)
    except RequestError as error:
        if error.status == 404:
            raise
        return answer(request, house, caller, problem=error.message, about=character_id)
    return RedirectResponse(f"/characters#{character_id}", 303)


@SPEC.get("/characters/{character_id}/training", include_in_schema=False)
def progress(request: Request, house: TheHouse, caller: Member, character_id: str) -> Response:
    """Answer a card that asks how far its training is; at the end the page loads anew."""
    with house.database.read() as session:
        found = each(house, session, caller, characters.own(session, caller, character_id))
    shown = page(request, "_training.html", caller, each=found, **training_choices(house))
    shown.headers["cache-control"] = "no-store"
    if not found.lesson.is_live:
        shown.headers["hx-refresh"] = "true"
    return shown


@SPEC.post("/characters/{character_id}/train/cancel", dependencies=OWN_FORM, include_in_schema=False)
def cancel(house: TheHouse, caller: Member, character_id: str) -> Response:
    """End a training that waits or runs."""
    trainings.cancel(house, caller, character_id)
    return RedirectResponse(f"/characters#{character_id}", 303)


@SPEC.post(f"{PATH}/train", summary="Train a character", tags=["videos"], openapi_extra=bodies.schema(Train))
def api_train(request: Request, character_id: str, values: Fields, caller: Maker, house: TheHouse) -> Trained:
    """Queue the training of a character of one's own with 5 to 20 stills; the same `Idempotency-Key` asks once.

    Films whose prompts say its word show it as it was learned, once this is completed.
    """
    asked = bodies.read(Train, values)
    return _shown(trainings.ask(house, caller, character_id, word=asked.word, like=asked.like, once=once(request)))


@SPEC.get(f"{PATH}/train", summary="Look a training up", tags=["videos"])
def api_progress(character_id: str, caller: Reader, house: TheHouse) -> Trained:
    """Return the latest training of a character of one's own."""
    with house.database.read() as session:
        return _shown(trainings.find(session, caller, character_id))


@SPEC.post(f"{PATH}/train/cancel", summary="Cancel a training", tags=["videos"])
def api_cancel(character_id: str, caller: Maker, house: TheHouse) -> Trained:
    """Ask for a training's end; one that has ended stays as it is."""
    return _shown(trainings.cancel(house, caller, character_id))


def _shown(job: Job) -> Trained:
    request = job.training_request()
    return Trained(
        id=job.id,
        character_id=request.character,
        status=STATUS[job.state],
        progress=job.progress,
        phase=job.phase,
        word=request.name,
        like=request.like,
        num_stills=len(request.stills),
        created_at=int(job.created_at),
        completed_at=int(job.ended_at) if job.state == jobs.SUCCEEDED and job.ended_at else None,
        estimate_s=round(job.estimate_s, 3),
        cost=job.cost,
        measured=job.measured,
        error=fault(job),
    )

"""`/v1/videos/characters`: characters for programs: a film made here shows one, consent says who may use it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from rushes.studio.errors import RequestError, unknown
from rushes.studio.library import films
from rushes.studio.social import characters
from rushes.studio.social.characters import Character
from rushes.studio.who import Maker, Reader, TheHouse
from rushes.studio.wire import bodies
from rushes.studio.wire.bodies import Fields

SPEC = APIRouter(prefix="/v1/videos/characters", tags=["videos"])


class NewCharacter(BaseModel):
    """A character to make; `look` is how prompts describe it, else the film's own prompt."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=200)
    video: Any = Field(description="a film of the caller's, made here")
    look: str | None = Field(None, max_length=2000)


class ShownCharacter(BaseModel):
    """A character; `scope` says who may use it: me, friends or all."""

    id: str
    object: str = "character"
    created_at: int
    name: str
    look: str
    scope: str


def _shown(character: Character) -> ShownCharacter:
    return ShownCharacter(
        id=character.id,
        created_at=int(character.created_at),
        name=character.name,
        look=character.look,
        scope=character.scope,
    )


@SPEC.post("", summary="Make a character", openapi_extra=bodies.schema(NewCharacter))
def create(values: Fields, caller: Maker, house: TheHouse) -> ShownCharacter:
    """Make a character from a film of one's own; only its owner may use it, until they consent to more.

    The model sees no film: who the character is, it knows from `look`.
    """
    asked = bodies.read(NewCharacter, values)
    job_id = films.named(asked.video)
    if job_id is None:
        said = "video: send a film of yours that was made here; what others show, the model cannot see"
        raise RequestError(400, "unsupported_condition", said, param="video")
    with house.database.write() as session:
        film = films.finished(session, caller, job_id)
        look = asked.look or film.request["prompt"][: characters.LONGEST_LOOK]
        return _shown(characters.create(session, caller, name=asked.name, look=look, job_id=film.id))


@SPEC.get("/{character_id}", summary="Look a character up")
def retrieve(character_id: str, caller: Reader, house: TheHouse) -> ShownCharacter:
    """Return a character that the caller may use."""
    with house.database.read() as session:
        found = [one for one, _ in characters.usable(session, caller.user) if one.id == character_id]
    if not found:
        raise unknown("character", character_id[:80])
    return _shown(found[0])

"""`/v1/videos/characters`: characters for programs: a film or stills show one, consent says who may use it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, field_validator
from sqlalchemy.orm import Session

from rushes.studio import media
from rushes.studio.errors import RequestError, unknown
from rushes.studio.house import House
from rushes.studio.library import films, inputs, subjects
from rushes.studio.library.subjects import Subject
from rushes.studio.members.accounts import Caller
from rushes.studio.routes.characters import require_decent
from rushes.studio.social import adapters, characters, withdrawals
from rushes.studio.social.characters import Character
from rushes.studio.who import Maker, Reader, TheHouse
from rushes.studio.wire import bodies
from rushes.studio.wire.bodies import Fields

SPEC = APIRouter(prefix="/v1/videos/characters", tags=["videos"])
AGREED = characters.WORDINGS[-1]


class NewCharacter(BaseModel):
    """A character to make, of a film or of stills; `look` is how prompts describe it, else the film's own prompt."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=200)
    video: Any = Field(default=None, description="a film of the caller's, made here")
    stills: list[Any] = Field(
        default_factory=list,
        max_length=characters.MOST_STILLS,
        description="pictures of it, facing right, on a transparent or one plain background",
    )
    best: int = Field(default=1, ge=1, description="the number of the still that films are shown")
    consent: bool = Field(default=False, description=f"with stills, true is needed; it says: {AGREED}")
    look: str | None = Field(None, max_length=2000)

    @field_validator("stills", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return value if isinstance(value, list) else [value]


class MoreStills(BaseModel):
    """Further stills of a character."""

    model_config = ConfigDict(extra="forbid")

    stills: list[Any] = Field(max_length=characters.MOST_STILLS, description="pictures of it, as for a new character")
    consent: bool = Field(default=False, description=f"true is needed; it says: {AGREED}")

    @field_validator("stills", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return value if isinstance(value, list) else [value]


class ShownCharacter(BaseModel):
    """A character; `scope` says who may use it: me, friends or all. `picture_url` needs no key and expires."""

    id: str
    object: str = "character"
    created_at: int
    name: str
    look: str
    scope: str
    num_stills: int
    picture_url: str | None = Field(description="the still that films are shown, cut out")
    word: str | None = Field(description="what prompts say for it to be shown as it was learned; null until trained")


class DeletedCharacter(BaseModel):
    """A character that is no more."""

    id: str
    object: str = "character.deleted"
    deleted: bool = True


def _shown(house: House, session: Session, character: Character) -> ShownCharacter:
    still, address, adapter = characters.best(session, character), None, adapters.find(session, character)
    if still is not None:
        key = subjects.cutout_key(characters.still_key(character, still))
        address = house.config.base_url + media.signed(house, key)
    return ShownCharacter(
        id=character.id,
        created_at=int(character.created_at),
        name=character.name,
        look=character.look,
        scope=character.scope,
        num_stills=len(characters.stills(session, character)),
        picture_url=address,
        word=adapter.word if adapter else None,
    )


@SPEC.post("", summary="Make a character", openapi_extra=bodies.schema(NewCharacter))
def create(values: Fields, caller: Maker, house: TheHouse) -> ShownCharacter:
    """Make a character from a film of one's own, or from 1 to 20 stills; only its owner may use it, until they consent.

    Of a film, the model knows what `look` says alone; of stills, it is shown the best one where it can be.
    """
    asked = bodies.read(NewCharacter, values)
    if asked.stills:
        return _of_stills(house, caller, asked)
    job_id = films.named(asked.video)
    if job_id is None:
        said = "video: send a film of yours that was made here, or stills; what others show, the model cannot see"
        raise RequestError(400, "unsupported_condition", said, param="video")
    with house.database.write() as session:
        film = films.finished(session, caller, job_id)
        look = asked.look or film.request["prompt"][: characters.LONGEST_LOOK]
        made = characters.create(session, caller, name=asked.name, look=look)
        made.job_id = film.id
        return _shown(house, session, made)


def _of_stills(house: House, caller: Caller, asked: NewCharacter) -> ShownCharacter:
    for name, is_wrong, said in (
        ("consent", not asked.consent, f"stills need it: true says “{AGREED}”"),
        ("video", asked.video is not None, "it contradicts stills; name one of them"),
        ("look", not asked.look, "stills need it: how prompts describe the character"),
        ("best", asked.best > len(asked.stills), f"there is no still {asked.best}; legal: 1 to {len(asked.stills)}"),
    ):
        if is_wrong:
            raise RequestError(400, "invalid_value", f"{name}: {said}", param=name)
    look = str(asked.look)
    require_decent(house, asked.name, look)
    pictures = _pictures(house, caller, asked.stills)
    with house.database.write() as session:
        made = characters.create(session, caller, name=asked.name, look=look, wording=characters.WORDING)
        characters.give_stills(house, session, made, pictures, asked.best - 1)
        return _shown(house, session, made)


def _pictures(house: House, caller: Caller, stills: list[Any]) -> list[Subject]:
    """Return stills, cut out. Raises: RequestError 400 naming each that can't be, and why."""
    named = ((f"stills.{at}", inputs.sent(house, caller, one, f"stills.{at}")) for at, one in enumerate(stills))
    found, refused = subjects.all_drawn(named)
    if refused:
        param = refused[0].partition(":")[0]
        raise RequestError(400, "invalid_value", "; ".join(refused), param=param)
    return found


@SPEC.post("/{character_id}/stills", summary="Add stills to a character", openapi_extra=bodies.schema(MoreStills))
def add(character_id: str, values: Fields, caller: Maker, house: TheHouse) -> ShownCharacter:
    """Give a character of one's own further stills, to at most 20; a training needs 5."""
    asked = bodies.read(MoreStills, values)
    with house.database.read() as session:
        characters.own(session, caller, character_id)
    if not asked.consent:
        raise RequestError(400, "invalid_value", f"consent: stills need it: true says “{AGREED}”", param="consent")
    pictures = _pictures(house, caller, asked.stills)
    with house.database.write() as session:
        made = characters.add_stills(house, session, caller, character_id, pictures, characters.WORDING)
        return _shown(house, session, made)


@SPEC.get("/{character_id}", summary="Look a character up")
def retrieve(character_id: str, caller: Reader, house: TheHouse) -> ShownCharacter:
    """Return a character that the caller may use."""
    with house.database.read() as session:
        found = [one for one, _ in characters.usable(session, caller.user) if one.id == character_id]
        if not found:
            raise unknown("character", character_id[:80])
        return _shown(house, session, found[0])


@SPEC.delete("/{character_id}", summary="Delete a character")
def delete(character_id: str, caller: Maker, house: TheHouse) -> DeletedCharacter:
    """Take the consent to a character of one's own back for good, and forget it with its pictures."""
    withdrawals.delete(house, caller, character_id)
    return DeletedCharacter(id=character_id)

"""Characters over HTTP: a likeness and its pictures, who may use it, where it was used, taking the consent back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, Form, Request, UploadFile
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel
from sqlalchemy.orm import Session

from rushes.errors import InputError
from rushes.serve.client.jobs import Job
from rushes.studio import media, who
from rushes.studio.errors import RequestError
from rushes.studio.house import House
from rushes.studio.library import inputs, subjects, vocabulary
from rushes.studio.library.subjects import Subject
from rushes.studio.members.accounts import Caller, User
from rushes.studio.page import page
from rushes.studio.social import adapters, characters, trainings, withdrawals
from rushes.studio.social.characters import Character, Consent, Still, Use
from rushes.studio.social.trainings import Lesson
from rushes.studio.trust import moderation
from rushes.studio.who import Member, TheHouse

SPEC = APIRouter(include_in_schema=False)
OWN_FORM = [Depends(who.own_form)]
Text = Annotated[str, Form()]
Uploads = Annotated[list[UploadFile], File()]
LONGEST_NAME = 60  # of a file, as errors call it


class Sent(BaseModel):
    """A new character as the form says it; `best` is the number of the still that films are shown, from 0."""

    name: str = ""
    look: str = ""
    scope: str = characters.ME
    days: str = ""
    best: str = "0"
    agreed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mine:
    """One's own character with everything that its page shows; `cutouts` are addresses beside their stills.

    `address` is where what was learned of it can be fetched from.
    """

    one: Character
    record: list[Consent]
    uses: list[tuple[Use, User, Job]]
    cutouts: list[tuple[Still, str]]
    lesson: Lesson
    address: str


@SPEC.get("/characters")
def show(request: Request, house: TheHouse, caller: Member) -> Response:
    """Show one's characters with every use, and whose others one may use."""
    return answer(request, house, caller)


@SPEC.post("/characters/stills", dependencies=OWN_FORM)
def stills(request: Request, house: TheHouse, caller: Member, stills: Uploads) -> Response:
    """Answer a form that is being filled in with its stills, cut out; nothing of them is kept yet."""
    found, refused = _drawn(house, caller, stills)
    shown = [subjects.data_url(one.cutout) for one in found]
    return page(request, "_stills.html", caller, cutouts=shown, refused=refused)


@SPEC.post("/characters", dependencies=OWN_FORM)
def create(
    request: Request, house: TheHouse, caller: Member, sent: Annotated[Sent, Form()], stills: Uploads | None = None
) -> Response:
    """Make a character, of words or of words and stills; where one still is refused, nothing is made or kept."""
    refused: list[str] = []
    try:
        if not sent.agreed:
            raise InputError("nobody is put into films who has not agreed: tick that it is yours to use")
        require_decent(house, sent.name, sent.look)
        found, refused = _drawn(house, caller, stills or [])
        if refused:
            raise InputError("nothing was made, for not every still can be used; choose again without those below")
        _make(house, caller, sent, found)
    except InputError as error:
        return answer(request, house, caller, sent, problem=str(error), refused=refused)
    except RequestError as error:
        return answer(request, house, caller, sent, problem=error.message)
    return RedirectResponse("/characters", 303)


@SPEC.post("/characters/{character_id}/stills", dependencies=OWN_FORM)
def add(
    request: Request, house: TheHouse, caller: Member, character_id: str, stills: Uploads, agreed: Text = ""
) -> Response:
    """Give a character further stills; where one is refused, none is kept."""
    refused: list[str] = []
    try:
        with house.database.read() as session:
            characters.own(session, caller, character_id)
        if not agreed:
            raise InputError("nothing was added: tick that the stills are yours to use")
        found, refused = _drawn(house, caller, stills)
        if refused:
            raise InputError("nothing was added, for not every still can be used; choose again without those below")
        with house.database.write() as session:
            characters.add_stills(house, session, caller, character_id, found, characters.WORDING)
    except InputError as error:
        return answer(request, house, caller, problem=str(error), refused=refused, about=character_id)
    return RedirectResponse(f"/characters#{character_id}", 303)


def require_decent(house: House, name: str, look: str) -> None:
    """Raise RequestError for words that the rules refuse, or would not decide."""
    verdict = moderation.require_allowed(house, f"{name}\n{look}", "look")
    if verdict.decision != moderation.ALLOW:
        raise RequestError(400, "moderation_review", f"describe the character in other words: {verdict.says}")


def _make(house: House, caller: Caller, sent: Sent, found: list[Subject]) -> None:
    said: dict[str, Any] = {"name": sent.name, "look": sent.look, "scope": sent.scope, "days": counted(sent.days)}
    with house.database.write() as session:
        made = characters.create(session, caller, **said, wording=characters.WORDING)
        if found:
            characters.give_stills(house, session, made, found, int(sent.best) if sent.best.isdecimal() else 0)


@SPEC.post("/characters/{character_id}/best", dependencies=OWN_FORM)
def best(house: TheHouse, caller: Member, character_id: str, still: Annotated[int, Form()]) -> Response:
    """Let films be shown another of the character's stills."""
    with house.database.write() as session:
        characters.choose(session, caller, character_id, still)
    return RedirectResponse(f"/characters#{character_id}", 303)


@SPEC.post("/characters/{character_id}/consent", dependencies=OWN_FORM)
def consent(house: TheHouse, caller: Member, character_id: str, scope: Text, days: Text = "") -> Response:
    """Say anew who may use a character."""
    with house.database.write() as session:
        characters.consent(session, caller, character_id, scope, counted(days))
    return RedirectResponse("/characters", 303)


@SPEC.post("/characters/{character_id}/revoke", dependencies=OWN_FORM)
def revoke(house: TheHouse, caller: Member, character_id: str) -> Response:
    """Take the consent back, which deletes the pictures and hides what others made with it."""
    withdrawals.withdraw(house, caller, character_id)
    return RedirectResponse("/characters", 303)


@SPEC.post("/characters/{character_id}/delete", dependencies=OWN_FORM)
def delete(house: TheHouse, caller: Member, character_id: str) -> Response:
    """Take the consent back, and forget the character."""
    withdrawals.delete(house, caller, character_id)
    return RedirectResponse("/characters", 303)


def counted(days: str) -> int | None:
    """Return a number of days from a form; empty means that there is no end. Raises: InputError."""
    if not days.strip():
        return None
    if not days.strip().isdecimal():
        raise InputError(f"{days[:20]!r} is no number of days; leave it empty for no end")
    return int(days)


def _drawn(house: House, caller: Caller, stills: list[UploadFile]) -> tuple[list[Subject], list[str]]:
    """Return the stills of a form, cut out, and why others are refused; browsers send an empty file for none."""
    chosen = [(_name(one), one) for one in stills if one.filename]
    if len(chosen) > characters.MOST_STILLS:
        return [], [f"{len(chosen)} stills are too many; legal: 1 to {characters.MOST_STILLS}"]
    return subjects.all_drawn((name, inputs.sent(house, caller, one, name)) for name, one in chosen)


def _name(upload: UploadFile) -> str:
    """Return what errors call a file: the end of its name, as far as it can be shown."""
    shown = "".join(letter for letter in upload.filename or "" if letter.isprintable())
    return shown[-LONGEST_NAME:] or "a still"


def answer(
    request: Request,
    house: House,
    caller: Caller,
    sent: Sent | None = None,
    *,
    problem: str = "",
    refused: list[str] | None = None,
    about: str = "",
) -> Response:
    """Return the page of characters, with what is wrong with one of them (`about`), or with the new one."""
    with house.database.read() as session:
        mine = [each(house, session, caller, one) for one in characters.owned(session, caller.user.id)]
        others = [pair for pair in characters.usable(session, caller.user) if pair[1].id != caller.user.id]
        pictures = {one.id: _cutout(house, one, characters.best(session, one)) for one, _ in others}
    values = {"mine": mine, "others": others, "pictures": pictures, "scopes": characters.SCOPES, "sent": sent or Sent()}
    values |= {"problem": problem, "refused": refused or [], "about": about, "cutouts": []}
    return page(request, "characters.html", caller, status=400 if problem else 200, **values, **training_choices(house))


def training_choices(house: House) -> dict[str, Any]:
    """Return what the card of any character offers."""
    known = sorted(vocabulary.kinds(house.config))
    return {"kinds": known, "wordings": characters.WORDINGS, "most": characters.MOST_STILLS}


def each(house: House, session: Session, caller: Caller, one: Character) -> Mine:
    """Return one's own character with everything that its card shows."""
    lesson = trainings.lesson(house, session, caller, one)
    return Mine(
        one=one,
        record=characters.record(session, one),
        uses=characters.uses(session, one),
        cutouts=[(still, _cutout(house, one, still)) for still in characters.stills(session, one)],
        lesson=lesson,
        address=media.signed(house, adapters.key(one, lesson.adapter)) if lesson.adapter else "",
    )


def _cutout(house: House, one: Character, still: Still | None) -> str:
    """Return the address of a still's cut-out; empty where there is none."""
    return "" if still is None else media.signed(house, subjects.cutout_key(characters.still_key(one, still)))

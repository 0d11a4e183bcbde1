"""Where films are asked for: one form, and what the film will take, said before it is sent."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, Form, Request, UploadFile
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session

from rushes import tiers
from rushes.errors import InputError
from rushes.studio import media, orders, who
from rushes.studio.errors import RequestError
from rushes.studio.house import House
from rushes.studio.library import drafts, films, inputs, subjects
from rushes.studio.library.drafts import Draft
from rushes.studio.members.accounts import Caller
from rushes.studio.page import page
from rushes.studio.social import adapters, casting, characters
from rushes.studio.social.adapters import Adapter
from rushes.studio.social.characters import Character
from rushes.studio.who import Member, TheHouse

SPEC = APIRouter(include_in_schema=False)
SAID = {
    "flipbook": "one second, square: the quickest",
    "short": "three seconds, wide",
    "feature": "ten seconds at 720p",
    "still": "one picture at 720p",
}
LAID_OUT = [("edges", "by its outlines"), ("sketch", "it is a drawing"), ("depth", "it shows depths, bright is near")]
STRENGTHS = [("", "only its seed"), ("50", "much of it"), ("70", "its places and light"), ("90", "its layout")]
FIRST = "a red sailboat sails right on the sea at sunset"


class Sent(Draft):
    """The form as browsers send it; `only` is set by the button that asks for the estimate alone."""

    only: str = ""


Filled = Annotated[Sent, Form()]
Picture = Annotated[UploadFile | None, File()]


def _pictures(
    first_picture: Picture = None,
    last_picture: Picture = None,
    subject_picture: Picture = None,
    like_picture: Picture = None,
) -> dict[str, UploadFile | None]:
    """Return the pictures that come with a form, by the draft's fields that name them."""
    return {"first": first_picture, "last": last_picture, "subject": subject_picture, "like": like_picture}


Pictures = Annotated[dict[str, UploadFile | None], Depends(_pictures)]


@SPEC.get("/create")
def show(request: Request, house: TheHouse, caller: Member, remix: str = "", prompt: str = FIRST) -> Response:
    """Show the form: empty but for an example, or as a film was asked for that is to be remixed."""
    draft = Draft(prompt=prompt[:2000], once=secrets.token_urlsafe(12))
    if remix:
        with house.database.read() as session:
            film = films.own(session, caller, remix)
        draft = drafts.remixed(film).model_copy(update={"once": draft.once})
    return _form(request, house, caller, draft)


@SPEC.post("/create", dependencies=[Depends(who.own_form)])
def send(
    request: Request,
    house: TheHouse,
    caller: Member,
    sent: Filled,
    pictures: Pictures,
) -> Response:
    """Ask for the film and go to where it is made, or say again what was filled in and what is wrong with it."""
    draft: Draft = sent
    try:
        draft = _with_pictures(house, caller, draft, pictures)
        if sent.only:
            return _form(request, house, caller, draft)
        with house.database.read() as session:
            looks = draft.conditions(house, session, caller)
        order = draft.order(house.offered)
        order = replace(order, request=replace(order.request, conditions=looks))
        job = casting.ask(house, caller, order, [draft.character] if draft.character else [])
    except InputError as error:
        return _form(request, house, caller, draft, status=400, problem=str(error))
    except RequestError as error:
        return _form(request, house, caller, draft, status=error.status, problem=error.message)
    return RedirectResponse(f"/films/{job.id}", 303)


@SPEC.post("/create/estimate", dependencies=[Depends(who.own_form)])
def estimate(request: Request, house: TheHouse, caller: Member, sent: Filled) -> Response:
    """Answer a form that is being filled in with what its film will take."""
    return page(request, "_estimate.html", caller, **_estimate(house, caller, sent))


@SPEC.post("/create/subject", dependencies=[Depends(who.own_form)])
def subject(
    request: Request, house: TheHouse, caller: Member, sent: Filled, subject_picture: Picture = None
) -> Response:
    """Answer a form that is being filled in with what its film will be shown; a picture is not kept yet."""
    return page(request, "_subject.html", caller, **_shown(house, caller, sent, subject_picture))


def _shown(house: House, caller: Caller, draft: Draft, upload: UploadFile | None = None) -> dict[str, Any]:
    """Return the cut-out that a draft's film will be shown (an address, or none) and what is to be said about it."""
    try:
        if upload is not None and upload.filename:
            content = inputs.sent(house, caller, upload, "the picture")
            return _cut(subjects.data_url(subjects.drawn(content).cutout))
        if draft.subject:
            kept = inputs.again(house, caller, "subject", draft.subject)
            return _cut(media.signed(house, subjects.cutout_key(kept.uri)))
        if draft.character:
            return _character_shown(house, caller, draft)
    except InputError as error:
        return _cut("", str(error), is_wrong=True)
    except RequestError as error:
        return _cut("", error.message, is_wrong=True)
    return _cut("", "")


def _cut(address: str, said: str = "Your picture, cut out.", *, is_wrong: bool = False) -> dict[str, Any]:
    return {"cutout": address, "said": said, "is_wrong": is_wrong}


def _character_shown(house: House, caller: Caller, draft: Draft) -> dict[str, Any]:
    with house.database.read() as session:
        (one,) = characters.require_usable(session, caller.user, [draft.character])
        still, trained = characters.best(session, one), _trained(house, session, draft, one)
    why = "there is no picture of it" if still is None else subjects.why_not(house, draft.model or tiers.MODEL)
    cutout = "" if still is None else media.signed(house, subjects.cutout_key(characters.still_key(one, still)))
    told = f"The prompt becomes: {casting.told(draft.prompt, one, trained)}."
    if trained:
        return _cut(cutout, f"{told} {one.name} is trained: the film shows it as it was learned.")
    return _cut(cutout, f"{told} In words alone: {why}." if why else told)


def _with_pictures(house: House, caller: Caller, draft: Draft, sent: dict[str, UploadFile | None]) -> Draft:
    """Return the draft with the pictures that came with the form; browsers send an empty file for none."""
    for kind, upload in sent.items():
        if upload is not None and upload.filename:
            means = inputs.LAID_OUT[0] if kind == "like" else kind  # which of them the form may still change
            draft = draft.model_copy(update={kind: inputs.named(house, caller, means, upload, "the picture").sha256})
    return draft


def _form(
    request: Request, house: House, caller: Caller, draft: Draft, *, status: int = 200, problem: str = ""
) -> Response:
    longest = min(house.plan(caller.user.plan).max_s, tiers.MAX_SECONDS)
    lengths = [n for n in (*range(1, 11), 15, 20, 30, 45, 60) if n <= longest]
    named = {name: tier for name, tier in tiers.TIERS.items() if name in house.plan(caller.user.plan).tiers}
    values: dict[str, Any] = {
        "draft": draft,
        "tiers": [(name, SAID[name]) for name in named],
        "sizes": [(f"{w}x{h}", _shape_said(w, h)) for w, h in sorted(tiers.SIZES, key=lambda s: s[0] / s[1])],
        "styles": [(name, said) for name, said in drafts.STYLES.items()],
        "formats": [(name, name) for name in orders.FORMATS if name != "png"],
        "lengths": [(str(n), f"{n} s") for n in lengths],
        "strengths": STRENGTHS,
        "laid_out": LAID_OUT,
        "can_follow": not inputs.why_not_laid_out(house, tiers.MODEL),
        "models": [("", "Rushes: paper scenes"), *((name, name) for name in house.offered)],
        "problem": problem,
    }
    with house.database.read() as session:
        usable = characters.usable(session, caller.user)
    said = [(one.id, one.name if by.id == caller.user.id else f"{one.name}, by @{by.username}") for one, by in usable]
    values |= {"characters": said, "can_show": _can_show(house), **_shown(house, caller, draft)}
    return page(request, "create.html", caller, status=status, **values, **_estimate(house, caller, draft))


def _can_show(house: House) -> bool:
    """Return whether some model here can be shown a subject."""
    return not all(subjects.why_not(house, model) for model in (tiers.MODEL, *house.offered))


def _estimate(house: House, caller: Caller, draft: Draft) -> dict[str, Any]:
    """Return the estimate's values; a form that is not legal yet gets the reason in place of figures."""
    learned: dict[str, str] = {}
    with house.database.read() as session:
        for one, _ in characters.usable(session, caller.user) if draft.character else ():
            if one.id == draft.character:
                trained = _trained(house, session, draft, one)
                draft = draft.model_copy(update={"prompt": casting.told(draft.prompt, one, trained)})
                learned |= {trained.word: one.name} if trained else {}
        for one, adapter in adapters.own(session, caller.user, draft.prompt):
            if not adapters.why_not(house, draft.model or tiers.MODEL, adapter):
                learned.setdefault(adapter.word, one.name)
        try:
            quote, wrong = drafts.quote(house, session, caller, draft), ""
        except InputError as error:
            quote, wrong = None, str(error)
    taught = {word for name in learned for word in name.split()}
    unknown = [pair for pair in drafts.unknown_words(house, draft) if pair[0] not in taught]
    return {"quote": quote, "wrong": wrong, "unknown": unknown, "learned": sorted(learned.values())}


def _trained(house: House, session: Session, draft: Draft, character: Character) -> Adapter | None:
    """Return what was learned of a character, where the draft's film can show it."""
    adapter = adapters.find(session, character)
    if adapter is None or adapters.why_not(house, draft.model or tiers.MODEL, adapter):
        return None
    return adapter


def _shape_said(width: int, height: int) -> str:
    kind = "square" if width == height else "wide" if width > height else "tall"
    return f"{kind}, {width} x {height}"

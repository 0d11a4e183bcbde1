"""Where films are asked for: one form, and what the film will take, said before it is sent."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, Form, Request, UploadFile
from fastapi.responses import RedirectResponse, Response

from rushes import tiers
from rushes.errors import InputError
from rushes.studio import orders, who
from rushes.studio.errors import RequestError
from rushes.studio.house import House
from rushes.studio.library import drafts, films, inputs
from rushes.studio.library.drafts import Draft
from rushes.studio.members.accounts import Caller
from rushes.studio.page import page
from rushes.studio.who import Member, TheHouse

SPEC = APIRouter(include_in_schema=False)
SAID = {
    "flipbook": "one second, square: the quickest",
    "short": "three seconds, wide",
    "feature": "ten seconds at 720p",
    "still": "one picture at 720p",
}
STRENGTHS = [("", "only its seed"), ("50", "much of it"), ("70", "its places and light"), ("90", "its layout")]
FIRST = "a red sailboat sails right on the sea at sunset"


class Sent(Draft):
    """The form as browsers send it; `only` is set by the button that asks for the estimate alone."""

    only: str = ""


Filled = Annotated[Sent, Form()]
Picture = Annotated[UploadFile | None, File()]


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
    first_picture: Picture = None,
    last_picture: Picture = None,
) -> Response:
    """Ask for the film and go to where it is made, or say again what was filled in and what is wrong with it."""
    draft: Draft = sent
    try:
        draft = _with_pictures(house, caller, draft, first=first_picture, last=last_picture)
        if sent.only:
            return _form(request, house, caller, draft)
        with house.database.read() as session:
            looks = draft.conditions(house, session, caller)
        order = draft.order(house.offered)
        job = films.ask(house, caller, replace(order, request=replace(order.request, conditions=looks)))
    except InputError as error:
        return _form(request, house, caller, draft, status=400, problem=str(error))
    except RequestError as error:
        return _form(request, house, caller, draft, status=error.status, problem=error.message)
    return RedirectResponse(f"/films/{job.id}", 303)


@SPEC.post("/create/estimate", dependencies=[Depends(who.own_form)])
def estimate(request: Request, house: TheHouse, caller: Member, sent: Filled) -> Response:
    """Answer a form that is being filled in with what its film will take."""
    return page(request, "_estimate.html", caller, **_estimate(house, caller, sent))


def _with_pictures(house: House, caller: Caller, draft: Draft, **sent: UploadFile | None) -> Draft:
    """Return the draft with the pictures that came with the form; browsers send an empty file for none."""
    for kind, upload in sent.items():
        if upload is not None and upload.filename:
            draft = draft.model_copy(update={kind: inputs.named(house, caller, kind, upload, kind).sha256})
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
        "models": [("", "Rushes: paper scenes"), *((name, name) for name in house.offered)],
        "problem": problem,
    }
    return page(request, "create.html", caller, status=status, **values, **_estimate(house, caller, draft))


def _estimate(house: House, caller: Caller, draft: Draft) -> dict[str, Any]:
    """Return the estimate's values; a form that is not legal yet gets the reason in place of figures."""
    try:
        with house.database.read() as session:
            quote, wrong = drafts.quote(house, session, caller, draft), ""
    except InputError as error:
        quote, wrong = None, str(error)
    return {"quote": quote, "wrong": wrong, "unknown": drafts.unknown_words(house, draft)}


def _shape_said(width: int, height: int) -> str:
    kind = "square" if width == height else "wide" if width > height else "tall"
    return f"{kind}, {width} x {height}"

"""The chat page: a conversation that makes films, shown as they come; it works without script."""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response

from rushes.errors import InputError
from rushes.serve.client.jobs import LIVE
from rushes.studio import who
from rushes.studio.chat import talk as chat
from rushes.studio.house import House
from rushes.studio.members.accounts import Caller
from rushes.studio.page import page
from rushes.studio.who import Member, TheHouse

SPEC = APIRouter(prefix="/chat", include_in_schema=False)
Text = Annotated[str, Form()]


@SPEC.get("")
def new(request: Request, house: TheHouse, caller: Member) -> Response:
    """Show an empty conversation, and the earlier ones."""
    return _page(request, house, caller, "")


@SPEC.post("", dependencies=[Depends(who.own_form)])
def begin(request: Request, house: TheHouse, caller: Member, text: Text = "", once: Text = "") -> Response:
    """Begin a conversation with its first sentence and go there."""
    if not text.strip():
        return _page(request, house, caller, "", problem="Say what the film shows.", status=400)
    with house.database.write() as session:
        conversation_id = chat.begin(session, caller, text.replace("\0", "")).id
    return _said(request, house, caller, conversation_id, text, once)


@SPEC.get("/{conversation_id}")
def show(request: Request, house: TheHouse, caller: Member, conversation_id: str) -> Response:
    """Show a conversation; films that are being made are asked after each second."""
    return _page(request, house, caller, conversation_id)


@SPEC.get("/{conversation_id}/talk")
def talk(request: Request, house: TheHouse, caller: Member, conversation_id: str) -> Response:
    """Return the conversation alone, for the page that asks again while a film is being made."""
    return _page(request, house, caller, conversation_id, name="_talk.html")


@SPEC.post("/{conversation_id}", dependencies=[Depends(who.own_form)])
def say(
    request: Request, house: TheHouse, caller: Member, conversation_id: str, text: Text = "", once: Text = ""
) -> Response:
    """Add a sentence and what came of it."""
    with house.database.read() as session:
        chat.own(session, caller, conversation_id)
    return _said(request, house, caller, conversation_id, text, once)


@SPEC.post("/{conversation_id}/delete", dependencies=[Depends(who.own_form)])
def delete(house: TheHouse, caller: Member, conversation_id: str) -> Response:
    """Forget a conversation; its films stay in the library."""
    with house.database.write() as session:
        chat.forget(session, caller, conversation_id)
    return RedirectResponse("/chat", 303)


def _said(request: Request, house: House, caller: Caller, conversation_id: str, text: str, once: str) -> Response:
    try:
        chat.say(house, caller, conversation_id, text, once[:60] or secrets.token_urlsafe(12))
    except InputError as error:
        return _page(request, house, caller, conversation_id, problem=str(error), status=400)
    return RedirectResponse(f"/chat/{conversation_id}#say", 303)


def _page(
    request: Request,
    house: House,
    caller: Caller,
    conversation_id: str,
    *,
    problem: str = "",
    status: int = 200,
    name: str = "chat.html",
) -> Response:
    with house.database.read() as session:
        conversation = chat.own(session, caller, conversation_id) if conversation_id else None
        turns = chat.turns(session, conversation_id) if conversation else []
        earlier = chat.listed(session, caller)
    is_live = any(job is not None and job.state in LIVE for _, job in turns)
    shown = {"conversation": conversation, "turns": turns, "earlier": earlier, "is_live": is_live, "problem": problem}
    return page(request, name, caller, status=status, once=secrets.token_urlsafe(12), **shown)

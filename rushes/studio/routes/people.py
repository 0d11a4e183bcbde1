"""People over HTTP: profiles, and following, blocking and muting."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel
from sqlalchemy import select

from rushes.errors import InputError
from rushes.serve.client.jobs import Job
from rushes.studio import who
from rushes.studio.page import page
from rushes.studio.routes.posts import local
from rushes.studio.social import people, posts, reactions
from rushes.studio.trust import moderation, reviews
from rushes.studio.who import Member, TheHouse, Visitor

SPEC = APIRouter(include_in_schema=False)
OWN_FORM = [Depends(who.own_form)]
PAGE = 24
Text = Annotated[str, Form()]


class Wish(BaseModel):
    """A tie to make or undo, and the film that it came from."""

    kind: str
    undo: str = ""
    post: str = ""
    impression: str = ""
    next: str = ""


@SPEC.get("/@{name}")
def show(request: Request, house: TheHouse, visitor: Visitor, name: str, before: float | None = None) -> Response:
    """Show somebody: what they say of themselves, and their films as whoever looks may see them."""
    me = visitor.user if visitor else None
    with house.database.read() as session:
        person = people.by_handle(session, name, me)
        is_own = me is not None and me.id == person.id
        is_held = not is_own and reviews.is_held(session, "person", person.id)
        found = posts.of_author(session, person, me, PAGE + 1, before)
        films = {job.id: job for job in session.scalars(select(Job).where(Job.id.in_([p.job_id for p in found])))}
        values: dict[str, Any] = {
            "person": person,
            "bio": "" if is_held else person.bio,
            "is_own": is_own,
            "counts": people.counts(session, person.id),
            "ties": people.ties(session, me, person.id),
            "posts": [(post, films[post.job_id]) for post in found[:PAGE]],
            "hidden": people.hidden_by(session, person) if is_own else [],
            "next": f"/@{person.username}?before={found[PAGE - 1].created_at}" if len(found) > PAGE else "",
            "reasons": [(one, one) for one in reviews.REASONS],
        }
    return page(request, "person.html", visitor, **values)


@SPEC.post("/@{name}/ties", dependencies=OWN_FORM)
def tie(house: TheHouse, caller: Member, name: str, wish: Annotated[Wish, Form()]) -> Response:
    """Follow, block or mute somebody, or take that back; a follow from a film is one of its reactions."""
    with house.database.write() as session:
        other = people.by_handle(session, name, caller.user)
        if wish.undo:
            people.untie(session, caller.user, other, wish.kind)
        elif people.tie(session, caller.user, other, wish.kind) and wish.kind == people.FOLLOW and wish.post:
            posts.find(session, wish.post, caller.user)
            reactions.react(session, caller.user, wish.post, "follow", wish.impression)
    return RedirectResponse(local(wish.next, f"/@{other.username}"), 303)


@SPEC.post("/@{name}/report", dependencies=OWN_FORM)
def report(house: TheHouse, caller: Member, name: str, reason: Text, detail: Text = "") -> Response:
    """Report somebody."""
    with house.database.write() as session:
        other = people.by_handle(session, name, caller.user)
        if other.id == caller.user.id:
            raise InputError("you cannot report yourself")
        reviews.report(session, caller, "person", other.id, reason, detail)
    return RedirectResponse(f"/@{other.username}", 303)


@SPEC.post("/profile", dependencies=OWN_FORM)
def describe(house: TheHouse, caller: Member, name: Text = "", bio: Text = "") -> Response:
    """Change what one's own profile says."""
    verdict = moderation.require_allowed(house, f"{name}\n{bio}", "bio")
    with house.database.write() as session:
        people.describe(session, caller.user, name=name, bio=bio)
        reviews.hold(session, caller.user.id, "person", caller.user.id, f"{name}\n{bio}", verdict)
    return RedirectResponse(f"/@{caller.user.username}", 303)

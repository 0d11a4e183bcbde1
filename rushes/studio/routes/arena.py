"""The arena over HTTP: two films of one prompt, a pick, and how everybody's picks add up."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import select

from rushes.serve.client.jobs import Job
from rushes.studio import who
from rushes.studio.feed.show import MAX_SEED
from rushes.studio.members.accounts import User
from rushes.studio.page import page
from rushes.studio.social import arena, posts
from rushes.studio.social.posts import Post
from rushes.studio.who import Member, TheHouse

SPEC = APIRouter(include_in_schema=False)
BEST = 20


@SPEC.get("/arena")
def show(request: Request, house: TheHouse, caller: Member, judged: str = "") -> Response:
    """Show a pair that the caller has not judged, and the standings; of a judged pair, who made which."""
    with house.database.write() as session:
        battle = arena.next_battle(session, caller.user, secrets.randbelow(MAX_SEED))
    with house.database.read() as session:
        pair = [session.get_one(Job, name) for name in (battle.left, battle.right)] if battle else []
        last = session.get(arena.Battle, judged) if judged else None
        is_own = last is not None and last.voter == caller.user.id and last.choice is not None
        revealed = []
        if last is not None and is_own:
            query = select(Job, User).join(User, Job.owner == User.id).where(Job.id.in_((last.left, last.right)))
            made = {job.id: (job, owner) for job, owner in session.execute(query)}
            revealed = [made[name] for name in (last.left, last.right) if name in made]
        films = {one.name: one for one in arena.standings(session)[: 10 * BEST]}
        shown = session.execute(posts.listed(caller.user).where(Post.job_id.in_(films)))
        best = sorted(shown, key=lambda found: -films[found[0].job_id].strength)[:BEST]
        values: dict[str, Any] = {
            "battle": battle,
            "pair": pair,
            "choice": last.choice if last is not None and is_own else "",
            "revealed": revealed,
            "best": [(post, author, films[post.job_id]) for post, author in best],
            "models": arena.standings(session, by="model"),
        }
    return page(request, "arena.html", caller, **values)


@SPEC.post("/arena/{battle_id}", dependencies=[Depends(who.own_form)])
def vote(house: TheHouse, caller: Member, battle_id: str, choice: Annotated[str, Form()]) -> Response:
    """Judge a pair."""
    with house.database.write() as session:
        arena.vote(session, caller.user, battle_id, choice)
    return RedirectResponse(f"/arena?judged={battle_id}", 303)

"""Posts over HTTP: the page of a film that anybody can be sent, what people do about it, and its remixes."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel
from sqlalchemy.orm import Session

from rushes.serve.client.database import now
from rushes.serve.client.jobs import Job, Order
from rushes.studio import media, orders, who
from rushes.studio.errors import unknown
from rushes.studio.feed import catalogue
from rushes.studio.house import House
from rushes.studio.members.accounts import Caller, User
from rushes.studio.page import page
from rushes.studio.social import comments, people, posts, reactions
from rushes.studio.social.posts import EVERYONE, PUBLIC, Post
from rushes.studio.trust import moderation, reviews
from rushes.studio.who import Maker, Member, Reader, TheHouse, Visitor

SPEC = APIRouter()
OWN_FORM = [Depends(who.own_form)]
Text = Annotated[str, Form()]


class Publication(BaseModel):
    """A film to show, and to whom."""

    job_id: str
    title: str = ""
    visibility: str = PUBLIC
    rating: str = EVERYONE


class Said(BaseModel):
    """A reaction, or its undoing; `impression` is the id that the feed gave with the film."""

    kind: str
    impression: str = ""
    undo: bool = False


@SPEC.post("/posts", dependencies=OWN_FORM, include_in_schema=False)
def publish(
    house: TheHouse, caller: Member, job_id: Text, title: Text = "", visibility: Text = PUBLIC, rating: Text = EVERYONE
) -> Response:
    """Show a film, or change how it is shown."""
    said = Publication(job_id=job_id, title=title, visibility=visibility, rating=rating)
    return RedirectResponse(f"/p/{published(house, caller, said).id}", 303)


def published(house: House, caller: Caller, said: Publication) -> Post:
    """Show a film; a title that the rules would not decide holds the post for its author alone."""
    verdict = moderation.require_allowed(house, said.title, "title")
    with house.database.write() as session:
        post = posts.publish(session, caller, **said.model_dump())
        reviews.hold(session, caller.user.id, "post", post.id, post.title, verdict)
    return post


@SPEC.get("/posts/{post_id}", include_in_schema=False)
def moved(post_id: str) -> Response:
    """Lead to the page of a post."""
    return RedirectResponse(f"/p/{post_id}", 308)


@SPEC.get("/p/{post_id}", include_in_schema=False)
def show(request: Request, house: TheHouse, visitor: Visitor, post_id: str) -> Response:
    """Show a film, what people wrote and made of it, and the tags by which other networks play it."""
    me = visitor.user if visitor else None
    with house.database.read() as session:
        post, author = posts.find(session, post_id, me)
        values: dict[str, Any] = {
            "post": post,
            "author": author,
            "job": session.get_one(Job, post.job_id),
            "comments": comments.below(session, post, me),
            "tree": posts.tree(session, post, me),
            "did": reactions.of_user(session, me.id, [post.id])[post.id] if me else frozenset(),
            "ties": people.ties(session, me, author.id),
            "is_held": post.id in set(session.scalars(posts.held().where(Post.id == post.id))),
        }
    base = house.config.base_url
    address = f"{base}/p/{post.id}"
    oembed = f"{base}/oembed?{urlencode({'url': address})}"
    choices = {"visibilities": posts.VISIBILITIES, "ratings": posts.RATINGS, "reasons": reviews.REASONS}
    chosen: dict[str, Any] = {name: [(one, one) for one in legal] for name, legal in choices.items()}
    chosen |= {"address": address, "oembed": oembed, "once": secrets.token_urlsafe(12)}
    chosen["impression"] = request.query_params.get("from", "")[:40]
    return page(request, "post.html", visitor, **chosen, **values)


@SPEC.get("/p/{post_id}/player", include_in_schema=False)
def player(request: Request, house: TheHouse, post_id: str) -> Response:
    """Show the film alone, for a frame on another site; what a stranger may see, nothing else."""
    with house.database.read() as session:
        post, author = posts.find(session, post_id, None)
        job = session.get_one(Job, post.job_id)
    shown = page(request, "player.html", None, post=post, author=author, job=job)
    policy = request.app.state.headers["content-security-policy"]
    shown.headers["content-security-policy"] = policy.replace("frame-ancestors 'none'", "frame-ancestors *")
    shown.headers["cross-origin-opener-policy"] = "unsafe-none"
    return shown


@SPEC.get("/p/{post_id}/{name}.file", include_in_schema=False)
def file(house: TheHouse, visitor: Visitor, post_id: str, name: str) -> Response:
    """Lead to a film's video or thumbnail; this address stays, where it leads is good for some hours."""
    with house.database.read() as session:
        post, _ = posts.find(session, post_id, visitor.user if visitor else None)
        job = session.get_one(Job, post.job_id)
    address = media.url(house, job, name) if name in ("video", "thumbnail", "spritesheet") else ""
    if not address:
        raise unknown("file", name[:40])
    return RedirectResponse(address, 302, {"cache-control": "no-cache"})


@SPEC.post("/p/{post_id}/change", dependencies=OWN_FORM, include_in_schema=False)
def change(house: TheHouse, caller: Member, post_id: str, title: Text, visibility: Text, rating: Text) -> Response:
    """Change what a post says and who sees it."""
    with house.database.read() as session:
        job_id = posts.own(session, caller, post_id).job_id
    published(house, caller, Publication(job_id=job_id, title=title, visibility=visibility, rating=rating))
    return RedirectResponse(f"/p/{post_id}", 303)


@SPEC.post("/p/{post_id}/delete", dependencies=OWN_FORM, include_in_schema=False)
def delete(house: TheHouse, caller: Member, post_id: str) -> Response:
    """Take a post away; the film stays in the library."""
    with house.database.write() as session:
        posts.delete(session, caller, post_id)
    return RedirectResponse(f"/@{caller.user.username}", 303)


@SPEC.post("/p/{post_id}/reactions", dependencies=OWN_FORM, include_in_schema=False)
def react(
    house: TheHouse,
    caller: Member,
    post_id: str,
    kind: Text,
    impression: Text = "",
    undo: Text = "",
    next: Text = "",
) -> Response:
    """Like a film, take that back, share it, say that it is not interesting."""
    reacted(house, caller, post_id, Said(kind=kind, impression=impression, undo=bool(undo)))
    return RedirectResponse(local(next, f"/p/{post_id}"), 303)


@SPEC.post("/p/{post_id}/report", dependencies=OWN_FORM, include_in_schema=False)
def report(
    house: TheHouse, caller: Member, post_id: str, reason: Text, detail: Text = "", impression: Text = ""
) -> Response:
    """Report a film; it leaves one's own feed at once."""
    with house.database.write() as session:
        posts.find(session, post_id, caller.user)
        reactions.report(session, caller, post_id, reason, detail, impression)
    return RedirectResponse(f"/p/{post_id}", 303)


@SPEC.post("/p/{post_id}/comments", dependencies=OWN_FORM, include_in_schema=False)
def comment(house: TheHouse, caller: Member, post_id: str, text: Text) -> Response:
    """Write below a post."""
    verdict = moderation.require_allowed(house, text, "text")
    with house.database.write() as session:
        post, _ = posts.find(session, post_id, caller.user)
        written = comments.write(session, caller, post, text)
        reviews.hold(session, caller.user.id, "comment", written.id, written.text, verdict)
    return RedirectResponse(f"/p/{post_id}#comments", 303)


@SPEC.post("/comments/{comment_id}/delete", dependencies=OWN_FORM, include_in_schema=False)
def delete_comment(house: TheHouse, caller: Member, comment_id: str) -> Response:
    """Delete a comment."""
    with house.database.write() as session:
        post_id = comments.delete(session, caller, comment_id)
    return RedirectResponse(f"/p/{post_id}#comments", 303)


@SPEC.post("/p/{post_id}/remix", dependencies=OWN_FORM, include_in_schema=False)
def remix(
    house: TheHouse, caller: Member, post_id: str, prompt: Text, once: Text, impression: Text = "", new_seed: Text = ""
) -> Response:
    """Ask for a film made from another one: its prompt changed, the rest as it was."""
    with house.database.write() as session:
        post, _ = posts.find(session, post_id, caller.user)
        job = remixed(house, session, caller, post, prompt, (once[:80], bool(new_seed)))
        reactions.react(session, caller.user, post.id, "create", impression)
    return RedirectResponse(f"/films/{job.id}", 303)


def remixed(house: House, session: Session, caller: Caller, post: Post, prompt: str, how: tuple[str, bool]) -> Job:
    """Order a remix of a post's film, with the consent of whoever it shows; `how` is (idempotency key, other seed)."""
    parent, (once, has_new_seed) = session.get_one(Job, post.job_id), how
    request = replace(parent.generation_request(), prompt=prompt.strip())
    if has_new_seed:
        request = replace(request, seed=secrets.randbelow(2**31))
    order = Order(request=request, kind="remix", parent=parent.id, format=parent.format, once=once or None)
    return orders.place(house, session, caller, order)


def reacted(house: House, caller: Caller, post_id: str, said: Said) -> bool:
    """Note a reaction to a post that the caller may see; return whether anything changed."""
    catalogue.of(house).recorder.flush_for(caller.user.id)
    with house.database.write() as session:
        posts.find(session, post_id, caller.user)
        if said.undo:
            return reactions.take_back(session, caller.user, post_id, said.kind)
        return reactions.react(session, caller.user, post_id, said.kind, said.impression)


def local(address: str, otherwise: str) -> str:
    """Return an address of this site, or another if it is none."""
    is_ours = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if is_ours else otherwise


@SPEC.post("/api/posts", status_code=201, summary="Show a film", tags=["posts"])
def api_publish(house: TheHouse, caller: Maker, said: Publication) -> dict[str, Any]:
    """Show one of one's own films; one that is shown already changes as said."""
    return described(house, published(house, caller, said), caller.user)


@SPEC.get("/api/posts/{post_id}", summary="A shown film", tags=["posts"])
def api_show(house: TheHouse, caller: Reader, post_id: str) -> dict[str, Any]:
    """Return a post with its place among remixes."""
    with house.database.read() as session:
        post, author = posts.find(session, post_id, caller.user)
        tree = [
            {"id": one.id, "author": by.username, "depth": depth}
            for one, by, depth in posts.tree(session, post, caller.user)
        ]
    return described(house, post, author) | {"tree": tree}


@SPEC.delete("/api/posts/{post_id}", summary="Stop showing a film", tags=["posts"])
def api_delete(house: TheHouse, caller: Maker, post_id: str) -> dict[str, Any]:
    """Take a post away; the film stays."""
    with house.database.write() as session:
        posts.delete(session, caller, post_id)
    return {"id": post_id, "object": "post.deleted", "deleted": True}


@SPEC.post("/api/posts/{post_id}/reactions", summary="React to a film", tags=["posts"])
def api_react(house: TheHouse, caller: Maker, post_id: str, said: Said) -> dict[str, Any]:
    """Like, share, finish or refuse a film, or take that back."""
    return {"id": post_id, "kind": said.kind, "changed": reacted(house, caller, post_id, said), "at": int(now())}


def described(house: House, post: Post, author: User) -> dict[str, Any]:
    """Return what programs learn about a post."""
    address = f"{house.config.base_url}/p/{post.id}"
    return {
        "id": post.id,
        "object": "post",
        "author": author.username,
        "title": post.title,
        "prompt": post.prompt,
        "visibility": post.visibility,
        "rating": post.rating,
        "parent": post.parent,
        "created_at": int(post.created_at),
        "likes": post.like,
        "remixes": post.create,
        "url": address,
        "video_url": f"{address}/video.file",
        "thumbnail_url": f"{address}/thumbnail.file",
    }

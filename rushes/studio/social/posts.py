"""Posts: films that their makers show to others, who may see each, and which came out of which."""

from __future__ import annotations

import functools
import hashlib
import secrets

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from rushes.errors import InputError
from rushes.serve.client import jobs
from rushes.serve.client.database import Base, now
from rushes.serve.client.jobs import SUCCEEDED, Job
from rushes.studio import rows
from rushes.studio.errors import RequestError, unknown
from rushes.studio.feed import words
from rushes.studio.members.accounts import Caller, User
from rushes.studio.social import people
from rushes.studio.trust import reviews

PUBLIC, UNLISTED, PRIVATE = "public", "unlisted", "private"
VISIBILITIES = (PUBLIC, UNLISTED, PRIVATE)
EVERYONE, ADULTS = "everyone", "adults"
RATINGS = (EVERYONE, ADULTS)
LONGEST_TITLE = 120
MOST_ANCESTORS, MOST_OF_A_TREE = 50, 500


class Counted:
    """How often something was shown, and what came of it; one column for each of `HEADS`."""

    views: Mapped[int] = mapped_column(default=0)
    create: Mapped[int] = mapped_column(default=0)
    follow: Mapped[int] = mapped_column(default=0)
    share: Mapped[int] = mapped_column(default=0)
    like: Mapped[int] = mapped_column(default=0)
    finish: Mapped[int] = mapped_column(default=0)
    not_interested: Mapped[int] = mapped_column(default=0)
    report: Mapped[int] = mapped_column(default=0)


HEADS = ("create", "follow", "share", "like", "finish", "not_interested", "report")
"""What can come of showing a film, in the order of every array of heads."""


class Post(Counted, Base):
    """One film that is shown; `parent` is the post whose film was remixed.

    `vector` is `words.embed` of its prompt and title, float16; `prompt_key` is the same for films of one prompt;
    `withdrawn` says that somebody whose likeness it shows took their consent back.
    """

    __tablename__ = "posts"

    id: Mapped[str] = mapped_column(primary_key=True)
    author: Mapped[str] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"))
    job_id: Mapped[str] = mapped_column(sa.ForeignKey("jobs.id", ondelete="CASCADE"), unique=True)
    title: Mapped[str]
    prompt: Mapped[str]
    prompt_key: Mapped[str] = mapped_column(index=True)
    visibility: Mapped[str]
    rating: Mapped[str]
    parent: Mapped[str | None] = mapped_column(sa.ForeignKey("posts.id", ondelete="SET NULL"), index=True)
    created_at: Mapped[float] = mapped_column(index=True)
    changed_at: Mapped[float] = mapped_column(index=True)
    taken_down: Mapped[bool] = mapped_column(default=False)
    withdrawn: Mapped[bool] = mapped_column(default=False)
    vector: Mapped[bytes]

    __table_args__ = (sa.Index("posts_by_author", "author", "created_at"),)


def publish(
    session: Session, caller: Caller, job_id: str, *, title: str, visibility: str = PUBLIC, rating: str = EVERYONE
) -> Post:
    """Show a film of one's own. A film that is shown already keeps its post, which changes as said.

    Raises:
        RequestError: no such film of the caller's (404), or one that may not be shown (403).
        InputError: a film that is not finished, an illegal title, visibility or rating.
    """
    job = jobs.find(session, job_id, caller.user.id)
    if job is None:
        raise unknown("film", job_id[:80])
    if job.state != SUCCEEDED:
        raise InputError(f"the film {job_id} is {job.state}; only one that succeeded can be shown")
    if job.extra.get("withdrawn"):
        raise RequestError(403, "consent_withdrawn", "somebody whose likeness this film shows took their consent back")
    title, prompt = _checked(title, visibility, rating) or job.request["prompt"][:LONGEST_TITLE], job.request["prompt"]
    moment = now()
    values = {"title": title, "visibility": visibility, "rating": rating, "changed_at": moment}
    values["vector"] = words.embed(f"{prompt} {title}").astype("<f2").tobytes()
    made = {"id": f"post_{secrets.token_hex(8)}", "author": caller.user.id, "job_id": job.id, "created_at": moment}
    made |= {"prompt": prompt, "prompt_key": prompt_key(prompt), "parent": _parent(session, job)}
    rows.add_once(session, Post, **made, **values)
    post = session.scalars(sa.select(Post).where(Post.job_id == job.id)).one()
    if post.id != made["id"]:
        for name, value in values.items():
            setattr(post, name, value)
    session.flush()
    return post


def change(session: Session, caller: Caller, post_id: str, *, title: str, visibility: str, rating: str) -> Post:
    """Change what a post of one's own says and who sees it. Raises: as `publish`."""
    post = own(session, caller, post_id)
    return publish(session, caller, post.job_id, title=title, visibility=visibility, rating=rating)


def own(session: Session, caller: Caller, post_id: str) -> Post:
    """Return a post of the caller's. Raises: RequestError 404 for others'."""
    post = session.get(Post, post_id)
    if post is None or post.author != caller.user.id:
        raise unknown("post", post_id[:80])
    return post


def delete(session: Session, caller: Caller, post_id: str) -> None:
    """Take a post of one's own away, for good; its remixes then come from what it came from. The film itself stays."""
    remove(session, own(session, caller, post_id))


def remove(session: Session, post: Post) -> None:
    """Take a post away, for good."""
    heirs = sa.update(Post).where(Post.parent == post.id).values(parent=post.parent, changed_at=now())
    session.execute(heirs.execution_options(synchronize_session=False))
    session.execute(sa.delete(Post).where(Post.id == post.id))


def take_down(session: Session, post_id: str, is_down: bool = True) -> bool:
    """Hide a post from everybody but its author, or show it again; return whether there is one."""
    changed = sa.update(Post).where(Post.id == post_id).values(taken_down=is_down, changed_at=now())
    return session.execute(changed.returning(Post.id)).first() is not None


def find(session: Session, post_id: str, viewer: User | None) -> tuple[Post, User]:
    """Return a post and its author. Raises: RequestError 404 for what `viewer` may not see, 403 for its rating."""
    found = session.execute(sa.select(Post, User).join(User).where(Post.id == post_id)).one_or_none()
    if found is None or not _may_see(session, found[0], found[1], viewer):
        raise unknown("post", post_id[:80])
    if found[0].rating == ADULTS and not sees_adult(viewer) and (viewer is None or viewer.id != found[0].author):
        raise RequestError(403, "for_adults", "this film is rated for adults; your account's feed page can allow such")
    return found[0], found[1]


def listed(viewer: User | None) -> sa.Select:
    """Return the query (post, author) for every film that anybody may come across; blocks are the caller's to add."""
    return _listed(sees_adult(viewer))


@functools.cache
def held() -> sa.Select:
    """Return the query of the posts that wait for a decision about their words or their film, or lost it."""
    is_held = sa.or_(Post.id.in_(reviews.hidden("post")), Post.job_id.in_(reviews.hidden("film")))
    return sa.select(Post.id).where(is_held)


def of_author(session: Session, author: User, viewer: User | None, limit: int, before: float | None = None) -> list:
    """Return somebody's posts as `viewer` may see them, latest first; their own show everything."""
    query = sa.select(Post) if viewer and viewer.id == author.id else listed(viewer).with_only_columns(Post)
    query = query.where(Post.author == author.id).order_by(Post.created_at.desc()).limit(limit)
    return list(session.scalars(query if before is None else query.where(Post.created_at < before)))


def sees_adult(viewer: User | None) -> bool:
    """Return whether somebody chose to see films for adults."""
    return bool(viewer and viewer.settings.get("adult_films"))


def tree(session: Session, post: Post, viewer: User | None) -> list[tuple[Post, User, int]]:
    """Return the remix tree that a post stands in, as (post, author, depth) from its root, each below its parent.

    Films that `viewer` may not come across are left out, and what was made of them moves up in their place.
    """
    root = _root(session, post)
    grown = sa.select(Post.id, sa.literal(0).label("depth")).where(Post.id == root).cte("grown", recursive=True)
    branch = sa.select(Post.id, grown.c.depth + 1).join(grown, Post.parent == grown.c.id)
    grown = grown.union_all(branch.where(grown.c.depth < MOST_ANCESTORS))
    query = sa.select(Post, User).join(grown, Post.id == grown.c.id).join(User, Post.author == User.id)
    found = session.execute(query.order_by(Post.created_at).limit(MOST_OF_A_TREE)).all()
    open_to_all = listed(viewer).with_only_columns(Post.id).where(Post.id.in_([one.id for one, _ in found]))
    hidden = people.circle(session, viewer.id).hidden if viewer else frozenset()
    shown = set(session.scalars(open_to_all))
    below: dict[str | None, list[tuple[Post, User]]] = {}
    for one, author in found:
        below.setdefault(one.parent if one.id != root else None, []).append((one, author))
    ordered: list[tuple[Post, User, int]] = []
    waiting = [(one, author, 0) for one, author in reversed(below.get(None, []))]
    while waiting:
        one, author, depth = waiting.pop()
        is_own = viewer is not None and viewer.id == author.id
        is_shown = is_own or one.id == post.id or (author.id not in hidden and one.id in shown)
        ordered += [(one, author, depth)] if is_shown else []
        waiting += [(child, by, depth + int(is_shown)) for child, by in reversed(below.get(one.id, []))]
    return ordered


def prompt_key(prompt: str) -> str:
    """Return what films of one prompt have in common, whatever its spaces and capitals."""
    return hashlib.sha256(" ".join(prompt.casefold().split()).encode()).hexdigest()[:32]


@functools.cache  # writing the query takes longer than asking it
def _listed(with_adult: bool) -> sa.Select:
    query = sa.select(Post, User).join(User).where(Post.visibility == PUBLIC, User.is_suspended.is_(False))
    query = query.where(Post.taken_down.is_(False), Post.withdrawn.is_(False), Post.id.not_in(held()))
    return query if with_adult else query.where(Post.rating == EVERYONE)


def _may_see(session: Session, post: Post, author: User, viewer: User | None) -> bool:
    if viewer is not None and (viewer.id == post.author or viewer.is_admin):
        return True
    is_gone = post.visibility == PRIVATE or post.taken_down or post.withdrawn or author.is_suspended
    is_held = reviews.is_held(session, "post", post.id) or reviews.is_held(session, "film", post.job_id)
    return not (is_gone or is_held or people.blocked_by(session, viewer, post.author))


def _parent(session: Session, job: Job) -> str | None:
    """Return the nearest post among the films that a film came from; some of them may not be shown."""
    above = job.parent
    for _ in range(MOST_ANCESTORS):
        if above is None:
            return None
        post_id = session.scalar(sa.select(Post.id).where(Post.job_id == above))
        if post_id is not None:
            return post_id
        above = session.scalar(sa.select(Job.parent).where(Job.id == above))
    return None


def _root(session: Session, post: Post) -> str:
    start = sa.select(Post.id, Post.parent, sa.literal(0).label("height")).where(Post.id == post.id)
    below = start.cte("climbed", recursive=True)
    step = sa.select(Post.id, Post.parent, below.c.height + 1).join(below, Post.id == below.c.parent)
    climbed = below.union_all(step.where(below.c.height < MOST_ANCESTORS))
    return session.scalar(sa.select(climbed.c.id).order_by(climbed.c.height.desc()).limit(1)) or post.id


def _checked(title: str, visibility: str, rating: str) -> str:
    title = " ".join(title.split())
    if len(title) > LONGEST_TITLE:
        raise InputError(f"the title has {len(title)} characters; legal: at most {LONGEST_TITLE}")
    for what, value, legal in (("visibility", visibility, VISIBILITIES), ("rating", rating, RATINGS)):
        if value not in legal:
            raise InputError(f"{what} {value[:40]!r} is illegal; legal: {', '.join(legal)}")
    return title

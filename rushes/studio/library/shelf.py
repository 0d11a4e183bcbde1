"""The library: a member's own films, found by what they show, sorted into collections, and where each came from."""

from __future__ import annotations

import datetime
import io
import re
import secrets
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from rushes.errors import InputError, RushesError
from rushes.serve.client import jobs
from rushes.serve.client.database import Base, now
from rushes.serve.client.jobs import Job
from rushes.store import Store
from rushes.studio.errors import unknown
from rushes.studio.feed import words
from rushes.studio.social.posts import PRIVATE, Post

PAGE = 24
NEAR = 0.2  # cosines below are chance: see `feed.words`
SEARCHED = 5_000  # the latest films that a search looks at
MOST_COLLECTIONS, LONGEST_NAME = 100, 60
LARGEST_TREE = 200
PIECE = 1 << 20


class Collection(Base):
    """A name that its owner gave to some films."""

    __tablename__ = "collections"

    id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    created_at: Mapped[float]

    __table_args__ = (sa.UniqueConstraint("owner", "name"),)


class Kept(Base):
    """A film that is in a collection."""

    __tablename__ = "kept_films"

    collection_id: Mapped[str] = mapped_column(sa.ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True)
    job_id: Mapped[str] = mapped_column(sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True, index=True)
    at: Mapped[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """Which films somebody looks for; empty fields leave all. `page` counts from 0."""

    text: str = ""
    tier: str = ""
    state: str = ""
    visibility: str = ""
    collection: str = ""
    page: int = 0


def search(session: Session, owner: str, shelf: Shelf) -> tuple[list[Job], bool]:
    """Return one page of an owner's films, latest first or nearest to the text, and whether there are more."""
    query = sa.select(Job).where(Job.owner == owner, jobs.IS_FILM).order_by(Job.created_at.desc(), Job.id)
    if shelf.tier:
        query = query.where(Job.tier == shelf.tier)
    if shelf.state:
        query = query.where(Job.state.in_(jobs.LIVE) if shelf.state == "live" else Job.state == shelf.state)
    if shelf.collection:
        query = query.join(Kept, Kept.job_id == Job.id).where(Kept.collection_id == shelf.collection)
    if shelf.visibility:
        shown = Post.visibility == shelf.visibility
        query = query.outerjoin(Post, Post.job_id == Job.id)
        query = query.where(sa.or_(shown, Post.id.is_(None)) if shelf.visibility == PRIVATE else shown)
    start = shelf.page * PAGE
    if not shelf.text.strip():
        found = list(session.scalars(query.offset(start).limit(PAGE + 1)))
        return found[:PAGE], len(found) > PAGE
    near = _near(session, query, shelf.text)
    wanted = near[start : start + PAGE]
    films = {job.id: job for job in session.scalars(sa.select(Job).where(Job.id.in_(wanted)))}
    return [films[job_id] for job_id in wanted], len(near) > start + PAGE


def visibilities(session: Session, films: list[Job]) -> dict[str, str]:
    """Return how each film that is posted is shown, by its id."""
    query = sa.select(Post.job_id, Post.visibility).where(Post.job_id.in_([job.id for job in films]))
    return {job_id: visibility for job_id, visibility in session.execute(query)}


def collections(session: Session, owner: str) -> list[tuple[Collection, int]]:
    """Return an owner's collections by name, each with the number of its films."""
    query = sa.select(Collection, sa.func.count(Kept.job_id)).outerjoin(Kept).where(Collection.owner == owner)
    return [(one, num) for one, num in session.execute(query.group_by(Collection.id).order_by(Collection.name))]


def kept_in(session: Session, job_id: str) -> set[str]:
    """Return the ids of the collections that a film is in."""
    return set(session.scalars(sa.select(Kept.collection_id).where(Kept.job_id == job_id)))


def gather(session: Session, owner: str, name: str) -> Collection:
    """Make a collection, or return the one of that name. Raises: InputError for an illegal name or too many."""
    name = " ".join(name.split())
    if not 1 <= len(name) <= LONGEST_NAME:
        raise InputError(f"a collection's name has 1 to {LONGEST_NAME} characters, not {len(name)}")
    there = session.scalar(sa.select(Collection).where(Collection.owner == owner, Collection.name == name))
    if there is not None:
        return there
    if len(collections(session, owner)) >= MOST_COLLECTIONS:
        raise InputError(f"there are {MOST_COLLECTIONS} collections already; delete one first")
    made = Collection(id=f"coll_{secrets.token_hex(8)}", owner=owner, name=name, created_at=now())
    session.add(made)
    session.flush()
    return made


def scatter(session: Session, owner: str, collection_id: str) -> None:
    """Forget a collection; its films stay."""
    own_collection(session, owner, collection_id)
    session.execute(sa.delete(Collection).where(Collection.id == collection_id))


def own_collection(session: Session, owner: str, collection_id: str) -> Collection:
    """Return a collection of `owner`'s. Raises: RequestError 404."""
    found = session.get(Collection, collection_id)
    if found is None or found.owner != owner:
        raise unknown("collection", collection_id[:40])
    return found


def add(session: Session, owner: str, collection_id: str, films: list[Job]) -> None:
    """Put films into a collection; those that are in stay in."""
    own_collection(session, owner, collection_id)
    there = set(session.scalars(sa.select(Kept.job_id).where(Kept.collection_id == collection_id)))
    new = {job.id for job in films} - there
    session.add_all(Kept(collection_id=collection_id, job_id=job_id, at=now()) for job_id in sorted(new))


def toggle(session: Session, owner: str, collection_id: str, job: Job) -> None:
    """Put a film into a collection, or take it out where it is in."""
    change = remove if collection_id in kept_in(session, job.id) else add
    change(session, owner, collection_id, [job])


def remove(session: Session, owner: str, collection_id: str, films: list[Job]) -> None:
    """Take films out of a collection."""
    own_collection(session, owner, collection_id)
    out = sa.delete(Kept).where(Kept.collection_id == collection_id, Kept.job_id.in_([job.id for job in films]))
    session.execute(out)


def own_films(session: Session, owner: str, job_ids: list[str]) -> list[Job]:
    """Return those of the films that are `owner`'s."""
    return list(session.scalars(sa.select(Job).where(Job.owner == owner, jobs.IS_FILM, Job.id.in_(job_ids[:1_000]))))


def tree(session: Session, owner: str, job: Job) -> list[tuple[Job, int]]:
    """Return an owner's films that came out of one another around `job`, as (film, depth) from the first one on."""
    root = job
    for _ in range(LARGEST_TREE):
        above = jobs.find(session, root.parent, owner) if root.parent else None
        if above is None:
            break
        root = above
    grown: list[tuple[Job, int]] = []
    waiting = [(root, 0)]
    while waiting and len(grown) < LARGEST_TREE:
        one, depth = waiting.pop()
        grown.append((one, depth))
        query = sa.select(Job).where(Job.parent == one.id, Job.owner == owner).order_by(Job.created_at.desc())
        waiting += [(child, depth + 1) for child in session.scalars(query)]
    return grown


def zipped(store: Store, films: list[Job]) -> Iterator[bytes]:
    """Yield a zip of the films' files as it grows, no more of it in memory than a piece at a time."""
    out = _Outlet()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for job in films:
            key = job.files.get("video", "")
            try:
                piece = store.get(key, length=PIECE) if key else b""
            except RushesError:
                continue  # its file is gone: the others are still worth having
            if not piece:
                continue
            with archive.open(zipfile.ZipInfo(_name(job), _date(job)), "w", force_zip64=True) as file:
                start = 0
                while piece:
                    file.write(piece)
                    yield out.taken()
                    start += len(piece)
                    piece = store.get(key, start=start, length=PIECE) if len(piece) == PIECE else b""
    yield out.taken()


class _Outlet(io.RawIOBase):
    """A file that can only be written; what was written is taken away piece by piece."""

    def __init__(self) -> None:
        self._held = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, content: bytes) -> int:  # type: ignore[override]
        self._held += content
        return len(content)

    def taken(self) -> bytes:
        held, self._held = bytes(self._held), bytearray()
        return held


def _near(session: Session, query: sa.Select, text: str) -> list[str]:
    """Return the ids of the films whose prompts are near to `text`, nearest first; words that both say count too."""
    wanted = words.embed(text)
    said = {word for word in words.WORD.findall(text.casefold()) if word not in words.LIGHT}
    found = []
    for job_id, request in session.execute(query.with_only_columns(Job.id, Job.request).limit(SEARCHED)):
        prompt = request["prompt"]
        shared = said & set(words.WORD.findall(prompt.casefold()))
        score = float(np.dot(wanted, words.embed(prompt))) + len(shared) / max(1, len(said))
        if score > NEAR:
            found.append((score, job_id))
    return [job_id for _, job_id in sorted(found, key=lambda pair: -pair[0])]


def _name(job: Job) -> str:
    said = re.sub(r"[^a-z0-9]+", "-", job.request["prompt"].lower()).strip("-")[:60]
    return f"{said or 'film'}-{job.id[-6:]}.{job.format}"


def _date(job: Job) -> tuple[int, int, int, int, int, int]:
    at = datetime.datetime.fromtimestamp(job.created_at, datetime.UTC)
    return (max(1980, at.year), at.month, at.day, at.hour, at.minute, at.second)

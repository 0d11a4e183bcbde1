"""Adapters: what trainings left of characters, each with the word that stands for its character in prompts.

A film that says the word shows the character as it was learned; whose word it may say is a matter of consent.
"""

from __future__ import annotations

import functools
import json
import re
from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from rushes import tiers
from rushes.errors import InputError
from rushes.serve.client import jobs
from rushes.serve.client.database import Base, now
from rushes.serve.client.jobs import Job, Order
from rushes.serve.client.trainings import checkpoint_key
from rushes.studio.house import House
from rushes.studio.library.vocabulary import SHIPPED
from rushes.studio.members.accounts import User
from rushes.studio.social import characters
from rushes.studio.social.characters import Character, Use
from rushes.types import GenerationRequest


class Adapter(Base):
    """What was learned of a character: `word` is what prompts call it, `like` what it moves like.

    `file` lies among the character's pictures; it is for the cut-out weights whose hash is `base`.
    """

    __tablename__ = "character_adapters"

    character_id: Mapped[str] = mapped_column(sa.ForeignKey("characters.id", ondelete="CASCADE"), primary_key=True)
    word: Mapped[str]
    like: Mapped[str]
    file: Mapped[str]
    sha256: Mapped[str]
    base: Mapped[str]
    num_stills: Mapped[int]
    made_at: Mapped[float]


def find(session: Session, character: Character) -> Adapter | None:
    """Return what was learned of a character, if it was trained."""
    return session.get(Adapter, character.id)


def key(character: Character, adapter: Adapter) -> str:
    """Return where an adapter lies."""
    return f"{characters.folder(character)}{adapter.file}"


def says(prompt: str, adapter: Adapter) -> bool:
    """Return whether a prompt names the character; `@` before its word is as good as none."""
    return _pattern(adapter).search(prompt) is not None


def unsaid(prompt: str, adapter: Adapter, name: str) -> str:
    """Return a prompt that says a character's name where it said the word of what was learned of it."""
    return _pattern(adapter).sub(lambda _: name, prompt)


def why_not(house: House, model: str, adapter: Adapter) -> str:
    """Return why a film of a model can't show a character as it was learned; empty where it can."""
    if model != tiers.MODEL:
        return f"{model} knows no trained characters"
    base = _base(Path(house.config.weights or SHIPPED))
    return "" if base in (None, adapter.base) else "it was trained for other weights; train it again"


def fits(house: House, request: GenerationRequest, adapter: Adapter) -> bool:
    """Return whether a film can show a character as it was learned."""
    return not why_not(house, request.model, adapter)


def own(session: Session, user: User, prompt: str) -> list[tuple[Character, Adapter]]:
    """Return the user's own trained characters that a prompt names, the latest trained first."""
    query = sa.select(Character, Adapter).join(Adapter).where(Character.owner == user.id)
    query = query.where(Character.revoked_at.is_(None)).order_by(Adapter.made_at.desc())
    usable = query.where(sa.or_(Character.expires_at.is_(None), Character.expires_at > now()))
    return [(one, adapter) for one, adapter in session.execute(usable) if says(prompt, adapter)]


def cast(house: House, session: Session, user: User, order: Order, shown: list[Character]) -> list[Character]:
    """Return whom a film shows: `shown`, and whoever else of the user's own is trained and named in the prompt."""
    request, ids = order.request, {one.id for one in shown}
    taken = {adapter.word for one in shown if (adapter := find(session, one)) and says(request.prompt, adapter)}
    for character, adapter in own(session, user, request.prompt):
        is_free = len(shown) < characters.MOST_IN_A_FILM and adapter.word not in taken
        if is_free and character.id not in ids and fits(house, request, adapter):
            taken.add(adapter.word)
            shown = [*shown, character]
    return shown


def taught(house: House, session: Session, order: Order, shown: list[Character]) -> Order:
    """Return an order that brings along what was learned of those whom its prompt names (`Order.extra["adapters"]`).

    Raises:
        InputError: two of one word.
    """
    found: dict[str, dict[str, str]] = {}
    for one in shown:
        adapter = find(session, one)
        if adapter and says(order.request.prompt, adapter) and fits(house, order.request, adapter):
            if adapter.word in found:
                raise InputError(f"two characters are called {adapter.word!r} in prompts; name one of them")
            found[adapter.word] = {"character": one.id, "uri": key(one, adapter), "sha256": adapter.sha256}
    return replace(order, extra=order.extra | {"adapters": list(found.values())}) if found else order


def note(session: Session, job: Job) -> None:
    """Note what a training that succeeded has left, in the transaction that ends it; unless the consent is gone."""
    request, character = job.training_request(), session.get(Character, job.request["character"])
    if character is None or character.revoked_at is not None:
        return
    session.merge(
        Adapter(
            character_id=character.id,
            word=request.name,
            like=job.measured["like"],
            file=job.files["adapter"].removeprefix(request.folder),
            sha256=job.measured["sha256"],
            base=job.measured["weights"]["cutout"],
            num_stills=len(request.stills),
            made_at=now(),
        )
    )
    session.flush()


def tidy(house: House, job: Job) -> None:
    """Delete what a training that has ended left behind: its checkpoint, and files of adapters that nothing names."""
    request = job.training_request()
    with house.database.read() as session:
        is_live = session.scalar(sa.select(Job.id).where(Job.id == job.id, Job.state.in_(jobs.LIVE))) is not None
        adapter = session.get(Adapter, request.character)
        used = sa.select(Job.extra).join(Use, Use.job_id == Job.id)
        live = session.scalars(used.where(Use.character_id == request.character, Job.state.in_(jobs.LIVE)))
        named = {one["uri"] for extra in live for one in extra.get("adapters", [])}
    if is_live:
        return
    if adapter is not None:
        named.add(f"{request.folder}{adapter.file}")
    house.media.delete(checkpoint_key(job.id))
    for place in house.media.list(request.folder):
        if place.endswith(".safetensors") and place not in named:
            house.media.delete(place)


def _pattern(adapter: Adapter) -> re.Pattern[str]:
    words = r"\s+".join(map(re.escape, adapter.word.split()))
    return re.compile(rf"(?<![\w'-]){words}(?![\w'-])", re.IGNORECASE)


@functools.lru_cache(maxsize=4)
def _base(folder: Path) -> str | None:
    """Return the hash of the cut-out weights; None where they are not on this machine."""
    try:
        return json.loads((folder / "cutout" / "config.json").read_text(encoding="utf-8"))["sha256"]
    except FileNotFoundError:
        return None

"""Conversations that make films: each turn is a sentence, what the studio answered, and the film that came of it."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from rushes import tiers
from rushes.errors import InputError, nearest_first
from rushes.serve.client import jobs
from rushes.serve.client.database import Base, now
from rushes.serve.client.jobs import Job
from rushes.studio.chat import director
from rushes.studio.chat import model as chat_model
from rushes.studio.chat.director import Past, Wish
from rushes.studio.errors import RequestError, unknown
from rushes.studio.house import House
from rushes.studio.library import films
from rushes.studio.members.accounts import Caller
from rushes.studio.wire import videos as wire
from rushes.types import Condition

LONGEST, KEPT = 2000, 40  # characters of a sentence; turns that a model is told of
TITLE = 60
WITH_MODEL = re.compile(
    r",? ?\b(?:with|using) (the model |model )?([\w.-]+?)[,.!? ]*(?:please)?[.!? ]*$", re.IGNORECASE
)
LIKE_A_MODEL = re.compile(r"[a-z]+[\w.]*[-\d][\w.-]*", re.IGNORECASE)  # wan2.1-1.3b, but not the train of a model train
SAME_AGAIN = re.compile(
    r"(?:make|do|redo|try|film)?(?: (?:it|this|that))?(?: (?:again|anew|once more))?", re.IGNORECASE
)
FILM_ID = re.compile(r"video_[0-9a-f]{32}")


class Conversation(Base):
    """A conversation of one account; its title is how it began."""

    __tablename__ = "conversations"

    id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), index=True)
    title: Mapped[str]
    created_at: Mapped[float]
    updated_at: Mapped[float]


class Turn(Base):
    """What somebody said and what came of it; `job_id` is the film, `once` the form that sent it."""

    __tablename__ = "conversation_turns"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    conversation_id: Mapped[str] = mapped_column(sa.ForeignKey("conversations.id", ondelete="CASCADE"), index=True)
    text: Mapped[str]
    answer: Mapped[str]
    job_id: Mapped[str | None]
    once: Mapped[str]
    created_at: Mapped[float]

    __table_args__ = (sa.UniqueConstraint("conversation_id", "once"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the studio answers, and the film that it now makes, if it makes one."""

    text: str
    job: Job | None = None


def reply(
    house: House, caller: Caller, messages: list[dict[str, Any]], *, once: str | None = None, model: str = ""
) -> Reply:
    """Answer the last of `messages` (role and content each); films in earlier answers are what it can be about.

    `model` makes the films where nothing else is said; empty: our own, or the one that made the film before.

    Raises:
        InputError: nothing was said, or a model that the studio has not.
        RequestError: as `films.ask`, or 502 without the chat model.
    """
    said = next((text(m) for m in reversed(messages) if m.get("role") == "user"), "")
    if not said.strip():
        raise InputError("there is nothing to answer: the last message of role 'user' is empty")
    if house.config.chat_endpoint:
        spoken, job = chat_model.answer(house, caller, messages, model)
        return Reply(text=spoken or "Here it comes.", job=job)
    return _directed(house, caller, _named(house, said, model), _past(house, caller, messages), once)


def _named(house: House, said: str, model: str) -> tuple[str, str]:
    """Return a sentence without the model that it names at its end, and that; else as it is, and `model`.

    Raises:
        InputError: a model that the studio has not; the known ones are named, nearest first.
    """
    found = WITH_MODEL.search(said)
    if found is None:
        return said, model
    name, is_marked = found[2], bool(found[1])
    known = [tiers.MODEL, *house.offered] if is_marked else list(house.offered)
    if name.lower() in known:
        return said[: found.start()].strip(), name.lower()
    if is_marked and LIKE_A_MODEL.fullmatch(name):
        raise InputError(f"there is no model {name!r}; known: {nearest_first(name, known)}")
    return said, model


def text(message: dict[str, Any]) -> str:
    """Return a message's words, whole or in parts."""
    content = message.get("content")
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _past(house: House, caller: Caller, messages: list[dict[str, Any]]) -> Job | None:
    """Return the last film of the caller's own that the conversation names."""
    named = [name for message in messages for name in FILM_ID.findall(text(message))]
    with house.database.read() as session:
        for name in reversed(named[-KEPT:]):
            job = jobs.find(session, name, caller.user.id)
            if job is not None:
                return job
    return None


def _directed(house: House, caller: Caller, asked: tuple[str, str], past: Job | None, once: str | None) -> Reply:
    said, model = asked
    wish = director.direct(said, None if past is None else _about(past))
    if model and past is not None and SAME_AGAIN.fullmatch(said):
        wish = Wish(kind=director.REMIX, prompt=past.request["prompt"])
    if model:
        wish.changed["model"] = model
    if wish.kind == director.HELP:
        return Reply(text=wish.said)
    if wish.kind in (director.STATUS, director.CANCEL):
        if past is None:
            return Reply(text=f"There is no film in this conversation yet. {director.ADVICE}")
        job = films.cancel(house, caller, past.id) if wish.kind == director.CANCEL else past
        return Reply(text=standing(job))
    return _made(house, caller, wish, past, once)


def _made(house: House, caller: Caller, wish: Wish, past: Job | None, once: str | None) -> Reply:
    changed = dict(wish.changed)
    if changed.get("seed", 0) is None:
        changed["seed"] = secrets.randbelow(2**31)
    looks = (Condition(kind="loop"),) if changed.get("loop") else ()
    # Another model's film has its own size and length: it is made anew, of the same words.
    is_others = past is not None and changed.get("model", past.request["model"]) != past.request["model"]
    if wish.kind == director.EXTEND and past is not None:
        if past.state != jobs.SUCCEEDED:
            return Reply(text=f"It can go on once it is there. {standing(past)}")
        asked = wire.Extend(prompt=wish.prompt, video=past.id, **changed)
        order = wire.derived(asked, past, "extension", once, (), house.offered)
    elif wish.kind == director.REMIX and past is not None and not is_others:
        order = wire.derived(wire.Remix(prompt=wish.prompt, **changed), past, "remix", once, looks, house.offered)
    else:
        order = wire.created(wire.Create(prompt=wish.prompt, **changed), once, looks, house.offered)
    job = films.ask(house, caller, order)
    return Reply(text=f"Making “{job.request['prompt']}”.", job=job)


def _about(job: Job) -> Past:
    request = job.generation_request()
    shape = request.shape
    return Past(
        id=job.id,
        prompt=request.prompt,
        width=shape.width,
        height=shape.height,
        seconds=0 if shape.frames == 1 else round(shape.frames / request.fps),
        fps=request.fps,
        format=job.format,
    )


def standing(job: Job) -> str:
    """Return in one sentence how a film is doing."""
    if job.state == jobs.SUCCEEDED:
        return "It is finished."
    if job.state in jobs.LIVE:
        return "It is being stopped." if job.wants_cancel else f"It is at {job.progress} % ({job.phase})."
    return f"It was not made: {job.error or job.state}."


def begin(session: Session, caller: Caller, said: str) -> Conversation:
    """Begin a conversation with a first sentence."""
    moment = now()
    conversation = Conversation(
        id=f"chat_{secrets.token_hex(12)}",
        owner=caller.user.id,
        title=said.strip()[:TITLE],
        created_at=moment,
        updated_at=moment,
    )
    session.add(conversation)
    session.flush()
    return conversation


def own(session: Session, caller: Caller, conversation_id: str) -> Conversation:
    """Return the caller's conversation. Raises: RequestError 404."""
    is_legal = re.fullmatch(r"chat_[0-9a-f]{24}", conversation_id)
    conversation = session.get(Conversation, conversation_id) if is_legal else None
    if conversation is None or conversation.owner != caller.user.id:
        raise unknown("conversation", conversation_id[:80])
    return conversation


def listed(session: Session, caller: Caller, limit: int = 50) -> list[Conversation]:
    """Return the caller's conversations, the last spoken in first."""
    query = sa.select(Conversation).where(Conversation.owner == caller.user.id)
    return list(session.scalars(query.order_by(Conversation.updated_at.desc()).limit(limit)))


def turns(session: Session, conversation_id: str) -> list[tuple[Turn, Job | None]]:
    """Return a conversation's turns in order, each with its film; films that were deleted since are None."""
    query = sa.select(Turn, Job).outerjoin(Job, Job.id == Turn.job_id)
    found = session.execute(query.where(Turn.conversation_id == conversation_id).order_by(Turn.id))
    return [(turn, job) for turn, job in found]


def say(house: House, caller: Caller, conversation_id: str, said: str, once: str) -> None:
    """Add a turn; a form that was sent twice adds one. What cannot be done is the answer.

    Raises:
        InputError: nothing was said, or too much.
    """
    said = said.replace("\0", "").strip()
    if not 1 <= len(said) <= LONGEST:
        raise InputError(f"a message has 1 to {LONGEST} characters, not {len(said)}")
    with house.database.read() as session:
        before = turns(session, conversation_id)
    if any(turn.once == once for turn, _ in before):
        return
    messages = [m for turn, job in before[-KEPT:] for m in _as_messages(turn, job)] + [
        {"role": "user", "content": said}
    ]
    try:
        answered = reply(house, caller, messages, once=f"{conversation_id}-{once}"[:200])
    except (RequestError, InputError) as error:
        answered = Reply(text=str(error)[:1].upper() + str(error)[1:] + ".")
    with house.database.write() as session:
        if session.scalar(sa.select(Turn.id).where(Turn.conversation_id == conversation_id, Turn.once == once)):
            return
        job_id = answered.job.id if answered.job else None
        words = {"conversation_id": conversation_id, "text": said, "answer": answered.text, "once": once}
        session.add(Turn(**words, job_id=job_id, created_at=now()))
        moved = sa.update(Conversation).where(Conversation.id == conversation_id).values(updated_at=now())
        session.execute(moved)


def forget(session: Session, caller: Caller, conversation_id: str) -> None:
    """Delete a conversation; its films stay."""
    session.delete(own(session, caller, conversation_id))


def _as_messages(turn: Turn, job: Job | None) -> list[dict[str, Any]]:
    answered = f"{turn.answer} ({job.id})" if job else turn.answer
    return [{"role": "user", "content": turn.text}, {"role": "assistant", "content": answered}]

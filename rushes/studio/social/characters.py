"""Characters: a likeness in films, with consent: what it looks like, who may use it, until when, where it was used.

Only the person who gives consent can widen it; `withdrawals` takes it back.
"""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from rushes.errors import InputError
from rushes.serve.client.database import Base, now
from rushes.serve.client.jobs import Job, Order
from rushes.studio.errors import RequestError, unknown
from rushes.studio.house import House
from rushes.studio.library.subjects import Subject
from rushes.studio.members.accounts import Caller, User
from rushes.studio.social import people

ME, FRIENDS, ALL = "me", "friends", "all"
SCOPES = (ME, FRIENDS, ALL)
LONGEST_NAME, LONGEST_LOOK, LONGEST_DAYS, MOST_IN_A_FILM, MOST_STILLS = 40, 300, 3_650, 5, 20
WORDINGS = (  # what an owner ticks; the record keeps the number, so that a sentence is never changed, only followed
    "This is my own likeness, and I agree to its use as said here",
    "This is mine to use; if it is a person, it is me or I have their consent",
)
WORDING = len(WORDINGS)


class Character(Base):
    """A likeness: `look` is how prompts describe it; `scope` and `expires_at` are the consent as it stands.

    `job_id` is a film that shows it, if there is one. Once `revoked_at` is set nothing brings it back.
    """

    __tablename__ = "characters"

    id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    look: Mapped[str]
    scope: Mapped[str]
    expires_at: Mapped[float | None]
    created_at: Mapped[float]
    revoked_at: Mapped[float | None]
    job_id: Mapped[str | None]


class Still(Base):
    """A picture of a character: `sha256` is that of its file (`key`); the best one is what films are shown."""

    __tablename__ = "character_stills"

    character_id: Mapped[str] = mapped_column(sa.ForeignKey("characters.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str]
    is_best: Mapped[bool]


class Consent(Base):
    """What the owner of a character said, each time: the record that stays.

    `wording` is the number, from 1, of the sentence of `WORDINGS` that was ticked; None where none was.
    """

    __tablename__ = "consents"

    id: Mapped[str] = mapped_column(primary_key=True)
    character_id: Mapped[str] = mapped_column(sa.ForeignKey("characters.id", ondelete="CASCADE"), index=True)
    by: Mapped[str]
    scope: Mapped[str]
    expires_at: Mapped[float | None]
    at: Mapped[float]
    wording: Mapped[int | None]


class Use(Base):
    """One film that somebody asked for with a character in it."""

    __tablename__ = "character_uses"

    character_id: Mapped[str] = mapped_column(sa.ForeignKey("characters.id", ondelete="CASCADE"), primary_key=True)
    job_id: Mapped[str] = mapped_column(sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True, index=True)
    user_id: Mapped[str] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"))
    at: Mapped[float]


def create(
    session: Session,
    caller: Caller,
    *,
    name: str,
    look: str,
    scope: str = ME,
    days: int | None = None,
    wording: int | None = None,
) -> Character:
    """Make a character and say who may use it, for how many days (None: until that is taken back).

    Raises:
        InputError: an illegal name, look, scope or number of days.
    """
    name, look = " ".join(name.split()), " ".join(look.split())
    for what, text, longest in (("name", name, LONGEST_NAME), ("look", look, LONGEST_LOOK)):
        if not 1 <= len(text) <= longest:
            raise InputError(f"the {what} has {len(text)} characters; legal: 1 to {longest}")
    made = {"id": f"char_{secrets.token_hex(8)}", "owner": caller.user.id, "name": name, "look": look}
    character = Character(**made, scope=ME, expires_at=None, created_at=now(), revoked_at=None, job_id=None)
    session.add(character)
    session.flush()
    return consent(session, caller, character.id, scope, days, wording)


def consent(
    session: Session,
    caller: Caller,
    character_id: str,
    scope: str,
    days: int | None = None,
    wording: int | None = None,
) -> Character:
    """Say anew who may use one's character, and for how long; the record keeps what was said before.

    Raises:
        InputError: an illegal scope or number of days. RequestError: 404 for another's, 409 for one taken back.
    """
    if scope not in SCOPES:
        raise InputError(f"scope {scope[:40]!r} is illegal; legal: {', '.join(SCOPES)}")
    if days is not None and not 1 <= days <= LONGEST_DAYS:
        raise InputError(f"{days} days is illegal; legal: 1 to {LONGEST_DAYS}")
    character, moment = own(session, caller, character_id), now()
    if character.revoked_at is not None:
        raise RequestError(409, "consent_withdrawn", f"the consent to {character.name!r} was taken back for good")
    character.scope, character.expires_at = scope, None if days is None else moment + days * 86_400
    said = {"id": f"consent_{secrets.token_hex(8)}", "character_id": character.id, "by": caller.user.id}
    session.add(Consent(**said, scope=scope, expires_at=character.expires_at, at=moment, wording=wording))
    session.flush()
    return character


def own(session: Session, caller: Caller, character_id: str) -> Character:
    """Return a character of the caller's. Raises: RequestError 404."""
    character = session.get(Character, character_id)
    if character is None or character.owner != caller.user.id:
        raise unknown("character", character_id[:80])
    return character


def folder(character: Character) -> str:
    """Return the prefix of the keys of a character's pictures."""
    return f"characters/{character.owner}/{character.id}/"


def still_key(character: Character, still: Still) -> str:
    """Return where a picture of a character lies; `subjects.cutout_key` says where its cut-out does."""
    return f"{folder(character)}{still.sha256}.webp"


def stills(session: Session, character: Character) -> list[Still]:
    """Return a character's pictures in the order in which they were sent."""
    query = sa.select(Still).where(Still.character_id == character.id).order_by(Still.position)
    return list(session.scalars(query))


def best(session: Session, character: Character) -> Still | None:
    """Return the picture that films are shown, if there is any."""
    return session.scalar(sa.select(Still).where(Still.character_id == character.id, Still.is_best))


def give_stills(house: House, session: Session, character: Character, pictures: list[Subject], chosen: int = 0) -> None:
    """Give a character pictures; the first time, films are shown the one numbered `chosen`, from 0, of them.

    Raises:
        InputError: none, too many together, or none of that number.
    """
    known = stills(session, character)
    start, num = 1 + max((one.position for one in known), default=-1), len(known) + len(pictures)
    if not pictures or num > MOST_STILLS:
        raise InputError(f"{num} stills of a character; legal: 1 to {MOST_STILLS}")
    if not 0 <= chosen < len(pictures):
        raise InputError(f"there is no still {chosen + 1}; legal: 1 to {len(pictures)}")
    for position, one in enumerate(pictures):
        one.keep(house.media, folder(character))
        found = {"character_id": character.id, "position": start + position, "sha256": one.sha256}
        session.add(Still(**found, is_best=not known and position == chosen))
    session.flush()


def add_stills(
    house: House, session: Session, caller: Caller, character_id: str, pictures: list[Subject], wording: int
) -> Character:
    """Give one's character further pictures; the record keeps which sentence was ticked for them.

    Raises:
        InputError: none, or too many. RequestError: 404 for another's, 409 for one taken back.
    """
    character = own(session, caller, character_id)
    if character.revoked_at is not None:
        raise RequestError(409, "consent_withdrawn", f"the consent to {character.name!r} was taken back for good")
    give_stills(house, session, character, pictures)
    said = {"id": f"consent_{secrets.token_hex(8)}", "character_id": character.id, "by": caller.user.id}
    session.add(Consent(**said, scope=character.scope, expires_at=character.expires_at, at=now(), wording=wording))
    session.flush()
    return character


def choose(session: Session, caller: Caller, character_id: str, position: int) -> None:
    """Let films be shown another of one's character's pictures. Raises: RequestError 404; InputError."""
    known = stills(session, own(session, caller, character_id))
    if position not in [one.position for one in known]:
        raise InputError(f"there is no still {position + 1}; the character has {len(known)}")
    for one in known:
        one.is_best = one.position == position


def owned(session: Session, user_id: str) -> list[Character]:
    """Return somebody's characters, those taken back too, latest first."""
    query = sa.select(Character).where(Character.owner == user_id).order_by(Character.created_at.desc())
    return list(session.scalars(query))


def usable(session: Session, user: User) -> list[tuple[Character, User]]:
    """Return every character that `user` may put into a film now, with whose it is."""
    query = sa.select(Character, User).join(User).where(Character.revoked_at.is_(None), User.is_suspended.is_(False))
    query = query.where(sa.or_(Character.expires_at.is_(None), Character.expires_at > now()))
    is_allowed = sa.or_(
        Character.owner == user.id,
        Character.scope == ALL,
        sa.and_(Character.scope == FRIENDS, Character.owner.in_(people.friends(user.id))),
    )
    hidden = people.circle(session, user.id).hidden
    found = session.execute(query.where(is_allowed).order_by(Character.name, Character.id).limit(200))
    return [(character, owner) for character, owner in found if owner.id not in hidden or owner.id == user.id]


def require_usable(session: Session, user: User, character_ids: list[str]) -> list[Character]:
    """Return characters that `user` may put into a film; call it before an order, and `note_use` after it.

    Raises:
        InputError: too many. RequestError: 403 for one without consent, be it there or not.
    """
    if len(character_ids) > MOST_IN_A_FILM:
        raise InputError(f"{len(character_ids)} characters in one film; legal: at most {MOST_IN_A_FILM}")
    allowed = {character.id: character for character, _ in usable(session, user)} if character_ids else {}
    for name in character_ids:
        if name not in allowed:
            raise RequestError(403, "no_consent", f"there is no consent for you to use the character {name[:80]!r}")
    return [allowed[name] for name in dict.fromkeys(character_ids)]


def required(session: Session, user: User, order: Order) -> list[Character]:
    """Return the characters that an order shows, its own and those of the film it is made from. Raises: as above."""
    parent = session.get(Job, order.parent) if order.parent else None
    named = [*order.extra.get("characters", []), *(parent.extra.get("characters", []) if parent else [])]
    return require_usable(session, user, list(dict.fromkeys(named)))


def note_use(session: Session, user: User, used: list[Character], job: Job) -> None:
    """Log that a film shows characters, if any, in the transaction that asks for it; `job.extra` names them."""
    if not used:
        return
    job.extra = job.extra | {"characters": [character.id for character in used]}
    session.add_all(Use(character_id=one.id, job_id=job.id, user_id=user.id, at=now()) for one in used)
    session.flush()


def uses(session: Session, character: Character, limit: int = 200) -> list[tuple[Use, User, Job]]:
    """Return where a character was used, by whom, latest first."""
    query = sa.select(Use, User, Job).join(User, Use.user_id == User.id).join(Job, Use.job_id == Job.id)
    query = query.where(Use.character_id == character.id).order_by(Use.at.desc()).limit(limit)
    return [(use, user, job) for use, user, job in session.execute(query)]


def record(session: Session, character: Character) -> list[Consent]:
    """Return everything that was said about a character's use, latest first."""
    query = sa.select(Consent).where(Consent.character_id == character.id).order_by(Consent.at.desc())
    return list(session.scalars(query))

"""Characters: somebody's likeness in films, with their consent: who may use it, until when, and where it was used.

Only the person who gives consent can widen it; taking it back hides every film and post that shows the character.
"""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from rushes.errors import InputError
from rushes.serve.client import jobs
from rushes.serve.client.database import Base, now
from rushes.serve.client.jobs import Job
from rushes.studio.errors import RequestError, unknown
from rushes.studio.library import films
from rushes.studio.members import audit
from rushes.studio.members.accounts import Caller, User
from rushes.studio.social import people
from rushes.studio.social.posts import Post

ME, FRIENDS, ALL = "me", "friends", "all"
SCOPES = (ME, FRIENDS, ALL)
LONGEST_NAME, LONGEST_LOOK, LONGEST_DAYS, MOST_IN_A_FILM = 40, 300, 3_650, 5


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


class Consent(Base):
    """What the owner of a character said, each time: the record that stays."""

    __tablename__ = "consents"

    id: Mapped[str] = mapped_column(primary_key=True)
    character_id: Mapped[str] = mapped_column(sa.ForeignKey("characters.id", ondelete="CASCADE"), index=True)
    by: Mapped[str]
    scope: Mapped[str]
    expires_at: Mapped[float | None]
    at: Mapped[float]


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
    job_id: str | None = None,
) -> Character:
    """Make a character of oneself and say who may use it, for how many days (None: until that is taken back).

    Raises:
        InputError: an illegal name, look, scope or number of days.
        RequestError: 404 for a film that is not the caller's.
    """
    name, look = " ".join(name.split()), " ".join(look.split())
    for what, text, longest in (("name", name, LONGEST_NAME), ("look", look, LONGEST_LOOK)):
        if not 1 <= len(text) <= longest:
            raise InputError(f"the {what} has {len(text)} characters; legal: 1 to {longest}")
    if job_id is not None and jobs.find(session, job_id, caller.user.id) is None:
        raise unknown("film", job_id[:80])
    made = {"id": f"char_{secrets.token_hex(8)}", "owner": caller.user.id, "name": name, "look": look}
    character = Character(**made, scope=ME, expires_at=None, created_at=now(), revoked_at=None, job_id=job_id)
    session.add(character)
    session.flush()
    return consent(session, caller, character.id, scope, days)


def consent(session: Session, caller: Caller, character_id: str, scope: str, days: int | None = None) -> Character:
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
    session.add(Consent(**said, scope=scope, expires_at=character.expires_at, at=moment))
    session.flush()
    return character


def own(session: Session, caller: Caller, character_id: str) -> Character:
    """Return a character of the caller's. Raises: RequestError 404."""
    character = session.get(Character, character_id)
    if character is None or character.owner != caller.user.id:
        raise unknown("character", character_id[:80])
    return character


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


def note_use(session: Session, user: User, used: list[Character], job: Job) -> None:
    """Log that a film shows characters, in the transaction that asks for it; `job.extra` names them."""
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


def revoke(session: Session, caller: Caller, character_id: str) -> int:
    """Take the consent to a character back for good; return how many films are hidden by that.

    Films that others made with it can no longer be shown or seen (`Job.extra["withdrawn"]`, `Post.withdrawn`), and
    those not yet made are not made. The owner's own films stay.
    """
    character, moment = own(session, caller, character_id), now()
    first = sa.update(Character).where(Character.id == character.id, Character.revoked_at.is_(None))
    if session.execute(first.values(revoked_at=moment, scope=ME).returning(Character.id)).first() is None:
        return 0
    said = {"id": f"consent_{secrets.token_hex(8)}", "character_id": character.id, "by": caller.user.id}
    session.add(Consent(**said, scope="revoked", expires_at=moment, at=moment))
    query = sa.select(Job).join(Use, Use.job_id == Job.id).where(Use.character_id == character.id)
    derived = list(session.scalars(query.where(Job.owner != caller.user.id)))
    for job in derived:
        if job.state in jobs.LIVE:
            jobs.cancel(session, job.id, films.settle)
        job.extra = job.extra | {"withdrawn": [*job.extra.get("withdrawn", []), character.id]}
    session.flush()
    hidden = sa.update(Post).where(Post.job_id.in_([job.id for job in derived]))
    session.execute(hidden.values(withdrawn=True, changed_at=moment).execution_options(synchronize_session=False))
    audit.note(session, caller, "character.revoked", character.id, {"films": len(derived)})
    return len(derived)

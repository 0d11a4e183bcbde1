"""Taking back the consent to a character: its pictures and what was learned of them go, nothing more is made with it.

Films that others made with it are hidden; those that its owner made stay.
"""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from sqlalchemy.orm import Session

from rushes.serve.client import jobs
from rushes.serve.client.database import now
from rushes.serve.client.jobs import Job
from rushes.studio.house import House
from rushes.studio.library import films
from rushes.studio.members import audit
from rushes.studio.members.accounts import Caller
from rushes.studio.social import adapters, characters, trainings
from rushes.studio.social.adapters import Adapter
from rushes.studio.social.characters import ME, Character, Consent, Still, Use
from rushes.studio.social.posts import Post


def withdraw(house: House, caller: Caller, character_id: str) -> int:
    """Take the consent to a character of the caller's back for good; return how many films are hidden by that.

    Films that others made with it can no longer be shown or seen (`Job.extra["withdrawn"]`, `Post.withdrawn`), and
    nobody's that is not made yet is made. Raises: RequestError 404.
    """
    with house.database.write() as session:
        num = _revoke(session, caller, characters.own(session, caller, character_id))
    _delete_pictures(house, caller, character_id)
    return num


def delete(house: House, caller: Caller, character_id: str) -> None:
    """Take the consent back, and forget the character with what was said about it. Raises: RequestError 404."""
    withdraw(house, caller, character_id)
    with house.database.write() as session:
        character = characters.own(session, caller, character_id)
        over = [job.id for job in trainings.of(session, character) if job.state in jobs.ENDED]
        session.execute(sa.delete(Job).where(Job.id.in_(over)))
        session.delete(character)
        audit.note(session, caller, "character.deleted", character_id)


def _delete_pictures(house: House, caller: Caller, character_id: str) -> None:
    """Delete a character's pictures and what was learned of them, once nothing names them any more.

    A withdrawal that is repeated does so again.
    """
    with house.database.read() as session:
        character = characters.own(session, caller, character_id)
        trained = trainings.of(session, character)
    for key in house.media.list(characters.folder(character)):
        house.media.delete(key)
    for job in trained:
        adapters.tidy(house, job)


def _revoke(session: Session, caller: Caller, character: Character) -> int:
    moment = now()
    first = sa.update(Character).where(Character.id == character.id, Character.revoked_at.is_(None))
    if session.execute(first.values(revoked_at=moment, scope=ME).returning(Character.id)).first() is None:
        return 0
    said = {"id": f"consent_{secrets.token_hex(8)}", "character_id": character.id, "by": caller.user.id}
    session.add(Consent(**said, scope="revoked", expires_at=moment, at=moment, wording=None))
    session.execute(sa.delete(Still).where(Still.character_id == character.id))
    session.execute(sa.delete(Adapter).where(Adapter.character_id == character.id))
    for job in trainings.of(session, character):
        if job.state in jobs.LIVE:
            jobs.cancel(session, job.id, films.settle)
    query = sa.select(Job).join(Use, Use.job_id == Job.id).where(Use.character_id == character.id)
    used = list(session.scalars(query))
    for job in used:
        if job.state in jobs.LIVE:
            jobs.cancel(session, job.id, films.settle)
    hidden = [job for job in used if job.owner != caller.user.id]
    for job in hidden:
        job.extra = job.extra | {"withdrawn": [*job.extra.get("withdrawn", []), character.id]}
    session.flush()
    posts = sa.update(Post).where(Post.job_id.in_([job.id for job in hidden]))
    session.execute(posts.values(withdrawn=True, changed_at=moment).execution_options(synchronize_session=False))
    audit.note(session, caller, "character.revoked", character.id, {"films": len(hidden)})
    return len(hidden)

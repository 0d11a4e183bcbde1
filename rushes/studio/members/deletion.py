"""Deleting an account: out of sight at once, and everything of it gone as soon as nothing of it is being made any more.

Whatever points at an account goes with its row, for every such column says `ON DELETE CASCADE` (or `SET NULL`, where
the row is not its own). Films, their files and exports are deleted here; entries of the ledger stay, without a name.
"""

from __future__ import annotations

import secrets
import time

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from rushes.serve.client import jobs
from rushes.serve.client.database import Base, now
from rushes.serve.client.jobs import Job
from rushes.studio import rows
from rushes.studio.errors import RequestError
from rushes.studio.house import House
from rushes.studio.library import films
from rushes.studio.members import accounts, audit
from rushes.studio.members.accounts import ApiKey, Caller, User
from rushes.studio.money import ledger
from rushes.studio.money.ledger import Balance
from rushes.studio.social import flywheel
from rushes.studio.trust.reviews import Report

AT_ONCE, LOOK_S = 100, 0.5


class Deletion(Base):
    """An account that is on its way out; the row goes last."""

    __tablename__ = "deletions"

    user_id: Mapped[str] = mapped_column(primary_key=True)
    asked_at: Mapped[float]


def ask(session: Session, actor: Caller, user: User) -> None:
    """Close an account for good: nobody can sign in or find it, its films stop being made, its name is free again.

    Raises:
        RequestError: 409 for the last admin, without whom nobody could run the studio.
    """
    admins = sa.select(sa.func.count()).select_from(User).where(User.plan == "admin", User.is_suspended.is_(False))
    if user.is_admin and session.scalar(admins) == 1:
        raise RequestError(409, "last_admin", "this is the only admin; make another one first")
    if not rows.add_once(session, Deletion, user_id=user.id, asked_at=now()):
        return
    audit.note(session, actor, "account-deleted", user.id)
    gone = {"username": f"gone_{secrets.token_hex(8)}", "name": "", "bio": "", "email": None, "password_hash": None}
    query = sa.update(User).where(User.id == user.id).values(**gone, is_suspended=True, settings={})
    session.execute(query.execution_options(synchronize_session=False))
    accounts.end_sessions(session, user.id)
    session.execute(sa.delete(ApiKey).where(ApiKey.user_id == user.id))
    live = sa.select(Job.id).where(Job.owner == user.id, Job.state.in_(jobs.LIVE))
    for job_id in list(session.scalars(live)):
        jobs.cancel(session, job_id, films.settle)


def finish(house: House, patience_s: float = 0.0) -> int:
    """Delete what is left of the accounts that asked for it; return how many are gone now.

    One whose film a worker still holds waits `patience_s` for it, else for the next call; any process may make one.
    """
    until = time.monotonic() + patience_s
    with house.database.read() as session:
        asked = set(session.scalars(sa.select(Deletion.user_id)))
    num, left = len(asked), asked
    while left := {user_id for user_id in left if not _finished(house, user_id)}:
        if time.monotonic() > until:
            break
        time.sleep(LOOK_S)
    return num - len(left)


def _finished(house: House, user_id: str) -> bool:
    while job_ids := _ended(house, user_id):
        for job_id in job_ids:
            _delete_all(house, f"films/{job_id}/")
        with house.database.write() as session:
            session.execute(sa.delete(Job).where(Job.id.in_(job_ids)))
    flywheel.forget(house, user_id)
    for folder in ("people", "inputs", "characters", "exports"):
        _delete_all(house, f"{folder}/{user_id}/")
    with house.database.write() as session:
        # an order that was under way when the account closed holds this row, and its job is seen below
        session.execute(sa.select(Balance).where(Balance.user_id == user_id).with_for_update())
        if session.scalar(sa.select(sa.func.count()).select_from(Job).where(Job.owner == user_id)):
            return False
        ledger.forget(session, user_id, f"gone_{secrets.token_hex(8)}")
        session.execute(sa.update(Report).where(Report.user_id == user_id).values(detail=""))
        session.execute(sa.delete(User).where(User.id == user_id))
        session.execute(sa.delete(Deletion).where(Deletion.user_id == user_id))
    return True


def _ended(house: House, user_id: str) -> list[str]:
    with house.database.read() as session:
        ended = sa.select(Job.id).where(Job.owner == user_id, Job.state.in_(jobs.ENDED)).limit(AT_ONCE)
        return list(session.scalars(ended))


def _delete_all(house: House, prefix: str) -> None:
    for key in house.media.list(prefix):
        house.media.delete(key)

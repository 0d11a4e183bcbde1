"""People: whom somebody follows, blocks or mutes, what a profile shows, and what its owner chose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from rushes.errors import InputError
from rushes.serve.client.database import Base, now
from rushes.studio import rows
from rushes.studio.errors import unknown
from rushes.studio.members.accounts import User

FOLLOW, BLOCK, MUTE = "follow", "block", "mute"
TIES = (FOLLOW, BLOCK, MUTE)
LONGEST_NAME, LONGEST_BIO = 50, 300


class Tie(Base):
    """`user_id` follows, blocks or mutes `other_id`; blocking works in both directions, muting only for the eyes."""

    __tablename__ = "ties"

    user_id: Mapped[str] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    other_id: Mapped[str] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Circle:
    """Everybody one person has to do with, by id; `hidden` are those whose films are not for their eyes."""

    follows: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()


def by_handle(session: Session, name: str, viewer: User | None) -> User:
    """Return whose username is `name`. Raises: RequestError 404 for nobody, the suspended, and across a block."""
    name = name.strip().lower().removeprefix("@")
    user = session.scalar(sa.select(User).where(User.username == name))
    is_gone = user is None or (user.is_suspended and not (viewer and viewer.is_admin))
    if user is None or is_gone or blocked_by(session, viewer, user.id):
        raise unknown("person", f"@{name[:40]}")
    return user


def tie(session: Session, user: User, other: User, kind: str) -> bool:
    """Follow, block or mute; return whether that is new. Who blocks somebody no longer follows or is followed.

    Raises:
        InputError: an unknown kind, oneself, or a follow across a block.
    """
    _check(kind)
    if user.id == other.id:
        raise InputError(f"you cannot {kind} yourself")
    if kind == FOLLOW and is_blocked(session, user.id, other.id):
        raise InputError(f"@{other.username} cannot be followed: one of you blocks the other")
    if kind == BLOCK:
        pair = sa.or_(_from_to(user.id, other.id), _from_to(other.id, user.id))
        session.execute(sa.delete(Tie).where(pair, Tie.kind == FOLLOW))
    return rows.add_once(session, Tie, user_id=user.id, other_id=other.id, kind=kind, created_at=now())


def untie(session: Session, user: User, other: User, kind: str) -> None:
    """Take a follow, a block or a mute back. Raises: InputError for an unknown kind."""
    _check(kind)
    session.execute(sa.delete(Tie).where(_from_to(user.id, other.id), Tie.kind == kind))


def ties(session: Session, user: User | None, other_id: str) -> frozenset[str]:
    """Return how `user` is tied to another: some of follow, block, mute."""
    if user is None:
        return frozenset()
    return frozenset(session.scalars(sa.select(Tie.kind).where(_from_to(user.id, other_id))))


def circle(session: Session, user_id: str) -> Circle:
    """Return whom `user_id` follows, and whose films are kept from them: blocked either way, or muted."""
    query = sa.select(Tie.user_id, Tie.other_id, Tie.kind).where(
        sa.or_(Tie.user_id == user_id, sa.and_(Tie.other_id == user_id, Tie.kind == BLOCK))
    )
    found = session.execute(query).all()
    follows = frozenset(other for mine, other, kind in found if mine == user_id and kind == FOLLOW)
    hidden = frozenset(other if mine == user_id else mine for mine, other, kind in found if kind in (BLOCK, MUTE))
    return Circle(follows=follows, hidden=hidden)


def is_blocked(session: Session, one: str, other: str) -> bool:
    """Return whether one of the two blocks the other."""
    pair = sa.or_(_from_to(one, other), _from_to(other, one))
    return session.scalar(sa.select(Tie.user_id).where(pair, Tie.kind == BLOCK).limit(1)) is not None


def blocked_by(session: Session, viewer: User | None, other_id: str) -> bool:
    """Return whether `other_id` blocks whoever looks; who blocks somebody still sees them, to take it back."""
    if viewer is None:
        return False
    query = sa.select(Tie.user_id).where(_from_to(other_id, viewer.id), Tie.kind == BLOCK)
    return session.scalar(query) is not None


def friends(user_id: str) -> sa.Select:
    """Return the query of everybody who follows somebody and is followed back."""
    back = sa.select(Tie.user_id).where(Tie.other_id == user_id, Tie.kind == FOLLOW)
    return sa.select(Tie.other_id).where(Tie.user_id == user_id, Tie.kind == FOLLOW, Tie.other_id.in_(back))


def counts(session: Session, user_id: str) -> tuple[int, int]:
    """Return how many follow somebody, and how many somebody follows."""
    count = sa.select(sa.func.count()).select_from(Tie).where(Tie.kind == FOLLOW)
    followers = session.scalar(count.where(Tie.other_id == user_id)) or 0
    return followers, session.scalar(count.where(Tie.user_id == user_id)) or 0


def hidden_by(session: Session, user: User) -> list[tuple[User, str]]:
    """Return whom `user` blocks or mutes, and which of the two."""
    query = sa.select(User, Tie.kind).join(Tie, Tie.other_id == User.id)
    query = query.where(Tie.user_id == user.id, Tie.kind != FOLLOW).order_by(User.username)
    return [(other, kind) for other, kind in session.execute(query)]


def describe(session: Session, user: User, *, name: str, bio: str) -> None:
    """Change what a profile says. Raises: InputError naming the longest legal name and bio."""
    name, bio = name.strip() or user.username, bio.strip()
    for what, text, longest in (("name", name, LONGEST_NAME), ("bio", bio, LONGEST_BIO)):
        if len(text) > longest:
            raise InputError(f"the {what} has {len(text)} characters; legal: at most {longest}")
    session.execute(sa.update(User).where(User.id == user.id).values(name=name, bio=bio))


def choose(session: Session, user_id: str, **chosen: Any) -> dict[str, Any]:
    """Change some of what an account's owner chose, and return all of it; two changes at once both hold."""
    user = session.scalars(
        sa.select(User).where(User.id == user_id).with_for_update().execution_options(populate_existing=True)
    ).one()
    user.settings = user.settings | chosen
    session.flush()
    return user.settings


def _from_to(user_id: str, other_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(Tie.user_id == user_id, Tie.other_id == other_id)


def _check(kind: str) -> None:
    if kind not in TIES:
        raise InputError(f"{kind[:40]!r} is illegal; legal: {', '.join(TIES)}")

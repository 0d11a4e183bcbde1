"""Accounts: who somebody is, by password, session, sign-in link or API key; only hashes of secrets are kept."""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from sqlalchemy.orm import Mapped, Session, mapped_column

from rushes.errors import InputError
from rushes.serve.client.database import Base, now

SESSION_S, LINK_S = 30 * 86_400, 86_400
SHORTEST, LONGEST = 10, 200
HANDLE = re.compile(r"[a-z0-9][a-z0-9_]{1,29}")
READ, WRITE, ACCOUNT, ADMIN = "films:read", "films:write", "account", "admin"
SCOPES = (READ, WRITE, ACCOUNT, ADMIN)
_PASSWORDS = PasswordHash.recommended()
_AT_ONCE = threading.BoundedSemaphore(2)  # argon2id takes 64 MB each time


class User(Base):
    """An account; `handle` is its name in addresses, `settings` what its owner chose."""

    __tablename__ = "users"

    id: Mapped[str] = mapped_column(primary_key=True)
    handle: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    email: Mapped[str | None] = mapped_column(unique=True)
    password_hash: Mapped[str | None]
    plan: Mapped[str]
    bio: Mapped[str] = mapped_column(default="")
    is_suspended: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[float]
    settings: Mapped[dict[str, Any]]

    @property
    def is_admin(self) -> bool:
        """Whether the account may do everything."""
        return self.plan == "admin"


class LoginSession(Base):
    """A browser that is signed in; `id` is the hash of its cookie."""

    __tablename__ = "login_sessions"

    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[float]
    expires_at: Mapped[float]


class SignInLink(Base):
    """A link that signs somebody in, once; `id` is the hash of its secret part."""

    __tablename__ = "sign_in_links"

    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"))
    expires_at: Mapped[float]


class ApiKey(Base):
    """A key for programs; `hash` is all that is kept of it, `start` lets its owner tell it from others."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    hash: Mapped[str] = mapped_column(unique=True)
    start: Mapped[str]
    scopes: Mapped[list[Any]]
    created_at: Mapped[float]
    used_at: Mapped[float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks for something, and how far they may go; `key_id` is empty in a browser."""

    user: User
    scopes: frozenset[str]
    session_id: str = ""
    key_id: str = ""


def create(session: Session, handle: str, password: str | None, *, plan: str = "free", email: str = "") -> User:
    """Make an account.

    Raises:
        InputError: an illegal or taken handle, a password that is too short or too long, a taken email.
    """
    handle = handle.strip().lower().removeprefix("@")
    if not HANDLE.fullmatch(handle):
        raise InputError(f"handle {handle[:40]!r} is illegal; legal: 2 to 30 of a-z, 0-9 and _, as in 'paper_boat'")
    if session.scalar(sa.select(User.id).where(User.handle == handle)):
        raise InputError(f"handle {handle!r} is taken; the nearest free one is {_free(session, handle)!r}")
    if email and session.scalar(sa.select(User.id).where(User.email == email.lower())):
        raise InputError("an account with this email exists; sign in instead")
    user = User(
        id=f"user_{secrets.token_hex(8)}",
        handle=handle,
        name=handle,
        email=email.lower() or None,
        password_hash=None if password is None else hashed(password),
        plan=plan,
        created_at=now(),
        settings={},
    )
    session.add(user)
    session.flush()
    return user


def hashed(password: str) -> str:
    """Return argon2id's hash of a password. Raises: InputError naming the legal lengths."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise InputError(f"the password has {len(password)} characters; legal: {SHORTEST} to {LONGEST}")
    with _AT_ONCE:
        return _PASSWORDS.hash(password)


def by_password(session: Session, name: str, password: str) -> User | None:
    """Return the account of a handle or email and its password; it takes as long where there is none."""
    name = name.strip().lower().removeprefix("@")
    user = session.scalar(sa.select(User).where(sa.or_(User.handle == name, User.email == name)))
    with _AT_ONCE:
        try:
            is_right = _PASSWORDS.verify(password[:LONGEST], (user and user.password_hash) or _NOBODY)
        except UnknownHashError:
            is_right = False
    return user if is_right and user is not None and user.password_hash and not user.is_suspended else None


def sign_in(session: Session, user: User) -> str:
    """Begin a session and return its cookie's value."""
    token = secrets.token_urlsafe(32)
    moment = now()
    session.execute(sa.delete(LoginSession).where(LoginSession.expires_at < moment))
    session.add(LoginSession(id=_hash(token), user_id=user.id, created_at=moment, expires_at=moment + SESSION_S))
    return token


def sign_out(session: Session, session_id: str) -> None:
    """End a session."""
    session.execute(sa.delete(LoginSession).where(LoginSession.id == session_id))


def by_cookie(session: Session, token: str) -> Caller | None:
    """Return who a session's cookie belongs to; in a browser, everything that the account may do is allowed."""
    query = sa.select(User, LoginSession.id).join(LoginSession).where(LoginSession.id == _hash(token))
    found = session.execute(query.where(LoginSession.expires_at > now(), User.is_suspended.is_(False))).one_or_none()
    if found is None:
        return None
    scopes = frozenset(scope for scope in SCOPES if scope != ADMIN or found[0].is_admin)
    return Caller(user=found[0], scopes=scopes, session_id=found[1])


def make_link(session: Session, user: User) -> str:
    """Return the secret part of a link that signs `user` in once, within a day."""
    token = secrets.token_urlsafe(32)
    session.add(SignInLink(id=_hash(token), user_id=user.id, expires_at=now() + LINK_S))
    return token


def by_link(session: Session, token: str) -> User | None:
    """Return whom a link signs in, and spend it."""
    query = sa.delete(SignInLink).where(SignInLink.id == _hash(token), SignInLink.expires_at > now())
    user_id = session.scalar(query.returning(SignInLink.user_id))
    return session.get(User, user_id) if user_id else None


def make_key(session: Session, user: User, name: str, scopes: tuple[str, ...] = (READ, WRITE)) -> tuple[ApiKey, str]:
    """Return a new API key's row, and the key itself, which is shown once. Raises: InputError for unknown scopes."""
    unknown = [scope for scope in scopes if scope not in SCOPES or (scope == ADMIN and not user.is_admin)]
    if unknown:
        raise InputError(f"scope {unknown[0]!r} is illegal here; legal: {', '.join(SCOPES)}")
    token = f"rsh_{secrets.token_urlsafe(32)}"
    key = ApiKey(
        id=f"key_{secrets.token_hex(8)}",
        user_id=user.id,
        name=name.strip()[:80] or "key",
        hash=_hash(token),
        start=token[:8],
        scopes=list(scopes),
        created_at=now(),
    )
    session.add(key)
    session.flush()
    return key, token


def by_key(session: Session, token: str) -> Caller | None:
    """Return who an API key belongs to and what it may do."""
    found = session.execute(sa.select(User, ApiKey).join(ApiKey).where(ApiKey.hash == _hash(token))).one_or_none()
    if found is None or found[0].is_suspended:
        return None
    return Caller(user=found[0], scopes=frozenset(found[1].scopes), key_id=found[1].id)


def _free(session: Session, handle: str) -> str:
    taken = set(session.scalars(sa.select(User.handle).where(User.handle.startswith(handle[:26], autoescape=True))))
    return next(name for name in (f"{handle[:26]}{n}" for n in range(2, len(taken) + 3)) if name not in taken)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


_NOBODY = _PASSWORDS.hash(secrets.token_urlsafe(16))  # verified against where there is no account

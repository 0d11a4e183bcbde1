"""The audit log: who did what to whom and when; rows are added, and never changed or deleted."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from rushes.serve.client.database import Base, now
from rushes.studio.members.accounts import Caller

STUDIO = "studio"


class AuditEntry(Base):
    """One act. `actor` is a user's id or "studio"; it points nowhere, so that it outlives the account."""

    __tablename__ = "audit_entries"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    at: Mapped[float] = mapped_column(index=True)
    actor: Mapped[str] = mapped_column(index=True)
    action: Mapped[str]
    target: Mapped[str] = mapped_column(index=True)
    detail: Mapped[dict[str, Any]]


def note(
    session: Session, actor: Caller | None, action: str, target: str, detail: dict[str, Any] | None = None
) -> None:
    """Add a line to the log, in the transaction of the act itself; no `actor` means the studio's own doing."""
    name = actor.user.id if actor else STUDIO
    session.add(AuditEntry(at=now(), actor=name, action=action, target=target, detail=detail or {}))


def latest(session: Session, *, target: str = "", limit: int = 100) -> list[AuditEntry]:
    """Return the newest entries first, those about `target` alone if it is named."""
    query = sa.select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit)
    return list(session.scalars(query.where(AuditEntry.target == target) if target else query))

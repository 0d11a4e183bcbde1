"""What waits for a human eye: texts that the rules would not decide, and what people report."""

from __future__ import annotations

import secrets
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from rushes.errors import InputError, nearest_first
from rushes.serve.client.database import Base, now
from rushes.studio import rows
from rushes.studio.errors import unknown
from rushes.studio.members import audit
from rushes.studio.members.accounts import Caller
from rushes.studio.trust.moderation import REVIEW, Verdict

OPEN, APPROVED, REFUSED = "open", "approved", "refused"
UPHELD, DISMISSED = "upheld", "dismissed"
REASONS = ("sexual", "minors", "violence", "hate", "likeness", "spam", "other")
LONGEST_DETAIL = 1000


class Review(Base):
    """A text that is held: `kind` and `subject` say what it belongs to (film and its job, post, comment, person)."""

    __tablename__ = "reviews"

    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str]
    subject: Mapped[str] = mapped_column(index=True)
    text: Mapped[str]
    rules: Mapped[list[Any]]
    state: Mapped[str] = mapped_column(index=True)
    created_at: Mapped[float]
    decided_at: Mapped[float | None]


class Report(Base):
    """What somebody found wrong with something, once per person and thing; it outlives the account of who said so."""

    __tablename__ = "reports"

    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str | None] = mapped_column(sa.ForeignKey("users.id", ondelete="SET NULL"), index=True)
    kind: Mapped[str]
    subject: Mapped[str] = mapped_column(index=True)
    reason: Mapped[str]
    detail: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    created_at: Mapped[float]
    decided_at: Mapped[float | None]

    __table_args__ = (sa.UniqueConstraint("user_id", "kind", "subject"),)


def hold(session: Session, user_id: str, kind: str, subject: str, text: str, verdict: Verdict) -> bool:
    """Put a text whose verdict is REVIEW into the queue; return whether it is held."""
    if verdict.decision != REVIEW:
        return False
    row = {"user_id": user_id, "kind": kind, "subject": subject, "text": text, "rules": list(verdict.rules)}
    session.add(Review(id=f"review_{secrets.token_hex(8)}", state=OPEN, created_at=now(), **row))
    return True


def is_held(session: Session, kind: str, subject: str) -> bool:
    """Return whether something may be seen by its owner alone: it waits for a decision, or was refused."""
    query = sa.select(sa.literal(1)).where(sa.literal(subject).in_(hidden(kind)))
    return session.scalar(query) is not None


def hidden(kind: str) -> sa.Select[tuple[str]]:
    """Return a query of the subjects of a kind that others may not see: held, refused, or rightly reported."""
    held = sa.select(Review.subject).where(Review.kind == kind, Review.state != APPROVED)
    reported = sa.select(Report.subject).where(Report.kind == kind, Report.state == UPHELD)
    return sa.select(sa.union(held, reported).subquery().c.subject)


def report(session: Session, caller: Caller, kind: str, subject: str, reason: str, detail: str = "") -> bool:
    """Keep what `caller` finds wrong with something; False where they said so before.

    Raises:
        InputError: an unknown reason.
    """
    if reason not in REASONS:
        raise InputError(f"reason {reason[:40]!r} is illegal; legal: {nearest_first(reason, REASONS)}")
    said = {"kind": kind, "subject": subject, "reason": reason, "detail": detail.strip()[:LONGEST_DETAIL]}
    new = {"id": f"report_{secrets.token_hex(8)}", "user_id": caller.user.id, "state": OPEN, "created_at": now()}
    return rows.add_once(session, Report, **(new | said))


def open_reviews(session: Session, limit: int = 100) -> list[Review]:
    """Return what waits for a decision, the oldest first."""
    query = sa.select(Review).where(Review.state == OPEN).order_by(Review.created_at, Review.id)
    return list(session.scalars(query.limit(limit)))


def open_reports(session: Session, limit: int = 100) -> list[Report]:
    """Return the reports that nobody has looked at, the oldest first."""
    query = sa.select(Report).where(Report.state == OPEN).order_by(Report.created_at, Report.id)
    return list(session.scalars(query.limit(limit)))


def decide(session: Session, admin: Caller, review_id: str, state: str) -> Review:
    """Approve or refuse what is held. Raises: RequestError 404 where nothing of that name waits."""
    assert state in (APPROVED, REFUSED), state
    return _decide(session, admin, Review, review_id, state)


def decide_report(session: Session, admin: Caller, report_id: str, state: str) -> Report:
    """Uphold a report, which hides its subject from others, or dismiss it; so are all reports about the same thing."""
    assert state in (UPHELD, DISMISSED), state
    found = _decide(session, admin, Report, report_id, state)
    same = (Report.kind == found.kind, Report.subject == found.subject, Report.state == OPEN)
    session.execute(sa.update(Report).where(*same).values(state=state, decided_at=now()))
    return found


def _decide(session: Session, admin: Caller, table: Any, row_id: str, state: str) -> Any:
    query = sa.update(table).where(table.id == row_id, table.state == OPEN).values(state=state, decided_at=now())
    if session.scalar(query.returning(table.id).execution_options(synchronize_session=False)) is None:
        raise unknown(table.__name__.lower(), row_id)
    row = session.get_one(table, row_id, populate_existing=True)
    audit.note(session, admin, f"{table.__name__.lower()}.{state}", f"{row.kind}:{row.subject}", {"id": row_id})
    return row

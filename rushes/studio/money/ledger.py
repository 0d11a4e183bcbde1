"""The ledger: whole credits, entries that are only ever added, and a balance that is their sum and never overdrawn.

A job's price is reserved in the transaction that accepts it and becomes final in the one that ends it: settled if
it succeeded, refunded otherwise, once. Every change of an account holds its balance's row locked, so that orders of one
account that come at the same time queue up behind each other.
"""

from __future__ import annotations

import datetime
import math

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from rushes.serve.client.database import Base, now
from rushes.serve.client.jobs import SUCCEEDED, Job
from rushes.studio import rows
from rushes.studio.errors import RequestError
from rushes.studio.members.accounts import User
from rushes.studio.settings import PlanConfig, PricesConfig
from rushes.types import GenerationRequest

GRANT, GIFT, BOUGHT, RESERVE, SETTLE, REFUND = "grant", "gift", "bought", "reserve", "settle", "refund"


class Balance(Base):
    """What an account has: the sum of its entries, and the seconds of film it asked for on `day` (UTC)."""

    __tablename__ = "balances"

    user_id: Mapped[str] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    credits: Mapped[int] = mapped_column(sa.BigInteger)
    day: Mapped[str]
    day_s: Mapped[int]


class LedgerEntry(Base):
    """One movement of `amount` credits of an account, for a job or for a `reference` (a month, a payment).

    `account` is a user's id, or a random word after the account is gone. `ends` is the job that the entry closes.
    """

    __tablename__ = "ledger_entries"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    account: Mapped[str] = mapped_column(index=True)
    kind: Mapped[str]
    amount: Mapped[int] = mapped_column(sa.BigInteger)
    job_id: Mapped[str | None]
    ends: Mapped[str | None] = mapped_column(unique=True)
    reference: Mapped[str | None]
    at: Mapped[float]

    __table_args__ = (sa.UniqueConstraint("job_id", "kind"), sa.UniqueConstraint("account", "kind", "reference"))


def seconds(request: GenerationRequest) -> int:
    """Return the seconds that a film counts for, rounded up."""
    return math.ceil(request.num_fresh_frames / request.fps)


def _day_seconds(job: Job) -> int:
    """Return the seconds of film that a job counts for on its day."""
    return 0 if job.is_training else seconds(job.generation_request())


def price(prices: PricesConfig, request: GenerationRequest, tier: str) -> int:
    """Return what a film of `tier` costs, in credits."""
    return seconds(request) * getattr(prices, tier)


def lock(session: Session, user: User, plan: PlanConfig) -> Balance:
    """Return the account's balance, this month's credits in it, locked until the transaction ends."""
    today = _today()
    rows.add_once(session, Balance, user_id=user.id, credits=0, day=today, day_s=0)
    balance = session.scalars(
        sa.select(Balance).where(Balance.user_id == user.id).with_for_update().execution_options(populate_existing=True)
    ).one()
    month = today[:7]
    granted = session.scalar(
        sa.select(sa.func.coalesce(sa.func.sum(LedgerEntry.amount), 0)).where(
            LedgerEntry.account == user.id, LedgerEntry.kind == GRANT, LedgerEntry.reference.startswith(month)
        )
    )
    due = plan.monthly_credits - (granted or 0)  # a better plan adds the difference, a lesser one takes nothing back
    if due > 0:
        _add(session, balance, GRANT, due, reference=f"{month} {user.plan}")
    if balance.day != today:
        balance.day, balance.day_s = today, 0
    session.flush()
    return balance


def reserve(session: Session, balance: Balance, job: Job, plan: PlanConfig) -> None:
    """Take a job's cost from a locked balance, and count its seconds; 0 in a plan means no limit.

    Raises:
        RequestError: 402 for too few credits, 429 for too many seconds of film on one day.
    """
    length_s = _day_seconds(job)
    if plan.daily_s and balance.day_s + length_s > plan.daily_s:
        said = f"{balance.day_s} s of film were asked for today, and this is {length_s} s"
        raise RequestError(429, "daily_limit_reached", f"{said}; the plan allows {plan.daily_s} s a day (UTC)")
    if job.cost > balance.credits:
        said = f"this costs {job.cost} credits and the account has {balance.credits}"
        raise RequestError(402, "insufficient_credits", said)
    balance.day_s += length_s
    _add(session, balance, RESERVE, -job.cost, job_id=job.id)
    session.flush()


def settle(session: Session, job: Job) -> None:
    """Make the cost of a job that has ended final, once: kept if it succeeded, else given back, its seconds too."""
    reserved = session.scalar(sa.select(LedgerEntry).where(LedgerEntry.job_id == job.id, LedgerEntry.kind == RESERVE))
    if reserved is None:
        return
    is_made = job.state == SUCCEEDED
    amount = 0 if is_made else -reserved.amount
    closing = {"account": reserved.account, "kind": SETTLE if is_made else REFUND, "amount": amount, "at": now()}
    if not rows.add_once(session, LedgerEntry, **closing, job_id=job.id, ends=job.id) or is_made:
        return
    # a day that is over has no seconds to give back
    left_s = Balance.day_s - _day_seconds(job)
    given_back = sa.case((Balance.day != _day(reserved.at), Balance.day_s), (left_s > 0, left_s), else_=0)
    query = sa.update(Balance).where(Balance.user_id == reserved.account)
    changed = query.values(credits=Balance.credits + amount, day_s=given_back)
    session.execute(changed.execution_options(synchronize_session=False))


def give(session: Session, user: User, plan: PlanConfig, kind: str, amount: int, reference: str) -> bool:
    """Add a gift or a purchase, once for each `reference`; return whether this call did so."""
    balance = lock(session, user, plan)
    values = {"account": user.id, "kind": kind, "amount": amount, "reference": reference, "at": now()}
    if not rows.add_once(session, LedgerEntry, **values):
        return False
    balance.credits += amount
    session.flush()
    return True


def entries(session: Session, user_id: str, limit: int = 100) -> list[LedgerEntry]:
    """Return an account's newest entries first."""
    query = sa.select(LedgerEntry).where(LedgerEntry.account == user_id).order_by(LedgerEntry.id.desc()).limit(limit)
    return list(session.scalars(query))


def forget(session: Session, user_id: str, word: str) -> None:
    """Take the name off an account's entries: sums stay exact, and nobody can tell any more whose they were."""
    query = sa.update(LedgerEntry).where(LedgerEntry.account == user_id)
    session.execute(query.values(account=word).execution_options(synchronize_session=False))


def _add(session: Session, balance: Balance, kind: str, amount: int, **said: str) -> None:
    balance.credits += amount
    session.add(LedgerEntry(account=balance.user_id, kind=kind, amount=amount, at=now(), **said))


def _today() -> str:
    return _day(now())


def _day(at: float) -> str:
    return datetime.datetime.fromtimestamp(at, datetime.UTC).date().isoformat()

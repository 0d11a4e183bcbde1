"""The admins' page of accounts: suspend, change the plan, grant credits, make a sign-in link, delete."""

from __future__ import annotations

import secrets
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, BackgroundTasks, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session

from rushes.errors import InputError
from rushes.studio import who
from rushes.studio.errors import RequestError, unknown
from rushes.studio.members import accounts, audit, deletion
from rushes.studio.members.accounts import Caller, User
from rushes.studio.money import ledger
from rushes.studio.page import page
from rushes.studio.who import Admin, TheHouse

SPEC = APIRouter(include_in_schema=False)
OURS = [Depends(who.own_form)]
PAGE, MOST_CREDITS = 50, 10_000_000
PLANS = ("free", "plus", "pro", "admin")


@SPEC.get("/admin/users")
def users_page(request: Request, house: TheHouse, caller: Admin, search: str = "", after: str = "") -> Response:
    """List accounts by username."""
    return _page(request, caller, search, after)


@SPEC.post("/admin/users", dependencies=OURS)
def invite(request: Request, house: TheHouse, caller: Admin, username: Annotated[str, Form()]) -> Response:
    """Make an account and show the link that signs its owner in."""
    with house.database.write() as session:
        user = accounts.create(session, username, None)
        link = accounts.make_link(session, user)
        audit.note(session, caller, "account-made", user.id)
    return _page(request, caller, user.username, link=link)


@SPEC.post("/admin/users/{user_id}/plan", dependencies=OURS)
def set_plan(
    house: TheHouse,
    caller: Admin,
    user_id: str,
    plan: Annotated[Literal["free", "plus", "pro", "admin"], Form()],
) -> Response:
    """Change an account's plan; nobody takes their own admin plan away, so that one admin always remains."""
    with house.database.write() as session:
        user = _other(session, caller, user_id)
        audit.note(session, caller, "plan", user.id, {"from": user.plan, "to": plan})
        user.plan = plan
    return _back(user)


@SPEC.post("/admin/users/{user_id}/suspend", dependencies=OURS)
def suspend(house: TheHouse, caller: Admin, user_id: str, suspended: Annotated[bool, Form()]) -> Response:
    """Suspend an account, which ends its sessions, or let it in again."""
    with house.database.write() as session:
        user = _other(session, caller, user_id)
        user.is_suspended = suspended
        if suspended:
            accounts.end_sessions(session, user.id)
        audit.note(session, caller, "suspended" if suspended else "unsuspended", user.id)
    return _back(user)


@SPEC.post("/admin/users/{user_id}/credits", dependencies=OURS)
def grant(
    house: TheHouse, caller: Admin, user_id: str, amount: Annotated[int, Form()], once: Annotated[str, Form()]
) -> Response:
    """Give credits to an account; the form's own word sees to it that a form sent twice gives them once."""
    if not 1 <= amount <= MOST_CREDITS:
        raise InputError(f"{amount} credits are illegal; legal: 1 to {MOST_CREDITS}")
    with house.database.write() as session:
        user = _known(session, user_id)
        if ledger.give(session, user, house.plan(user.plan), ledger.GIFT, amount, once[:80]):
            audit.note(session, caller, "credits", user.id, {"amount": amount})
    return _back(user)


@SPEC.post("/admin/users/{user_id}/link", dependencies=OURS)
def make_link(request: Request, house: TheHouse, caller: Admin, user_id: str) -> Response:
    """Make a link that signs somebody in once: for those who have lost their password."""
    with house.database.write() as session:
        user = _known(session, user_id)
        link = accounts.make_link(session, user)
        audit.note(session, caller, "link-made", user.id)
    return _page(request, caller, user.username, link=link)


@SPEC.post("/admin/users/{user_id}/delete", dependencies=OURS)
def delete(house: TheHouse, caller: Admin, user_id: str, later: BackgroundTasks) -> Response:
    """Delete an account and everything of it."""
    with house.database.write() as session:
        deletion.ask(session, caller, _other(session, caller, user_id))
    later.add_task(deletion.finish, house)
    return RedirectResponse("/admin/users", 303)


def _known(session: Session, user_id: str) -> User:
    user = session.get(User, user_id)
    if user is None:
        raise unknown("account", user_id)
    return user


def _other(session: Session, caller: Caller, user_id: str) -> User:
    if user_id == caller.user.id:
        raise RequestError(409, "own_account", "nobody can do this to the account that they are signed in with")
    return _known(session, user_id)


def _back(user: User) -> Response:
    return RedirectResponse(f"/admin/users?search={user.username}", 303)


def _page(request: Request, caller: Caller, search: str, after: str = "", link: str = "") -> Response:
    house = who.house(request)
    query = sa.select(User, ledger.Balance.credits).outerjoin(ledger.Balance, ledger.Balance.user_id == User.id)
    if search:
        query = query.where(User.username.startswith(search.strip().lower().removeprefix("@"), autoescape=True))
    with house.database.read() as session:
        found = session.execute(query.where(User.username > after).order_by(User.username).limit(PAGE + 1)).all()
    shown = [(user, credits or 0) for user, credits in found[:PAGE]]
    values: dict[str, Any] = {"users": shown, "search": search, "plans": PLANS, "once": secrets.token_hex(8)}
    last = shown[-1][0].username if len(found) > PAGE else ""
    address = f"{house.config.base_url}/sign-in/{link}" if link else ""
    answer = page(request, "admin_users.html", caller, after=last, link=address, **values)
    if link:
        answer.headers["cache-control"] = "no-store"
    return answer

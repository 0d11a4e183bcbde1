"""One's own account: its plan and credits, password, sessions, and the way out."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response

from rushes.studio import who
from rushes.studio.errors import RequestError
from rushes.studio.members import accounts, audit, deletion, limits
from rushes.studio.members.accounts import Caller
from rushes.studio.money import ledger
from rushes.studio.page import page
from rushes.studio.who import Member, TheHouse

SPEC = APIRouter()
OURS = [Depends(who.own_form)]
GONE_S = 60.0  # how long a film that is being made may take to notice
Self = Annotated[Caller, Depends(who.allowed(accounts.ACCOUNT))]


@SPEC.get("/api/account")
def show(house: TheHouse, caller: Self) -> dict[str, object]:
    """Return the account that a key speaks for: its username, plan and credits."""
    user, plan = caller.user, house.plan(caller.user.plan)
    with house.database.write() as session:
        balance = ledger.lock(session, user, plan)
        left = {"credits": balance.credits, "seconds_today": balance.day_s}
    limited = {"monthly_credits": plan.monthly_credits, "daily_seconds": plan.daily_s, "live_jobs": plan.live_jobs}
    return {"id": user.id, "username": user.username, "name": user.name, "plan": user.plan, **left, "limits": limited}


@SPEC.get("/account", include_in_schema=False)
def account_page(request: Request, house: TheHouse, caller: Member) -> Response:
    """Show the plan, the credits, and where the account is signed in."""
    user, plan = caller.user, house.plan(caller.user.plan)
    with house.database.write() as session:  # the month's credits may be due
        balance = ledger.lock(session, user, plan)
        values: dict[str, Any] = {
            "entries": ledger.entries(session, user.id, 20),
            "sessions": accounts.sessions(session, user.id),
        }
    half = accounts.HALF
    return page(request, "account.html", caller, balance=balance, plan=plan, half=half, here=caller, **values)


@SPEC.post("/account/password", dependencies=OURS, include_in_schema=False)
def change_password(
    request: Request,
    house: TheHouse,
    caller: Member,
    new: Annotated[str, Form()],
    old: Annotated[str, Form()] = "",
) -> Response:
    """Set another password; every other session ends. An account without one proves itself by its session."""
    _require_password(request, caller, old)
    password_hash = accounts.hashed(new)
    with house.database.write() as session:
        accounts.set_password(session, caller.user, password_hash, caller.session_id)
        audit.note(session, caller, "password", caller.user.id)
    return RedirectResponse("/account", 303)


@SPEC.post("/account/sessions/end", dependencies=OURS, include_in_schema=False)
def end_session(house: TheHouse, caller: Member, only: Annotated[str, Form()] = "") -> Response:
    """End one session, or all but the one at hand."""
    with house.database.write() as session:
        accounts.end_sessions(session, caller.user.id, "" if only else caller.session_id, only)
        audit.note(session, caller, "sessions-ended", caller.user.id)
    return RedirectResponse("/account", 303)


@SPEC.post("/account/delete", dependencies=OURS, include_in_schema=False)
def delete_account(
    request: Request,
    house: TheHouse,
    caller: Member,
    later: BackgroundTasks,
    username: Annotated[str, Form()],
    password: Annotated[str, Form()] = "",
) -> Response:
    """Delete the account and everything of it: at once for others to see, the files within a minute."""
    if username.strip().lower().removeprefix("@") != caller.user.username:
        raise RequestError(400, "not_confirmed", f"type {caller.user.username!r} to confirm", param="username")
    _require_password(request, caller, password)
    with house.database.write() as session:
        deletion.ask(session, caller, caller.user)
    later.add_task(deletion.finish, house, GONE_S)
    answer = RedirectResponse("/", 303)
    answer.delete_cookie(who.COOKIE)
    return answer


def _require_password(request: Request, caller: Caller, password: str) -> None:
    if caller.user.password_hash is None:
        return
    limits.sign_in_tried(request, caller.user.username)
    if not accounts.is_password(caller.user, password):
        raise RequestError(403, "wrong_password", "this is not the account's password", param="password")

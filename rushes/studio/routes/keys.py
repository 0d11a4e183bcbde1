"""API keys of one's own: made, shown once, and revoked."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response

from rushes.errors import InputError
from rushes.studio import who
from rushes.studio.errors import RequestError, unknown
from rushes.studio.house import House
from rushes.studio.members import accounts, audit
from rushes.studio.members.accounts import Caller
from rushes.studio.page import page
from rushes.studio.who import Member, TheHouse

SPEC = APIRouter(include_in_schema=False)
OURS = [Depends(who.own_form)]
MOST = 50
MEANINGS = {
    accounts.READ: "see films and jobs",
    accounts.WRITE: "make, change and delete films",
    accounts.ACCOUNT: "see the account and its credits",
    accounts.ADMIN: "run the studio",
}


@SPEC.get("/account/keys")
def keys_page(request: Request, house: TheHouse, caller: Member) -> Response:
    """List the keys."""
    return _page(request, house, caller)


@SPEC.post("/account/keys", dependencies=OURS)
def make_key(
    request: Request,
    house: TheHouse,
    caller: Member,
    name: Annotated[str, Form()] = "",
    scopes: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """Make a key and show it, this once."""
    if not scopes:
        raise InputError(f"a key needs a scope; legal: {', '.join(_offered(caller))}")
    with house.database.write() as session:
        if len(accounts.keys(session, caller.user.id)) >= MOST:
            raise RequestError(409, "too_many_keys", f"{MOST} keys are the most; revoke one first")
        key, token = accounts.make_key(session, caller.user, name, tuple(scopes))
        audit.note(session, caller, "key-made", key.id, {"scopes": scopes})
    shown = _page(request, house, caller, token)
    shown.headers["cache-control"] = "no-store"
    return shown


@SPEC.post("/account/keys/{key_id}/revoke", dependencies=OURS)
def revoke(house: TheHouse, caller: Member, key_id: str) -> Response:
    """End a key."""
    with house.database.write() as session:
        if not accounts.revoke_key(session, caller.user.id, key_id):
            raise unknown("key", key_id)
        audit.note(session, caller, "key-revoked", key_id)
    return RedirectResponse("/account/keys", 303)


def _offered(caller: Caller) -> dict[str, str]:
    return {scope: said for scope, said in MEANINGS.items() if scope in caller.scopes}


def _page(request: Request, house: House, caller: Caller, token: str = "") -> Response:
    with house.database.read() as session:
        listed = accounts.keys(session, caller.user.id)
    return page(request, "keys.html", caller, keys=listed, token=token, offered=_offered(caller))

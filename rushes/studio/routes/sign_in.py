"""Ways in and out: sign-up, sign-in by password, by a link or through an OpenID provider, sign-out."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session

from rushes.errors import InputError
from rushes.studio import who
from rushes.studio.errors import RequestError
from rushes.studio.house import House
from rushes.studio.members import accounts, audit, closing, limits, oidc
from rushes.studio.members.accounts import User
from rushes.studio.page import page
from rushes.studio.trust import moderation
from rushes.studio.who import TheHouse, Visitor

SPEC = APIRouter(include_in_schema=False)
OURS = [Depends(who.own_form)]
OIDC_COOKIE, OIDC_S = "rushes_oidc", 600


@SPEC.get("/sign-in")
def sign_in_page(request: Request, visitor: Visitor, next: str = "/") -> Response:
    """Show the sign-in form; whoever is signed in goes on."""
    if visitor is not None:
        return RedirectResponse(who.own_path(next), 303)
    return _sign_in_page(request, next)


@SPEC.post("/sign-in", dependencies=OURS)
def sign_in(
    request: Request,
    house: TheHouse,
    name: Annotated[str, Form()],
    password: Annotated[str, Form()],
    next: Annotated[str, Form()] = "/",
) -> Response:
    """Sign somebody in by username or email and password."""
    limits.sign_in_tried(request, name)
    with house.database.read() as session:
        user = accounts.by_name(session, name)
    if not accounts.is_password(user, password) or user is None:
        return _sign_in_page(request, next, name=name, error="no account has this name and this password")
    return _signed_in(request, house, user, next, "password")


@SPEC.get("/sign-up")
def sign_up_page(request: Request, house: TheHouse, next: str = "/") -> Response:
    """Show the sign-up form."""
    closing.require_sign_up(house.config)
    return _sign_up_page(request, next)


@SPEC.post("/sign-up", dependencies=OURS)
def sign_up(
    request: Request,
    house: TheHouse,
    username: Annotated[str, Form()],
    password: Annotated[str, Form()],
    email: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/",
) -> Response:
    """Make an account and sign it in."""
    closing.require_sign_up(house.config)
    limits.sign_in_tried(request, f"new {limits.address_of(request)}")
    moderation.require_allowed(house, username, "username")
    try:
        password_hash = accounts.hashed(password)
        with house.database.write() as session:
            user = accounts.create(session, username, password_hash, email=email)
    except InputError as error:
        return _sign_up_page(request, next, username=username, email=email, error=str(error))
    return _signed_in(request, house, user, next, "sign-up")


@SPEC.post("/sign-out", dependencies=OURS)
def sign_out(house: TheHouse, visitor: Visitor) -> Response:
    """End the session at hand."""
    if visitor is not None:
        with house.database.write() as session:
            accounts.sign_out(session, visitor.session_id)
    answer = RedirectResponse("/", 303)
    answer.delete_cookie(who.COOKIE)
    return answer


@SPEC.get("/sign-in/{token}")
def link_page(request: Request, visitor: Visitor, token: str) -> Response:
    """Show a button that spends the link: programs that look at links before people do must not sign anybody in."""
    return page(request, "sign_in.html", visitor, link=token, next="/", typed="", error="", oidc="")


@SPEC.post("/sign-in/{token}", dependencies=OURS)
def use_link(request: Request, house: TheHouse, token: str) -> Response:
    """Sign somebody in by a link, once."""
    limits.sign_in_tried(request, f"link {limits.address_of(request)}")
    with house.database.write() as session:
        user = accounts.by_link(session, token)
    if user is None:
        raise RequestError(410, "link_spent", "this link was used already, or is too old; ask for a new one")
    return _signed_in(request, house, user, "/", "link")


@SPEC.get("/oidc/start")
def oidc_start(request: Request, house: TheHouse, next: str = "/") -> Response:
    """Send somebody to the provider; what it must hand back waits in a sealed cookie."""
    limits.sign_in_tried(request, f"oidc {limits.address_of(request)}")
    address, sealed = oidc.begin(house, _oidc_back(house), who.own_path(next))
    answer = RedirectResponse(address, 303)
    is_secure = house.config.base_url.startswith("https")
    answer.set_cookie(OIDC_COOKIE, sealed, max_age=OIDC_S, httponly=True, samesite="lax", secure=is_secure)
    return answer


@SPEC.get("/oidc/back")
def oidc_back(request: Request, house: TheHouse) -> Response:
    """Sign in whom the provider vouches for; the first time makes an account."""
    limits.sign_in_tried(request, f"oidc {limits.address_of(request)}")
    sealed = request.cookies.get(OIDC_COOKIE, "")
    person, next = oidc.finish(house, _oidc_back(house), sealed, dict(request.query_params))
    with house.database.write() as session:
        user = oidc.account(session, house, person)
    answer = _signed_in(request, house, user, next, "oidc")
    answer.delete_cookie(OIDC_COOKIE)
    return answer


def _oidc_back(house: House) -> str:
    return f"{house.config.base_url}/oidc/back"


def _signed_in(request: Request, house: House, user: User, next: str, how: str) -> Response:
    """Begin a session and go on; the one that the browser had before ends."""
    if user.is_suspended:
        raise RequestError(403, "suspended", "this account is suspended; the studio's owner can say why")
    before = who.visitor(request)
    with house.database.write() as session:
        if before is not None:
            accounts.sign_out(session, before.session_id)
        token = accounts.sign_in(session, user, request.headers.get("user-agent", ""))
        _note(session, user, how)
    answer = RedirectResponse(who.own_path(next), 303)
    is_secure = house.config.base_url.startswith("https")
    answer.set_cookie(who.COOKIE, token, max_age=accounts.SESSION_S, httponly=True, samesite="lax", secure=is_secure)
    return answer


def _note(session: Session, user: User, how: str) -> None:
    audit.note(session, accounts.Caller(user=user, scopes=frozenset()), "signed-in", user.id, {"how": how})


def _sign_in_page(request: Request, next: str, *, name: str = "", error: str = "") -> Response:
    config = who.house(request).config
    start = f"/oidc/start?next={quote(who.own_path(next))}" if config.oidc_issuer else ""
    shown = {"link": "", "next": who.own_path(next), "typed": name, "error": error, "oidc": start}
    return page(request, "sign_in.html", None, status=400 if error else 200, **shown)


def _sign_up_page(request: Request, next: str, *, username: str = "", email: str = "", error: str = "") -> Response:
    shown = {"next": who.own_path(next), "username": username, "email": email, "error": error}
    return page(request, "sign_up.html", None, status=400 if error else 200, **shown, shortest=accounts.SHORTEST)

"""Plans, credits and where to pay for them; and the door through which Stripe says what was paid."""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response

from rushes.studio import who
from rushes.studio.errors import RequestError
from rushes.studio.money import billing, ledger
from rushes.studio.page import page
from rushes.studio.settings import PlansConfig
from rushes.studio.who import Member, TheHouse

SPEC = APIRouter(include_in_schema=False)
LARGEST = 1 << 20


@SPEC.get("/account/billing")
def billing_page(request: Request, house: TheHouse, caller: Member, paid: bool = False) -> Response:
    """Show the plans, what films cost, and what can be bought."""
    with house.database.write() as session:  # the month's credits may be due
        balance = ledger.lock(session, caller.user, house.plan(caller.user.plan))
    plans = {plan.name: house.plan(plan.name) for plan in fields(PlansConfig) if plan.name != "admin"}
    reason = billing.missing(house)
    products = {} if reason else billing.products(house)
    values: dict[str, Any] = {
        "plans": plans,
        "prices": house.config.prices,
        "products": products,
        "reason": reason,
        "paid": paid,
    }
    return page(request, "billing.html", caller, balance=balance, pack=house.config.billing.credits_in_pack, **values)


@SPEC.post("/account/billing", dependencies=[Depends(who.own_form)])
def buy(house: TheHouse, caller: Member, product: Annotated[str, Form()]) -> Response:
    """Send somebody to where they pay."""
    return RedirectResponse(billing.checkout(house, caller.user, product), 303)


async def _content(request: Request) -> bytes:
    """Return a body of at most a megabyte."""
    content = b""
    async for piece in request.stream():
        content += piece
        if len(content) > LARGEST:
            raise RequestError(413, "too_large", f"an event has at most {LARGEST} bytes")
    return content


@SPEC.post("/billing/stripe")
def stripe_event(request: Request, house: TheHouse, content: Annotated[bytes, Depends(_content)]) -> dict[str, bool]:
    """Take in an event that Stripe has signed."""
    return {"new": billing.take_in(house, content, request.headers.get("stripe-signature", ""))}

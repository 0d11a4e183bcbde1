"""Orders: the one way by which a film is asked for: checked, paid for and queued in one transaction."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy.orm import Session

from rushes import tiers
from rushes.errors import InputError
from rushes.serve.client import estimate, fairness, jobs
from rushes.serve.client.database import now
from rushes.serve.client.jobs import Job, Order
from rushes.studio.accounts import Caller
from rushes.studio.errors import RequestError
from rushes.studio.house import House

OWN_S = 30.0  # how much later each further film of one account is due
FORMATS = ("mp4", "gif", "webp", "png")


def place(house: House, session: Session, caller: Caller, order: Order) -> Job:
    """Write and queue what `caller` asks for, in the transaction of `session`; a repeated order is the first again.

    Raises:
        InputError: what the model cannot make, with the nearest that it can.
        RequestError: 403 beyond the account's plan, 429 too much at once.
    """
    before = jobs.repeated(session, caller.user.id, order.once)
    if before is not None:
        return before
    order = _checked(house, caller, order)
    plan, waiting = house.plan(caller.user.plan), jobs.live_count(session, caller.user.id)
    if plan.live_jobs and waiting >= plan.live_jobs:
        said = (
            f"{waiting} of your films are waiting or being made; the plan {caller.user.plan!r} allows {plan.live_jobs}"
        )
        raise RequestError(429, "too_many_jobs", said, retry_s=30)
    seconds = estimate.seconds(session, order.request)
    priority = fairness.due(now(), plan.delay_s, waiting, OWN_S)
    return house.queue.submit(session, caller.user.id, order, priority=priority, cost=0, estimate_s=seconds)


def _checked(house: House, caller: Caller, order: Order) -> Order:
    request = order.request
    tiers.plan(request)
    if order.format not in FORMATS:
        raise InputError(f"format {order.format!r} is illegal; legal: {', '.join(FORMATS)}")
    if (order.format == "png") != (request.shape.frames == 1):
        raise InputError("a still is a png, and a film is an mp4, gif or webp")
    if not order.tier:
        order = replace(order, tier=_tier_of(order))
    plan = house.plan(caller.user.plan)
    if order.tier not in plan.tiers:
        legal = ", ".join(plan.tiers)
        raise RequestError(403, "tier_not_in_plan", f"the plan {caller.user.plan!r} makes {legal}, not {order.tier!r}")
    if request.shape.frames > plan.max_s * request.fps:
        said = f"the plan {caller.user.plan!r} makes films of at most {plan.max_s} s"
        raise RequestError(403, "too_long_for_plan", said, param="seconds")
    return order


def _tier_of(order: Order) -> str:
    """Return the smallest tier that is as large as the film."""
    request = order.request
    if request.shape.frames == 1:
        return "still"
    work = request.shape.frames * request.shape.height * request.shape.width
    named = [tier for tier in tiers.TIERS.values() if tier.name != "still"]
    sizes = {t.name: t.shape.frames * t.shape.height * t.shape.width for t in named}
    return next((name for name, size in sorted(sizes.items(), key=lambda pair: pair[1]) if work <= size), "feature")

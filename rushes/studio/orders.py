"""Orders: the one way by which a film or a training is asked for: checked, paid for and queued in one transaction."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy.orm import Session

from rushes import tiers
from rushes.errors import InputError
from rushes.serve.client import estimate, fairness, jobs
from rushes.serve.client.database import now
from rushes.serve.client.jobs import Job, Order
from rushes.serve.client.trainings import LATER_S, TRAINING, TrainingOrder
from rushes.studio.errors import RequestError
from rushes.studio.house import House
from rushes.studio.library import inputs, subjects
from rushes.studio.members import closing
from rushes.studio.members.accounts import Caller
from rushes.studio.money import ledger
from rushes.studio.money.ledger import Balance
from rushes.studio.settings import PlanConfig
from rushes.studio.social import adapters, characters
from rushes.studio.trust import moderation, reviews
from rushes.types import VideoShape

OWN_S = 30.0  # how much later each further film of one account is due
FORMATS = ("mp4", "gif", "webp", "png")


def place(house: House, session: Session, caller: Caller, order: Order) -> Job:
    """Write, pay and queue an order of `caller`'s, in the transaction of `session`; a repeated one is the first again.

    A prompt that the rules would not decide is made, and held for its owner alone until an admin has looked. Whoever
    a film shows has agreed to it, be it new or made from one that does.

    Raises:
        InputError: what the model cannot make, with the nearest that it can.
        RequestError: 400 for a prompt that is not allowed, 402 without the credits, 403 beyond the account's plan, in a
            studio that is closing, or without somebody's consent, 429 too much at once or on one day.
    """
    user, plan = caller.user, house.plan(caller.user.plan)
    balance = ledger.lock(session, user, plan)
    before = jobs.repeated(session, user.id, order.once)
    if before is not None:
        return before
    closing.refuse_new(house.config)
    order = _checked(house, plan, user.plan, order)
    shown = adapters.cast(house, session, user, order, characters.required(session, user, order))
    order = adapters.taught(house, session, order, shown)
    verdict = moderation.require_allowed(house, order.request.prompt)
    job = _queued(house, session, caller, order, balance)
    characters.note_use(session, user, shown, job)
    reviews.hold(session, user.id, "film", job.id, order.request.prompt, verdict)
    return job


def place_training(house: House, session: Session, caller: Caller, order: TrainingOrder) -> Job:
    """Write, pay and queue a training, in the transaction of `session`; a repeated one is the first again.

    Raises:
        RequestError: as `place`.
    """
    user, plan = caller.user, house.plan(caller.user.plan)
    balance = ledger.lock(session, user, plan)
    before = jobs.repeated(session, user.id, order.once)
    if before is not None:
        return before
    closing.refuse_new(house.config)
    _require_tier(plan, user.plan, TRAINING)
    return _queued(house, session, caller, order, balance)


def price(house: House, caller: Caller, order: Order | TrainingOrder) -> int:
    """Return what an order costs `caller`, in credits; nothing on a plan without monthly credits to spend."""
    if not house.plan(caller.user.plan).monthly_credits:
        return 0
    if isinstance(order, TrainingOrder):
        return house.config.prices.training
    return ledger.price(house.config.prices, order.request, tier_of(order))


def tier_of(order: Order) -> str:
    """Return the tier that an order counts as: the one it names, unless the film is larger than that."""
    request = order.request
    if request.shape.frames == 1:
        return "still"
    sizes = {name: _work(tier.shape) for name, tier in tiers.TIERS.items() if name != "still"}
    large_enough = [name for name in sorted(sizes, key=sizes.__getitem__) if _work(request.shape) <= sizes[name]]
    if order.tier in large_enough:
        return order.tier
    return large_enough[0] if large_enough else "feature"


def _checked(house: House, plan: PlanConfig, plan_name: str, order: Order) -> Order:
    request = order.request
    tiers.check(request, house.offered)
    if request.condition("subject") and (why := subjects.why_not(house, request.model)) == subjects.NOT_SHOWN:
        raise RequestError(400, "unsupported_condition", f"{why}; take others, or name none", param="subject_reference")
    laid_out = [kind for kind in inputs.LAID_OUT if request.condition(kind)]
    if laid_out and (why := inputs.why_not_laid_out(house, request.model)):
        param = inputs.PARAMS[laid_out[0]]
        raise RequestError(400, "unsupported_condition", f"{why}; take others, or name none", param=param)
    if order.format not in FORMATS:
        raise InputError(f"format {order.format!r} is illegal; legal: {', '.join(FORMATS)}")
    if (order.format == "png") != (request.shape.frames == 1):
        raise InputError("a still is a png, and a film is an mp4, gif or webp")
    order = replace(order, tier=tier_of(order))
    _require_tier(plan, plan_name, order.tier)
    if request.shape.frames > plan.max_s * request.fps:
        said = f"the plan {plan_name!r} makes films of at most {plan.max_s} s"
        raise RequestError(403, "too_long_for_plan", said, param="seconds")
    return order


def _require_tier(plan: PlanConfig, plan_name: str, tier: str) -> None:
    if tier not in plan.tiers:
        legal = ", ".join(plan.tiers)
        raise RequestError(403, "tier_not_in_plan", f"the plan {plan_name!r} makes {legal}, not {tier!r}")


def _queued(house: House, session: Session, caller: Caller, order: Order | TrainingOrder, balance: Balance) -> Job:
    """Queue an order that is allowed, behind those of its owner's that wait, and take its price."""
    user = caller.user
    plan, waiting = house.plan(user.plan), jobs.live_count(session, user.id)
    if plan.live_jobs and waiting >= plan.live_jobs:
        said = f"{waiting} of your films are waiting or being made; the plan {user.plan!r} allows {plan.live_jobs}"
        raise RequestError(429, "too_many_jobs", said, retry_s=30)
    if isinstance(order, TrainingOrder):
        delay_s, estimate_s = plan.delay_s + LATER_S, estimate.training_seconds(session, order.request.steps)
    else:
        delay_s, estimate_s = plan.delay_s, estimate.seconds(session, order.request)
    priority = fairness.due(now(), delay_s, waiting, OWN_S)
    cost = price(house, caller, order)
    job = house.queue.submit(session, user.id, order, priority=priority, cost=cost, estimate_s=estimate_s)
    ledger.reserve(session, balance, job, plan)
    return job


def _work(shape: VideoShape) -> int:
    return shape.frames * shape.height * shape.width

"""Drafts: a film as somebody fills it in on a page, what it will take, and the order that it becomes."""

from __future__ import annotations

import secrets
import statistics
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from rushes import tiers
from rushes.errors import InputError, nearest_first
from rushes.serve.client import estimate, fairness, jobs, workers
from rushes.serve.client.database import now
from rushes.serve.client.jobs import Job, Order
from rushes.studio import orders
from rushes.studio.house import House
from rushes.studio.library import inputs, vocabulary
from rushes.studio.members.accounts import Caller
from rushes.studio.money import ledger
from rushes.types import Condition, GenerationRequest, VideoShape, read_points

SEEDS = 2**31
NUM_FILMS = 20
SENT = ("first", "last", "subject")
STYLES = {
    "": "cut paper",
    "flat": "flat illustration",
    "pixel": "pixel art",
    "ink": "drawn in ink",
    "neon": "neon art",
    "watercolour": "watercolour painting",
}


class Draft(BaseModel):
    """What a form says, as it says it: empty texts leave the choice to the tier, or to chance for the seed.

    `first`, `last` and `subject` are the digests of pictures that were sent before, `character` is an id; `strength`,
    in percent, makes the film begin as its `parent`. `like` is the digest of a picture that the film is laid out as, by
    its edges, as a sketch or as depths (`like_as`).
    """

    model_config = ConfigDict(frozen=True)

    prompt: str = ""
    tier: str = "flipbook"
    size: str = ""
    length: str = ""
    style: str = ""
    seed: str = ""
    steps: str = ""
    guidance: str = ""
    format: str = "mp4"
    avoid: str = ""
    parent: str = ""
    strength: str = ""
    first: str = ""
    last: str = ""
    subject: str = ""
    like: str = ""
    like_as: str = "edges"
    character: str = ""
    loop: str = ""
    path: str = ""
    model: str = ""
    once: str = ""

    def order(self, offered: Mapping[str, tiers.Native] | None = None) -> Order:
        """Return what is asked for; `offered` are the models beside our own.

        Raises:
            InputError: a field that says nothing legal, with the nearest that is.
        """
        native = (offered or {}).get(self.model)
        tier = native.tier if native else tiers.tier(self.tier)
        if self.style not in STYLES:
            raise InputError(f"style {self.style[:40]!r} is illegal; legal: {nearest_first(self.style, STYLES)}")
        request = GenerationRequest(
            prompt=f"{self.prompt.strip()}, {STYLES[self.style]}" if self.style else self.prompt.strip(),
            negative_prompt=self.avoid.strip(),
            model=self.model or tiers.MODEL,
            seed=secrets.randbelow(SEEDS) if not self.seed.strip() else _whole("seed", self.seed),
            shape=self._shape(tier, native),
            fps=tier.fps,
            num_steps=_whole("steps", self.steps or str(tier.num_steps)),
            guidance_scale=_number("guidance", self.guidance or str(tier.guidance_scale)),
        )
        tiers.check(request, offered or {})
        return Order(
            request=request,
            kind="remix" if self.parent else "create",
            format="png" if request.shape.frames == 1 else self.format,
            parent=self.parent or None,
            extra={"asked": self.once, "style": self.style} if self.once else {"style": self.style},
            once=self.once or None,
        )

    def conditions(self, house: House, session: Session, caller: Caller) -> tuple[Condition, ...]:
        """Return what the film must agree with. Raises: InputError, or RequestError 404 for another's film."""
        found = [inputs.again(house, caller, kind, getattr(self, kind)) for kind in SENT if getattr(self, kind)]
        if self.like:
            found.append(inputs.again(house, caller, inputs.layout(self.like_as), self.like))
        if self.parent and self.strength:
            share = _whole("strength", self.strength) / 100
            found.append(inputs.remade(session, caller, self.parent, strength=share))
        if self.path.strip():
            found.append(Condition(kind="path", points=read_points(self.path)))
        if self.loop:
            found.append(Condition(kind="loop"))
        return tuple(found)

    def _shape(self, tier: tiers.Tier, native: tiers.Native | None) -> VideoShape:
        width, _, height = (self.size or f"{tier.shape.width}x{tier.shape.height}").partition("x")
        seconds = _whole("length", self.length) if self.length and tier.shape.frames > 1 else 0
        frames = native.nearest_frames(seconds * tier.fps) if native else seconds * tier.fps
        return VideoShape(
            frames=frames if seconds else tier.shape.frames,
            height=_whole("size", height),
            width=_whole("size", width),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What a film will take: seconds of work and of waiting before, films ahead, credits, joules (None: unknown)."""

    order: Order
    seconds: float
    wait_s: float
    ahead: int
    credits: int
    energy_j: float | None
    has_workers: bool


def remixed(job: Job) -> Draft:
    """Return a draft that begins where a film was asked for; its tier alone is kept of its shape."""
    style, shown = job.extra.get("style", ""), job.extra.get("characters", [])
    prompt, request = job.request["prompt"], job.generation_request()
    path, subject = request.condition("path"), request.condition("subject")
    like = next((each for kind in inputs.LAID_OUT if (each := request.condition(kind))), None)
    is_own = subject is not None and subject.uri.startswith(inputs.folder(job.owner))
    return Draft(
        prompt=prompt.removesuffix(f", {STYLES[style]}") if style else prompt,
        tier=job.tier,
        style=style,
        seed=str(job.request["seed"]),
        format=job.format if job.format != "png" else "mp4",
        avoid=job.request["negative_prompt"],
        parent=job.id,
        model=job.request["model"] if job.request["model"] != tiers.MODEL else "",
        path=" ".join(f"{x:g},{y:g}" for x, y in path.points) if path else "",
        subject=subject.sha256 if subject is not None and is_own else "",
        like=like.sha256 if like is not None and like.uri.startswith(inputs.folder(job.owner)) else "",
        like_as=like.kind if like is not None else inputs.LAID_OUT[0],
        character=shown[0] if shown else "",
    )


def quote(house: House, session: Session, caller: Caller, draft: Draft) -> Quote:
    """Say what a draft's film will take if it is asked for now. Raises: InputError, as `Draft.order`."""
    order = draft.order(house.offered)
    seconds = estimate.seconds(session, order.request)
    delay_s, waiting = house.plan(caller.user.plan).delay_s, jobs.live_count(session, caller.user.id)
    due = fairness.due(now(), delay_s, waiting, orders.OWN_S)
    ahead, wait_s = jobs.ahead(session, Job(id="", priority=due, created_at=now()))
    num_workers = len(workers.alive(session))
    watts = _watts(session)
    return Quote(
        order=order,
        seconds=seconds,
        wait_s=wait_s / max(1, num_workers),
        ahead=ahead,
        credits=ledger.price(house.config.prices, order.request, draft.tier),
        energy_j=None if watts is None else watts * seconds,
        has_workers=num_workers > 0,
    )


def unknown_words(house: House, draft: Draft) -> list[tuple[str, str]]:
    """Return the words of a draft that the model was not taught, each with the nearest that it was."""
    if draft.model:
        return []
    known = vocabulary.of(house.config)
    return known.unknown(draft.prompt) if known else []


def _watts(session: Session) -> float | None:
    """Return the power that films took here, where the machine said so."""
    query = sa.select(Job.measured).where(Job.state == jobs.SUCCEEDED, jobs.IS_FILM).order_by(Job.ended_at.desc())
    made_films = session.scalars(query.limit(NUM_FILMS))
    rates = [made["energy_j"] / made["seconds"] for made in made_films if made.get("energy_j")]
    return statistics.median(rates) if rates else None


def _whole(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InputError(f"{name} {text[:40]!r} is no whole number") from None


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{name} {text[:40]!r} is no number") from None

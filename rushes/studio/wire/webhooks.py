"""Webhooks: who wants to hear of jobs that end, and every message to them, sent until it arrives or is given up.

A message is written in the transaction that ends its film or training, so none is lost; whichever process claims it
sends it, and a claim that is not followed up (its process died) lapses. Receivers may see one twice, under the same
`webhook-id`.
"""

from __future__ import annotations

import base64
import datetime
import json
import logging
import secrets
import threading
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column
from standardwebhooks import Webhook

from rushes.errors import InputError, nearest_first
from rushes.serve.client.database import Base, now
from rushes.serve.client.jobs import SUCCEEDED, Job
from rushes.studio.errors import RequestError, unknown
from rushes.studio.house import House
from rushes.studio.members.accounts import Caller
from rushes.studio.trust import outbound

LOGGER = logging.getLogger("rushes.webhooks")
COMPLETED, FAILED = "video.completed", "video.failed"
TRAINED, UNTRAINED = "character.training.completed", "character.training.failed"
EVENTS = (COMPLETED, FAILED, TRAINED, UNTRAINED)
WAITING, DELIVERED, GIVEN_UP = "waiting", "delivered", "given_up"
AGAIN_S = (5, 60, 300, 1_800, 7_200, 21_600, 43_200, 86_400)  # the pauses after each failure; then it is given up
CLAIM_S, LOOK_S, BATCH = 60.0, 1.0, 20
OLD_SECRET_S, KEEP_S = 86_400.0, 30 * 86_400.0
MOST_ENDPOINTS = 20


class WebhookEndpoint(Base):
    """Where an account's events go. Its secret is a keyed hash of `id` and `secret_number`, kept nowhere."""

    __tablename__ = "webhook_endpoints"

    id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    url: Mapped[str]
    event_types: Mapped[list[Any]]
    secret_number: Mapped[int]
    old_until: Mapped[float]
    created_at: Mapped[float]
    updated_at: Mapped[float]


class Delivery(Base):
    """One event on its way to one endpoint; `due_at` is when it is tried next, or when a claim lapses."""

    __tablename__ = "webhook_deliveries"

    id: Mapped[str] = mapped_column(primary_key=True)
    endpoint_id: Mapped[str] = mapped_column(sa.ForeignKey("webhook_endpoints.id", ondelete="CASCADE"), index=True)
    body: Mapped[str]
    state: Mapped[str]
    attempts: Mapped[int]
    due_at: Mapped[float]
    created_at: Mapped[float]
    last_status: Mapped[int | None]
    last_error: Mapped[str | None]

    __table_args__ = (sa.Index("webhook_deliveries_due", "state", "due_at"),)


def create(
    house: House, session: Session, caller: Caller, *, name: str, url: str, event_types: list[str]
) -> WebhookEndpoint:
    """Note an endpoint. Raises: InputError for an illegal address or event, RequestError where there are too many."""
    query = sa.select(sa.func.count()).select_from(WebhookEndpoint).where(WebhookEndpoint.owner == caller.user.id)
    if (session.scalar(query) or 0) >= MOST_ENDPOINTS:
        raise RequestError(400, "too_many_endpoints", f"an account has at most {MOST_ENDPOINTS} webhook endpoints")
    moment = now()
    endpoint = WebhookEndpoint(
        id=f"we_{secrets.token_hex(12)}",
        owner=caller.user.id,
        name=_name(name),
        url=outbound.require_legal(url, allow_private=house.config.allow_private_webhooks),
        event_types=_events(event_types),
        secret_number=1,
        old_until=0.0,
        created_at=moment,
        updated_at=moment,
    )
    session.add(endpoint)
    session.flush()
    return endpoint


def change(
    house: House, endpoint: WebhookEndpoint, name: str | None, url: str | None, event_types: list[str] | None
) -> None:
    """Change what is given. Raises: InputError as `create`."""
    before = (endpoint.name, endpoint.url, endpoint.event_types)
    if name is not None:
        endpoint.name = _name(name)
    if url is not None:
        endpoint.url = outbound.require_legal(url, allow_private=house.config.allow_private_webhooks)
    if event_types is not None:
        endpoint.event_types = _events(event_types)
    if (endpoint.name, endpoint.url, endpoint.event_types) != before:
        endpoint.updated_at = now()


def rotate(endpoint: WebhookEndpoint, *, keep_old: bool) -> None:
    """Begin a new secret; for a day the old one signs too, if that is wished."""
    endpoint.secret_number += 1
    endpoint.updated_at = now()
    endpoint.old_until = now() + OLD_SECRET_S if keep_old else 0.0


def own(session: Session, caller: Caller, endpoint_id: str) -> WebhookEndpoint:
    """Return the caller's endpoint. Raises: RequestError 404."""
    legal = endpoint_id.isascii() and endpoint_id.isprintable()
    endpoint = session.get(WebhookEndpoint, endpoint_id) if legal else None
    if endpoint is None or endpoint.owner != caller.user.id:
        raise unknown("webhook endpoint", endpoint_id[:80])
    return endpoint


def listed(session: Session, caller: Caller, *, after: str, limit: int) -> tuple[list[WebhookEndpoint], bool]:
    """Return a page of the caller's endpoints, the newest first, and whether there are more."""
    query = sa.select(WebhookEndpoint).where(WebhookEndpoint.owner == caller.user.id)
    if after:
        last = own(session, caller, after)
        mark = sa.tuple_(sa.literal(last.created_at), sa.literal(last.id))
        query = query.where(sa.tuple_(WebhookEndpoint.created_at, WebhookEndpoint.id) < mark)
    query = query.order_by(WebhookEndpoint.created_at.desc(), WebhookEndpoint.id.desc())
    page = list(session.scalars(query.limit(limit + 1)))
    return page[:limit], len(page) > limit


def secret(house: House, endpoint: WebhookEndpoint, number: int | None = None) -> str:
    """Return what an endpoint's messages are signed with, as its owner gets to see it once."""
    text = f"{endpoint.id}:{number or endpoint.secret_number}"
    return "whsec_" + base64.b64encode(bytes.fromhex(house.keyed("webhook", text))).decode()


def on_end(session: Session, job: Job) -> None:
    """Write what the owner's endpoints shall hear of a job that has just ended, into the transaction that ends it."""
    completed, failed = (TRAINED, UNTRAINED) if job.is_training else (COMPLETED, FAILED)
    kind = completed if job.state == SUCCEEDED else failed
    about = {"id": job.id}
    if job.is_training:  # it is looked up by its character's id
        about["character_id"] = job.training_request().character
    for endpoint in session.scalars(sa.select(WebhookEndpoint).where(WebhookEndpoint.owner == job.owner)):
        if kind in endpoint.event_types:
            _write(session, endpoint, kind, about)


def deliver_due(house: House) -> int:
    """Send what is due and return how many messages were tried; several processes may do so at once."""
    with house.database.read() as session:
        due = sa.select(Delivery.id, Delivery.attempts).where(Delivery.state == WAITING, Delivery.due_at <= now())
        found = list(session.execute(due.order_by(Delivery.due_at).limit(BATCH)))
    return sum(_deliver(house, delivery_id, attempts) for delivery_id, attempts in found)


def deliver_until(house: House, stop: threading.Event) -> None:
    """Send what falls due until `stop` is set, and forget what arrived long ago."""
    while not stop.wait(LOOK_S):
        try:
            while deliver_due(house) and not stop.is_set():
                pass
            with house.database.read() as session:
                is_old = sa.and_(Delivery.state != WAITING, Delivery.created_at < now() - KEEP_S)
                has_old = session.scalar(sa.select(Delivery.id).where(is_old).limit(1))
            if has_old:
                with house.database.write() as session:
                    session.execute(sa.delete(Delivery).where(is_old))
        except sa.exc.OperationalError:
            LOGGER.warning("the database does not answer; webhooks wait")


def send_sample(house: House, endpoint: WebhookEndpoint, kind: str) -> int:
    """Send a message that stands for an event of `kind`, now and once; return the answer's status.

    Raises:
        InputError: no such event.
        RequestError: 400 where nobody answers.
    """
    _events([kind])
    is_training = kind in (TRAINED, UNTRAINED)
    about = {"id": "training_sample", "character_id": "char_sample"} if is_training else {"id": "video_sample"}
    try:
        return _send(house, endpoint, *_message(kind, about))
    except (outbound.OutboundError, InputError) as error:
        raise RequestError(400, "endpoint_unreachable", str(error), param="url") from None


def _deliver(house: House, delivery_id: str, attempts: int) -> bool:
    """Claim one message, send it, note how that went; False where another process was first."""
    mine = (Delivery.id == delivery_id, Delivery.attempts == attempts, Delivery.state == WAITING)
    with house.database.write() as session:
        claimed = {"attempts": attempts + 1, "due_at": now() + CLAIM_S}
        query = sa.update(Delivery).where(*mine, Delivery.due_at <= now()).values(**claimed).returning(Delivery.id)
        if session.execute(query.execution_options(synchronize_session=False)).one_or_none() is None:
            return False
        delivery = session.get_one(Delivery, delivery_id, populate_existing=True)
        endpoint = session.get_one(WebhookEndpoint, delivery.endpoint_id)
    status, error = None, None
    try:
        status = _send(house, endpoint, delivery.id, delivery.body)
        if not 200 <= status < 300:
            error = f"answered {status}"
    except (outbound.OutboundError, InputError) as problem:
        error = str(problem)
    noted: dict[str, Any] = {"last_status": status, "last_error": error, "state": DELIVERED}
    if error is not None and (status == 410 or attempts >= len(AGAIN_S)):
        noted["state"] = GIVEN_UP
    elif error is not None:
        noted |= {"state": WAITING, "due_at": now() + AGAIN_S[attempts] * (1 + secrets.randbelow(100) / 1000)}
    with house.database.write() as session:
        held = (Delivery.id == delivery_id, Delivery.attempts == attempts + 1, Delivery.state == WAITING)
        session.execute(sa.update(Delivery).where(*held).values(**noted))
    return True


def _send(house: House, endpoint: WebhookEndpoint, message_id: str, body: str) -> int:
    moment = datetime.datetime.now(tz=datetime.UTC)
    numbers = [endpoint.secret_number]
    if endpoint.old_until > now():
        numbers.append(endpoint.secret_number - 1)
    signatures = [Webhook(secret(house, endpoint, number)).sign(message_id, moment, body) for number in numbers]
    headers = {
        "content-type": "application/json",
        "user-agent": "rushes-webhooks/1",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
    return outbound.post(endpoint.url, body.encode(), headers, allow_private=house.config.allow_private_webhooks)


def _write(session: Session, endpoint: WebhookEndpoint, kind: str, about: dict[str, str]) -> None:
    message_id, body = _message(kind, about)
    moment = now()
    delivery = Delivery(
        id=message_id, endpoint_id=endpoint.id, body=body, state=WAITING, attempts=0, due_at=moment, created_at=moment
    )
    session.add(delivery)
    session.flush()


def _message(kind: str, about: dict[str, str]) -> tuple[str, str]:
    """Return the id and the body of a message."""
    message_id = f"evt_{secrets.token_hex(16)}"
    said = {"id": message_id, "object": "event", "type": kind, "created_at": int(now()), "data": about}
    return message_id, json.dumps(said)


def _name(name: str) -> str:
    if not name.strip():
        raise InputError("the name is empty; name the endpoint, as in 'my bot'")
    return name.strip()[:200]


def _events(event_types: list[str]) -> list[str]:
    for kind in event_types:
        if kind not in EVENTS:
            raise InputError(f"event_types: there is no {kind[:80]!r}; known: {nearest_first(kind[:80], EVENTS)}")
    if not event_types:
        raise InputError(f"event_types is empty; known: {', '.join(EVENTS)}")
    return sorted(set(event_types))
